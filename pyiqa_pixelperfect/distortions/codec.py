"""Compression beyond JPEG, by what codecs do: wavelet quantization, and large transforms with a deblocking filter.

These are not JPEG 2000, WebP or AVIF, and make no such claim. They quantize hard in the same transform domains, and
so leave the same kinds of residue: ringing and smeared texture (``wavelet_codec``), and flattened detail with soft
block borders and starved chroma (``transform_codec``).

Real codecs differ in how they share their bits over frequencies and colors, so that is drawn per picture. The ranges
were set by eye, beside what Pillow's JPEG 2000, WebP and AVIF leave of each wavelet band of a few held-out photos at
equal error; no picture that they coded is trained on.

Sources: the CDF 9/7 lifting scheme (Daubechies and Sweldens, 1998) and the bit planes of JPEG 2000; dead-zone
quantization of the predictive codecs.
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

__all__ = ["bit_planes", "dead_zone", "forward_lifting", "inverse_lifting", "transform_codec", "wavelet_codec"]

LEVELS = 4  # of the wavelet pyramid
FRAME = 32  # px: pictures are padded to whole frames so that all levels and blocks fit
WAVELET_STEPS = (0.01, 0.5)  # quantization step of [0, 1] values at amounts just above 0 and at 1
WAVELET_SLOPES = (0.0, 1.0)  # doublings of the step from each level of the pyramid to the next finer one
DIAGONAL = 1.4  # steps of diagonal detail relative to the rest of its level
TRANSFORM_STEPS = (0.02, 0.9)
TRANSFORM_SLOPES = (0.6, 1.6)  # growth of the step over half of the frequencies, as a share of the step in their middle
TRANSFORM_SIZES = (8, 16, 32)  # px
CHROMA_COARSENESS = (1.0, 1.7)  # chroma steps relative to luma steps
DEAD_ZONE = 0.33  # values below (1 - this) steps become 0

# CDF 9/7: two predict/update pairs, then the scaling that makes the bands about orthonormal.
LIFTING = (-1.586134342, -0.052980118, 0.882911075, 0.443506852)
SCALING = 1.149604398


def dead_zone(values: Tensor, steps: Tensor) -> Tensor:
    """Quantize with a widened zero bin: ``sign(v) * floor(|v| / step + DEAD_ZONE) * step``."""
    return values.sign() * (values.abs() / steps + DEAD_ZONE).floor() * steps


def bit_planes(values: Tensor, steps: Tensor) -> Tensor:
    """Leave off bit planes below ``step``: values below it become 0, others the middle of the step they lie in."""
    whole = (values.abs() / steps).floor()
    return values.sign() * torch.where(whole > 0, whole + 0.5, whole) * steps


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


def _quantize_wavelet(planes: Tensor, steps: Tensor, slopes: Tensor, level: int = 0) -> Tensor:
    if level == LEVELS:
        return planes
    ll, lh, hl, hh = _split(planes)
    local = F.avg_pool2d(steps, 2)
    own = local * geometric(slopes * (0.5 * (LEVELS - 1) - level), (1.0, 2.0))
    lh, hl, hh = bit_planes(lh, own), bit_planes(hl, own), bit_planes(hh, DIAGONAL * own)
    return _join(_quantize_wavelet(ll, local, slopes, level + 1), lh, hl, hh)


def _drawn(seeds: Tensor, stream: int, ends: tuple[float, float]) -> Tensor:
    """A number (B, 1, 1, 1) per picture, evenly between ``ends``."""
    return ends[0] + (ends[1] - ends[0]) * hashed_uniform(seeds, (1, 1, 1), stream)


def _steps(amount: Tensor, ends: tuple[float, float], seeds: Tensor) -> Tensor:
    """Step per pixel (B, 3, H, W): geometric in the amount, coarser for the two chroma planes."""
    luma = geometric(amount, ends)
    chroma = luma * _drawn(seeds, 22, CHROMA_COARSENESS)
    return torch.cat((luma, chroma, chroma), 1)


def wavelet_codec(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Bit planes left off in a four-level CDF 9/7 pyramid of YCbCr; how many follows the amount per pixel.

    A draw per picture says how much coarser finer levels are quantized: from alike to twice as coarse each.

    Args:
        images: (B, 3, H, W) in [0, 1].
        amount: (B, 1, H, W) in [0, 1].
        seeds: (B,) int64, for the phase of the sampling grid, the slope over levels and the share of chroma.

    Returns:
        (B, 3, H, W) in [0, 1]; pixels of zero amount are untouched.
    """
    phase = grid_phase(seeds)
    planes = mix_channels(shift_in(images, phase, FRAME) - 0.5, TO_YCBCR)
    steps = _steps(shift_in(amount, phase, FRAME), WAVELET_STEPS, seeds)
    coded = _quantize_wavelet(planes, steps, _drawn(seeds, 21, WAVELET_SLOPES))
    decoded = mix_channels(coded, TO_RGB) + 0.5
    return keep_where_zero(images, amount, shift_out(decoded, phase, *images.shape[-2:]))


def _quantize_transform(planes: Tensor, steps: Tensor, slopes: Tensor, size: int) -> Tensor:
    """Quantize size x size DCT blocks, then soften the two pixels on either side of block borders."""
    dct = dct_matrix(size).to(planes)
    coefficients = dct @ to_blocks(planes, size) @ dct.T
    order = torch.arange(size, device=planes.device, dtype=planes.dtype)
    # Orthonormal coefficients of larger blocks gather more energy, so steps grow.
    frequency = (order[:, None] + order[None, :]) / size
    slope = (1.0 + slopes[..., None, None] * (frequency - 0.5)) * (size / 8.0) ** 0.5
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
    """Dead-zone quantization of DCT blocks of YCbCr with halved chroma, then deblocking.

    Blocks of 8, 16 or 32 px, how much coarser high frequencies are quantized, and the share of chroma: a draw each per
    picture. A block of 32 px takes the mean step of the units that it covers.

    Args:
        images: (B, 3, H, W) in [0, 1].
        amount: (B, 1, H, W) in [0, 1], constant on 16 px units (``align_to_grid``).
        seeds: (B,) int64.

    Returns:
        (B, 3, H, W) in [0, 1]; pixels of zero amount are untouched.
    """
    phase = grid_phase(seeds)
    planes = mix_channels(shift_in(images, phase, FRAME) - 0.5, TO_YCBCR)
    steps = _steps(shift_in(amount, phase, FRAME), TRANSFORM_STEPS, seeds)
    slopes = _drawn(seeds, 23, TRANSFORM_SLOPES)
    chosen = (hashed_uniform(seeds, (1, 1, 1), 20) * len(TRANSFORM_SIZES)).long()
    y = torch.empty_like(planes[:, :1])
    for number, size in enumerate(TRANSFORM_SIZES):
        rows = (chosen.flatten() == number).nonzero()[:, 0]
        if len(rows):
            y[rows] = _quantize_transform(planes[rows, :1], steps[rows, :1], slopes[rows], size)
    chroma = _quantize_transform(F.avg_pool2d(planes[:, 1:], 2), F.avg_pool2d(steps[:, 1:], 2), slopes, 8)
    chroma = F.interpolate(chroma, scale_factor=2.0, mode="bilinear", align_corners=False)
    decoded = mix_channels(torch.cat((y, chroma), 1), TO_RGB) + 0.5
    return keep_where_zero(images, amount, shift_out(decoded, phase, *images.shape[-2:]))
