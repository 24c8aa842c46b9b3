"""Baseline JPEG (ITU-T T.81) as a function of tensors: hard quantization, with a quality that may change per block.

Integer tables scaled as libjpeg scales them, 4:2:0 or 4:4:4, levels rounded to 8 bit; entropy coding is lossless and
left out. The amount is the same in every 16x16 minimum coded unit; ``align_to_grid`` makes a field so, and the truth
map is the aligned field.
"""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from pyiqa_pixelperfect.distortions.counter import hashed_uniform
from pyiqa_pixelperfect.distortions.strengths import geometric, keep_where_zero

__all__ = [
    "UNIT",
    "align_to_grid",
    "dct_matrix",
    "double",
    "from_blocks",
    "grid_phase",
    "halve",
    "jpeg",
    "jpeg_at_quality",
    "mix_channels",
    "to_blocks",
]

UNIT = 16  # px of the minimum coded unit with halved chroma
QUALITY_RANGE = (95.0, 4.0)  # at amounts just above 0 and at 1

# Annex K of T.81, tables K.1 (luminance) and K.2 (chrominance).
LUMA_TABLE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMA_TABLE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
TO_YCBCR = ((0.299, 0.587, 0.114), (-0.168735892, -0.331264108, 0.5), (0.5, -0.418687589, -0.081312411))
TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136286, -0.714136286), (1.0, 1.772, 0.0))


def mix_channels(images: Tensor, matrix: tuple[tuple[float, ...], ...]) -> Tensor:
    """Multiply the channels of (B, 3, H, W) by a 3x3 matrix."""
    mixer = torch.tensor(matrix, dtype=images.dtype, device=images.device).expand(len(images), -1, -1)
    return torch.bmm(mixer, images.flatten(2)).reshape(images.shape)


def dct_matrix(size: int) -> Tensor:
    """Orthonormal DCT-II matrix (size, size)."""
    k = torch.arange(size, dtype=torch.float64)
    matrix = torch.cos(math.pi * (2.0 * k[None, :] + 1.0) * k[:, None] / (2.0 * size)) * math.sqrt(2.0 / size)
    matrix[0] /= math.sqrt(2.0)
    return matrix.float()


