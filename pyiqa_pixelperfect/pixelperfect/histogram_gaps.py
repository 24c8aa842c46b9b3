"""Gaps and peaks in histograms: what arithmetic on 8-bit values leaves behind.

A camera spreads its tones evenly over the 256 values that files hold. Stretching them afterwards leaves values that no
pixel has, pressing them together values that too many have. So a faint change of tone or color, after which a picture
looks as natural as before, can still be told from the original, in most cases. Noise, blur and compression fill the
gaps again. (Known from image forensics: Stamm and Liu, IEEE TIFS 2010.)

Counting knows no gradient: under optimization these numbers are constants.
"""

import torch
from torch import Tensor

from pyiqa_pixelperfect.pixelperfect.sampling import odd

__all__ = ["GAPS", "HistogramGaps"]

SAMPLES = 65_536  # pixels that are counted of a picture, about
BINS = 256
DIFFERENCES = 511  # values that the difference of two 8-bit numbers can have
THIN = 2e-4  # share of the pixels around a value below which chance decides whether it is met at all

#: Length of the vector: gaps and peaks of 3 colors, of red against green, of green against blue, and of the distance
#: between the largest and the smallest color, which changes of saturation stretch or press.
GAPS = 2 * 6


class HistogramGaps:
    """Gathers the histograms of pictures of one height and width strip by strip."""

    def __init__(self, height: int, width: int) -> None:
        self.stride = odd(height * width // SAMPLES)
        self.row = 0
        self._counts: Tensor | None = None
        self._dtype = torch.float32

    def add(self, strip: Tensor) -> None:
        """Count the next rows, (B, 3, h, W) RGB in [0, 1]."""
        if self._counts is None:  # made at once, before anything large: see ``Picture.pooled``
            self._counts = torch.zeros(len(strip), 6, DIFFERENCES, dtype=torch.int64, device=strip.device)
        rows = strip.detach()[..., -self.row % self.stride :: self.stride, :]
        self.row, self._dtype = self.row + strip.shape[2], strip.dtype
        values = (rows * 255.0).round().clamp(0.0, 255.0).to(torch.int64)
        red, green, blue = values.unbind(1)
        middle = BINS - 1  # differences begin at -255
        # Pair by pair: along a dimension that is not the last, amax and amin of integers take a hundred times as long.
        largest, smallest = (pick(pick(red, green), blue) for pick in (torch.maximum, torch.minimum))
        extent = largest - smallest + middle
        planes = torch.stack((red, green, blue, red - green + middle, green - blue + middle, extent), dim=1).flatten(2)
        self._counts.scatter_add_(2, planes, torch.ones_like(planes))

    def value(self) -> Tensor:
        """Gaps and peaks, (B, GAPS) in [0, 1]: how far values are below, and above, what stands beside them.

        Raises:
            ValueError: nothing was counted.
        """
        if self._counts is None:
            raise ValueError("a picture has at least one strip")
        share = self._counts.to(self._dtype)
        share = share / share.sum(2, keepdim=True)
        below, here, above = share[..., :-2], share[..., 1:-1], share[..., 2:]
        around = below + 2.0 * here + above
        bend = (below - 2.0 * here + above) / (around + THIN)
        weight = around / (around + THIN)
        ends = torch.stack(((bend.relu() * weight).sum(2), ((-bend).relu() * weight).sum(2)), dim=2)
        return (ends / weight.sum(2, keepdim=True)).flatten(1)
