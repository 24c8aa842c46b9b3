"""What a whole picture looks like at a glance: tones, colors, clipping, flat areas, detail at a few scales.

Maps say where two pictures differ and in which family. Which of the two is as it should be, the brighter one or the
darker one, no small part can tell: it shows in how the tones of a whole picture are spread, whether it clips, whether
its flat areas are really flat. These numbers hold that for one picture; the score network compares those of two.

They are means and quantiles, so they hardly depend on the size of the picture, and gradients are finite everywhere.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

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


def picture_statistics(images: Tensor) -> Tensor:
    """Describe each picture by itself (ours).

    Args:
        images: (B, 3, H, W) RGB in [0, 1], sides at least 32 px.

    Returns:
        (B, STATISTICS), about [-1, 1] each.
    """
    coarse = F.avg_pool2d(images, POOLING)
    planes = opponent_planes(coarse)
    highest, lowest = coarse.amax(1, keepdim=True), coarse.amin(1, keepdim=True)
    saturation = (highest - lowest) / highest.clamp_min(1e-2)
    chroma = (planes[:, 1:].square().sum(1, keepdim=True) + 1e-6).sqrt()
    tones = _quantiles(torch.cat((coarse, planes, saturation, chroma), dim=1), TONE_QUANTILES)
    deviation = (planes.flatten(2).var(2, correction=0) + 1e-6).sqrt()
    parts = [tones, _color_by_tone(_sample(planes)), _clipped(images), deviation, *_steps(opponent_planes(images))]
    return torch.cat([part.flatten(1) for part in parts], dim=1)


def mean_squared_error(image: Tensor, reference: Tensor) -> Tensor:
    """Mean squared difference of all values of pictures (B, 3, H, W), (B,)."""
    return (image - reference).square().mean((1, 2, 3))


def _sample(values: Tensor) -> Tensor:
    """Every n-th row and column of (B, C, H, W), n odd, so that no grid of blocks is met at one phase only."""
    stride = math.isqrt(values.shape[2] * values.shape[3] // SAMPLES) | 1
    return values[..., ::stride, ::stride]


def _quantiles(values: Tensor, shares: tuple[float, ...]) -> Tensor:
    """(B, C, H, W) -> (B, C, Q)."""
    ordered = _sample(values).flatten(2).sort(dim=2).values
    last = ordered.shape[2] - 1
    return ordered[..., [round(share * last) for share in shares]]


def _color_by_tone(planes: Tensor) -> Tensor:
    """Mean color differences of the darkest sixth of the picture, the next, ... the brightest, (B, 2, TONE_PARTS)."""
    flat = planes.flatten(2)
    order = flat[:, :1].argsort(dim=2, stable=True).expand(-1, 2, -1)
    colors = flat[:, 1:].gather(2, order)
    return torch.stack([part.mean(2) for part in colors.tensor_split(TONE_PARTS, dim=2)], dim=2)


def _clipped(images: Tensor) -> Tensor:
    """Share of black and of white values in each channel, (B, 2, 3); small shares spread out, since they tell most."""
    flat = images.flatten(2)
    share = torch.stack([F.relu(1.0 - end / NEAR_END).mean(2) for end in (flat.abs(), (1.0 - flat).abs())], dim=1)
    return share / (share + 0.02)


def _steps(planes: Tensor) -> list[Tensor]:
    """Steps between horizontal neighbors: see ``STATISTICS``."""
    parts = []
    for scale in range(SCALES):
        steps = (planes[..., 1:] - planes[..., :-1]).abs()
        parts.append(_logarithm(steps.mean((2, 3))))
        if scale < FINE_SCALES:
            parts.append(_logarithm(_quantiles(steps, STEP_QUANTILES)))
            parts.append(F.relu(1.0 - steps / FLAT).mean((2, 3)))
        if scale + 1 < SCALES:
            planes = F.avg_pool2d(planes, 2)
    return parts


def _logarithm(steps: Tensor) -> Tensor:
    return 0.2 * (steps + 1e-3).log()
