"""Saturation, temperature and tint: signed changes of color. Each pixel is evaluated at its own amount in [-1, 1].

Positive = more saturated, warmer, more magenta. Sources: KADIS-700k types 7 and 8 (Lin et al., 2020) for
saturation; channel gains, the way a white-balance stage errs, for temperature and tint.
"""

import math

import torch
from torch import Tensor

from pyiqa_pixelperfect.distortions.strengths import keep_where_zero
from pyiqa_pixelperfect.distortions.tone import luma

__all__ = ["chroma_scale", "hsv_saturation", "temperature", "tint"]

SATURATION_GAIN = 3.5  # chroma factor at amount 1; at -1 the picture is gray
TEMPERATURE_STOPS = 0.5  # gain of red, and loss of blue, in powers of two at amount 1
TINT_STOPS = 0.5  # loss of green in powers of two at amount 1


def _factor(amount: Tensor) -> Tensor:
    return torch.where(amount > 0, 1.0 + (SATURATION_GAIN - 1.0) * amount, 1.0 + amount)


def chroma_scale(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Distance from the pixel's own gray (BT.601 luma) scaled by 0 to 3.5; ``seeds`` is not used."""
    gray = luma(images)
    return keep_where_zero(images, amount, gray + (images - gray) * _factor(amount))


def hsv_saturation(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """HSV saturation scaled by 0 to 3.5 and cut at full; the largest channel stays; ``seeds`` is not used."""
    value = images.amax(1, keepdim=True)
    saturation = (value - images.amin(1, keepdim=True)) / value.clamp_min(1e-6)
    # A factor beyond 1/saturation would push the smallest channel below zero and change the hue.
    factor = torch.minimum(_factor(amount), 1.0 / saturation.clamp_min(1e-6))
    return keep_where_zero(images, amount, value - (value - images) * factor)


def _gains(images: Tensor, amount: Tensor, stops: tuple[float, float, float]) -> Tensor:
    """Channel gains in powers of two, with the luma put back so that no brightness change hides in them."""
    exponents = torch.tensor(stops, dtype=images.dtype, device=images.device).reshape(1, 3, 1, 1)
    shifted = images * torch.exp(math.log(2.0) * exponents * amount)
    return shifted * (luma(images) / luma(shifted).clamp_min(1e-6))


def temperature(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """White balance along blue-orange: red gains and blue loses up to half a stop (warmer); no ``seeds``."""
    return keep_where_zero(images, amount, _gains(images, amount, (TEMPERATURE_STOPS, 0.0, -TEMPERATURE_STOPS)))


def tint(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """White balance along green-magenta: green loses up to half a stop (more magenta); no ``seeds``."""
    return keep_where_zero(images, amount, _gains(images, amount, (0.0, -TINT_STOPS, 0.0)))
