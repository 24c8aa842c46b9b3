"""Compression beyond JPEG, by what codecs do: wavelet quantization, and large transforms with a deblocking filter.

These are not JPEG 2000, WebP or AVIF, and make no such claim. They quantize hard in the same transform domains, and
so leave the same kinds of residue: ringing and smeared texture (``wavelet_codec``), and flattened detail with soft
block borders and starved chroma (``transform_codec``).

Sources: the CDF 9/7 lifting scheme (Daubechies and Sweldens, 1998) of JPEG 2000; dead-zone quantization as in both
JPEG 2000 and the predictive codecs.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from pyiqa_pixelperfect.distortions.blur import gaussian_filter
from pyiqa_pixelperfect.distortions.counter import hashed_uniform
from pyiqa_pixelperfect.distortions.jpeg import (
    TO_RGB,
    TO_YCBCR,
    dct_matrix,
    from_blocks,
    grid_phase,
    mix_channels,
    shift_in,
    shift_out,
    to_blocks,
)
from pyiqa_pixelperfect.distortions.strengths import geometric, keep_where_zero

__all__ = ["dead_zone", "forward_lifting", "inverse_lifting", "transform_codec", "wavelet_codec"]

LEVELS = 4  # of the wavelet pyramid
FRAME = 32  # px: pictures are padded to whole frames so that all levels and blocks fit
WAVELET_STEPS = (0.012, 0.55)  # quantization step of [0, 1] values at amounts just above 0 and at 1
TRANSFORM_STEPS = (0.02, 0.9)
CHROMA_COARSENESS = 1.6  # chroma steps relative to luma steps
DEAD_ZONE = 0.33  # values below (1 - this) steps become 0

# CDF 9/7: two predict/update pairs, then the scaling that makes the bands about orthonormal.
LIFTING = (-1.586134342, -0.052980118, 0.882911075, 0.443506852)
SCALING = 1.149604398


def dead_zone(values: Tensor, steps: Tensor) -> Tensor:
    """Quantize with a widened zero bin: ``sign(v) * floor(|v| / step + DEAD_ZONE) * step``."""
    return values.sign() * (values.abs() / steps + DEAD_ZONE).floor() * steps


def _neighbors(samples: Tensor, forward: bool) -> Tensor:
    """Sum of each sample with the next (forward) or the one before, the end mirrored; along the last axis."""
    if forward:
        return samples + torch.cat((samples[..., 1:], samples[..., -1:]), -1)
    return samples + torch.cat((samples[..., :1], samples[..., :-1]), -1)


def forward_lifting(signal: Tensor) -> tuple[Tensor, Tensor]:
    """Split the last axis (even length) into low and high bands of half the length."""
    low, high = signal[..., 0::2], signal[..., 1::2]
    for step in (0, 2):
        high = high + LIFTING[step] * _neighbors(low, forward=True)
        low = low + LIFTING[step + 1] * _neighbors(high, forward=False)
    return low * SCALING, high / SCALING


def inverse_lifting(low: Tensor, high: Tensor) -> Tensor:
    """Inverse of ``forward_lifting``."""
    low, high = low / SCALING, high * SCALING
    for step in (2, 0):
        low = low - LIFTING[step + 1] * _neighbors(high, forward=False)
        high = high - LIFTING[step] * _neighbors(low, forward=True)
    return torch.stack((low, high), dim=-1).flatten(-2)


def _split(plane: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    low, high = forward_lifting(plane)
    (ll, lh), (hl, hh) = (forward_lifting(half.mT) for half in (low, high))
    return ll.mT, lh.mT, hl.mT, hh.mT


def _join(ll: Tensor, lh: Tensor, hl: Tensor, hh: Tensor) -> Tensor:
    return inverse_lifting(inverse_lifting(ll.mT, lh.mT).mT, inverse_lifting(hl.mT, hh.mT).mT)


def _quantize_wavelet(planes: Tensor, steps: Tensor, levels: int) -> Tensor:
    if levels == 0:
        return planes
    ll, lh, hl, hh = _split(planes)
    local = F.avg_pool2d(steps, 2)
    # The finest bands are the least visible: coarser steps there, as visual weighting tables have it.
    weight = 1.25 if levels == LEVELS else 1.0
    lh, hl = dead_zone(lh, weight * local), dead_zone(hl, weight * local)
    hh = dead_zone(hh, 1.4 * weight * local)
    return _join(_quantize_wavelet(ll, local, levels - 1), lh, hl, hh)


def _steps(amount: Tensor, ends: tuple[float, float]) -> Tensor:
    """Step per pixel (B, 3, H, W): geometric in the amount, coarser for the two chroma planes."""
    luma = geometric(amount, ends)
    return torch.cat((luma, luma * CHROMA_COARSENESS, luma * CHROMA_COARSENESS), 1)


def wavelet_codec(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Dead-zone quantization in a four-level CDF 9/7 pyramid of YCbCr, its step following the amount per pixel.

    Args:
        images: (B, 3, H, W) in [0, 1].
        amount: (B, 1, H, W) in [0, 1].
        seeds: (B,) int64, for the phase of the sampling grid.

    Returns:
        (B, 3, H, W) in [0, 1]; pixels of zero amount are untouched.
    """
    phase = grid_phase(seeds)
    planes = mix_channels(shift_in(images, phase, FRAME) - 0.5, TO_YCBCR)
    coded = _quantize_wavelet(planes, _steps(shift_in(amount, phase, FRAME), WAVELET_STEPS), LEVELS)
    decoded = mix_channels(coded, TO_RGB) + 0.5
    return keep_where_zero(images, amount, shift_out(decoded, phase, *images.shape[-2:]))


