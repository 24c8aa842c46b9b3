"""What a whole picture looks like at a glance: tones, colors, clipping, flat areas, detail by scale, tone and place.

Maps say where two pictures differ and in which family. Which of the two is as it should be, the brighter one or the
darker one, no small part can tell: it shows in how the tones of a whole picture are spread, whether it clips, whether
its flat areas are really flat, how much detail its dark and its bright parts have, and in its texture, for which see
``texture_statistics``. These numbers hold that for one picture; the score network compares those of two.

They are means and quantiles, so they hardly depend on the size of the picture, and gradients are finite everywhere.
They are gathered strip by strip, so a large picture is never there as a whole in floating point.
"""

import math
from typing import Any, TypeVar

import torch
from torch import Tensor

from pyiqa_pixelperfect.pictures import Picture
from pyiqa_pixelperfect.pixelperfect.color_planes import opponent_planes
from pyiqa_pixelperfect.pixelperfect.histogram_gaps import GAPS, HistogramGaps
from pyiqa_pixelperfect.pixelperfect.inference import halved, steps_to_next
from pyiqa_pixelperfect.pixelperfect.order_statistics import means_by_rank, quantiles
from pyiqa_pixelperfect.pixelperfect.sampling import odd
from pyiqa_pixelperfect.pixelperfect.texture_statistics import BAND, TEXTURE, logarithm, texture_statistics

__all__ = ["STATISTICS", "picture_statistics"]

_Count = TypeVar("_Count", int, Tensor)

TONE_QUANTILES = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98, 0.995, 1.0)
STEP_QUANTILES = (0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 0.99)
TONE_PARTS = 6  # equal shares of the pixels, from the darkest to the brightest, whose color and detail is told
RINGS = 4  # around the middle, equally wide, the last one in the corners: lenses darken and blur those
SCALES = 4  # of the detail, each half as fine as the one before
FINE_SCALES = 2  # of them, those whose steps are told by quantiles: noise lifts the low ones, halos the high ones
POOLED = 2  # halvings, to 4 px: of means over 4x4, so that noise does not pass for deep blacks and bright whites
NEAR_END = 0.012  # of [0, 1]: values this near to black or white count as clipped, fully at the end itself
FLAT = 0.004  # of [0, 1]: neighbors this near to one another count as equal, fully if they are
SAMPLES = 16_384  # cells that quantiles of tones are taken of, about
STEP_SAMPLES = 32_768  # steps that quantiles of steps are taken of, about
TEXTURE_SAMPLES = 98_304  # pixels whose texture is looked at, about
FEWEST_BANDS = 3  # that are looked at of a picture that has so many, however wide it is

#: Length of the vector: tone quantiles of 3 colors, 3 opponent planes, saturation and chroma; of the tone parts color,
#: chroma, steps between pixels in 3 planes and between cells; lightness, chroma and steps of the rings; clipping of 3
#: colors at both ends; deviation of 3 planes; of the steps between neighbors in 3 planes the mean at each scale,
#: quantiles and the share of flat ones at the fine scales; gaps and peaks of histograms; texture.
STATISTICS = (
    8 * len(TONE_QUANTILES) + 7 * TONE_PARTS + 3 * RINGS + 6 + 3
    + 3 * SCALES + 3 * FINE_SCALES * (len(STEP_QUANTILES) + 1) + GAPS + TEXTURE
)  # fmt: skip


