"""How unlike two pictures are to an eye that sees them as a whole: edges, structure, lightness, color, fine to coarse.

Closed-form metrics owe much of their agreement with people to a few ratios that networks find hard to learn: a
difference counts by what stands beside it (SSIM, Wang et al. 2004), edges by their magnitude (GMSD, Xue et al. 2014),
color apart from lightness (FSIM and VSI, Zhang et al. 2011 and 2014; MDSI, Nafchi et al. 2016), and all of it at the
size at which a picture is looked at. Each number here is such a ratio between 0, alike, and about 1. None knows which
picture is the better one: swapping the two changes nothing, and equal pictures give exactly 0.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from pyiqa_pixelperfect.pictures import Picture
from pyiqa_pixelperfect.pixelperfect.color_planes import opponent_planes

__all__ = ["DISSIMILARITIES", "Level", "View", "dissimilarity", "view_of"]

SHORT_SIDE = 256  # px: pictures are averaged down to about this, so that a picture twice as large is as unlike
LEVELS = 3  # each half as fine as the one before
WINDOW = 5  # px, of the local means and variances
# What keeps ratios small where both pictures have next to nothing: squares of the faintest edge of lightness and of
# color, chroma, deviation and lightness that count fully.
EDGES, CHROMA, DEVIATION, LIGHTNESS = (0.0026, 0.006), 0.03, 0.0009, 0.01
FAINT = 1e-12  # below squares of what 8-bit pictures can hold: roots of it keep gradients finite

#: Length of the vector: for every level the mean, the root mean square and the mean weighed by edges of five ratios
#: (edges, edges of color, chroma, structure, lightness), and the mean difference in three planes.
DISSIMILARITIES = LEVELS * (5 * 3 + 3)


class Level(NamedTuple):
    """B pictures at one fineness."""

    planes: Tensor  # (B, 3, h, w), luma and two color differences
    edges: Tensor  # (B, 2, h, w), magnitude of the gradient of luma and of color
    chroma: Tensor  # (B, 1, h, w), squared
    mean: Tensor  # (B, 1, h, w), of luma around each place
    variance: Tensor  # (B, 1, h, w), likewise


View: TypeAlias = Sequence[Level]


def view_of(pictures: Tensor | Picture) -> View:
    """What ``dissimilarity`` needs of each picture by itself, fine to coarse.

    Args:
        pictures: (B, 3, H, W) RGB in [0, 1], sides at least 32 px.
    """
    picture = pictures if isinstance(pictures, Picture) else Picture(pictures)
    if torch.compiler.is_compiling():
        planes = opponent_planes(_pooled_by_symbols(picture.whole()))
    else:
        short = min(picture.height, picture.width)
        planes = opponent_planes(picture.pooled(max(1, (2 * short + SHORT_SIDE) // (2 * SHORT_SIDE))))
    return [_level(F.avg_pool2d(planes, 2**number) if number else planes) for number in range(LEVELS)]


def dissimilarity(image: View, reference: View) -> Tensor:
    """Measure how unlike pictures are (ours, from the ratios of SSIM, GMSD and MDSI).

    Args:
        image: B pictures, from ``view_of``; or one, which stands beside each of the others.
        reference: likewise, of the same size.

    Returns:
        (B, DISSIMILARITIES), not negative; 0 where the pictures are equal, and the same for (reference, image).
    """
    return torch.cat([_apart(one, other) for one, other in zip(image, reference, strict=True)], dim=1)


def _pooled_by_symbols(images: Tensor) -> Tensor:
    """``Picture.pooled`` for exporters, to which sizes are symbols: no kernel has a size that is not known yet.

    The number of blocks is read from a tensor, so that what comes after sees a plain symbol, not a formula of two.
    """
    height, width = (torch.scalar_tensor(side, dtype=torch.int64) for side in images.shape[-2:])
    factor = ((2 * torch.minimum(height, width) + SHORT_SIDE) // (2 * SHORT_SIDE)).clamp_min(1)
    for side in (width, height):
        blocks: Any = ((side + factor - 1) // factor).item()
        torch._check(blocks >= 2**LEVELS)  # noqa: SLF001 - documented for exporters, whatever its name
        number = torch.arange(images.shape[-1], device=images.device)[:, None] // factor
        members = (number == torch.arange(blocks, device=images.device)).to(images)
        images = (images @ (members / members.sum(0))).mT
    return images


def _level(planes: Tensor) -> Level:
    energy = _edge_energy(planes)
    energy = torch.cat((energy[:, :1], energy[:, 1:].sum(1, keepdim=True)), dim=1)
    mean = _local_means(planes[:, :1])
    variance = F.relu(_local_means(planes[:, :1].square()) - mean.square())
    return Level(planes, (energy + FAINT).sqrt(), planes[:, 1:].square().sum(1, keepdim=True), mean, variance)


def _apart(one: Level, other: Level) -> Tensor:
    """(B, 18): what a level has in the vector."""
    difference = one.planes - other.planes
    square = difference.square()
    steps = (one.edges - other.edges).square()
    faintest = steps.new_tensor(EDGES).reshape(1, 2, 1, 1)
    shift = (one.mean - other.mean).square()
    ratios = torch.cat(
        (
            steps / (one.edges.square() + other.edges.square() + faintest),
            square[:, 1:].sum(1, keepdim=True) / (one.chroma + other.chroma + CHROMA),
            # 1 less the covariance against the variances, since the variance of a difference is theirs less twice that
            F.relu(_local_means(square[:, :1]) - shift) / (one.variance + other.variance + DEVIATION),
            shift / (one.mean.square() + other.mean.square() + LIGHTNESS),
        ),
        dim=1,
    )
    weight = torch.maximum(one.edges[:, :1], other.edges[:, :1]) + 1e-3
    weighed = (ratios * weight).mean((2, 3)) / weight.mean((2, 3))
    spread = (ratios.square().mean((2, 3)) + FAINT).sqrt() - FAINT**0.5
    return torch.cat((ratios.mean((2, 3)), spread, weighed, difference.abs().mean((2, 3))), dim=1)


def _edge_energy(planes: Tensor) -> Tensor:
    """Squared magnitude of Scharr's gradient in each plane of (B, C, H, W); an edge from 0 to 1 has 1."""
    wide = F.pad(planes, (1, 1, 1, 1), mode="replicate")
    down = torch.lerp(wide[..., 1:-1, :], 0.5 * (wide[..., :-2, :] + wide[..., 2:, :]), 6.0 / 16.0)
    across = torch.lerp(wide[..., 1:-1], 0.5 * (wide[..., :-2] + wide[..., 2:]), 6.0 / 16.0)
    return (down[..., 2:] - down[..., :-2]).square() + (across[..., 2:, :] - across[..., :-2, :]).square()


def _local_means(planes: Tensor) -> Tensor:
    """Means over the window around each place of (B, C, H, W), sums of rows first: far fewer additions than at once."""
    wide = F.pad(planes, (WINDOW // 2,) * 4, mode="replicate")
    height, width = planes.shape[-2:]
    rows = sum((wide[..., shift : shift + height, :] for shift in range(1, WINDOW)), wide[..., :height, :])
    columns = sum((rows[..., shift : shift + width] for shift in range(1, WINDOW)), rows[..., :width])
    return columns / WINDOW**2
