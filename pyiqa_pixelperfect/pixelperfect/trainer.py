"""Training of Pixel Perfect (arXiv 2605.02863): stage 1 the distortion maps, stage 2 the score on frozen features.

Run it by ``pixelperfect train configs/pixelperfect/default.yaml``, or under ``torchrun`` on several processes. All
randomness is a function of the seed and the sample number, so a checkpoint is weights, optimizer and a step number,
and a run killed at any moment continues to the same bits (on one device and build).
"""

import json
import logging
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from pyiqa_pixelperfect.data.crops import CropDataset, StepSampler, crop_loader
from pyiqa_pixelperfect.data.pristine import list_photos, photos_digest, split_photos
from pyiqa_pixelperfect.distortions.engine import DistortionEngine
from pyiqa_pixelperfect.errors import ConfigError
from pyiqa_pixelperfect.pixelperfect.config import PixelPerfectConfig, StageConfig
from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect
from pyiqa_pixelperfect.pixelperfect.networks import DistortionMapNet, RelationalScoreNet
from pyiqa_pixelperfect.pixelperfect.stages import (
    MapBatch,
    MapStage,
    ScoreStage,
    map_batch,
    map_figures,
    mean_figures,
    ranked_sets,
)
from pyiqa_pixelperfect.training.checkpoint import latest_checkpoint, save_checkpoint
from pyiqa_pixelperfect.training.distributed import Processes, join_processes
from pyiqa_pixelperfect.training.guards import FiniteGuard
from pyiqa_pixelperfect.training.logbook import Logbook
from pyiqa_pixelperfect.training.precision import autocast
from pyiqa_pixelperfect.training.schedule import geometric, warmup_cosine

__all__ = ["train"]

_log = logging.getLogger(__name__)
_VALIDATION_SEED = 20_260_502  # of held-out crops and their distortions: the same in every run, so runs compare


@dataclass
class _Run:
    """What both stages share."""

    config: PixelPerfectConfig
    processes: Processes
    train_photos: list[Path]
    held_photos: list[Path]
    engine: DistortionEngine
    logbook: Logbook
    guard: FiniteGuard


def train(config: PixelPerfectConfig) -> Path:
    """Train both networks and write ``<output>/pixelperfect.safetensors``.

    Resumes from the newest intact checkpoint in ``<output>``, if there is one.

    Args:
        config: the whole run.

    Returns:
        Path of the weights.

    Raises:
        ConfigError: the output folder holds a run of another configuration.
        DataError: the photos are missing.
        TrainingDivergedError: losses or gradients stayed non-finite.
    """
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
    _check_same_run(config, resumed)
    step = int(resumed.get("step", 0))
    engine = DistortionEngine(config.engine.settings())
    with Logbook(config.output, step, active=processes.first) as logbook:
        run = _Run(config, processes, train_photos, held_photos, engine, logbook, FiniteGuard())
        maps = _train_maps(run, maps, resumed if resumed.get("stage") == "maps" else {}, done=resumed)
        figures = _train_score(run, maps, score, resumed if resumed.get("stage") == "score" else {})
    path = config.output / "pixelperfect.safetensors"
    if processes.first:
        PixelPerfect(maps, score).save(path, card=_card(config, photos, train_photos, figures))
        _log.info("wrote %s", path)
    return path


def build_networks(config: PixelPerfectConfig, device: torch.device) -> tuple[DistortionMapNet, RelationalScoreNet]:
    """Both networks with initial weights drawn from the configuration's seed, the caller's generator left alone."""
    sizes = config.network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        maps = DistortionMapNet(encoder_widths=sizes.encoder_widths, decoder_widths=sizes.decoder_widths)
        score = RelationalScoreNet(sizes.decoder_widths, sizes.score_hidden, sizes.embedding)
    return maps.to(device, memory_format=torch.channels_last), score.to(device, memory_format=torch.channels_last)


def _check_same_run(config: PixelPerfectConfig, resumed: dict[str, Any]) -> None:
    saved = resumed.get("config")
    if saved is not None and saved != _fingerprint(config):
        fix = "Give another output folder, or delete the old run."
        raise ConfigError("output", f"the configuration of the run in {config.output}", "another one", fix)


def _fingerprint(config: PixelPerfectConfig) -> str:
    """What must not change between the parts of a run; where it runs and how often it reports may."""
    free = {"output", "device", "log_every", "checkpoint_every", "preview_every", "validate_every"}
    return config.model_dump_json(exclude=free)


