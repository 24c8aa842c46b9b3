"""Pixelation, sharpening halos, displacement, occlusion and fringing: faults of place. Amount 0 is untouched, 1 full.

Sources: KADIS-700k types 5, 19, 20, 21, 23 and 24 (Lin et al., 2020). Displacement and fringing move samples with
cubic interpolation, since bilinear interpolation would blur what it moves and teach two families at once.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from pyiqa_pixelperfect.distortions.blur import gaussian_filter
from pyiqa_pixelperfect.distortions.counter import hashed_uniform
from pyiqa_pixelperfect.distortions.fields import perlin_noise
from pyiqa_pixelperfect.distortions.strengths import interpolate_strengths, keep_where_zero, one_and_a_half_power

__all__ = [
    "color_patch",
    "fringing",
    "jitter",
    "patch_shift",
    "pixelation",
    "texture_patch",
    "unsharp_mask",
    "veil",
    "warp",
    "whole_shifts",
    "whole_steps",
]

PIXELATION_FACTORS = (2, 3, 4, 6, 8, 12)  # px per block at amounts 1/6, 2/6 ... 1
SHARPEN_SIGMAS = (0.8, 2.0)  # px; interpolated by a draw per image
SHARPEN_GAIN = 6.0
WARP_REACH = 7.0  # px at amount 1
JITTER_REACH = 4.0  # px
PATCH_SIZE = 16  # px
PATCH_REACH = 8.0  # px
FRINGE_REACH = 6.0  # px between red and blue


def whole_steps(amount: Tensor, seeds: Tensor) -> Tensor:
    """Amounts (B, 1, H, W) in [0, 1] that blocks of whole pixels can do: the nearest of 1/6 ... 1; 0 stays 0.

    A mixture of two block sizes would have neither one's blocks, and be closer to a blur. ``seeds`` is not used.
    """
    steps = len(PIXELATION_FACTORS)
    return torch.where(amount > 0, (amount * steps).round().clamp_min(1.0) / steps, amount)


def pixelation(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Blocks of up to 12 px: their central pixel or, by a draw per image, their mean; ``amount`` in ``whole_steps``."""
    height, width = images.shape[-2:]
    averaged = hashed_uniform(seeds, (1, 1, 1), 7) < 0.5
    filtered = []
    for factor in PIXELATION_FACTORS:
        rows = torch.arange(height, device=images.device) // factor
        columns = torch.arange(width, device=images.device) // factor
        # The last block of a side may be cut off: its center is clamped, its mean taken over what is there.
        middle_rows = (rows * factor + factor // 2).clamp_max(height - 1)
        middle_columns = (columns * factor + factor // 2).clamp_max(width - 1)
        nearest = images[..., middle_rows, :][..., middle_columns]
        mean = F.avg_pool2d(images, factor, ceil_mode=True)[..., rows, :][..., columns]
        filtered.append(torch.where(averaged, mean, nearest))
    return keep_where_zero(images, amount, interpolate_strengths(images, amount, filtered))


def unsharp_mask(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Detail amplified up to sevenfold, with halos of a width drawn per image between 0.8 and 2 px."""
    wide = hashed_uniform(seeds, (1, 1, 1), 8)
    narrow_blur, wide_blur = (gaussian_filter(images, sigma) for sigma in SHARPEN_SIGMAS)
    detail = images - torch.lerp(narrow_blur, wide_blur, wide.expand_as(images))
    return keep_where_zero(images, amount, images + SHARPEN_GAIN * one_and_a_half_power(amount) * detail)


def _sample(images: Tensor, shift_y: Tensor, shift_x: Tensor) -> Tensor:
    """Sample images at (y + shift_y, x + shift_x), shifts (B, H, W) in px; edges replicated, cubic."""
    height, width = images.shape[-2:]
    y = torch.arange(height, device=images.device, dtype=images.dtype).reshape(1, -1, 1)
    x = torch.arange(width, device=images.device, dtype=images.dtype).reshape(1, 1, -1)
    grid = torch.stack(((x + shift_x) * (2.0 / (width - 1)) - 1.0, (y + shift_y) * (2.0 / (height - 1)) - 1.0), dim=-1)
    return F.grid_sample(images, grid, mode="bicubic", padding_mode="border", align_corners=True)


def warp(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Smooth geometric distortion: a Perlin flow of up to about 7 px, its grain 10 to 40 px, drawn per image."""
    height, width = images.shape[-2:]
    scale = 10.0 + 30.0 * hashed_uniform(seeds, (1,), 9)[:, 0]
    reach = 2.0 * WARP_REACH * amount[:, 0]  # Perlin noise spans about [-0.5, 0.5]
    shift_y = perlin_noise(seeds, scale, height, width, 40) * reach
    # Gradient noise is zero on its lattice: with the lattices half a cell apart, no point stands still by design.
    shift_x = perlin_noise(seeds, scale, height, width, 41, offset=0.5) * reach
    return keep_where_zero(images, amount, _sample(images, shift_y, shift_x))


def jitter(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Every pixel fetched from a random place up to 4 px away."""
    shifts = (hashed_uniform(seeds, (2, *images.shape[-2:]), 10) * 2.0 - 1.0) * (JITTER_REACH * amount)
    return keep_where_zero(images, amount, _sample(images, shifts[:, 0], shifts[:, 1]))


def whole_shifts(amount: Tensor, seeds: Tensor) -> Tensor:
    """Amounts (B, 1, H, W) in [0, 1] that shifts by whole pixels can do, rounded up; ``seeds`` is not used."""
    return (amount * PATCH_REACH).ceil() / PATCH_REACH


def patch_shift(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Patches of 16 px replaced by others up to 8 px away, each in its own direction; see ``whole_shifts``."""
    height, width = images.shape[-2:]
    rows, columns = -(-height // PATCH_SIZE), -(-width // PATCH_SIZE)
    angle = hashed_uniform(seeds, (rows, columns), 13) * (2.0 * math.pi)
    angle = angle.repeat_interleave(PATCH_SIZE, 1).repeat_interleave(PATCH_SIZE, 2)[:, :height, :width]
    reach = (PATCH_REACH * amount[:, 0]).ceil()
    return keep_where_zero(
        images, amount, _sample(images, (angle.sin() * reach).round(), (angle.cos() * reach).round())
    )


def fringing(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Red and blue pulled apart by up to 6 px: in one direction, or outward from the center (lateral color)."""
    height, width = images.shape[-2:]
    draws = hashed_uniform(seeds, (3, 1, 1), 14)
    angle = draws[:, 0] * (2.0 * math.pi)
    y = torch.linspace(-1.0, 1.0, height, device=images.device).reshape(1, -1, 1)
    x = torch.linspace(-1.0, 1.0, width, device=images.device).reshape(1, 1, -1)
    radial = draws[:, 1] < 0.5
    # Real lateral color grows with the distance from the center; here the amount alone says how far, so that the
    # truth map holds everywhere. The floor only spares the center itself a division by zero.
    length = (y.square() + x.square()).sqrt().clamp_min(1e-3)
    toward_y = torch.where(radial, y / length, angle.sin())
    toward_x = torch.where(radial, x / length, angle.cos())
    reach = (0.5 * FRINGE_REACH) * amount[:, 0]
    red = _sample(images[:, 0:1], toward_y * reach, toward_x * reach)
    blue = _sample(images[:, 2:3], -toward_y * reach, -toward_x * reach)
    return keep_where_zero(images, amount, torch.cat((red, images[:, 1:2], blue), dim=1))


def color_patch(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """A flat color drawn per image laid over the picture; the amount is its opacity."""
    color = hashed_uniform(seeds, (3, 1, 1), 15)
    return keep_where_zero(images, amount, torch.lerp(images, color.expand_as(images), amount.expand_as(images)))


def texture_patch(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """Another part of the same picture (turned by 180 degrees and shifted) laid over it; the amount is its opacity."""
    height, width = images.shape[-2:]
    other = images.flip(-1, -2).roll((height // 3, width // 3), (-2, -1))
    tone = hashed_uniform(seeds, (3, 1, 1), 16) * 0.8 + 0.2
    return keep_where_zero(images, amount, torch.lerp(images, other * tone, amount.expand_as(images)))


def veil(images: Tensor, amount: Tensor, seeds: Tensor) -> Tensor:
    """A cloudy smear of color laid over the picture, as dirt on a lens; opacity 0.9 times the amount."""
    height, width = images.shape[-2:]
    cloud = perlin_noise(seeds, torch.full((len(seeds),), 24.0, device=images.device), height, width, 50)
    color = hashed_uniform(seeds, (3, 1, 1), 17) * 0.7 + 0.15 + 0.3 * cloud.unsqueeze(1)
    return keep_where_zero(images, amount, torch.lerp(images, color.clamp(0.0, 1.0), 0.9 * amount.expand_as(images)))
