"""Stage 1 of training: the loop that teaches the map network, with checkpoints and a running average of the weights.

The finished network is calibrated on further crops of the same photos.
"""

from typing import Any, cast

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from pyiqa_pixelperfect.data.crops import CropDataset, StepSampler, crop_loader
from pyiqa_pixelperfect.distortions.versions import distorted_versions
from pyiqa_pixelperfect.pixelperfect.calibration import Reliability
from pyiqa_pixelperfect.pixelperfect.map_network import DistortionMapNet
from pyiqa_pixelperfect.pixelperfect.map_stage import MapStage, logits_and_truth, swapped_pairs
from pyiqa_pixelperfect.pixelperfect.run import Run
from pyiqa_pixelperfect.training.checkpoint import save_checkpoint
from pyiqa_pixelperfect.training.distributed import parallel
from pyiqa_pixelperfect.training.guards import check_finite
from pyiqa_pixelperfect.training.precision import autocast
from pyiqa_pixelperfect.training.schedule import geometric, warmup_cosine

__all__ = ["calibrate_maps", "train_maps"]


def train_maps(run: Run, maps: DistortionMapNet, resumed: dict[str, Any]) -> DistortionMapNet:
    """Train the map network, from a checkpoint on if there is one.

    Args:
        run: the training run.
        maps: with its initial weights.
        resumed: the newest checkpoint, or empty.

    Returns:
        The running average of the weights.

    Raises:
        TrainingDivergedError: losses, gradients or weights became non-finite.
    """
    config, data, processes = run.config.maps, run.config.data, run.processes
    if config.steps:
        maps.calibration.reset()  # of maps that are learned on
    stage = MapStage(maps, config)
    average = AveragedModel(maps, multi_avg_fn=get_ema_multi_avg_fn(config.averaging), use_buffers=True)
    averaged = cast("DistortionMapNet", average.module)
    optimizer = torch.optim.AdamW(stage.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    first = 0
    if resumed:
        stage.load_state_dict(resumed["model"])
        optimizer.load_state_dict(resumed["optimizer"])
        average.load_state_dict(resumed["averaged"])
        first = resumed["step"]
    model = parallel(stage, processes).train()
    dataset = CropDataset(run.photos, data.crop, data.smallest_scale, run.config.seed)
    sampler = StepSampler(first, config.steps, config.photos, processes.rank, processes.world)
    run.logbook.stage("maps", config.steps, first)
    for step, (numbers, crops) in enumerate(crop_loader(dataset, sampler, data.workers), start=first):
        clean = crops.to(processes.device, non_blocking=True).float() / 255.0
        rate = config.learning_rate * warmup_cosine(step, config.steps, config.warmup)
        for group in optimizer.param_groups:
            group["lr"] = rate
        statistics = [buffer.clone() for buffer in stage.buffers()]
        with torch.no_grad():
            versions = distorted_versions(run.engine, clean, numbers.numpy(), config.versions, seed=run.config.seed)
        weight = geometric(step, config.steps, config.weight_high, config.weight_high_final)
        swap = swapped_pairs(run.config.seed, numbers.numpy(), versions, config.swap)
        with autocast(processes.device, run.config.precision):  # never around the engine: its truth is exact
            losses = model(versions, weight, swap)
        loss = losses["loss"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(stage.parameters(), config.clip)
        # A step is judged by all processes together, or their weights would drift apart.
        judged, gradient = processes.mean(torch.stack([loss.detach(), norm])).tolist()
        if run.guard.accept(step, judged, gradient):
            optimizer.step()
        else:  # the forward pass has already mixed the bad batch into the running statistics
            for buffer, before in zip(stage.buffers(), statistics, strict=True):
                buffer.copy_(before)
        average.update_parameters(maps)
        _keep_whole_numbers(averaged, maps)
        done = step + 1
        run.logbook.advance(f"maps loss {judged:.4f}")
        if step % run.config.log_every == 0:
            parts = {name: part.item() for name, part in losses.items()}
            details = {"rate": rate, "skipped": run.guard.skipped, "gradient": gradient}
            run.logbook.write(done, "maps", **(parts | details | {"loss": judged}))
        _report(run, averaged, done)
        if processes.first and (done % run.config.checkpoint_every == 0 or done == config.steps):
            _checkpoint(run, done, stage, optimizer, average)
    return averaged


@torch.no_grad()
def calibrate_maps(run: Run, maps: DistortionMapNet) -> None:
    """Calibrate the finished maps, in place, on the crops that follow those of this run; see ``calibration``.

    Maps that came calibrated and were not learned on stay as they are. The first process does it alone: it takes a
    minute, and the others are given its network before they describe sets.

    Args:
        run: the training run.
        maps: the trained map network, in evaluation mode.
    """
    config, data, processes = run.config.maps, run.config.data, run.processes
    kept = maps.calibration.fitted and not config.steps
    if kept or not (config.calibration_crops and processes.first):
        return
    reliability = Reliability()
    dataset = CropDataset(run.photos, data.crop, data.smallest_scale, run.config.seed)
    first, count = config.steps * processes.world, -(-config.calibration_crops // config.photos)
    run.logbook.stage("calibration", count, 0)
    for numbers, crops in crop_loader(dataset, StepSampler(first, first + count, config.photos), data.workers):
        clean = crops.to(processes.device).float() / 255.0
        versions = distorted_versions(run.engine, clean, numbers.numpy(), config.versions, seed=run.config.seed)
        reliability.add(*logits_and_truth(maps, versions, *versions.pairs()))
        run.logbook.advance("calibration")
    reliability.fit(maps.calibration)


def _keep_whole_numbers(average: nn.Module, network: nn.Module) -> None:
    """Tables of indices, which some backbones hold, must not be averaged: 5 would become 4.9999 and then 4."""
    for mine, theirs in zip(average.buffers(), network.buffers(), strict=True):
        if mine.dim() and not mine.is_floating_point():
            mine.copy_(theirs)


def _report(run: Run, maps: DistortionMapNet, step: int) -> None:
    if not run.processes.first:
        return
    every, previews = run.config.validate_every, run.config.preview_every
    if every and step % every == 0:
        run.logbook.write(step, "validation", **run.held_out.map_figures(maps))
    if previews and step % previews == 0:
        run.logbook.picture(step, "maps", run.held_out.preview(maps, f"step {step}"))


def _checkpoint(run: Run, step: int, stage: nn.Module, optimizer: torch.optim.Optimizer, average: nn.Module) -> None:
    weights = {"model": stage.state_dict(), "averaged": average.state_dict()}
    for state in weights.values():
        check_finite(step, state)
    state = {"step": step, "optimizer": optimizer.state_dict(), "guard": run.guard.state_dict()}
    save_checkpoint(run.config.output, step, run.identity | state | weights)