def _train_maps(run: _Run, maps: DistortionMapNet, resumed: dict[str, Any], done: dict[str, Any]) -> DistortionMapNet:
    config = run.config.maps
    averaged = AveragedModel(maps, multi_avg_fn=get_ema_multi_avg_fn(config.averaging), use_buffers=True)
    if "averaged" in done:
        averaged.load_state_dict(done["averaged"])
    if done.get("stage") == "score":
        return _inner(averaged)
    stage = MapStage(maps, config)

    def loss(model: nn.Module, numbers: Tensor, clean: Tensor, step: int) -> dict[str, Tensor]:
        with torch.no_grad():
            batch = map_batch(run.engine, clean, numbers.numpy(), config.versions, run.config.seed)
        weight = geometric(step, config.steps, config.weight_high, config.weight_high_final)
        with autocast(run.processes.device, run.config.precision):  # never around the engine: its truth is exact
            losses: dict[str, Tensor] = model(batch, weight)
        return losses

    def after(step: int) -> None:
        averaged.update_parameters(maps)
        _report_maps(run, _inner(averaged), step)

    _run_stage(run, "maps", stage, config, loss, resumed, {"averaged": averaged}, after, offset=0)
    return _inner(averaged)


def _inner(averaged: AveragedModel) -> DistortionMapNet:
    network = averaged.module
    if not isinstance(network, DistortionMapNet):
        raise TypeError(f"averaged a {type(network).__name__}")
    return network


def _train_score(
    run: _Run, maps: DistortionMapNet, score: RelationalScoreNet, resumed: dict[str, Any]
) -> dict[str, float]:
    config = run.config.score
    stage = ScoreStage(maps, score, config)

    def loss(model: nn.Module, numbers: Tensor, clean: Tensor, step: int) -> dict[str, Tensor]:
        with torch.no_grad():
            sets = ranked_sets(run.engine, clean, numbers.numpy(), config.rungs, run.config.seed)
        with autocast(run.processes.device, run.config.precision):
            losses: dict[str, Tensor] = model(sets)
        return losses

    _run_stage(
        run, "score", stage, config, loss, resumed, {"averaged": _Kept(maps)}, lambda step: None, run.config.maps.steps
    )
    figures = {f"maps_{name}": value for name, value in validate_maps(run, maps).items()}
    figures["score_ordered"] = validate_score(run, stage)
    run.logbook.write(run.config.maps.steps + config.steps, "validation", **figures)
    return figures


