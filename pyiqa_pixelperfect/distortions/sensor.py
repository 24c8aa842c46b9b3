"""What the sensor and the first steps behind it leave: noise of light and readout, and the residue of demosaicing.

Sources: the Poisson-Gaussian model of raw data (Foi, Trimeche, Katkovnik, Egiazarian, TIP 2008), applied to linear
light before the tone curve; the color filter array of Bayer (US patent 3971065) with bilinear demosaicing.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from pyiqa_pixelperfect.distortions.blur import gaussian_filter
from pyiqa_pixelperfect.distortions.counter import hashed_normal, hashed_uniform
from pyiqa_pixelperfect.distortions.light import to_light, to_values
from pyiqa_pixelperfect.distortions.strengths import interpolate_strengths, keep_where_zero, one_and_a_half_power

__all__ = ["bayer_masks", "demosaic", "demosaic_residue", "sensor_noise"]

SHOT_VARIANCE = 0.06  # of linear light at full light, at amount 1
READ_DEVIATION = 0.03  # of linear light
RAW_SIGMAS = (0.0, 0.6, 1.0, 1.5)  # smoothing of the raw planes, in their own pixels, at amounts 1/4, 2/4 ... 1

_TENT = ((0.25, 0.5, 0.25), (0.5, 1.0, 0.5), (0.25, 0.5, 0.25))  # red and blue: every second pixel of every second row
_CROSS = ((0.0, 0.25, 0.0), (0.25, 1.0, 0.25), (0.0, 0.25, 0.0))  # green: every second pixel


def sensor_noise(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Noise of photons and readout in linear light, independent in each pixel and channel, then the curve of sRGB.

    Its variance is ``s^2 (0.06 light + 0.03^2)`` with ``s = amount^1.5``; the shadows show it most.
    """
    light = to_light(images)
    deviation = (SHOT_VARIANCE * light + READ_DEVIATION**2).sqrt() * one_and_a_half_power(amount)
    noise = hashed_normal(seeds, (3, *images.shape[-2:]), 65)
    return keep_where_zero(images, amount, to_values(light + noise * deviation))


def bayer_masks(seeds: Tensor, height: int, width: int) -> Tensor:
    """Color filters (B, 3, H, W) of 0 and 1, one color a pixel; which corner of the 2x2 tile is red is drawn."""
    phase = (hashed_uniform(seeds, (2, 1, 1), 66) * 2.0).long()
    odd_row = (torch.arange(height, device=seeds.device).reshape(1, -1, 1) + phase[:, 0]) % 2 == 1
    odd_column = (torch.arange(width, device=seeds.device).reshape(1, 1, -1) + phase[:, 1]) % 2 == 1
    return torch.stack((~odd_row & ~odd_column, odd_row ^ odd_column, odd_row & odd_column), 1).to(torch.float32)


def demosaic(raw: Tensor, masks: Tensor) -> Tensor:
    """Bilinear demosaicing.

    Args:
        raw: (B, 1, H, W), one color a pixel.
        masks: (B, 3, H, W) from ``bayer_masks``.

    Returns:
        (B, 3, H, W); edges mirrored, which keeps the tiles whole.
    """
    kernels = torch.tensor((_TENT, _CROSS, _TENT), dtype=raw.dtype, device=raw.device)[:, None]
    return F.conv2d(F.pad(raw * masks, (1, 1, 1, 1), mode="reflect"), kernels, groups=3)


def demosaic_residue(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Zipper edges, false color and smeared detail: a Bayer mosaic, denoised and bilinearly demosaiced.

    Denoising smooths the four raw planes, each on its own; it takes no aliasing away, which is of sampling. At a
    quarter of the amount there is none, at 1 its sigma is 3 px of the picture. The corner of the tile is drawn.
    """
    height, width = images.shape[-2:]
    odd = (0, width % 2, 0, height % 2)
    masks = F.pad(bayer_masks(seeds, height, width), odd, mode="reflect")
    mosaic = (F.pad(images, odd, mode="reflect") * masks).sum(1, keepdim=True)
    filtered = []
    for sigma in RAW_SIGMAS:
        raw = mosaic
        if sigma > 0.0:
            raw = F.pixel_shuffle(gaussian_filter(F.pixel_unshuffle(mosaic, 2), sigma), 2)
        filtered.append(demosaic(raw, masks)[..., :height, :width])
    return keep_where_zero(images, amount, interpolate_strengths(images, amount, filtered))
