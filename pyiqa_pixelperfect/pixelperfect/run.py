"""What both stages of a training run share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyiqa_pixelperfect.distortions.engine import DistortionEngine
from pyiqa_pixelperfect.pixelperfect.config import PixelPerfectConfig
from pyiqa_pixelperfect.pixelperfect.validation import HeldOut
from pyiqa_pixelperfect.training.distributed import Processes
from pyiqa_pixelperfect.training.guards import FiniteGuard
from pyiqa_pixelperfect.training.logbook import Logbook

__all__ = ["Run"]


@dataclass
class Run:
    """A training run.

    Attributes:
        config: the whole configuration.
        processes: this process among all.
        photos: photos to train on.
        held_out: photos to measure on.
        engine: distorts crops for the maps.
        logbook: takes figures and pictures.
        guard: refuses steps that are not finite.
        identity: entries of every checkpoint that say which run this is.
    """

    config: PixelPerfectConfig
    processes: Processes
    photos: list[Path]
    held_out: HeldOut
    engine: DistortionEngine
    logbook: Logbook
    guard: FiniteGuard
    identity: dict[str, Any]
