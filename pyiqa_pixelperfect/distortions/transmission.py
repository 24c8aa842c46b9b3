"""What happens to coded pictures on their way: coded twice, with less color than detail, with parts lost.

Sources: ITU-T T.81 for both codings of ``double_jpeg``; chroma planes reduced as in 4:2:0 and beyond; for
``block_loss`` the dispersed slice groups of H.264 (ITU-T H.264, type 1), in which every second unit of a chessboard is
sent apart, and concealment by the borders of the four neighbors weighted by their nearness, as in its test model.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from pyiqa_pixelperfect.distortions.counter import hashed_uniform
from pyiqa_pixelperfect.distortions.jpeg import (
    QUALITY_RANGE,
    TO_RGB,
    TO_YCBCR,
    UNIT,
    grid_phase,
    jpeg_at_quality,
    mix_channels,
    shift_in,
    shift_out,
)
from pyiqa_pixelperfect.distortions.strengths import geometric, interpolate_strengths, keep_where_zero

__all__ = ["block_loss", "chroma_subsampling", "double_jpeg", "lost_units"]

MILDER = 0.7  # amount of the weaker of two codings, relative to the other
CHROMA_FACTORS = (2, 4, 8, 16)  # at amounts 1/4, 2/4 ... 1


def _code(images: Tensor, amount: Tensor, phase: Tensor) -> Tensor:
    """JPEG 4:2:0 on a grid that starts at ``phase``, with the mean amount (B, 1, H, W) of each unit."""
    quality = geometric(F.avg_pool2d(shift_in(amount, phase, UNIT), UNIT), QUALITY_RANGE)
    return shift_out(jpeg_at_quality(shift_in(images, phase, UNIT), quality), phase, *images.shape[-2:])


def double_jpeg(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """JPEG of two qualities, the second on a grid moved by 1 to 15 px; which is the lower one is drawn per image.

    Args:
        images: (B, 3, H, W) in [0, 1].
        amount: (B, 1, H, W) in [0, 1], constant on the units of the second coding (``align_to_grid``).
        seeds: (B,) int64.

    Returns:
        (B, 3, H, W) in [0, 1]; pixels of zero amount are untouched.
    """
    phase = grid_phase(seeds)
    draws = hashed_uniform(seeds, (3,), 70)
    before = (phase + 1 + (draws[:, :2] * (UNIT - 1)).long()) % UNIT
    first = torch.where(draws[:, 2] < 0.5, 1.0, MILDER).reshape(-1, 1, 1, 1)
    second = torch.where(draws[:, 2] < 0.5, MILDER, 1.0).reshape(-1, 1, 1, 1)
    once = _code(images, amount * first, before)
    return keep_where_zero(images, amount, _code(once, amount * second, phase))


def chroma_subsampling(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """The two color differences averaged over up to 16x16 px and enlarged linearly, luma kept; no ``seeds``."""
    height, width = images.shape[-2:]
    planes = mix_channels(images, TO_YCBCR)
    filtered = []
    for factor in CHROMA_FACTORS:
        small = F.avg_pool2d(planes[:, 1:], factor, ceil_mode=True)
        size = (small.shape[2] * factor, small.shape[3] * factor)
        chroma = F.interpolate(small, size=size, mode="bilinear", align_corners=False)[..., :height, :width]
        filtered.append(mix_channels(torch.cat((planes[:, :1], chroma), 1), TO_RGB))
    return keep_where_zero(images, amount, interpolate_strengths(images, amount, filtered))


def lost_units(amount: Tensor, seeds: Tensor) -> Tensor:
    """Which coding units are lost: 1 in those, 0 elsewhere, (B, 1, H, W).

    Half of the units, those of one color of a chessboard, can be lost, in an order drawn per image. Of these the mean
    amount of a unit says the share that is lost, so that a whole picture of amount 1 loses half of its units; one at
    least is lost where there is any amount. Units start at each image's ``grid_phase``.
    """
    phase = grid_phase(seeds)
    units = F.avg_pool2d(shift_in(amount, phase, UNIT), UNIT)
    rows, columns = units.shape[-2:]
    draws = hashed_uniform(seeds, (rows * columns + 1,), 71)
    y = torch.arange(rows, device=seeds.device).reshape(1, -1, 1)
    x = torch.arange(columns, device=seeds.device).reshape(1, 1, -1)
    color = (y + x + (draws[:, -1:, None] * 2.0).long()) % 2 == 0
    # Only units that show: the frame in which the grid is moved is up to one unit larger than the picture.
    top, left = phase[:, 0].reshape(-1, 1, 1), phase[:, 1].reshape(-1, 1, 1)
    height, width = amount.shape[-2:]
    seen = ((y + 1) * UNIT > top) & (y * UNIT < top + height) & ((x + 1) * UNIT > left) & (x * UNIT < left + width)
    able = (color & seen).flatten(1)
    rank = torch.where(able, draws[:, :-1], 2.0).argsort(stable=True, dim=1).argsort(1).to(torch.float32)
    share = (rank + 0.5) / able.sum(1, keepdim=True)
    mean = units.flatten(1)
    first = torch.where(able, mean / share, torch.zeros_like(mean))
    lost = able & (mean > 0) & ((share <= mean) | (first == first.amax(1, keepdim=True)))
    field = lost.reshape(-1, 1, rows, columns).to(amount.dtype)
    return shift_out(field.repeat_interleave(UNIT, 2).repeat_interleave(UNIT, 3), phase, height, width)


def _beside(padded: Tensor, inside: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Weighted sum and weights of the lines before and behind each unit along an axis; only lines of the picture."""
    place = torch.arange(padded.shape[axis], device=padded.device)
    start = place // UNIT * UNIT
    total, weights = torch.zeros_like(padded), torch.zeros_like(padded[:, :1])
    for line, distance in ((start - 1, place - start + 1), (start + UNIT, start + UNIT - place)):
        near = (1.0 / distance).to(padded.dtype).reshape((-1, 1) if axis == 2 else (1, -1))
        clamped = line.clamp(0, padded.shape[axis] - 1)
        real = ((line >= 0) & (line < padded.shape[axis])).reshape(near.shape)
        weight = near * real * inside.index_select(axis, clamped)
        total = total + padded.index_select(axis, clamped) * weight
        weights = weights + weight
    return total, weights


def block_loss(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Units of 16 px lost and filled in from the lines around them, weighted by their nearness.

    What is filled in is about as far from the photograph as JPEG of amount 1 would be there: lost units have amount 1.

    Args:
        images: (B, 3, H, W) in [0, 1].
        amount: (B, 1, H, W), not 0 in the units that are lost (``lost_units``).
        seeds: (B,) int64.

    Returns:
        (B, 3, H, W) in [0, 1]; pixels of zero amount are untouched.
    """
    phase = grid_phase(seeds)
    padded = shift_in(images, phase, UNIT)
    height, width = images.shape[-2:]
    y = torch.arange(padded.shape[2], device=images.device).reshape(1, 1, -1, 1) - phase[:, 0].reshape(-1, 1, 1, 1)
    x = torch.arange(padded.shape[3], device=images.device).reshape(1, 1, 1, -1) - phase[:, 1].reshape(-1, 1, 1, 1)
    inside = ((y >= 0) & (y < height) & (x >= 0) & (x < width)).to(images.dtype)
    (rows, row_weights), (columns, column_weights) = (_beside(padded, inside, axis) for axis in (2, 3))
    concealed = (rows + columns) / (row_weights + column_weights).clamp_min(1e-6)
    return keep_where_zero(images, amount, shift_out(concealed, phase, height, width))
