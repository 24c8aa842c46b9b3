"""KADIS types 1 to 3, 15 and 24: the blurs, the denoiser and the unsharp mask, each at one strength for a whole batch.

The filters of ``blur.py`` interpolate between strengths pixel by pixel; here one strength fills the picture, and speed
counts. A separable filter is two products with a band matrix, which holds the replicated edges too: processors and
accelerators multiply matrices faster than they do anything else. Kernels that do not separate go through the
frequency domain, or, where they have few taps, are added up on a CPU. Every operation is ``(images (B, 3, H, W),
parameter, seeds (B,)) -> images`` in [0, 1].
"""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from scipy.fft import next_fast_len
from torch import Tensor

from pyiqa_pixelperfect.distortions.blur import disk_kernel, motion_kernels
from pyiqa_pixelperfect.distortions.counter import hashed_uniform
from pyiqa_pixelperfect.distortions.kadis_noise import short_normal
from pyiqa_pixelperfect.distortions.kadis_sums import sum_kernel

__all__ = ["denoise", "gaussian_blur", "gaussian_taps", "high_sharpen", "lens_blur", "motion_blur", "separable"]

_TILE = {"cpu": 32}  # px of a side that are filtered at once; the fastest measured
_FEW = 5  # taps that are faster added up than multiplied as a band
_SMALL_DISK = 4.0  # px of radius up to which a disk is faster added up, on the CPU
_LARGE_TILE = 256  # px, on accelerators, where the number of products counts
SHARPEN_SIGMA = 3.0  # px, "radius" of the unsharp mask
STARLET_TAPS = (0.0625, 0.25, 0.375, 0.25, 0.0625)  # cubic B-spline, Starck et al. 2007
# Deviation of each plane when the picture is white noise of deviation 1; Monte Carlo, confirmed by the tests.
STARLET_DEVIATIONS = (0.8907, 0.2007, 0.0856, 0.0413)
STARLET_CUT = 3.0  # deviations below which a coefficient is taken for noise


@lru_cache(maxsize=64)
def gaussian_taps(sigma: float) -> tuple[float, ...]:
    """Taps of a Gaussian of ``sigma`` px cut at 2 sigma, 2 ceil(2 sigma) + 1 of them as in KADIS, summing to 1."""
    reach = math.ceil(2.0 * sigma)
    taps = [math.exp(-0.5 * (offset / sigma) ** 2) for offset in range(-reach, reach + 1)]
    return tuple(tap / math.fsum(taps) for tap in taps)


@lru_cache(maxsize=1024)
def _band(length: int, start: int, stop: int, taps: tuple[float, ...], device: torch.device) -> tuple[int, int, Tensor]:
    """Which samples of a side the results from ``start`` to ``stop`` need, and the matrix that makes them of those.

    Returns:
        First sample, last sample + 1, and (1, stop - start, samples): a row has the taps around its place, those
        beyond an end of the side added to the end.
    """
    reach = len(taps) // 2
    first, last = max(0, start - reach), min(length, stop + reach)
    columns = (torch.arange(start, stop)[:, None] + torch.arange(-reach, reach + 1)).clamp(0, length - 1) - first
    matrix = torch.zeros(stop - start, last - first, dtype=torch.float64)
    matrix.scatter_add_(1, columns, torch.tensor(taps, dtype=torch.float64).expand(stop - start, -1))
    return first, last, matrix.float()[None].to(device)


def _starts(length: int, tile: int) -> list[int]:
    """Where the tiles of a side start: the last one moved back to be whole, for thin products round as they please."""
    return [*range(0, length - tile, tile), max(0, length - tile)]


def _along(planes: Tensor, taps: tuple[float, ...], side: int) -> Tensor:
    """Filter (N, H, W) along one side with few symmetric taps that are not zero: a sum of moved copies."""
    reach, length = len(taps) // 2, planes.shape[side]
    first, last = (planes.narrow(side, end, 1) for end in (0, length - 1))
    shape = [-1, -1, -1]
    shape[side] = reach
    wide = torch.cat((first.expand(shape), planes, last.expand(shape)), side)
    done = planes * taps[reach]
    for offset in range(1, reach + 1):
        if taps[reach + offset] != 0.0:
            for start in (reach - offset, reach + offset):
                done.add_(wide.narrow(side, start, length), alpha=taps[reach + offset])
    return done


