"""What a whole picture looks like at a glance: tones, colors, clipping, flat areas, detail at a few scales.

Maps say where two pictures differ and in which family. Which of the two is as it should be, the brighter one or the
darker one, no small part can tell: it shows in how the tones of a whole picture are spread, whether it clips, whether
its flat areas are really flat. These numbers hold that for one picture; the score network compares those of two.

They are means and quantiles, so they hardly depend on the size of the picture, and gradients are finite everywhere.
Both are gathered strip by strip, so a large picture is never there as a whole in floating point.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pyiqa_pixelperfect.pictures import Picture
from pyiqa_pixelperfect.pixelperfect.color_planes import opponent_planes

__all__ = ["STATISTICS", "mean_squared_error", "picture_statistics"]

TONE_QUANTILES = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98, 0.995, 1.0)
STEP_QUANTILES = (0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 0.99)
TONE_PARTS = 6  # equal shares of the pixels, from the darkest to the brightest, whose mean color is told
SCALES = 4  # of the detail, each half as fine as the one before
FINE_SCALES = 2  # of them, those whose steps are told by quantiles: noise lifts the low ones, halos the high ones
POOLING = 4  # px: tones are of means over 4x4, so that noise does not pass for deep blacks and bright whites
NEAR_END = 0.012  # of [0, 1]: values this near to black or white count as clipped, fully at the end itself
FLAT = 0.004  # of [0, 1]: neighbors this near to one another count as equal, fully if they are
SAMPLES = 16_384  # cells that quantiles are taken of, about

#: Length of the vector: tone quantiles of 3 colors, 3 opponent planes, saturation and chroma; color of the tone parts;
#: clipping of 3 colors at both ends; deviation of 3 planes; of the steps between neighbors in 3 planes the mean at each
#: scale, quantiles and the share of flat ones at the fine scales.
STATISTICS = 8 * len(TONE_QUANTILES) + 2 * TONE_PARTS + 6 + 3 + 3 * SCALES + 3 * FINE_SCALES * (len(STEP_QUANTILES) + 1)


def picture_statistics(images: Tensor | Picture) -> Tensor:
    """Describe each picture by itself (ours).

    Args:
        images: (B, 3, H, W) RGB in [0, 1], sides at least 32 px.

    Returns:
        (B, STATISTICS), about [-1, 1] each.
    """
    picture = images if isinstance(images, Picture) else Picture(images)
    coarse, clipped = _Rows(picture.height // POOLING), [_Mean(), _Mean()]
    scales = [_Steps(picture.height >> scale, picture.width >> scale, scale < FINE_SCALES) for scale in range(SCALES)]
    for strip in picture.strips():
        coarse.add(_pooled(strip, POOLING))
        for share, end in zip(clipped, (0.0, 1.0), strict=True):
            share.add((NEAR_END - (strip - end).abs_()).relu_())
        planes = opponent_planes(strip)
        for scale, steps in enumerate(scales):
            planes = _pooled(planes, 2) if scale else planes
            steps.add(planes)
    shares = torch.stack([share.value() for share in clipped], dim=1) / NEAR_END
    shares = shares / (shares + 0.02)  # small ones spread out, since they tell most
    tones, colors, deviation = _tones(coarse.whole)
    parts = [tones, colors, shares, deviation, *(part for steps in scales for part in steps.parts())]
    return torch.cat([part.flatten(1) for part in parts], dim=1)


def mean_squared_error(image: Tensor | Picture, reference: Tensor | Picture) -> Tensor:
    """Mean squared difference of all values of pictures (B, 3, H, W), (B,)."""
    error = _Mean()
    first, second = (side if isinstance(side, Picture) else Picture(side) for side in (image, reference))
    for one, other in zip(first.strips(), second.strips(), strict=True):
        error.add((one - other).square_())
    return error.value().mean(1)


class _Mean:
    """Mean of each plane of (B, C, H, W), strip by strip."""

    def __init__(self) -> None:
        self.total: Tensor | float = 0.0
        self.count = 0

    def add(self, values: Tensor) -> None:
        self.total = self.total + values.sum((2, 3))
        self.count += values.shape[2] * values.shape[3]

    def value(self) -> Tensor:
        """(B, C)."""
        return torch.as_tensor(self.total) / self.count


class _Rows:
    """Rows of (B, C, H, W), strip by strip, in one tensor.

    It is made at once: small pieces kept from every strip would lie scattered between what the strips left free, and
    no strip after them would fit there again.
    """

    def __init__(self, count: int) -> None:
        self.count, self.filled = count, 0
        self.whole = torch.zeros(0)

    def add(self, values: Tensor) -> None:
        rows = values.shape[2]
        if rows == self.count:
            self.whole = values
            return
        if not self.filled:
            self.whole = values.new_empty(*values.shape[:2], self.count, values.shape[3])
        self.whole[:, :, self.filled : self.filled + rows] = values
        self.filled += rows


class _Steps:
    """Steps between horizontal neighbors in planes of a height and width, strip by strip: see ``STATISTICS``."""

    def __init__(self, height: int, width: int, fine: bool) -> None:
        self.stride, self.fine = _sampling(height, width - 1), fine
        self.row = 0
        self.mean, self.flat = _Mean(), _Mean()
        self.samples = _Rows(-(-height // self.stride))

    def add(self, planes: Tensor) -> None:
        steps = (planes[..., 1:] - planes[..., :-1]).abs_()
        self.mean.add(steps)
        if self.fine:
            self.samples.add(steps[..., -self.row % self.stride :: self.stride, :: self.stride])
            self.flat.add((FLAT - steps).relu_())
        self.row += steps.shape[2]

    def parts(self) -> list[Tensor]:
        if not self.fine:
            return [_logarithm(self.mean.value())]
        quantiles = _quantiles(self.samples.whole, STEP_QUANTILES)
        return [_logarithm(self.mean.value()), _logarithm(quantiles), self.flat.value() / FLAT]


def _tones(coarse: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Quantiles of the tones, colors of the tone parts, and deviations, of a picture averaged over 4x4 pixels."""
    planes = opponent_planes(coarse)
    deviation = (planes.flatten(2).var(2, correction=0) + 1e-6).sqrt()
    stride = _sampling(*coarse.shape[2:])
    coarse, planes = coarse[..., ::stride, ::stride], planes[..., ::stride, ::stride]
    highest, lowest = coarse.amax(1, keepdim=True), coarse.amin(1, keepdim=True)
    saturation = (highest - lowest) / highest.clamp_min(1e-2)
    chroma = (planes[:, 1:].square().sum(1, keepdim=True) + 1e-6).sqrt()
    tones = _quantiles(torch.cat((coarse, planes, saturation, chroma), dim=1), TONE_QUANTILES)
    return tones, _color_by_tone(planes), deviation


