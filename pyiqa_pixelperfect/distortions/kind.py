"""What a kind of distortion is: a function of pictures and amounts, and all that a plan and a truth map need to know.

The kinds themselves are the rows of ``catalog.py``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from pyiqa_pixelperfect.errors import ConfigError
from pyiqa_pixelperfect.families import FAMILIES, SIGNED

__all__ = ["STAGES", "Distortion", "Kind"]

#: images (B, 3, H, W) in [0, 1], amount (B, 1, H, W), seeds (B,) int64 -> images (B, 3, H, W) in [0, 1]
Distortion: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]

#: Where in a camera a kind happens; pictures distorted "in pipeline order" go through the stages in this order.
STAGES = ("optics", "sensor", "processing", "compression", "display")


@dataclass(frozen=True)
class Kind:
    """One way to distort.

    Attributes:
        name: unique name, that of its function.
        family: one of ``FAMILIES``.
        function: the distortion.
        stage: one of ``STAGES``.
        source: where the operation is from.
        description: one line for tables and galleries.
        realize: the amounts that the kind can really do, from those asked for and the seeds: codecs work on whole
            coding units, pixelation in whole steps. ``None`` = any. The truth map holds what was done.
        local_only: never applied to a whole picture when drawn at random, because globally it is another family.
        also: further families that the kind changes, each with its factor of the amount: that amount of the other
            family's own kinds has about the same effect. Negative factors are for signed families; one-sided ones
            get ``|amount| * factor``.

    Raises:
        ConfigError: ``also`` names a family that is unknown or its own, or a factor is 0, beyond 1 or of a sign that
            the family has not.
    """

    name: str
    family: str
    function: Distortion
    stage: str
    source: str
    description: str
    realize: Callable[[Tensor, Tensor], Tensor] | None = None
    local_only: bool = False
    also: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        others = {family for family in FAMILIES if family != self.family}
        for family, factor in self.also:
            if family not in others:
                raise ConfigError("also", f"families other than {self.family}", repr(family))
            if not (-1.0 if family in SIGNED else 0.0) <= factor <= 1.0 or factor == 0.0:
                expected = f"a factor in {'[-1, 1]' if family in SIGNED else '(0, 1]'} that is not 0 for {family}"
                raise ConfigError("also", expected, f"{factor:g}")

    @property
    def signed(self) -> bool:
        """Whether amounts have a direction."""
        return self.family in SIGNED
