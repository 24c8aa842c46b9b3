"""KADIS type 10: JPEG at one quality for the whole batch, where ``jpeg.py`` has one for each coding unit.

The same to the bit, in less time on a CPU: with one quality the quantization steps of a row of blocks are those of any
other, so that they are made once and stay in the cache, and both chroma planes go together.
"""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from pyiqa_pixelperfect.distortions.jpeg import (
    CHROMA_TABLE,
    LUMA_TABLE,
    TO_RGB,
    TO_YCBCR,
    UNIT,
    dct_matrix,
    double,
    halve,
    mix_channels,
)

__all__ = ["jpeg"]

_GRAY = 128.0  # of chroma 0, and what the transform takes for 0


@lru_cache(maxsize=64)
def _steps(table: tuple[tuple[int, ...], ...], quality: float, width: int, device: torch.device) -> Tensor:
    """(8 * width,) quantization steps of a row of blocks, as libjpeg scales them."""
    with torch.inference_mode(mode=False):  # what is kept must serve outside of it too
        scale = torch.tensor(5000.0 / quality if quality < 50.0 else 200.0 - 2.0 * quality).floor()
        steps = (torch.tensor(table) * scale).add_(50.0).div_(100.0).floor_().clamp_(1.0, 255.0)
        return steps.repeat(1, width // 8).flatten().to(device)


@lru_cache(maxsize=8)
def _matrices(device: torch.device) -> tuple[Tensor, Tensor]:
    """The transform of 8 values, and of 16 as two eights."""
    with torch.inference_mode(mode=False):
        eight = dct_matrix(8)
        return eight.to(device), torch.block_diag(eight, eight).to(device)


def _code(planes: Tensor, table: tuple[tuple[int, ...], ...], quality: float) -> Tensor:
    """Code and decode planes (B, C, H, W), sides multiples of 8, of values about 0."""
    width = planes.shape[3]
    eight, sixteen = _matrices(planes.device)
    strips = planes.reshape(-1, 8, width)
    rows = torch.bmm(eight.expand(len(strips), -1, -1), strips)
    pairs = sixteen.expand(len(strips), -1, -1)
    frequencies = torch.bmm(rows.view(-1, width // 2, 16), pairs.mT).view(-1, 8 * width)
    steps = _steps(table, quality, width, planes.device)
    frequencies.div_(steps).round_().mul_(steps)
    torch.bmm(frequencies.view(-1, width // 2, 16), pairs, out=rows.view(-1, width // 2, 16))
    return torch.bmm(eight.mT.expand(len(strips), -1, -1), rows).view(planes.shape)


def jpeg(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 10: JPEG of quality ``parameter`` with halved chroma; no ``seeds``. Oracle: Pillow (libjpeg)."""
    height, width = images.shape[-2:]
    below, right = (math.ceil(side / UNIT) * UNIT - side for side in (height, width))
    padded = F.pad(images, (0, right, 0, below), mode="replicate") if below or right else images
    values = (padded * 255.0).round_()
    offset = values.new_tensor((0.0, _GRAY, _GRAY)).reshape(1, 3, 1, 1)
    ycbcr = mix_channels(values, TO_YCBCR).add_(offset).round_()
    quality = float(round(parameter))
    torch.add(_code(ycbcr[:, :1] - _GRAY, LUMA_TABLE, quality), _GRAY, out=values[:, :1])
    chroma = _code(halve(ycbcr[:, 1:]).round_().sub_(_GRAY), CHROMA_TABLE, quality)
    double(chroma.add_(_GRAY).round_().clamp_(0.0, 255.0), out=values[:, 1:])
    decoded = mix_channels(values.round_().clamp_(0.0, 255.0).sub_(offset), TO_RGB)
    return decoded.round_().clamp_(0.0, 255.0).div_(255.0)[..., :height, :width]