def _pooled(planes: Tensor, side: int) -> Tensor:
    """Means over squares of (B, C, H, W), which leave out what is left over at the right and at the bottom."""
    batch, channels, height, width = planes.shape
    rows, columns = height // side, width // side
    squares = planes[..., : rows * side, : columns * side].reshape(batch, channels, rows, side, columns * side)
    # Rows first: adding whole rows is quick, and far less is left to be added within rows.
    return squares.sum(3).reshape(batch, channels, rows, columns, side).sum(4) / side**2


def _sampling(height: int, width: int) -> int:
    """Every so many rows and columns are sampled; odd, so that no grid of blocks is met at one phase only."""
    if torch.compiler.is_compiling():  # sizes may be symbols then, which know no integer roots
        root: int = torch.sym_int(torch.sym_sqrt(height * width // SAMPLES))
        return root // 2 * 2 + 1
    return math.isqrt(height * width // SAMPLES) | 1


def _quantiles(samples: Tensor, shares: Sequence[float]) -> Tensor:
    """(B, C, H, W) -> (B, C, Q)."""
    last = samples.shape[2] * samples.shape[3] - 1
    ordered = _sorted(samples.flatten(2))
    return torch.stack([ordered[..., round(share * last)] for share in shares], dim=2)


def _sorted(rows: Tensor) -> Tensor:
    """Rows in order."""
    if rows.requires_grad or rows.device.type != "cpu" or torch.compiler.is_compiling():
        return rows.sort(dim=2).values
    return torch.from_numpy(np.sort(rows.detach().numpy(), axis=2))  # ten times as fast: it keeps no positions


def _color_by_tone(planes: Tensor) -> Tensor:
    """Mean color differences of the darkest sixth of the picture, the next, ... the brightest, (B, 2, TONE_PARTS)."""
    flat = planes.flatten(2)
    luma = flat[:, :1]
    # ONNX sorts stably, but has no word for it.
    order = luma.sort(dim=2).indices if torch.compiler.is_compiling() else luma.argsort(dim=2, stable=True)
    colors = flat[:, 1:].gather(2, order.expand(-1, 2, -1))
    return torch.stack([part.mean(2) for part in colors.tensor_split(TONE_PARTS, dim=2)], dim=2)


def _logarithm(steps: Tensor) -> Tensor:
    return 0.2 * (steps + 1e-3).log()