class _Kept(nn.Module):
    """Gives the frozen map network the keys of its weight average, so that a checkpoint of stage 2 holds both."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.register_buffer("n_averaged", torch.tensor(1))


Loss = Callable[[nn.Module, Tensor, Tensor, int], dict[str, Tensor]]


def _run_stage(
    run: _Run,
    name: str,
    stage: nn.Module,
    config: StageConfig,
    loss: Loss,
    resumed: dict[str, Any],
    extra: dict[str, nn.Module],
    after: Callable[[int], None],
    offset: int,
) -> None:
    """The training loop: the same for both stages. ``offset`` is the number of steps of the stages before."""
    trained = [parameter for parameter in stage.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=config.learning_rate, weight_decay=config.weight_decay)
    first = 0
    if resumed:
        stage.load_state_dict(resumed["model"])
        optimizer.load_state_dict(resumed["optimizer"])
        first = resumed["step"] - offset
    model = _parallel(stage, run.processes)
    model.train()
    dataset = CropDataset(run.train_photos, run.config.data.crop, run.config.data.smallest_scale, run.config.seed)
    sampler = StepSampler(first, config.steps, config.photos, run.processes.rank, run.processes.world)
    run.logbook.stage(name, config.steps, first)
    for step, (numbers, crops) in enumerate(crop_loader(dataset, sampler, run.config.data.workers), start=first):
        clean = crops.to(run.processes.device, non_blocking=True).float() / 255.0
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * warmup_cosine(step, config.steps, config.warmup)
        losses = loss(model, numbers, clean, step)
        optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(trained, config.clip)
        # A step is judged by all processes together, or their weights would drift apart.
        judged = run.processes.mean(torch.stack([losses["loss"].detach(), norm]))
        if run.guard.accept(offset + step, *judged.tolist()):
            optimizer.step()
        _after_step(run, name, step, offset, losses, judged, config)
        after(offset + step + 1)
        if (step + 1) % run.config.checkpoint_every == 0 or step + 1 == config.steps:
            if run.processes.first:
                state = {"stage": name, "step": offset + step + 1, "config": _fingerprint(run.config)}
                state |= {"model": stage.state_dict(), "optimizer": optimizer.state_dict()}
                state |= {key: module.state_dict() for key, module in extra.items()}
                save_checkpoint(run.config.output, offset + step + 1, state)


def _parallel(stage: nn.Module, processes: Processes) -> nn.Module:
    if processes.world == 1:
        return stage
    if processes.device.type == "cuda":
        stage = nn.SyncBatchNorm.convert_sync_batchnorm(stage)
        return DistributedDataParallel(stage, device_ids=[processes.device])
    return DistributedDataParallel(stage)


def _after_step(
    run: _Run, name: str, step: int, offset: int, losses: dict[str, Tensor], judged: Tensor, config: StageConfig
) -> None:
    value, norm = judged.tolist()
    run.logbook.advance(f"{name} loss {value:.4f}")
    if step % run.config.log_every == 0:
        numbers = {key: part.item() for key, part in losses.items()} | {"loss": value, "gradient": norm}
        rate = config.learning_rate * warmup_cosine(step, config.steps, config.warmup)
        run.logbook.write(offset + step + 1, name, rate=rate, skipped=run.guard.skipped, **numbers)


def _report_maps(run: _Run, maps: DistortionMapNet, step: int) -> None:
    every, previews = run.config.validate_every, run.config.preview_every
    if every and step % every == 0 and run.processes.first:
        run.logbook.write(step, "validation", **validate_maps(run, maps))
    if previews and step % previews == 0 and run.processes.first:
        _preview(run, maps, step)


def _held_batches(run: _Run, photos: int = 32) -> list[tuple[Tensor, Tensor]]:
    data = run.config.data
    dataset = CropDataset(run.held_photos, data.crop, data.smallest_scale, _VALIDATION_SEED)
    sampler = StepSampler(0, max(1, run.config.validation_crops // photos), min(photos, run.config.validation_crops))
    device = run.processes.device
    return [(numbers, crops.to(device).float() / 255.0) for numbers, crops in crop_loader(dataset, sampler, 0)]


@torch.no_grad()
def validate_maps(run: _Run, maps: DistortionMapNet) -> dict[str, float]:
    """Figures of ``map_figures`` on held-out crops; the mode of the network is put back."""
    mode = maps.training
    maps.eval()
    figures = [map_figures(maps, _held_batch(run, *held)) for held in _held_batches(run)]
    maps.train(mode)
    return mean_figures(figures)


def _held_batch(run: _Run, numbers: Tensor, clean: Tensor) -> MapBatch:
    return map_batch(run.engine, clean, numbers.numpy(), 1, _VALIDATION_SEED)


@torch.no_grad()
def validate_score(run: _Run, stage: ScoreStage) -> float:
    """Share of ordered pairs of held-out ranked sets that the score puts in order."""
    stage.eval()
    shares = []
    for numbers, clean in _held_batches(run):
        sets = ranked_sets(run.engine, clean, numbers.numpy(), run.config.score.rungs, _VALIDATION_SEED)
        shares.append(stage(sets)["ordered"].item())
    return sum(shares) / len(shares)


@torch.no_grad()
def _preview(run: _Run, maps: DistortionMapNet, step: int) -> None:
    from pyiqa_pixelperfect.plots import preview_figure

    mode = maps.training
    maps.eval()
    numbers, clean = _held_batches(run)[0]
    batch = _held_batch(run, numbers[:6], clean[:6])
    image, reference, target = batch.pairs()
    prediction = maps(batch.images[image], batch.images[reference])
    figure = preview_figure(batch.images[image].cpu(), batch.images[reference].cpu(), target.cpu(), prediction.cpu())
    run.logbook.picture(step, "maps", figure)
    maps.train(mode)


def _card(
    config: PixelPerfectConfig, photos: list[Path], train_photos: list[Path], figures: dict[str, float]
) -> dict[str, str]:
    return {
        "config": config.model_dump_json(exclude={"output", "device", "data"}),
        "crop": str(config.data.crop),
        "seed": str(config.seed),
        "photos": f"{len(train_photos)} of {len(photos)} photos trained on, every fifth held out",
        "photos_sha256": photos_digest(photos),
        "labels": "none: synthetic distortions only, no human score",
        "figures": json.dumps({name: round(value, 4) for name, value in figures.items()}),
        "commit": _commit(),
        "versions": f"pyiqa-pixelperfect {_version()}, torch {torch.__version__}",
        "license": "Apache-2.0",
    }


def _version() -> str:
    try:
        return version("pyiqa-pixelperfect")
    except Exception:  # a checkout that is on the path but not installed
        return "not installed"


def _commit() -> str:
    """Commit of the checkout this code runs from, ``-dirty`` if it was changed since; unknown for an installed wheel."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
