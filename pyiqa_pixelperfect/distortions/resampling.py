"""Pictures made smaller and enlarged again: soft, sharpened until they ring, in blocks that ring, or aliased.

Sources: antialiased reduction and enlargement by cubic convolution (Keys, 1981) or Lanczos windows, as in common
software; decimation without a low-pass filter, the fault behind moire and jagged edges.
"""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from pyiqa_pixelperfect.distortions.blur import gaussian_filter
from pyiqa_pixelperfect.distortions.counter import hashed_uniform
from pyiqa_pixelperfect.distortions.spatial import PIXELATION_FACTORS
from pyiqa_pixelperfect.distortions.strengths import interpolate_strengths, keep_where_zero

__all__ = ["aliasing", "enlarge", "nearest_upscaling", "reduce", "sharpened_upscaling", "upscaling", "whole_factors"]

UPSCALING_FACTORS = (1.25, 1.6, 2.2, 3.0, 4.2, 6.0)  # at amounts 1/6, 2/6 ... 1
ALIASING_FACTORS = (2, 3, 5, 9)  # at amounts 1/4, 2/4 ... 1
RINGING_GAINS = (1.5, 3.0)  # of detail at amount 1, drawn per image; at amount 0 a third of it
RINGING_SIGMA = 0.7  # px of the small picture, of the mask that is taken away
SUPPORT = {"linear": 1, "cubic": 2, "lanczos": 3}  # px of the small picture on either side


def _weight(kernel: str, distance: Tensor) -> Tensor:
    x = distance.abs()
    if kernel == "linear":
        return (1.0 - x).clamp_min(0.0)
    if kernel == "cubic":  # Keys, with the slope of -1/2 that reproduces parabolas
        near = (1.5 * x - 2.5) * x * x + 1.0
        far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
        return torch.where(x < 1.0, near, torch.where(x < 2.0, far, torch.zeros_like(x)))
    return torch.where(x < 3.0, torch.sinc(x) * torch.sinc(x / 3.0), torch.zeros_like(x))


@lru_cache(maxsize=256)
def _taps(there: int, wanted: int, first: float, step: float, kernel: str) -> tuple[Tensor, Tensor]:
    """Index and weight (T, wanted) of the samples, 0 ... there - 1, around ``first + step * i``; none from outside."""
    places = (first + step * torch.arange(wanted, dtype=torch.float64)).clamp(-0.5, there - 0.5)
    support = SUPPORT[kernel]
    index = places.floor() + torch.arange(1 - support, support + 1, dtype=torch.float64)[:, None]
    weight = _weight(kernel, index - places) * ((index >= 0) & (index < there))
    return index.clamp(0, there - 1).long(), (weight / weight.sum(0)).float()


def _interpolate(images: Tensor, axis: int, taps: tuple[Tensor, Tensor]) -> Tensor:
    index, weight = (tensor.to(images.device) for tensor in taps)
    shape = (-1, 1) if axis == 2 else (1, -1)
    total = images.index_select(axis, index[0]) * weight[0].reshape(shape)
    for tap in range(1, len(index)):
        total = total + images.index_select(axis, index[tap]) * weight[tap].reshape(shape)
    return total


def reduce(images: Tensor, factor: float) -> Tensor:
    """Antialiased cubic reduction to sides of ``round(side / factor)``; (B, C, H, W) to (B, C, h, w)."""
    size = [max(1, round(side / factor)) for side in images.shape[-2:]]
    return F.interpolate(images, size=size, mode="bicubic", align_corners=False, antialias=True)


def enlarge(images: Tensor, height: int, width: int, kernel: str) -> Tensor:
    """Enlarge (B, C, h, w) to (B, C, height, width), "cubic" or "lanczos"; weights from outside are left out."""
    if kernel == "cubic":
        # Antialiasing changes nothing where there is more room; it selects the slope of -1/2, and quicker code.
        size = (height, width)
        return F.interpolate(images, size=size, mode="bicubic", align_corners=False, antialias=True)
    for axis, wanted in ((3, width), (2, height)):
        step = images.shape[axis] / wanted
        images = _interpolate(images, axis, _taps(images.shape[axis], wanted, 0.5 * step - 0.5, step, kernel))
    return images


