"""The blur family: detail lost to optics, motion or smoothing. Amount 0 is untouched, 1 the strongest.

Sources: KADIS-700k types 1 to 3 (Lin et al., 2020) for Gaussian, lens and motion blur; the guided filter (He, Sun,
Tang, TPAMI 2013) stands for the smeared look of strong denoising. The disk kernel is pixel-area coverage, because
common ports of it have negative taps.
"""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from pyiqa_pixelperfect.distortions.counter import hashed_uniform
from pyiqa_pixelperfect.distortions.strengths import interpolate_strengths, keep_where_zero

__all__ = [
    "DISK_RADII",
    "GAUSSIAN_SIGMAS",
    "MOTION_LENGTHS",
    "box_filter",
    "disk_kernel",
    "gaussian_blur",
    "gaussian_filter",
    "lens_blur",
    "motion_blur",
    "motion_kernels",
    "smear",
]

GAUSSIAN_SIGMAS = (0.5, 0.8, 1.2, 2.0, 3.2, 5.0)  # px at amounts 1/6, 2/6 ... 1
DISK_RADII = (0.8, 1.3, 2.0, 3.0, 4.8, 8.0)  # px
MOTION_LENGTHS = (2.0, 3.0, 5.0, 8.0, 12.0, 18.0)  # px
SMEAR_VARIANCES = (0.0004, 0.0015, 0.005, 0.015, 0.05)  # noise variance the guided filter removes, of [0, 1] values


def _padded(images: Tensor, rows: int, columns: int) -> Tensor:
    return F.pad(images, (columns, columns, rows, rows), mode="replicate")


def gaussian_filter(images: Tensor, sigma: float) -> Tensor:
    """Separable Gaussian of standard deviation ``sigma`` px, cut at 3 sigma, edges replicated; (B, C, H, W)."""
    radius = max(1, math.ceil(3.0 * sigma))
    offsets = torch.arange(-radius, radius + 1, dtype=images.dtype, device=images.device)
    taps = torch.exp(-0.5 * (offsets / sigma).square())
    taps = taps / taps.sum()
    batch, channels, height, width = images.shape
    planes = _padded(images, radius, radius).reshape(batch * channels, 1, height + 2 * radius, width + 2 * radius)
    # A small plane that is alone takes another code path in torch and would differ in the last bit: pair it.
    paired = planes.repeat(2, 1, 1, 1) if len(planes) == 1 else planes
    paired = F.conv2d(F.conv2d(paired, taps.reshape(1, 1, 1, -1)), taps.reshape(1, 1, -1, 1))
    return paired[: len(planes)].reshape(batch, channels, height, width)


def box_filter(images: Tensor, radius: int) -> Tensor:
    """Mean over (2 radius + 1)^2 pixels, edges replicated; (B, C, H, W)."""
    return F.avg_pool2d(_padded(images, radius, radius), 2 * radius + 1, stride=1)


@lru_cache(maxsize=64)
def disk_kernel(radius: float) -> Tensor:
    """(k, k) kernel: the share of each pixel's area that a disk of ``radius`` px covers (16x16 points a pixel)."""
    reach = math.ceil(radius - 0.5)
    fine = (torch.arange((2 * reach + 1) * 16) + 0.5) / 16.0 - reach - 0.5
    inside = ((fine[:, None].square() + fine[None, :].square()) <= radius * radius).float()
    kernel = F.avg_pool2d(inside[None, None], 16)[0, 0]
    return kernel / kernel.sum()


def motion_kernels(lengths: Tensor, angles: Tensor, reach: int) -> Tensor:
    """Anti-aliased line kernels.

    Args:
        lengths: (B,) length of the path in px.
        angles: (B,) direction in radians.
        reach: half size; the kernels are (2 reach + 1) wide.

    Returns:
        (B, k, k), each summing to 1.
    """
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float32, device=lengths.device)
    y, x = offsets.reshape(1, -1, 1), offsets.reshape(1, 1, -1)
    cosine, sine = angles.cos().reshape(-1, 1, 1), angles.sin().reshape(-1, 1, 1)
    along = (x * cosine + y * sine).abs()
    across = (y * cosine - x * sine).abs()
    half = (lengths.reshape(-1, 1, 1) - 1.0) / 2.0
    kernel = (1.0 - across).clamp_min(0.0) * (half + 1.0 - along).clamp(0.0, 1.0)
    return kernel / kernel.sum((1, 2), keepdim=True)


def gaussian_blur(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Defocus-like Gaussian blur, sigma up to 5 px; ``seeds`` is not used."""
    filtered = [gaussian_filter(images, sigma) for sigma in GAUSSIAN_SIGMAS]
    return keep_where_zero(images, amount, interpolate_strengths(images, amount, filtered))


def lens_blur(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Out-of-focus blur by a disk of radius up to 8 px; ``seeds`` is not used."""
    batch, channels, height, width = images.shape
    filtered = []
    for radius in DISK_RADII:
        kernel = disk_kernel(radius).to(images)
        reach = kernel.shape[0] // 2
        planes = _padded(images, reach, reach).reshape(batch * channels, 1, height + 2 * reach, width + 2 * reach)
        filtered.append(F.conv2d(planes, kernel[None, None]).reshape(images.shape))
    return keep_where_zero(images, amount, interpolate_strengths(images, amount, filtered))


def motion_blur(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Straight camera shake of up to 18 px, in a direction drawn per image from ``seeds`` (B,)."""
    batch, channels, height, width = images.shape
    angles = hashed_uniform(seeds, (1,), 1)[:, 0] * math.pi
    filtered = []
    for length in MOTION_LENGTHS:
        reach = math.ceil((length + 1.0) / 2.0)
        kernels = motion_kernels(torch.full_like(angles, length), angles, reach).repeat_interleave(channels, 0)
        planes = _padded(images, reach, reach).reshape(1, batch * channels, height + 2 * reach, width + 2 * reach)
        filtered.append(F.conv2d(planes, kernels[:, None], groups=batch * channels).reshape(images.shape))
    return keep_where_zero(images, amount, interpolate_strengths(images, amount, filtered))


def smear(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Texture smeared as by strong denoising: the picture guided-filtered by itself; ``seeds`` is not used."""
    mean = box_filter(images, 4)
    variance = (box_filter(images.square(), 4) - mean.square()).clamp_min(0.0)
    filtered = []
    for removed in SMEAR_VARIANCES:
        slope = variance / (variance + removed)
        filtered.append(box_filter(slope, 4) * images + box_filter((1.0 - slope) * mean, 4))
    return keep_where_zero(images, amount, interpolate_strengths(images, amount, filtered))
