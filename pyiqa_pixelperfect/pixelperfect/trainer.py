"""Training of Pixel Perfect (arXiv 2605.02863): stage 1 the distortion maps, stage 2 the score that reads them.

Stage 1 keeps a running average of its weights; that is what describes the ranked sets of stage 2 and what is written.
Stage 2 takes a minute once its sets are described, so it has no checkpoints: the descriptions are kept instead.

Run it by ``pixelperfect train configs/pixelperfect/default.yaml``, or under ``torchrun`` on several processes. All
randomness is a function of the seed and the sample number, so a checkpoint is weights, optimizer and a step number,
and a run killed at any moment continues to the same bits (on one device and build).
"""

import json
import logging
from pathlib import Path

import torch

from pyiqa_pixelperfect.backbones import seeded_weights
from pyiqa_pixelperfect.data.pristine import list_photos, photos_digest, split_photos
from pyiqa_pixelperfect.distortions.engine import DistortionEngine
from pyiqa_pixelperfect.pixelperfect.config import PixelPerfectConfig
from pyiqa_pixelperfect.pixelperfect.map_network import DistortionMapNet
from pyiqa_pixelperfect.pixelperfect.map_training import calibrate_maps, train_maps
from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect
from pyiqa_pixelperfect.pixelperfect.networks import build_maps
from pyiqa_pixelperfect.pixelperfect.run import Run
from pyiqa_pixelperfect.pixelperfect.score_network import RelationalScoreNet
from pyiqa_pixelperfect.pixelperfect.score_training import train_score
from pyiqa_pixelperfect.pixelperfect.stored import read_maps
from pyiqa_pixelperfect.pixelperfect.validation import HeldOut, require_previews
from pyiqa_pixelperfect.training.checkpoint import latest_checkpoint
from pyiqa_pixelperfect.training.distributed import Processes, join_processes
from pyiqa_pixelperfect.training.guards import FiniteGuard
from pyiqa_pixelperfect.training.identity import FREE, check_same_run, fingerprint
from pyiqa_pixelperfect.training.logbook import Logbook
from pyiqa_pixelperfect.training.provenance import UNKNOWN, code_versions, commits_of, current_commit
from pyiqa_pixelperfect.weights import file_sha256

__all__ = ["train"]

_log = logging.getLogger(__name__)


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
    origin = _start(maps, config.maps.start) if config.maps.start else ""
    resumed = latest_checkpoint(config.output) or {}
    digest = photos_digest(photos)
    check_same_run(config.output, _fingerprint(config), digest, resumed)
    began = resumed.get("commits", [UNKNOWN]) if resumed else []
    identity = {"config": _fingerprint(config), "photos": digest, "commits": commits_of(began, current_commit())}
    engine = DistortionEngine(config.engine.settings())
    held_out = HeldOut(config, held_photos, engine, processes.device)
    guard = FiniteGuard()
    guard.load_state_dict(resumed.get("guard", {}))
    with Logbook(config.output, int(resumed.get("step", 0)), active=processes.first) as logbook:
        run = Run(config, processes, train_photos, held_out, engine, logbook, guard, identity)
        maps = train_maps(run, maps, resumed).eval()
        calibrate_maps(run, maps)
        figures = train_score(run, maps, score)
    path = config.output / "pixelperfect.safetensors"
    if processes.first:
        PixelPerfect(maps, score).save(path, card=_card(run, photos, figures, origin))
        _log.info("wrote %s", path)
    return path


def build_networks(config: PixelPerfectConfig, device: torch.device) -> tuple[DistortionMapNet, RelationalScoreNet]:
    """Both networks with initial weights drawn from the configuration's seed, the caller's generator left alone."""
    sizes = config.network
    with seeded_weights(config.seed):
        symmetric = sizes.antisymmetric
        maps = build_maps(sizes.encoder, sizes.decoder_widths, seed=config.seed, antisymmetric=symmetric)
        score = RelationalScoreNet(
            hidden=sizes.score_hidden,
            embedding=sizes.embedding,
            dropout=config.score.dropout,
            ensemble=sizes.score_ensemble,
        )
    return maps.to(device).to(memory_format=torch.channels_last), score.to(device)


def _start(maps: DistortionMapNet, path: Path) -> str:
    """Give a map network the weights from a file, and return where those come from, for the model card."""
    card = read_maps(path, maps)
    return f"{path.name}, sha256 {file_sha256(path)}: {card.get('history', card.get('commit', UNKNOWN))}"


def _fingerprint(config: PixelPerfectConfig) -> str:
    """Checkpoints are of the maps: the score may be taught anew, in another way, on those of a finished stage 1."""
    free = FREE | {"preview_every", "validate_every", "score"}
    return fingerprint(config, free, {"network": ("score_hidden", "score_ensemble", "embedding")})


def _card(run: Run, photos: list[Path], figures: dict[str, float], origin: str) -> dict[str, str]:
    config = run.config
    held = "every fifth held out" if config.data.holdout else "none held out"
    settings = config.model_dump(mode="json", exclude={"output", "device", "data"})
    if config.maps.start:
        settings["maps"]["start"] = config.maps.start.name  # where it lay is nobody's business
    card = {
        "config": json.dumps(settings, separators=(",", ":")),
        "crop": f"{config.data.crop} for the maps, {config.score.crop} for the score",
        "seed": str(config.seed),
        "photos": f"{len(run.photos)} of {len(photos)} photos trained on, {held}",
        "photos_sha256": run.identity["photos"],
        "labels": "none: synthetic distortions only, no human score",
        "figures": json.dumps({name: round(value, 4) for name, value in figures.items()}),
        "commit": ", resumed at ".join(run.identity["commits"]),
        "versions": code_versions(),
        "license": "Apache-2.0",
    }
    return card | ({"maps_from": origin} if origin else {})
