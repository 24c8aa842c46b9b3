"""How the finest detail of a picture goes with all else in it: is its texture as nature makes it?

In photographs fine and coarse detail are in proportion: where much happens at the scale of 8 pixels, much happens from
pixel to pixel, and a neighborhood that is divided by its own contrast looks the same nearly everywhere (Ruderman,
Network 1994; what BRISQUE and NIQE rest on, Mittal et al., IEEE TIP 2012 and SPL 2013). Colors change where lightness
does. Blur and codecs take fine detail from where there is little to hide it, noise adds it there, sharpening adds it at
edges, and what is done to colors loosens their tie to lightness. So two versions of one picture can be told apart by
which of them keeps to these relations, where means over the whole picture are alike.

Neighborhoods are cells of 8x8 pixels, so all of it needs sums and differences of neighbors only.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from pyiqa_pixelperfect.pixelperfect.color_planes import opponent_planes
from pyiqa_pixelperfect.pixelperfect.inference import halved, steps_to_next
from pyiqa_pixelperfect.pixelperfect.order_statistics import means_by_rank, quantiles

__all__ = ["BAND", "TEXTURE", "logarithm", "texture_statistics"]

BAND = 32  # rows that are looked at together; widths are multiples of this, too
SCALES = 3  # pixels, means of 2x2 and of 4x4 pixels
COLORED = 2  # of them, those at which the contrast of color is looked at, too
CELLS = (3, 2, 2)  # halvings that lead from each scale to cells whose contrast pixels are divided by
RANKS = 6  # equal shares of the cells, from those in which least happens to those in which most does
QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)  # of the contrasts of cells
FAINT = 0.006  # of [0, 1]: deviations around this and below are no texture to be in proportion to
FLAT = 0.006  # of [0, 1]: bends below this begin to count as none
HUES = 6  # directions of color
_PAIRS = ((0, 1), (0, 2), (1, 2))  # of planes
LAGS = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0))  # rows and columns to the neighbors that pixels are multiplied with
_LOOKS = 2 + 2 * len(LAGS)  # at the pixels of a cell: mean size, mean square, products and their sizes
_CELLED = [3] * COLORED + [1] * (SCALES - COLORED)  # planes whose cells are looked at, by scale

#: Length of the vector: by rank of the cells the steps at two scales in 3 planes, bends of luma, the share of pixels
#: without any, and the activity that ranks are of; of pixels divided by the contrast of their cells the looks, and
#: quantiles of that contrast; of what each scale adds the mean size and how uneven it is, how two scales go together,
#: and the steps downward; how steps of the planes go together, with and without their signs; how coarse lightness,
#: colors and chroma do, and how much there is of each hue.
TEXTURE = (
    RANKS * (2 * 3 + 3) + sum(_CELLED) * (_LOOKS + len(QUANTILES))
    + 3 * (2 * SCALES + (SCALES - 1) + COLORED) + 2 * SCALES * len(_PAIRS) + len(_PAIRS) + 1 + HUES
)  # fmt: skip


def texture_statistics(bands: Tensor) -> Tensor:
    """Describe the texture of each picture by itself (ours).

    Args:
        bands: (B, 3, N, 32, W) RGB in [0, 1], N bands of 32 rows each, W a multiple of 32.

    Returns:
        (B, TEXTURE), about [-1, 1] each.
    """
    pyramid = [opponent_planes(bands)]
    for _ in range(SCALES):
        pyramid.append(halved(pyramid[-1], 1))
    across = [steps_to_next(planes, -1) for planes in pyramid[:SCALES]]
    down = [steps_to_next(planes, -2) for planes in pyramid[:SCALES]]
    cells = [part for scale, count in enumerate(_CELLED) for part in _by_contrast(pyramid[scale][:, :count], scale)]
    steps = [part for planes in across for part in (*_together(planes), *_together(planes.abs()))]
    parts = [_by_activity(across, down), *cells, *_by_scale(pyramid), *steps, *_colors(pyramid[2])]
    parts += [logarithm(_mean(planes.abs())) for planes in down[:COLORED]]
    return torch.cat(parts, dim=1)


def _by_activity(across: Sequence[Tensor], down: Sequence[Tensor]) -> Tensor:
    """Fine steps and bends of cells by how much happens in them at the scale of 4 pixels."""
    steps = [(right.abs() + below.abs()) / 2.0 for right, below in zip(across, down, strict=True)]
    bend = (_bend(across[0][:, :1], -1) + _bend(down[0][:, :1], -2)).abs()
    fine = torch.cat((steps[0], bend, (FLAT - bend).relu()), dim=1)
    cells = torch.cat((halved(fine, 3), halved(steps[1], 2), halved(steps[2][:, :1], 1)), dim=1).flatten(2, 3)
    means = means_by_rank(cells[:, -1:], cells, RANKS)
    return torch.cat((logarithm(means[:, :4]), means[:, 4:5] / FLAT, logarithm(means[:, 5:])), dim=1).flatten(1)


def _by_contrast(planes: Tensor, scale: int) -> list[Tensor]:
    """What pixels are like when they are divided by the contrast of their cell, and quantiles of that contrast."""
    halvings = CELLS[scale]
    side = 2**halvings
    mean = halved(planes, halvings)
    apart = (planes.unflatten(-1, (-1, side)).unflatten(-3, (-1, side))) - mean[..., None, :, None]
    variance = apart.square().mean((-3, -1), keepdim=True)
    contrast = _root(variance, 1e-8)
    pixels = apart / (contrast + FAINT)  # (B, C, N, rows, side, columns, side)
    products = [
        pixels[..., rows:, :, columns:] * pixels[..., : side - rows, :, : side - columns] for rows, columns in LAGS
    ]
    looks = [pixels.abs(), pixels.square(), *products, *(product.abs() for product in products)]
    spread = logarithm(quantiles(contrast.flatten(2), QUANTILES)).flatten(1)
    return [*(look.flatten(2).mean(2) for look in looks), spread]


def _by_scale(pyramid: Sequence[Tensor]) -> list[Tensor]:
    """What each scale adds to the next coarser one: how much, how unevenly, and whether where that adds much, too."""
    added = []
    for fine, coarse in pairwise(pyramid):
        added.append((fine - coarse.repeat_interleave(2, -1).repeat_interleave(2, -2)).abs())
    parts = [_correlation(halved(fine, 1), coarse) for fine, coarse in pairwise(added)]
    for detail in added:
        size = _mean(detail)
        uneven = _root(_mean(detail.square()), 1e-8) / (size + 1e-4)
        parts += [logarithm(size), 0.2 * (uneven + 1e-3).log()]
    return parts


def _together(planes: Tensor) -> list[Tensor]:
    """Correlations of the three planes, two at a time, (B, 1) each."""
    numbers = planes.flatten(2)
    apart = numbers - numbers.mean(2, keepdim=True)
    covariances = apart @ apart.mT / apart.shape[2]
    variances = covariances.diagonal(dim1=1, dim2=2)
    roots = _root(variances.unsqueeze(1) * variances.unsqueeze(2), 1e-9)
    return [(covariances / roots)[:, one, other : other + 1] for one, other in _PAIRS]


def _colors(planes: Tensor) -> list[Tensor]:
    """How lightness, color and chroma go together at a coarse scale, and how much there is of each hue."""
    luma, red, blue = planes.split(1, dim=1)
    chroma = (red.square() + blue.square() + 1e-6).sqrt()
    angles = [math.tau * hue / HUES for hue in range(HUES)]
    hues = torch.cat([(red * math.cos(angle) + blue * math.sin(angle)).relu() for angle in angles], dim=1)
    return [*_together(planes), _correlation(luma, chroma), logarithm(_mean(hues))]


def _correlation(one: Tensor, other: Tensor) -> Tensor:
    """Pearson's correlation of each plane of two, (B, C)."""
    one, other = (plane.flatten(2) for plane in (one, other))
    one, other = one - one.mean(2, keepdim=True), other - other.mean(2, keepdim=True)
    return (one * other).mean(2) / _root(one.square().mean(2) * other.square().mean(2), 1e-9)


def _root(squares: Tensor, faint: float) -> Tensor:
    """``sqrt(squares + faint)``, in larger numbers: exporters take an addition of less than 1e-8 for none."""
    return 1e-3 * (1e6 * squares + 1e6 * faint).sqrt()


def _mean(planes: Tensor) -> Tensor:
    return planes.flatten(2).mean(2)


def _bend(steps: Tensor, side: int) -> Tensor:
    """Steps less those before them; 0 at the first."""
    length = steps.shape[side]
    bends = steps.narrow(side, 1, length - 1) - steps.narrow(side, 0, length - 1)
    return torch.cat((torch.zeros_like(steps.narrow(side, 0, 1)), bends), dim=side)


def logarithm(steps: Tensor) -> Tensor:
    """Steps between pixels on a scale of about [-1, 0]."""
    return 0.2 * (steps + 1e-3).log()
