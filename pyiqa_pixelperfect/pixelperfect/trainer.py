"""Training of Pixel Perfect (arXiv 2605.02863): stage 1 the distortion maps, stage 2 the score on their features.

Each stage keeps a running average of its weights, and that is what the next one starts from and what is written.

Run it by ``pixelperfect train configs/pixelperfect/default.yaml``, or under ``torchrun`` on several processes. All
randomness is a function of the seed and the sample number, so a checkpoint is weights, optimizer and a step number,
and a run killed at any moment continues to the same bits (on one device and build).
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from pyiqa_pixelperfect.data.crops import CropDataset, StepSampler, crop_loader
from pyiqa_pixelperfect.data.pristine import list_photos, photos_digest, split_photos
from pyiqa_pixelperfect.distortions.engine import DistortionEngine
from pyiqa_pixelperfect.distortions.ranked import ranked_sets
from pyiqa_pixelperfect.distortions.versions import distorted_versions
from pyiqa_pixelperfect.errors import ConfigError, DataError
from pyiqa_pixelperfect.pixelperfect.config import PixelPerfectConfig, StageConfig
from pyiqa_pixelperfect.pixelperfect.consensus import load_teachers, ranked_votes
from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect
from pyiqa_pixelperfect.pixelperfect.networks import DistortionMapNet, RelationalScoreNet, seeded_weights
from pyiqa_pixelperfect.pixelperfect.stages import MapStage, ScoreStage
from pyiqa_pixelperfect.pixelperfect.validation import HeldOut, require_previews
from pyiqa_pixelperfect.training.checkpoint import latest_checkpoint, save_checkpoint
from pyiqa_pixelperfect.training.distributed import Processes, join_processes
from pyiqa_pixelperfect.training.guards import FiniteGuard, check_finite
from pyiqa_pixelperfect.training.logbook import FINAL, Logbook
from pyiqa_pixelperfect.training.precision import autocast
from pyiqa_pixelperfect.training.provenance import UNKNOWN, code_versions, commits_of, current_commit
from pyiqa_pixelperfect.training.schedule import geometric, warmup_cosine

__all__ = ["train"]

_log = logging.getLogger(__name__)

Loss = Callable[[nn.Module, Tensor, Tensor, int], dict[str, Tensor]]


@dataclass
class _Run:
    """What both stages share."""

    config: PixelPerfectConfig
    processes: Processes
    photos: list[Path]
    held_out: HeldOut
    engine: DistortionEngine
    logbook: Logbook
    guard: FiniteGuard
    identity: dict[str, Any]  # entries of every checkpoint that say which run this is


def train(config: PixelPerfectConfig) -> Path:
    """Train both networks and write ``<output>/pixelperfect.safetensors``.

    Resumes from the newest intact checkpoint in ``<output>``, if there is one.

    Args:
        config: the whole run.

    Returns:
        Path of the weights.

    Raises:
        ConfigError: the output folder holds a run of another configuration, or there is no such device.
        DataError: the photos are missing, or not those that the run in the output folder began with.
        MissingDependencyError: previews are wanted, and matplotlib is not there to draw them.
        TrainingDivergedError: losses, gradients or weights became non-finite.
    """
    if config.preview_every:
        require_previews()
    processes = join_processes(config.device)
    try:
        return _train(config, processes)
    finally:
        processes.leave()


def _train(config: PixelPerfectConfig, processes: Processes) -> Path:
    photos = list_photos(config.data.photos)
    train_photos, held_photos = split_photos(photos) if config.data.holdout else (photos, photos[:5])
    maps, score = build_networks(config, processes.device)
    resumed = latest_checkpoint(config.output) or {}
    digest = photos_digest(photos)
    _check_same_run(config, digest, resumed)
    began = resumed.get("commits", [UNKNOWN]) if resumed else []
    identity = {"config": _fingerprint(config), "photos": digest, "commits": commits_of(began, current_commit())}
    engine = DistortionEngine(config.engine.settings())
    held_out = HeldOut(config, held_photos, engine, processes.device)
    guard = FiniteGuard()
    guard.load_state_dict(resumed.get("guard", {}))
    with Logbook(config.output, int(resumed.get("step", 0)), active=processes.first) as logbook:
        run = _Run(config, processes, train_photos, held_out, engine, logbook, guard, identity)
        if resumed.get("stage", "maps") == "maps":
            maps, resumed = _train_maps(run, maps, resumed), {}
        maps, score, figures = _train_score(run, maps, score, resumed)
    path = config.output / "pixelperfect.safetensors"
    if processes.first:
        PixelPerfect(maps, score).save(path, card=_card(run, photos, figures))
        _log.info("wrote %s", path)
    return path


def build_networks(config: PixelPerfectConfig, device: torch.device) -> tuple[DistortionMapNet, RelationalScoreNet]:
    """Both networks with initial weights drawn from the configuration's seed, the caller's generator left alone."""
    sizes = config.network
    with seeded_weights(config.seed):
        maps = DistortionMapNet(encoder_widths=sizes.encoder_widths, decoder_widths=sizes.decoder_widths)
        score = RelationalScoreNet(sizes.decoder_widths, sizes.score_hidden, sizes.embedding)
    last = torch.channels_last
    return maps.to(device).to(memory_format=last), score.to(device).to(memory_format=last)


def _fingerprint(config: PixelPerfectConfig) -> str:
    """What must not change between the parts of a run; where it runs and how often it reports may."""
    free = {"output", "device", "log_every", "checkpoint_every", "preview_every", "validate_every"}
    return config.model_dump_json(exclude=free)


def _check_same_run(config: PixelPerfectConfig, digest: str, resumed: dict[str, Any]) -> None:
    if not resumed:
        return
    saved, given = (_flat(json.loads(text)) for text in (resumed["config"], _fingerprint(config)))
    given["data.workers"] = saved.get("data.workers")  # they change nothing
    changed = [key for key in sorted(saved.keys() | given.keys()) if saved.get(key) != given.get(key)]
    if changed:
        now = ", ".join(f"{key}={given.get(key)} (was {saved.get(key)})" for key in changed)
        fix = "Give another output folder, or delete the old run."
        raise ConfigError("output", f"the configuration of the run in {config.output}", now, fix)
    if resumed.get("photos", digest) != digest:  # runs of before did not note it
        fix = "Put them back, or give another output folder."
        raise DataError("photos", f"those that the run in {config.output} began with", "others", fix)


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def _train_maps(run: _Run, maps: DistortionMapNet, resumed: dict[str, Any]) -> DistortionMapNet:
    """Stage 1; returns the running average of the weights."""
    config = run.config.maps
    average = _average(maps, config, resumed)
    averaged = cast("DistortionMapNet", average.module)

    def loss(model: nn.Module, numbers: Tensor, clean: Tensor, step: int) -> dict[str, Tensor]:
        with torch.no_grad():
            versions = distorted_versions(run.engine, clean, numbers.numpy(), config.versions, seed=run.config.seed)
        weight = geometric(step, config.steps, config.weight_high, config.weight_high_final)
        with autocast(run.processes.device, run.config.precision):  # never around the engine: its truth is exact
            losses: dict[str, Tensor] = model(versions, weight)
        return losses

    def after(step: int) -> None:
        average.update_parameters(maps)
        _report_maps(run, averaged, step)

    _run_stage(run, "maps", MapStage(maps, config), config, loss, resumed, average, after, 0)
    return averaged


def _average(network: nn.Module, config: StageConfig, resumed: dict[str, Any]) -> AveragedModel:
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.averaging), use_buffers=True)
    if resumed:
        average.load_state_dict(resumed["averaged"])
    return average


def _report_maps(run: _Run, maps: DistortionMapNet, step: int) -> None:
    if not run.processes.first:
        return
    every, previews = run.config.validate_every, run.config.preview_every
    if every and step % every == 0:
        run.logbook.write(step, "validation", **run.held_out.map_figures(maps))
    if previews and step % previews == 0:
        run.logbook.picture(step, "maps", run.held_out.preview(maps, f"step {step}"))


def _train_score(
    run: _Run, maps: DistortionMapNet, score: RelationalScoreNet, resumed: dict[str, Any]
) -> tuple[DistortionMapNet, RelationalScoreNet, dict[str, float]]:
    """Stage 2; returns the running average of both networks, and the final figures."""
    config, offset = run.config.score, run.config.maps.steps
    stage = ScoreStage(maps, score, config)
    average = _average(stage, config, resumed)
    averaged = cast("ScoreStage", average.module)
    engine = DistortionEngine(config.engine.settings()) if config.engine else run.engine
    teachers = load_teachers(config.teachers) if config.weight_consensus else []

    def loss(model: nn.Module, numbers: Tensor, clean: Tensor, _step: int) -> dict[str, Tensor]:
        with torch.no_grad():
            sets = ranked_sets(
                engine, clean, numbers.numpy(), rungs=config.rungs, ladders=config.ladders, seed=run.config.seed
            )
        votes = ranked_votes(sets, teachers)
        with autocast(run.processes.device, run.config.precision):
            losses: dict[str, Tensor] = model(sets, votes)
        return losses

    def after(step: int) -> None:
        average.update_parameters(stage)
        if stage.joint:
            _report_maps(run, averaged.maps, step)
        every = run.config.validate_every
        if run.processes.first and every and step % every == 0:
            run.logbook.write(step, "validation", ordered=run.held_out.ordered(averaged, engine))

    _run_stage(run, "score", stage, config, loss, resumed, average, after, offset)
    figures = {f"maps_{name}": value for name, value in run.held_out.map_figures(averaged.maps).items()}
    figures["score_ordered"] = run.held_out.ordered(averaged, engine)
    run.logbook.write(offset + config.steps, FINAL, **figures)
    return averaged.maps, averaged.score, figures


def _run_stage(
    run: _Run,
    name: str,
    stage: MapStage | ScoreStage,
    config: StageConfig,
    loss: Loss,
    resumed: dict[str, Any],
    average: nn.Module,
    after: Callable[[int], None],
    offset: int,
) -> None:
    """The training loop: the same for both stages. ``offset`` is the number of steps of the stages before."""
    groups = [{"params": parameters, "relative_rate": relative} for parameters, relative in stage.rates()]
    trained = [parameter for parameters, _ in stage.rates() for parameter in parameters]
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=config.weight_decay)
    first = 0
    if resumed:
        stage.load_state_dict(resumed["model"])
        optimizer.load_state_dict(resumed["optimizer"])
        first = resumed["step"] - offset
    model = _parallel(stage, run.processes)
    model.train()
    data = run.config.data
    dataset = CropDataset(run.photos, data.crop, data.smallest_scale, run.config.seed)
    sampler = StepSampler(first, config.steps, config.photos, run.processes.rank, run.processes.world)
    run.logbook.stage(name, config.steps, first)
    for step, (numbers, crops) in enumerate(crop_loader(dataset, sampler, data.workers), start=first):
        clean = crops.to(run.processes.device, non_blocking=True).float() / 255.0
        rate = config.learning_rate * warmup_cosine(step, config.steps, config.warmup)
        for group in optimizer.param_groups:
            group["lr"] = rate * group["relative_rate"]
        statistics = [buffer.clone() for buffer in stage.buffers()]
        losses = loss(model, numbers, clean, step)
        optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()
        norm = nn.utils.clip_grad_norm_(trained, config.clip)
        # A step is judged by all processes together, or their weights would drift apart.
        judged = run.processes.mean(torch.stack([losses["loss"].detach(), norm])).tolist()
        if run.guard.accept(offset + step, *judged):
            optimizer.step()
        else:  # the forward pass has already mixed the bad batch into the running statistics
            for buffer, before in zip(stage.buffers(), statistics, strict=True):
                buffer.copy_(before)
        done = offset + step + 1
        run.logbook.advance(f"{name} loss {judged[0]:.4f}")
        if step % run.config.log_every == 0:
            numbered = {key: part.item() for key, part in losses.items()} | {"loss": judged[0], "gradient": judged[1]}
            run.logbook.write(done, name, rate=rate, skipped=run.guard.skipped, **numbered)
        after(done)
        if run.processes.first and ((step + 1) % run.config.checkpoint_every == 0 or step + 1 == config.steps):
            _checkpoint(run, name, done, stage, optimizer, average)


def _checkpoint(
    run: _Run, name: str, step: int, stage: nn.Module, optimizer: torch.optim.Optimizer, average: nn.Module
) -> None:
    weights = {"model": stage.state_dict(), "averaged": average.state_dict()}
    for state in weights.values():
        check_finite(step, state)
    state = {"stage": name, "step": step, "optimizer": optimizer.state_dict(), "guard": run.guard.state_dict()}
    save_checkpoint(run.config.output, step, run.identity | state | weights)


def _parallel(stage: nn.Module, processes: Processes) -> nn.Module:
    if processes.world == 1:
        return stage
    if processes.device.type == "cuda":
        stage = nn.SyncBatchNorm.convert_sync_batchnorm(stage)
        return DistributedDataParallel(stage, device_ids=[processes.device])
    return DistributedDataParallel(stage)


def _card(run: _Run, photos: list[Path], figures: dict[str, float]) -> dict[str, str]:
    config = run.config
    held = "every fifth held out" if config.data.holdout else "none held out"
    return {
        "config": config.model_dump_json(exclude={"output", "device", "data"}),
        "crop": str(config.data.crop),
        "seed": str(config.seed),
        "photos": f"{len(run.photos)} of {len(photos)} photos trained on, {held}",
        "photos_sha256": run.identity["photos"],
        "labels": "none: synthetic distortions only, no human score",
        "figures": json.dumps({name: round(value, 4) for name, value in figures.items()}),
        "commit": ", resumed at ".join(run.identity["commits"]),
        "versions": code_versions(),
        "license": "Apache-2.0",
    }
