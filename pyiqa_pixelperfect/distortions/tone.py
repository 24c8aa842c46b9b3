"""Brightness, contrast and banding: changes of value alone, but for the surroundings that ``local_contrast`` looks at.

Each pixel is evaluated at its own amount.

Brightness and contrast are signed: amounts in [-1, 1], positive = brighter, more contrast. Banding is one-sided.
Sources: KADIS-700k types 16 to 18, 22 and 25 (Lin et al., 2020); gains as in common enhancement tools.
"""

import math

import torch
from torch import Tensor

from pyiqa_pixelperfect.distortions.blur import gaussian_filter
from pyiqa_pixelperfect.distortions.counter import hashed_uniform
from pyiqa_pixelperfect.distortions.strengths import geometric, keep_where_zero

__all__ = [
    "banding",
    "clipping",
    "contrast_curve",
    "contrast_slope",
    "contrast_stretch",
    "exposure",
    "gamma_error",
    "local_contrast",
    "luma",
    "mean_shift",
]

LUMA_WEIGHTS = (0.299, 0.587, 0.114)  # BT.601
EXPOSURE_STOPS = 1.3  # powers of two at amount 1
GAMMA_BASE = 2.6  # exponent at amount -1
SHIFT = 0.35  # of [0, 1] values at amount 1
CONTRAST_GAIN = 2.6  # slope at amount 1
CONTRAST_LOSS = 0.12  # slope at amount -1
CURVE_SLOPE = 10.0  # of the logistic curve at amount 1
LOCAL_SIGMAS = (8.0, 24.0)  # px, surroundings of local contrast; pictures lie between
LOCAL_GAIN = 3.0  # slope about the surroundings at amount 1
LOCAL_LOSS = 0.4  # the same at amount -1: less would be a blur
CLIPPED_SHARE = 0.45  # of the pixels at either end at amounts 1 and -1
CLIPPED_SLOPE = 3.0  # of what is beyond, at positive amounts
BAND_LEVELS = (64.0, 3.0)  # quantization levels at amounts just above 0 and at 1


def luma(images: Tensor) -> Tensor:
    """BT.601 luma (B, 1, H, W) of (B, 3, H, W)."""
    weights = torch.tensor(LUMA_WEIGHTS, dtype=images.dtype, device=images.device).reshape(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True)


