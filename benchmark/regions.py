"""Random regions with smooth outlines, and pasting a distorted photo into one of them.

A region is smoothed noise above a threshold: one or a few blobs that follow no edge of the photo. The threshold is the
quantile that gives the wanted area, so areas are exact rather than approximate.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.photos import Pixels

__all__ = ["AREA_RANGE", "FEATHER_PIXELS", "Region", "paste", "random_region"]

AREA_RANGE = (0.10, 0.45)  # share of the photo
FEATHER_PIXELS = 6.0  # width of the soft edge; a hard one would itself be a visible fault
_CELLS = 5  # noise cells along the shorter side: blobs of about a fifth of the photo and larger


@dataclass(frozen=True)
class Region:
    """Where a distortion is.

    Attributes:
        alpha: ``(H, W)`` in ``[0, 1]``, the share of the distorted photo in each pixel.
    """

    alpha: NDArray[np.float32]

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Pixels that are entirely distorted."""
        return self.alpha >= 1.0

    @property
    def outside(self) -> NDArray[np.bool_]:
        """Pixels that are entirely clean."""
        return self.alpha <= 0.0

    @property
    def area(self) -> float:
        """Share of the photo, counting from the middle of the soft edge."""
        return float((self.alpha >= 0.5).mean())


def random_region(height: int, width: int, generator: np.random.Generator, area: float | None = None) -> Region:
    """Draw a region.

    Args:
        height: of the photo, at least 32 pixels.
        width: of the photo, at least 32 pixels.
        generator: where the randomness comes from.
        area: share of the photo; drawn uniformly from ``AREA_RANGE`` when not given.

    Raises:
        ValueError: ``area`` leaves no pixel inside or none outside.
    """
    share = float(generator.uniform(*AREA_RANGE)) if area is None else area
    if not 0.0 < share < 1.0:
        raise ValueError(f"area: expected a share between 0 and 1, got {share}.")
    short = min(height, width)
    rows, columns = (max(_CELLS, round(_CELLS * side / short)) for side in (height, width))
    noise = generator.standard_normal((rows, columns)).astype(np.float32)
    field = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    field = cv2.GaussianBlur(field, (0, 0), sigmaX=0.25 * short / _CELLS)  # rounds the corners of the cubic patches
    mask = (field > np.quantile(field, 1.0 - share)).astype(np.uint8)
    # Signed distance to the outline in pixels, positive inside; half a pixel because distances are between centers.
    inward = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) - 0.5
    outward = cv2.distanceTransform(1 - mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) - 0.5
    distance = np.where(mask == 1, inward, -outward)
    alpha = np.clip(0.5 + distance / FEATHER_PIXELS, 0.0, 1.0)
    return Region(alpha.astype(np.float32))


def paste(clean: Pixels, distorted: Pixels, region: Region) -> Pixels:
    """Return the clean photo with the distorted one inside the region, in 8 bits as every file would have it."""
    alpha = region.alpha[..., None]
    mixed = clean.astype(np.float32) * (1.0 - alpha) + distorted.astype(np.float32) * alpha
    return np.rint(mixed).astype(np.uint8)