def to_blocks(planes: Tensor, size: int) -> Tensor:
    """(B, C, H, W) to (B, C, H/size, W/size, size, size); the sides must be multiples of ``size``."""
    batch, channels, height, width = planes.shape
    return planes.reshape(batch, channels, height // size, size, width // size, size).transpose(3, 4)


def from_blocks(blocks: Tensor) -> Tensor:
    """Inverse of ``to_blocks``."""
    batch, channels, rows, columns, size, _ = blocks.shape
    return blocks.transpose(3, 4).reshape(batch, channels, rows * size, columns * size)


def grid_phase(seeds: Tensor) -> Tensor:
    """Offset of the coding grid per image, (B, 2) in [0, 16): 0 for half of the images, drawn for the others.

    A photo that was cropped after it was coded has its blocks at any offset.
    """
    draws = hashed_uniform(seeds, (3,), 18)
    moved = (draws[:, :2] * UNIT).long()
    return torch.where(draws[:, 2:] < 0.5, torch.zeros_like(moved), moved)


def shift_in(images: Tensor, phase: Tensor, unit: int) -> Tensor:
    """Move each image down and right by its phase and pad to whole units, by replication; (B, C, H', W')."""
    height, width = images.shape[-2:]
    rows = torch.arange(-(-(height + UNIT) // unit) * unit, device=images.device)
    columns = torch.arange(-(-(width + UNIT) // unit) * unit, device=images.device)
    rows = (rows[None] - phase[:, :1]).clamp(0, height - 1)
    columns = (columns[None] - phase[:, 1:]).clamp(0, width - 1)
    batch = torch.arange(len(images), device=images.device)[:, None, None]
    return images.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def shift_out(padded: Tensor, phase: Tensor, height: int, width: int) -> Tensor:
    """Undo ``shift_in``: cut each picture out of its padded frame."""
    rows = torch.arange(height, device=padded.device)[None] + phase[:, :1]
    columns = torch.arange(width, device=padded.device)[None] + phase[:, 1:]
    batch = torch.arange(len(padded), device=padded.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def align_to_grid(amount: Tensor, seeds: Tensor) -> Tensor:
    """Average an amount field (B, 1, H, W) over each image's 16 px coding units; zero units stay exactly zero."""
    phase = grid_phase(seeds)
    blocks = F.avg_pool2d(shift_in(amount, phase, UNIT), UNIT)
    return shift_out(blocks.repeat_interleave(UNIT, 2).repeat_interleave(UNIT, 3), phase, *amount.shape[-2:])


@lru_cache(maxsize=1)
def _dct_matrices() -> tuple[Tensor, Tensor]:
    """The transform of 8 values, and of 16 as two eights, since a product with the small one takes thrice as long."""
    with torch.inference_mode(mode=False):  # what is kept must serve outside of it too
        matrix = dct_matrix(8)
        return matrix, torch.block_diag(matrix, matrix)


def _quantize(plane: Tensor, quality: Tensor, table: tuple[tuple[int, ...], ...]) -> Tensor:
    """Code one plane (B, 1, H, W) of 0..255 values with a quality (B, 1, H/8, W/8) per block."""
    batch, _, height, width = plane.shape
    base = torch.tensor(table, dtype=plane.dtype, device=plane.device)
    scale = torch.where(quality < 50.0, (5000.0 / quality).floor(), 200.0 - 2.0 * quality)
    # Blocks stay where they are: rows of blocks, 8 rows or frequencies, blocks of a row, 8 columns or frequencies.
    scale = scale.reshape(-1, height // 8, 1, width // 8, 1)
    steps = (base[:, None] * scale).add_(50.0).div_(100.0).floor_().clamp_(1.0, 255.0)
    dct, two = (matrix.to(plane).expand(batch * height // 8, -1, -1) for matrix in _dct_matrices())
    rows = torch.bmm(dct, (plane - 128.0).reshape(-1, 8, width))
    coefficients = torch.bmm(rows.reshape(-1, width // 2, 16), two.mT).reshape(batch, -1, 8, width // 8, 8)
    coefficients.div_(steps).round_().mul_(steps)
    rows = torch.bmm(coefficients.reshape(-1, width // 2, 16), two).reshape(-1, 8, width)
    return torch.bmm(dct.mT, rows).add_(128.0).reshape(plane.shape)


def halve(planes: Tensor) -> Tensor:
    """Mean of 2x2 pixels of (B, C, H, W), sides even: as pooling on average, in a sixth of the time on a CPU."""
    rows = planes[:, :, ::2] + planes[:, :, 1::2]
    return (rows[..., ::2] + rows[..., 1::2]).mul_(0.25)


def double(planes: Tensor, *, out: Tensor | None = None) -> Tensor:
    """(B, C, h, w) twice as large by the triangle filter, libjpeg's "fancy" upsampling; edges replicated.

    As bilinear interpolation, in half of the time on a CPU: of two new pixels each takes a quarter of its neighbor.
    It is written to ``out`` if that is given, (B, C, 2h, 2w).
    """
    batch, channels, height, width = planes.shape
    tall = planes.new_empty(batch, channels, 2 * height, width)
    done = planes.new_empty(batch, channels, 2 * height, 2 * width) if out is None else out
    for side, source, target in ((2, planes, tall), (3, tall, done)):
        length = source.shape[side]
        near = source * 0.75
        halves = target.unflatten(side, (length, 2))
        for half in (0, 1):
            # All but one take a quarter of the neighbor before or behind, the one at the edge of itself.
            inner, edge = (1 - half, length - 1), half * (length - 1)
            mixed = halves.select(side + 1, half).narrow(side, *inner)  # in place, which leaves a way to gradients
            mixed.copy_(near.narrow(side, *inner)).add_(source.narrow(side, half, length - 1), alpha=0.25)
            halves.select(side + 1, half).select(side, edge).copy_(source.select(side, edge))
    return done


def jpeg_at_quality(images: Tensor, quality: Tensor, *, subsample: bool = True) -> Tensor:
    """Code and decode.

    Args:
        images: (B, 3, H, W) in [0, 1], sides multiples of 16.
        quality: (B, 1, H/16, W/16) in [1, 100], one per coding unit.
        subsample: 4:2:0 if true, 4:4:4 if not.

    Returns:
        (B, 3, H, W) in [0, 1], rounded to 8 bit.
    """
    offset = torch.tensor((0.0, 128.0, 128.0), dtype=images.dtype, device=images.device).reshape(1, 3, 1, 1)
    ycbcr = mix_channels((images * 255.0).round_(), TO_YCBCR).add_(offset).round_()
    luma_quality = quality.round().repeat_interleave(2, 2).repeat_interleave(2, 3)
    planes = [_quantize(ycbcr[:, :1], luma_quality, LUMA_TABLE)]
    for channel in (1, 2):
        plane = ycbcr[:, channel : channel + 1]
        if subsample:
            plane = double(_quantize(halve(plane).round_(), quality.round(), CHROMA_TABLE).round_().clamp_(0, 255))
        else:
            plane = _quantize(plane, luma_quality, CHROMA_TABLE)
        planes.append(plane)
    decoded = torch.cat(planes, 1).round_().clamp_(0.0, 255.0).sub_(offset)
    return mix_channels(decoded, TO_RGB).round_().clamp_(0.0, 255.0).div_(255.0)


def jpeg(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """JPEG with quality 95 (amount just above 0) to 4 (amount 1), geometric in between.

    Chroma is halved for three of four images and the grid moved for half of them, both by a draw per image.

    Args:
        images: (B, 3, H, W) in [0, 1].
        amount: (B, 1, H, W) in [0, 1], constant on coding units (``align_to_grid``).
        seeds: (B,) int64.

    Returns:
        (B, 3, H, W) in [0, 1]; pixels of zero amount are untouched.
    """
    height, width = images.shape[-2:]
    phase = grid_phase(seeds)
    padded = shift_in(images, phase, UNIT)
    units = F.avg_pool2d(shift_in(amount, phase, UNIT), UNIT)
    quality = geometric(units, QUALITY_RANGE)
    halved = hashed_uniform(seeds, (1, 1, 1), 19) < 0.75
    coded = torch.where(halved, jpeg_at_quality(padded, quality), jpeg_at_quality(padded, quality, subsample=False))
    return keep_where_zero(images, amount, shift_out(coded, phase, height, width))
