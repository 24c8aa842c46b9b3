"""Versions of photos: a clean photo and differently distorted ones, stacked, with the amounts of each.

Any two versions of a photo are a two-sided pair: both may carry distortions, and what one has more of than the other
is the difference of their amounts.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pyiqa_pixelperfect.distortions.engine import DistortionEngine
from pyiqa_pixelperfect.distortions.plan import join_plans

__all__ = ["Versions", "distorted_versions", "eight_bit"]


def eight_bit(images: Tensor) -> Tensor:
    """Round to the 256 values that picture files hold; clean 8-bit pixels stay bit-identical."""
    return (images * 255.0).round() / 255.0


@dataclass(frozen=True)
class Versions:
    """V versions of each of P photos, the clean one first.

    Attributes:
        images: (V P, 3, H, W) in [0, 1], version by version.
        amounts: (V P, K, H, W), what was done to each; 0 for the clean ones.
        photos: P.
    """

    images: Tensor
    amounts: Tensor
    photos: int

    def __len__(self) -> int:
        return len(self.images) // self.photos

    def rows(self, image: int, reference: int) -> tuple[Tensor, Tensor]:
        """Rows (P,) of version ``image`` of every photo and of version ``reference``."""
        block = torch.arange(self.photos, device=self.images.device)
        return image * self.photos + block, reference * self.photos + block

    def pairs(self) -> tuple[Tensor, Tensor]:
        """Rows of all pairs of versions of the same photo; the later version is the image, so never the clean one."""
        both = [self.rows(late, early) for late in range(len(self)) for early in range(late)]
        return torch.cat([image for image, _ in both]), torch.cat([reference for _, reference in both])

    def difference(self, image: Tensor, reference: Tensor) -> Tensor:
        """Signed truth (N, K, H, W) in [-1, 1] of pairs of rows: what the images have more of than the references."""
        return (self.amounts[image] - self.amounts[reference]).clamp(-1.0, 1.0)


def distorted_versions(
    engine: DistortionEngine, clean: Tensor, indices: NDArray[np.int64], count: int, *, seed: int
) -> Versions:
    """Distort each photo ``count`` times, each time by a plan of its own.

    Args:
        engine: draws and applies the plans.
        clean: (P, 3, H, W) in [0, 1].
        indices: (P,) sample numbers; version v of sample n is the plan of ``(seed, epoch=v, index=n)``.
        count: distorted versions of each photo.
        seed: seed of the run.

    Returns:
        ``count + 1`` versions, rounded to 8 bit.

    Raises:
        ImageError: ``clean`` is not a (P, 3, H, W) float32 tensor, or P is not that of ``indices``.
    """
    plan = join_plans([engine.plan(indices, seed=seed, epoch=version) for version in range(count)])
    draw = engine.apply(clean.repeat(count, 1, 1, 1), plan)
    images = torch.cat((clean, eight_bit(draw.image)))
    amounts = torch.cat((torch.zeros_like(draw.amounts[: len(clean)]), draw.amounts))
    return Versions(images, amounts, len(clean))
