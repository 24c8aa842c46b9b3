"""The noise family: random values added to pixels. Amount 0 is untouched, 1 the strongest.

Sources: KADIS-700k types 11 to 14 (Lin et al., 2020) for white, color-component, impulse and multiplicative noise;
the photon-noise law (variance proportional to light) for ``poisson_noise``; noise smoothed by demosaicing for
``grain``; CSIQ (Larson and Chandler, 2010) has pink noise. Strengths grow with ``amount ** 1.5``: visibility of noise
rises steeply at first.
"""

import torch
from torch import Tensor

from pyiqa_pixelperfect.distortions.blur import gaussian_filter
from pyiqa_pixelperfect.distortions.counter import hashed_normal, hashed_uniform
from pyiqa_pixelperfect.distortions.strengths import keep_where_zero, one_and_a_half_power

__all__ = [
    "chroma_noise",
    "grain",
    "impulse_noise",
    "luma_noise",
    "pink_noise",
    "poisson_noise",
    "speckle_noise",
    "white_noise",
]

WHITE_DEVIATION = 0.20  # of [0, 1] values, at amount 1
LUMA_DEVIATION = 0.18
CHROMA_DEVIATION = 0.22
GRAIN_DEVIATION = 0.15
PINK_DEVIATION = 0.15
POISSON_DEVIATION = 0.30  # at full light
SPECKLE_DEVIATION = 0.45  # of the value itself
IMPULSE_DENSITY = 0.12

# Rows: red, green, blue of a unit step in the two color differences of BT.601.
CHROMA_TO_RGB = ((0.0, 1.402), (-0.344136, -0.714136), (1.772, 0.0))


def _normal(images: Tensor, seeds: Tensor, channels: int = 3) -> Tensor:
    return hashed_normal(seeds, (channels, *images.shape[-2:]), 2)


def white_noise(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Gaussian noise, independent in each pixel and channel, deviation up to 0.2."""
    noise = _normal(images, seeds) * (WHITE_DEVIATION * one_and_a_half_power(amount))
    return keep_where_zero(images, amount, images + noise)


def luma_noise(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Gaussian noise equal in all channels, deviation up to 0.18."""
    noise = _normal(images, seeds, 1) * (LUMA_DEVIATION * one_and_a_half_power(amount))
    return keep_where_zero(images, amount, images + noise)


def chroma_noise(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Gaussian noise in the two color differences alone, in blotches of about 1.5 px, deviation up to 0.11 each."""
    planes = gaussian_filter(_normal(images, seeds, 2), 0.7) * 2.4  # 2.4 restores the deviation the filter takes
    noise = torch.einsum("rc,bchw->brhw", torch.tensor(CHROMA_TO_RGB).to(images), planes)
    return keep_where_zero(images, amount, images + noise * (0.5 * CHROMA_DEVIATION * one_and_a_half_power(amount)))


def grain(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Spatially correlated noise, as demosaicing leaves it, deviation up to 0.15."""
    noise = gaussian_filter(_normal(images, seeds), 0.8) * 2.8
    return keep_where_zero(images, amount, images + noise * (GRAIN_DEVIATION * one_and_a_half_power(amount)))


def pink_noise(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Noise whose amplitude falls as 1/f: clouds, blotches and grain at once, equal in all channels or in each alone.

    Deviation up to 0.15, in the mean over all noise of the size of the picture.
    """
    together = hashed_uniform(seeds, (1, 1, 1), 7) < 0.5
    white = _normal(images, seeds)
    white = torch.where(together, white[:, :1].expand_as(white), white)
    height, width = images.shape[-2:]
    sides = (torch.fft.fftfreq(side, dtype=torch.float64, device=images.device) for side in (height, width))
    frequency = torch.cartesian_prod(*sides).norm(dim=1).reshape(height, width)
    frequency[0, 0] = torch.inf  # a mean would be a change of brightness
    fall = 1.0 / frequency
    fall = (fall / fall.square().mean().sqrt()).to(images.dtype)[:, : width // 2 + 1]  # the rest mirrors it
    # Picture by picture: how several are transformed at once may depend on how many there are.
    pink = torch.stack([torch.fft.irfft2(torch.fft.rfft2(plane) * fall, s=(height, width)) for plane in white])
    return keep_where_zero(images, amount, images + pink * (PINK_DEVIATION * one_and_a_half_power(amount)))


def poisson_noise(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Photon noise: deviation proportional to the square root of the value, up to 0.3 at white."""
    noise = _normal(images, seeds) * images.clamp_min(0.0).sqrt() * (POISSON_DEVIATION * one_and_a_half_power(amount))
    return keep_where_zero(images, amount, images + noise)


def speckle_noise(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Multiplicative noise, deviation up to 0.45 of the value."""
    noise = _normal(images, seeds) * images * (SPECKLE_DEVIATION * one_and_a_half_power(amount))
    return keep_where_zero(images, amount, images + noise)


def impulse_noise(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Salt and pepper: each value turns 0 or 1 with a probability of up to 0.12, in all channels or in each alone."""
    uniform = hashed_uniform(seeds, (3, *images.shape[-2:]), 3)
    together = (hashed_uniform(seeds, (1, 1, 1), 4) < 0.5).expand_as(uniform)
    uniform = torch.where(together, uniform[:, :1].expand_as(uniform), uniform)
    density = IMPULSE_DENSITY * one_and_a_half_power(amount)
    noisy = torch.where(uniform < density / 2, torch.zeros_like(images), images)
    noisy = torch.where(uniform > 1.0 - density / 2, torch.ones_like(images), noisy)
    return keep_where_zero(images, amount, noisy)
