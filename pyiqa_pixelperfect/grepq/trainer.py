"""Training of GRepQ's low-level branch (arXiv 2312.04838): contrast between the versions of a photo.

At the end comes the Gaussian of pristine patches that scores are measured from. The high-level branch has a trainer of
its own.

Run it by ``pixelperfect train configs/grepq/low_level.yaml``, or under ``torchrun`` on several processes. All
randomness is a function of the seed and the sample number, so a checkpoint is weights, optimizer and a step number,
and a run killed at any moment continues to the same bits (on one device and build).
"""

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pyiqa_pixelperfect.backbones import seeded_weights
from pyiqa_pixelperfect.data.pristine import list_photos, photos_digest, split_photos
from pyiqa_pixelperfect.grepq.config import LowLevelConfig
from pyiqa_pixelperfect.grepq.low_training import train_low_level
from pyiqa_pixelperfect.grepq.metric import GRepQ
from pyiqa_pixelperfect.grepq.networks import LowLevelNet
from pyiqa_pixelperfect.grepq.run import Run
from pyiqa_pixelperfect.grepq.validation import ordered_share
from pyiqa_pixelperfect.grepq.version_sets import VersionSets
from pyiqa_pixelperfect.images import read_image
from pyiqa_pixelperfect.training.checkpoint import latest_checkpoint
from pyiqa_pixelperfect.training.distributed import Processes, join_processes
from pyiqa_pixelperfect.training.guards import FiniteGuard
from pyiqa_pixelperfect.training.identity import FREE, check_same_run, fingerprint
from pyiqa_pixelperfect.training.logbook import FINAL, Logbook
from pyiqa_pixelperfect.training.provenance import UNKNOWN, code_versions, commits_of, current_commit

__all__ = ["photos_of", "read_photos", "train"]

_log = logging.getLogger(__name__)


def train(config: LowLevelConfig) -> Path:
    """Train the low-level branch and write ``<output>/grepq-low.safetensors``.

    Resumes from the newest intact checkpoint in ``<output>``, if there is one.

    Args:
        config: the whole run.

    Returns:
        Path of the weights.

    Raises:
        ConfigError: the output folder holds a run of another configuration, or there is no such device.
        DataError: the photos are missing, or not those that the run in the output folder began with.
        MissingDependencyError: piq is not installed.
        TrainingDivergedError: losses, gradients or weights became non-finite.
    """
    processes = join_processes(config.device)
    try:
        return _train(config, processes)
    finally:
        processes.leave()


def _train(config: LowLevelConfig, processes: Processes) -> Path:
    photos, held = photos_of(config.data.photos, config.data.holdout)
    resumed = latest_checkpoint(config.output) or {}
    identity: dict[str, Any] = {
        "config": fingerprint(config, FREE | {"cache", "validation_photos"}),
        "photos": photos_digest(photos),
    }
    check_same_run(config.output, identity["config"], identity["photos"], resumed)
    began = resumed.get("commits", [UNKNOWN]) if resumed else []
    identity |= {"commits": commits_of(began, current_commit())}
    folder = config.cache or config.output / "versions"
    drawn = config.versions
    seed = config.seed if drawn.seed is None else drawn.seed
    sets = VersionSets(photos, drawn.settings(), drawn.sets or len(photos), folder, seed)
    with seeded_weights(config.seed):
        network = LowLevelNet(config.width)
    network = network.to(processes.device).to(memory_format=torch.channels_last)
    path = config.output / "grepq-low.safetensors"
    with Logbook(config.output, int(resumed.get("step", 0)), active=processes.first) as logbook:
        run = Run("low level", config.output, config.log_every, processes, logbook, FiniteGuard(), identity)
        train_low_level(run, config, network, sets, resumed)
        if processes.first:
            metric = GRepQ(network, normalized=config.normalized)
            metric.to(processes.device)
            clean = photos_of(config.data.pristine, config.data.holdout)[0] if config.data.pristine else photos
            patches = metric.fit_pristine(read_photos(clean))
            figures = {"patches": float(patches)}
            if config.validation_photos:
                figures |= ordered_share(
                    metric, held, config.versions.settings(), config.validation_photos, config.seed
                )
            logbook.write(config.optimizer.steps, FINAL, **figures)
            metric.save(path, _card(config, run, len(photos), len(clean), figures))
            _log.info("wrote %s", path)
    processes.wait()
    return path


def photos_of(sources: Iterable[Path], holdout: bool) -> tuple[list[Path], list[Path]]:
    """Photos to train on and photos held out, of several folders or manifests; every fifth of each is held out."""
    used: list[Path] = []
    held: list[Path] = []
    for source in sources:
        photos = list_photos(source)
        part, rest = split_photos(photos) if holdout else (photos, photos[:5])
        used, held = used + part, held + rest
    return used, held


def read_photos(photos: Iterable[Path]) -> Iterable[Tensor]:
    """Decode photos one by one, (3, H, W) in [0, 1]."""
    for photo in photos:
        yield read_image(photo)[0]


def _card(config: LowLevelConfig, run: Run, photos: int, clean: int, figures: dict[str, float]) -> dict[str, str]:
    held = "every fifth held out" if config.data.holdout else "none held out"
    return {
        "config": config.model_dump_json(exclude={"output", "device", "data", "cache"}),
        "seed": str(config.seed),
        "photos": f"{photos} photos trained on, pristine patches from {clean}, {held}",
        "photos_sha256": run.identity["photos"],
        "labels": "none: synthetic distortions only, no human score",
        "figures": json.dumps({name: round(value, 4) for name, value in figures.items()}),
        "commit": ", resumed at ".join(run.identity["commits"]),
        "versions": code_versions(),
        "license": "Apache-2.0",
    }