def upscaling(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Reduced by up to 6 and enlarged by cubic convolution or, by a draw per image, with Lanczos windows."""
    cubic = hashed_uniform(seeds, (1, 1, 1), 67) < 0.5
    height, width = images.shape[-2:]
    filtered = []
    for factor in UPSCALING_FACTORS:
        small = reduce(images, factor)
        soft, crisp = (enlarge(small, height, width, kernel) for kernel in ("cubic", "lanczos"))
        filtered.append(torch.where(cubic, soft, crisp))
    return keep_where_zero(images, amount, interpolate_strengths(images, amount, filtered))


def _sharpen(small: Tensor, amount: float, seeds: Tensor, stream: int) -> Tensor:
    """Amplify the detail of a small picture until it rings, by a gain drawn per image, a third of it at amount 0."""
    gain = RINGING_GAINS[0] + (RINGING_GAINS[1] - RINGING_GAINS[0]) * hashed_uniform(seeds, (1, 1, 1), stream)
    return small + gain * ((1.0 + 2.0 * amount) / 3.0) * (small - gaussian_filter(small, RINGING_SIGMA))


def sharpened_upscaling(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Reduced by up to 6, sharpened and enlarged with Lanczos windows: edges ring, by a gain drawn per image."""
    height, width = images.shape[-2:]
    filtered = []
    for step, factor in enumerate(UPSCALING_FACTORS, start=1):
        small = _sharpen(reduce(images, factor), step / len(UPSCALING_FACTORS), seeds, 68)
        filtered.append(enlarge(small, height, width, "lanczos").clamp(0.0, 1.0))
    return keep_where_zero(images, amount, interpolate_strengths(images, amount, filtered))


def nearest_upscaling(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Reduced by 2 to 12, sharpened and enlarged by nearest pixels: blocks that ring; ``amount`` in ``whole_steps``.

    The blocks are those of ``spatial.pixelation`` by means; the gain is that of ``sharpened_upscaling``.
    """
    height, width = images.shape[-2:]
    filtered = []
    for step, factor in enumerate(PIXELATION_FACTORS, start=1):
        rows = torch.arange(height, device=images.device) // factor
        columns = torch.arange(width, device=images.device) // factor
        small = F.avg_pool2d(images, factor, ceil_mode=True)
        ringing = _sharpen(small, step / len(PIXELATION_FACTORS), seeds, 70).clamp(0.0, 1.0)
        filtered.append(ringing[..., rows, :][..., columns])
    return keep_where_zero(images, amount, interpolate_strengths(images, amount, filtered))


def whole_factors(amount: Tensor, seeds: Tensor) -> Tensor:
    """Amounts (B, 1, H, W) in [0, 1] of whole factors: the nearest of 1/4 ... 1; 0 stays 0.

    Patterns of two factors would cancel each other when mixed. ``seeds`` is not used.
    """
    steps = len(ALIASING_FACTORS)
    return torch.where(amount > 0, (amount * steps).round().clamp_min(1.0) / steps, amount)


def aliasing(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Every second to ninth pixel taken, with no low-pass filter, and enlarged; ``amount`` in ``whole_factors``.

    Linear or cubic enlargement by a draw per image.
    """
    linear = hashed_uniform(seeds, (1, 1, 1), 69) < 0.5
    filtered = []
    for factor in ALIASING_FACTORS:
        soft = crisp = images[..., factor // 2 :: factor, factor // 2 :: factor]
        for axis, side in ((3, images.shape[3]), (2, images.shape[2])):
            place = (soft.shape[axis], side, -(factor // 2) / factor, 1.0 / factor)
            soft = _interpolate(soft, axis, _taps(*place, "linear"))
            crisp = _interpolate(crisp, axis, _taps(*place, "cubic"))
        filtered.append(torch.where(linear, soft, crisp))
    return keep_where_zero(images, amount, interpolate_strengths(images, amount, filtered))
