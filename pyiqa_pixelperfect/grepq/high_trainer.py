"""Training of GRepQ's high-level branch (arXiv 2312.04838): CLIP's image tower, fine-tuned by its own opinion.

Run it by ``pixelperfect train configs/grepq/high_level.yaml start=CLIP.safetensors``. CLIP's weights are the user's:
nothing is downloaded, and ``pixelperfect convert grepq`` makes the file to start from.
"""

import json
import logging
from pathlib import Path
from typing import Any

from pyiqa_pixelperfect.data.pristine import photos_digest
from pyiqa_pixelperfect.errors import DataError, WeightsError
from pyiqa_pixelperfect.grepq.config import HighLevelConfig
from pyiqa_pixelperfect.grepq.high_metric import HighLevelMetric
from pyiqa_pixelperfect.grepq.high_training import train_high_level
from pyiqa_pixelperfect.grepq.run import Run
from pyiqa_pixelperfect.grepq.trainer import photos_of
from pyiqa_pixelperfect.training.checkpoint import latest_checkpoint
from pyiqa_pixelperfect.training.distributed import join_processes
from pyiqa_pixelperfect.training.guards import FiniteGuard
from pyiqa_pixelperfect.training.identity import check_same_run, fingerprint
from pyiqa_pixelperfect.training.logbook import Logbook
from pyiqa_pixelperfect.training.provenance import UNKNOWN, code_versions, commits_of, current_commit
from pyiqa_pixelperfect.weights import file_sha256

__all__ = ["train"]

_log = logging.getLogger(__name__)


def train(config: HighLevelConfig) -> Path:
    """Train the high-level branch and write ``<output>/grepq-high.safetensors``.

    Resumes from the newest intact checkpoint in ``<output>``, if there is one.

    Args:
        config: the whole run.

    Returns:
        Path of the weights.

    Raises:
        WeightsError: ``start`` is not given, missing, damaged or of another network.
        ConfigError: the output folder holds a run of another configuration, or there is no such device.
        DataError: no photos, or not those that the run in the output folder began with.
        TrainingDivergedError: losses, gradients or weights became non-finite.
    """
    if config.start is None:
        fix = "Make it from CLIP's weights: pixelperfect convert grepq; see the README."
        raise WeightsError("start", "a file with CLIP's image tower and prompts", "none", fix)
    processes = join_processes(config.device)
    try:
        photos, _ = photos_of(config.data.photos, config.data.holdout)
        if len(photos) < 2:
            raise DataError("photos", "at least two photos", str(len(photos)))
        metric = HighLevelMetric.load(config.start)
        metric.network.positions = config.positions
        metric.network.requires_grad_(True).to(processes.device)
        resumed = latest_checkpoint(config.output) or {}
        identity: dict[str, Any] = {"config": fingerprint(config), "photos": photos_digest(photos)}
        check_same_run(config.output, identity["config"], identity["photos"], resumed)
        began = resumed.get("commits", [UNKNOWN]) if resumed else []
        identity |= {"commits": commits_of(began, current_commit())}
        with Logbook(config.output, int(resumed.get("step", 0)), active=processes.first) as logbook:
            run = Run("high level", config.output, config.log_every, processes, logbook, FiniteGuard(), identity)
            train_high_level(run, config, metric.network, photos, resumed)
        path = config.output / "grepq-high.safetensors"
        if processes.first:
            metric.save(path, _card(config, run, metric, len(photos)))
            _log.info("wrote %s", path)
        return path
    finally:
        processes.leave()


def _card(config: HighLevelConfig, run: Run, metric: HighLevelMetric, photos: int) -> dict[str, str]:
    origin = metric.card.get("source", UNKNOWN)
    return {
        "config": config.model_dump_json(exclude={"output", "device", "data", "start"}),
        "start": f"sha256 {file_sha256(config.start)}: {origin}" if config.start else UNKNOWN,
        "photos": f"{photos} photos trained on",
        "photos_sha256": run.identity["photos"],
        "labels": "none: pseudo-labels from CLIP's prompts, no human score",
        "prompts": metric.card.get("prompts", json.dumps([])),
        "commit": ", resumed at ".join(run.identity["commits"]),
        "versions": code_versions(),
    }