def separable(images: Tensor, taps: tuple[float, ...]) -> Tensor:
    """Filter along both sides with the same symmetric taps, edges replicated; (B, C, H, W).

    Few taps are added up one by one. Else the band is multiplied tile by tile, which leaves out most of its zeros. One
    product per plane: a single product over all of them could round otherwise when the batch grows.
    """
    planes = images.flatten(0, 1)
    if sum(tap != 0.0 for tap in taps) <= _FEW:
        return _along(_along(planes, taps, 1), taps, 2).reshape(images.shape)
    count, height, width = planes.shape
    tile = _TILE.get(images.device.type, _LARGE_TILE)
    rows, done = planes.new_empty(planes.shape), planes.new_empty(planes.shape)
    for start in _starts(height, tile):
        stop = min(start + tile, height)
        first, last, band = _band(height, start, stop, taps, images.device)
        torch.bmm(band.expand(count, -1, -1), planes[:, first:last], out=rows[:, start:stop])
    for start in _starts(width, tile):
        stop = min(start + tile, width)
        first, last, band = _band(width, start, stop, taps, images.device)
        torch.bmm(rows[:, :, first:last], band.mT.expand(count, -1, -1), out=done[:, :, start:stop])
    return done.reshape(images.shape)


def _convolve(images: Tensor, kernels: Tensor) -> Tensor:
    """Convolve (B, C, H, W) with kernels (1 or B, k, k), k odd, edges replicated, through the frequency domain."""
    reach = kernels.shape[-1] // 2
    height, width = images.shape[-2:]
    rows, columns = (int(next_fast_len(side + 2 * reach, real=True)) for side in (height, width))
    padded = F.pad(images, (reach, columns - width - reach, reach, rows - height - reach), mode="replicate")
    spectrum = torch.fft.rfft2(padded).mul_(torch.fft.rfft2(kernels, s=(rows, columns))[:, None])
    whole: Tensor = torch.fft.irfft2(spectrum, s=(rows, columns))
    return whole[..., 2 * reach : 2 * reach + height, 2 * reach : 2 * reach + width]


def gaussian_blur(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 1: Gaussian of ``parameter`` px, cut at twice that; no ``seeds``. Oracle: scipy.ndimage."""
    return separable(images, gaussian_taps(parameter)).clamp_(0.0, 1.0)


@lru_cache(maxsize=16)
def _disk_rows(radius: float) -> tuple[tuple[float, ...], ...]:
    """The disk of ``radius`` px as numbers."""
    return tuple(map(tuple, disk_kernel(radius).tolist()))


def lens_blur(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 2: disk with a radius of ``parameter`` px, by area covered; no ``seeds``. Oracle: scipy.ndimage."""
    if images.device.type == "cpu" and parameter <= _SMALL_DISK:
        blurred = sum_kernel(images.flatten(0, 1), _disk_rows(parameter), mirrored=True).reshape(images.shape)
    else:
        blurred = _convolve(images, disk_kernel(parameter).to(images)[None])
    return blurred.clamp_(0.0, 1.0)


def motion_blur(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 3: straight path of ``parameter`` px in a direction drawn per image. Oracle: scipy.ndimage."""
    angles = hashed_uniform(seeds, (1,), 103)[:, 0] * math.pi
    kernels = motion_kernels(torch.full_like(angles, parameter), angles, math.ceil((parameter + 1.0) / 2.0))
    if images.device.type != "cpu":
        return _convolve(images, kernels).clamp_(0.0, 1.0)
    done = torch.empty_like(images)
    for place, (image, kernel) in enumerate(zip(images, kernels.tolist(), strict=True)):  # each has taps of its own
        torch.clamp(sum_kernel(image, kernel), 0.0, 1.0, out=done[place])
    return done


def _spread_taps(gap: int) -> tuple[float, ...]:
    """The taps of the wavelet transform, ``gap`` px apart."""
    taps = [0.0] * (gap * (len(STARLET_TAPS) - 1) + 1)
    taps[::gap] = STARLET_TAPS
    return tuple(taps)


def denoise(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 15: Gaussian noise of variance ``parameter``, then a denoiser that knows the variance.

    KADIS denoises with the network DnCNN, channel by channel. Ours is no network: an undecimated wavelet transform of
    each channel (cubic B-spline, four planes), in which coefficients below three deviations of the noise are dropped
    (Starck, Fadili, Murtagh, "The undecimated wavelet decomposition and its reconstruction", TIP 2007). It leaves
    what denoisers leave, strong edges with texture gone and blotches of coarse noise, but not DnCNN's very pixels.
    """
    deviation = math.sqrt(parameter)
    smooth = short_normal(seeds, images.shape[1:], 115).mul_(deviation).add_(images).clamp_(0.0, 1.0)
    kept = torch.zeros_like(images)
    for plane, share in enumerate(STARLET_DEVIATIONS):
        smoother = separable(smooth, _spread_taps(2**plane))
        detail = smooth.sub_(smoother)
        kept += torch.hardshrink(detail, STARLET_CUT * share * deviation, out=detail)
        smooth = smoother
    return kept.add_(smooth).clamp_(0.0, 1.0)


def high_sharpen(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 24: unsharp mask, detail below 3 px amplified by 1 + ``parameter``; no ``seeds``. Oracle: scipy.ndimage."""
    blurred = separable(images, gaussian_taps(SHARPEN_SIGMA))
    return torch.lerp(blurred, images, 1.0 + parameter).clamp_(0.0, 1.0)