def exposure(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Gain of up to 1.3 stops either way, clipped; ``seeds`` is not used."""
    return keep_where_zero(images, amount, images * torch.exp(EXPOSURE_STOPS * math.log(2.0) * amount))


def gamma_error(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Power law: exponent 2.6 at amount -1 (darker), 1/2.6 at 1 (brighter); ``seeds`` is not used."""
    exponent = torch.exp(-math.log(GAMMA_BASE) * amount)
    bent = torch.exp(images.clamp_min(1e-6).log() * exponent)
    return keep_where_zero(images, amount, torch.where(images > 0, bent, images))


def mean_shift(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """A constant of up to 0.35 added, clipped; ``seeds`` is not used."""
    return keep_where_zero(images, amount, images + SHIFT * amount)


def contrast_slope(amount: Tensor) -> Tensor:
    """Slope 0.12 at amount -1, 1 at 0, 2.6 at 1, straight lines between."""
    up = 1.0 + (CONTRAST_GAIN - 1.0) * amount.clamp_min(0.0)
    return up * (1.0 - (1.0 - CONTRAST_LOSS) * (-amount).clamp_min(0.0))


def contrast_stretch(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Slope of 0.12 to 2.6 about a pivot drawn per image: its mean luma or middle gray."""
    # One axis at a time: a mean over both is summed in another order when the image is alone in its batch.
    mean = luma(images).mean(3, keepdim=True).mean(2, keepdim=True)
    pivot = torch.where(hashed_uniform(seeds, (1, 1, 1), 5) < 0.7, mean, torch.full_like(mean, 0.5))
    return keep_where_zero(images, amount, pivot + (images - pivot) * contrast_slope(amount))


def contrast_curve(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Logistic tone curve through black, middle gray and white (more), or its inverse (less); no ``seeds``."""
    steep = (CURVE_SLOPE * amount.abs()).clamp_min(1e-3)
    reach = torch.tanh(steep / 4.0)
    more = 0.5 + 0.5 * torch.tanh((images - 0.5) * steep / 2.0) / reach
    inside = ((images - 0.5) * 2.0 * reach).clamp(-1.0 + 1e-6, 1.0 - 1e-6)
    less = 0.5 + (torch.log1p(inside) - torch.log1p(-inside)) / steep  # 2 atanh(inside) / steep
    return keep_where_zero(images, amount, torch.where(amount > 0, more, less))


def local_contrast(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Luma spread about that of its surroundings, as "clarity" or local tone mapping do, or drawn together.

    Slope 0.4 at amount -1, 1 at 0, 3 at 1, straight lines between. Surroundings lie between means over Gaussian windows
    of sigma 8 and 24 px, by a draw per image; colors keep their distance from gray.
    """
    values = luma(images)
    near, far = (gaussian_filter(values, sigma) for sigma in LOCAL_SIGMAS)
    around = near + (far - near) * hashed_uniform(seeds, (1, 1, 1), 8)
    rise = (LOCAL_GAIN - 1.0) * amount.clamp_min(0.0) - (1.0 - LOCAL_LOSS) * (-amount).clamp_min(0.0)
    return keep_where_zero(images, amount, images + rise * (values - around))


def clipping(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Highlights and shadows cut: up to 45 % of the pixels at either end, the tones between kept; no ``seeds``.

    Negative amounts hold what is beyond at the last tone kept; positive ones drive it into black and white, three
    times as steeply. The tones to keep are between two quantiles of the picture's luma.
    """
    ordered = luma(images).flatten(1).sort(1).values
    last = ordered.shape[1] - 1
    cut = (CLIPPED_SHARE * last * amount.abs()).long().flatten(1)
    low, high = (ordered.gather(1, place).reshape(amount.shape) for place in (cut, last - cut))
    kept = torch.minimum(torch.maximum(images, low), high)
    slope = torch.where(amount > 0, CLIPPED_SLOPE, 0.0)
    return keep_where_zero(images, amount, kept + (images - kept) * slope)


def banding(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Values rounded (or, by a draw per image, cut down) to 64 levels at small amounts, 3 at amount 1.

    Levels are those of 64 steps, 32, 16 ... 2, so that each set holds the next. Between two sets every second level
    dies out: values leave it, the farthest first, for the nearest of the others (the one below, when cutting), until
    the mean square error of evenly spread values is that of the number of even steps asked for. No value that is ever
    moved comes back closer, so that the error of no pixel falls when the amount rises; of levels that move, some
    happen to suit a photograph better than one more of them.
    """
    levels = geometric(amount, BAND_LEVELS)
    rounded = _on_levels(images, levels - 1.0, cut=False)
    cut = _on_levels(images, levels, cut=True)
    return keep_where_zero(images, amount, torch.where(hashed_uniform(seeds, (1, 1, 1), 6) < 0.5, rounded, cut))


def _on_levels(images: Tensor, steps: Tensor, *, cut: bool) -> Tensor:
    """Quantize to a power of two of even steps and, partly, to half of them: in all worth ``steps``, any number."""
    octaves = steps.log() / math.log(2.0)
    whole = (octaves - 1e-5).ceil()  # a rounding error must not start another octave
    count = torch.exp(math.log(2.0) * whole).round()
    # In units of the finer steps, their mean square error is 1/12 (rounded) or 1/3 (cut) and has to grow by ``excess``.
    excess = (torch.exp(2.0 * math.log(2.0) * (whole - octaves)) - 1.0).clamp_min(0.0)
    places = images * count
    if cut:
        fine, coarse = places.floor(), (places * 0.5).floor() * 2.0
        kept = places - fine >= 0.5 * ((1.0 + (8.0 / 3.0) * excess).sqrt() - 1.0)
    else:
        fine, coarse = places.round(), (places * 0.5).round() * 2.0
        kept = (places - fine).abs() <= 0.5 * (1.0 - (excess / 3.0).sqrt())
    return torch.where(kept, fine, coarse) / count