def picture_statistics(images: Tensor | Picture) -> Tensor:
    """Describe each picture by itself (ours).

    Args:
        images: (B, 3, H, W) RGB in [0, 1], sides at least 32 px.

    Returns:
        (B, STATISTICS), about [-1, 1] each.
    """
    picture = images if isinstance(images, Picture) else Picture(images)
    coarse, detail = _Rows(picture.height >> POOLED), _Rows(picture.height >> POOLED)
    clipped, gaps = [_Mean(), _Mean()], HistogramGaps(picture.height, picture.width)
    bands = _Bands(picture.height, picture.width)
    scales = [_Steps(picture.height >> scale, picture.width >> scale, scale < FINE_SCALES) for scale in range(SCALES)]
    for strip in picture.strips():
        coarse.add(halved(strip, POOLED))
        for share, end in zip(clipped, (0.0, 1.0), strict=True):
            share.add((strip - end).abs_().neg_().add_(NEAR_END).relu_())  # nothing large but the difference
        gaps.add(strip)
        bands.add(strip)
        planes = opponent_planes(strip)
        for scale, gathered in enumerate(scales):
            planes = halved(planes, 1) if scale else planes
            steps = steps_to_next(planes, -1).abs_()
            gathered.add(steps)
            if scale == 0:
                detail.add(halved(steps, POOLED))
    shares = torch.stack([share.value() for share in clipped], dim=1) / NEAR_END
    shares = shares / (shares + 0.02)  # small ones spread out, since they tell most
    cells = _cells(coarse.whole, detail.whole)
    detail_parts = [part for gathered in scales for part in gathered.parts()]
    texture = texture_statistics(bands.value())
    return torch.cat([part.flatten(1) for part in (*cells, shares, *detail_parts, gaps.value(), texture)], dim=1)


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
        if not rows:
            return
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
        # Whole rows, or columns would be met at one phase only of pixels that were enlarged by the stride.
        self.stride, self.fine = odd(height * (width - 1) // STEP_SAMPLES), fine
        self.row = 0
        self.mean, self.flat = _Mean(), _Mean()
        self.samples = _Rows(-(-height // self.stride))

    def add(self, steps: Tensor) -> None:
        steps = steps[..., :-1]
        self.mean.add(steps)
        if self.fine:
            self.samples.add(steps[..., -self.row % self.stride :: self.stride, :])
            self.flat.add((FLAT - steps).relu_())
        self.row += steps.shape[2]

    def parts(self) -> list[Tensor]:
        if not self.fine:
            return [logarithm(self.mean.value())]
        spread = quantiles(self.samples.whole.flatten(2), STEP_QUANTILES)
        return [logarithm(self.mean.value()), logarithm(spread), self.flat.value() / FLAT]


class _Bands:
    """Every so many bands of ``BAND`` rows of pictures of a height and width, strip by strip: texture is of them."""

    def __init__(self, height: int, width: int) -> None:
        count, self.width = height // BAND, width // BAND * BAND
        self.stride = min(_band_strides(count, height * width))
        self.first = self.stride // 2
        self.band = 0
        self.rows = _Rows((count - self.first + self.stride - 1) // self.stride * BAND)

    def add(self, strip: Tensor) -> None:
        if torch.compiler.is_compiling():
            self.rows.whole = _bands_by_symbols(strip)
            return
        count = strip.shape[2] // BAND
        bands = strip[:, :, : count * BAND, : self.width].unflatten(2, (-1, BAND))
        self.rows.add(bands[:, :, (self.first - self.band) % self.stride :: self.stride].flatten(2, 3))
        self.band += count

    def value(self) -> Tensor:
        """(B, 3, bands, BAND, width)."""
        whole = self.rows.whole
        return whole if torch.compiler.is_compiling() else whole.unflatten(2, (-1, BAND))


def _band_strides(count: _Count, pixels: _Count) -> tuple[_Count, _Count]:
    """The smaller one of these: one looks at few enough pixels, the other at bands enough."""
    return odd(pixels // TEXTURE_SAMPLES), odd(count // FEWEST_BANDS)


def _bands_by_symbols(strip: Tensor) -> Tensor:
    """What ``_Bands`` chooses, for exporters, to which sizes are symbols: counts are read from a tensor.

    What comes after then sees plain symbols, not formulas of formulas that take minutes to simplify.
    """
    height, width = (torch.scalar_tensor(side, dtype=torch.int64) for side in strip.shape[-2:])
    stride = torch.minimum(*_band_strides(height // BAND, height * width))
    first = stride // 2
    count: Any = ((height // BAND - first + stride - 1) // stride).item()
    columns: Any = (width // BAND).item()
    for number in (count, columns):
        torch._check(number >= 1)  # noqa: SLF001 - documented for exporters, whatever its name
    rows = ((torch.arange(count) * stride + first) * BAND)[:, None] + torch.arange(BAND)
    chosen = strip[:, :, rows.flatten()][..., torch.arange(columns * BAND)]
    return chosen.reshape(strip.shape[0], strip.shape[1], count, BAND, columns * BAND)


def _cells(coarse: Tensor, detail: Tensor) -> list[Tensor]:
    """Quantiles of the tones, tone parts, rings, and deviations: see ``STATISTICS``.

    Args:
        coarse: (B, 3, H, W) colors, averaged over cells of 4x4 pixels.
        detail: (B, 3, H, W), mean step between the pixels of a cell in each opponent plane.
    """
    planes = opponent_planes(coarse)
    deviation = (planes.flatten(2).var(2, correction=0) + 1e-6).sqrt()
    detail = torch.cat((detail, steps_to_next(planes[:, :1], -1).abs_()), dim=1)
    down, across = _sampling(*coarse.shape[2:])
    coarse, planes, detail = (cells[..., ::down, ::across] for cells in (coarse, planes, detail))
    highest, lowest = coarse.amax(1, keepdim=True), coarse.amin(1, keepdim=True)
    saturation = (highest - lowest) / highest.clamp_min(1e-2)
    chroma = (planes[:, 1:].square().sum(1, keepdim=True) + 1e-6).sqrt()
    tones = quantiles(torch.cat((coarse, planes, saturation, chroma), dim=1).flatten(2), TONE_QUANTILES)
    parts = means_by_rank(planes[:, :1], torch.cat((planes[:, 1:], chroma, detail), dim=1), TONE_PARTS)
    rings = _by_ring(torch.cat((planes[:, :1], chroma, detail[:, :1]), dim=1))
    return [tones, parts[:, :3], logarithm(parts[:, 3:]), rings[:, :2], logarithm(rings[:, 2:]), deviation]


def _sampling(height: int, width: int) -> tuple[int, int]:
    """Every so many rows, and of them columns, are sampled."""
    share = height * width // SAMPLES + 1
    if torch.compiler.is_compiling():  # sizes may be symbols then, which know no integer roots
        root: int = torch.sym_int(torch.sym_sqrt(share))
    else:
        root = math.isqrt(share)
    across = odd(root - 1)
    return odd(share // across - 1), across


def _by_ring(values: Tensor) -> Tensor:
    """Means of (B, C, H, W) over the rings around the middle, (B, C, RINGS)."""
    rows, columns = (2.0 * torch.arange(side, device=values.device) / (side - 1) - 1.0 for side in values.shape[2:])
    radius = ((rows[:, None].square() + columns.square()) / 2.0).sqrt()  # 1 in the corners
    ring = (radius * RINGS).long().clamp_max(RINGS - 1).flatten()
    rings = (ring[:, None] == torch.arange(RINGS, device=values.device)).to(values)
    return values.flatten(2) @ (rings / rings.sum(0).clamp_min(1.0))