def _quantize_transform(planes: Tensor, steps: Tensor, size: int) -> Tensor:
    """Quantize size x size DCT blocks, then soften the two pixels on either side of block borders."""
    dct = dct_matrix(size).to(planes)
    coefficients = dct @ to_blocks(planes, size) @ dct.T
    order = torch.arange(size, device=planes.device, dtype=planes.dtype)
    # A mild slope over frequency; orthonormal coefficients of larger blocks gather more energy, so steps grow.
    slope = (0.7 + 0.6 * (order[:, None] + order[None, :]) / size) * (size / 8.0) ** 0.5
    local = F.avg_pool2d(steps, size)[..., None, None] * slope
    decoded = from_blocks(dct.T @ dead_zone(coefficients, local) @ dct)
    height, width = planes.shape[-2:]
    edge_y = ((torch.arange(height, device=planes.device) + 2) % size < 4).to(planes.dtype).reshape(1, 1, -1, 1)
    edge_x = ((torch.arange(width, device=planes.device) + 2) % size < 4).to(planes.dtype).reshape(1, 1, 1, -1)
    softened = gaussian_filter(decoded, 1.0)
    # Steps at block borders that quantization may have made are smoothed; real edges, far larger, are kept.
    small = ((softened - decoded).abs() < 0.5 * steps).to(planes.dtype)
    return torch.lerp(decoded, softened, torch.maximum(edge_y, edge_x) * small)


def transform_codec(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Dead-zone quantization of 8 or 16 px DCT blocks (a draw per image) of YCbCr with halved chroma, then deblocking.

    Args:
        images: (B, 3, H, W) in [0, 1].
        amount: (B, 1, H, W) in [0, 1], constant on 16 px units (``align_to_grid``).
        seeds: (B,) int64.

    Returns:
        (B, 3, H, W) in [0, 1]; pixels of zero amount are untouched.
    """
    phase = grid_phase(seeds)
    planes = mix_channels(shift_in(images, phase, FRAME) - 0.5, TO_YCBCR)
    steps = _steps(shift_in(amount, phase, FRAME), TRANSFORM_STEPS)
    large = hashed_uniform(seeds, (1, 1, 1), 20) < 0.5
    y = torch.where(
        large,
        _quantize_transform(planes[:, :1], steps[:, :1], 16),
        _quantize_transform(planes[:, :1], steps[:, :1], 8),
    )
    chroma = _quantize_transform(F.avg_pool2d(planes[:, 1:], 2), F.avg_pool2d(steps[:, 1:], 2), 8)
    chroma = F.interpolate(chroma, scale_factor=2.0, mode="bilinear", align_corners=False)
    decoded = mix_channels(torch.cat((y, chroma), 1), TO_RGB) + 0.5
    return keep_where_zero(images, amount, shift_out(decoded, phase, *images.shape[-2:]))
