"""Where in a picture a distortion goes, as options of the command line, and the engine's answer to them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from pyiqa_pixelperfect.distortions import FIELD_SHAPES, DistortionEngine, Draw
from pyiqa_pixelperfect.distortions.plan import single_kind_plan
from pyiqa_pixelperfect.errors import ConfigError

__all__ = ["COVERAGE", "FIELDS", "Place", "choose_place", "distorted_at"]

FIELDS = ("global", *(shape for shape in FIELD_SHAPES if shape != "global"))
COVERAGE = 0.35
SMALLEST_SCALE = 4  # px: fields are made on every fourth pixel
WITH_SCALE = tuple(field for field in FIELDS if field not in ("global", "gradient"))
WITH_COVERAGE = FIELDS[1:]


@dataclass(frozen=True)
class Place:
    """The field of amounts that a distortion is put under.

    Attributes:
        field: one of ``FIELDS``.
        scale: size of its islands, blocks and wobbles in pixels; None for a third of the longer side.
        coverage: share of the picture that it covers, in (0, 1].
    """

    field: str = "global"
    scale: float | None = None
    coverage: float = COVERAGE


def choose_place(field: str, scale: float | None, coverage: float | None) -> Place:
    """Check the options ``--field``, ``--scale`` and ``--coverage``.

    Args:
        field: one of ``FIELDS``.
        scale: in pixels, above 4; None for a third of the longer side.
        coverage: in (0, 1]; None for ``COVERAGE``.

    Raises:
        ConfigError: an option is out of range, or means nothing for this field.
    """
    if field not in FIELDS:
        raise ConfigError("--field", f"one of {', '.join(FIELDS)}", repr(field))
    for option, value, fields in (("--scale", scale, WITH_SCALE), ("--coverage", coverage, WITH_COVERAGE)):
        if value is not None and field not in fields:
            raise ConfigError(option, f"a field that has it ({', '.join(fields)})", f"--field {field}")
    if scale is not None and not SMALLEST_SCALE < scale < math.inf:
        raise ConfigError("--scale", f"a number of pixels above {SMALLEST_SCALE}", f"{scale:g}")
    if coverage is not None and not 0 < coverage <= 1:
        raise ConfigError("--coverage", "a share of the picture above 0, at most 1", f"{coverage:g}")
    return Place(field, scale, COVERAGE if coverage is None else coverage)


def distorted_at(clean: Tensor, kind: str, amounts: Sequence[float], seed: int, place: Place) -> Draw:
    """Distort one picture by one kind at several peak amounts, with the same field and the same randomness in all.

    Args:
        clean: (1, 3, H, W) in [0, 1].
        kind: one of ``KINDS``.
        amounts: N peak amounts, in [0, 1], or [-1, 1] for kinds of signed families.
        seed: any integer.
        place: where.

    Returns:
        N pictures and their exact amounts (N, K, H, W), by family.
    """
    scale = max(clean.shape[-2:]) / 3 if place.scale is None else place.scale
    plan = single_kind_plan(kind, list(amounts), seed, shape=place.field, scale=scale, coverage=place.coverage)
    return DistortionEngine().apply(clean.expand(len(amounts), -1, -1, -1), plan)
