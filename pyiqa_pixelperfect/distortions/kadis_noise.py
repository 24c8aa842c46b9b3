"""KADIS types 11 to 14: white, color-component, impulse and multiplicative noise, each at one strength for a batch.

Every operation is ``(images (B, 3, H, W), parameter, seeds (B,)) -> images`` in [0, 1]. The noise of a seed is the
same at every level but for its size, so that a ladder of levels rises for each single picture.
"""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from pyiqa_pixelperfect.distortions.counter import hashed_row
from pyiqa_pixelperfect.distortions.jpeg import mix_channels

__all__ = ["color_noise", "impulse_noise", "multiplicative_noise", "short_bits", "short_normal",
           "short_uniform", "white_noise"]  # fmt: skip

# Inverse of ITU-R BT.601 YCbCr in studio swing (16..235 and 16..240 of 255), as in MATLAB's ycbcr2rgb; unit steps.
STUDIO_TO_RGB = tuple(
    tuple(255.0 * value for value in row)
    for row in (
        (0.00456621, 0.0, 0.00625893),
        (0.00456621, -0.00153632, -0.00318811),
        (0.00456621, 0.00791071, 0.0),
    )
)


def short_bits(seeds: Tensor, count: int, stream: int) -> Tensor:
    """Hashes of 16 bit, int16 (B, count), from -32768 to 32767: two of each one of 32 bit, for half the price."""
    bits: Tensor = hashed_row(seeds, (count + 1) // 2, stream).view(torch.int16)
    return bits[:, :count]


def short_uniform(seeds: Tensor, shape: tuple[int, ...], stream: int) -> Tensor:
    """Uniform numbers in (0, 1) in steps of 2^-16, float32 (B, *shape)."""
    return short_bits(seeds, math.prod(shape), stream).float().reshape(-1, *shape).add_(32768.5).mul_(2.0**-16)


@lru_cache(maxsize=8)
def _normal_quantiles(device: torch.device) -> Tensor:
    """(65536,) values at which as many steps of the normal distribution are cut in the middle; variance 1.

    In the order of ``short_bits`` as unsigned numbers, in which those below 0 come last.
    """
    values: Tensor = torch.special.ndtri((torch.arange(65536, dtype=torch.float64) + 0.5) / 65536.0)
    return (values / values.square().mean().sqrt()).float().roll(32768).to(device)


def short_normal(seeds: Tensor, shape: tuple[int, ...], stream: int) -> Tensor:
    """Standard normal numbers, 65536 different ones up to 4.3 deviations, float32 (B, *shape), by inversion."""
    drawn = short_bits(seeds, math.prod(shape), stream).view(torch.uint16).int()
    return _normal_quantiles(seeds.device).index_select(0, drawn.flatten()).reshape(-1, *shape)


def white_noise(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 11: Gaussian noise of variance ``parameter``, independent in each pixel and channel."""
    noise = short_normal(seeds, images.shape[1:], 111)
    return noise.mul_(math.sqrt(parameter)).add_(images).clamp_(0.0, 1.0)


def color_noise(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 12: Gaussian noise of variance ``parameter`` in each plane of studio-swing YCbCr. Oracle: scikit-image."""
    noise = mix_channels(short_normal(seeds, images.shape[1:], 112), STUDIO_TO_RGB)
    return noise.mul_(math.sqrt(parameter)).add_(images).clamp_(0.0, 1.0)


def impulse_noise(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 13: salt and pepper, each value turned 0 or 1 with a probability of half of ``parameter``."""
    centered = short_uniform(seeds, images.shape[1:], 113).sub_(0.5)
    # All but the ends of the distribution become 0. The ends, near -0.5 and 0.5, are enlarged beyond 1, so that a
    # value in [0, 1] to which one of them is added is clipped to 0 or 1.
    return F.hardshrink(centered, 0.5 - 0.5 * parameter).mul_(4.0).add_(images).clamp_(0.0, 1.0)


def multiplicative_noise(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 14: speckle, Gaussian noise of variance ``parameter`` times the value itself."""
    noise = short_normal(seeds, images.shape[1:], 114)
    return noise.mul_(math.sqrt(parameter)).add_(1.0).mul_(images).clamp_(0.0, 1.0)
