"""Patches of pictures, and which patches of clean photos stand for pristine quality: the sharp and colorful ones."""

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["PATCH", "STRIDE", "colorfulness", "cut_patches", "select_pristine", "sharpness"]

PATCH = 96  # px
STRIDE = 48  # px, between patches of pictures that are scored; pristine ones do not overlap

SHARP_ENOUGH, COLORFUL_ENOUGH = 0.75, 0.8  # of the most in the same photo; of the official code

_TAPS, _SIGMA = 7, 7.0 / 6.0  # NIQE's window
_LUMA = (0.2989, 0.587, 0.114)


def cut_patches(images: Tensor, stride: int = STRIDE) -> Tensor:
    """Cut pictures into patches.

    Args:
        images: (B, C, H, W), sides of at least 96 px.
        stride: px between neighbors; what is left over at the right and at the bottom is not covered.

    Returns:
        (B, N, C, 96, 96), row by row.
    """
    tiles = images.unfold(2, PATCH, stride).unfold(3, PATCH, stride)  # (B, C, rows, columns, 96, 96)
    return tiles.permute(0, 2, 3, 1, 4, 5).flatten(1, 2)


def sharpness(patches: Tensor) -> Tensor:
    """Sum over a gray patch of the local standard deviation under a 7-tap Gaussian window.

    Args:
        patches: (N, 3, H, W) in [0, 1].

    Returns:
        (N,), higher is sharper.
    """
    gray = (patches * patches.new_tensor(_LUMA).reshape(1, 3, 1, 1)).sum(1, keepdim=True)
    places = torch.arange(_TAPS, dtype=patches.dtype, device=patches.device) - _TAPS // 2
    taps = torch.exp(-0.5 * places.square() / _SIGMA**2)
    taps = taps / taps.sum()
    mean, square = _window(gray, taps), _window(gray.square(), taps)
    return (square - mean.square()).abs().sqrt().sum(dim=(1, 2, 3))


def _window(gray: Tensor, taps: Tensor) -> Tensor:
    # Zeros around the patch, as in the official code.
    down = F.conv2d(gray, taps.reshape(1, 1, -1, 1), padding=(_TAPS // 2, 0))
    return F.conv2d(down, taps.reshape(1, 1, 1, -1), padding=(0, _TAPS // 2))


def colorfulness(patches: Tensor) -> Tensor:
    """Spread and size of two opponent colors, ``|R - G|`` and ``|(R + G) / 2 - B|``.

    Args:
        patches: (N, 3, H, W) in [0, 1].

    Returns:
        (N,): root of the summed variances plus root of the summed squared means; 0 for gray.
    """
    red, green, blue = patches.flatten(2).unbind(1)
    first, second = (red - green).abs(), (0.5 * (red + green) - blue).abs()
    spread = (first.var(1) + second.var(1)).sqrt()
    return spread + (first.mean(1).square() + second.mean(1).square()).sqrt()


def select_pristine(photo: Tensor) -> Tensor:
    """Patches of a clean photo that show its quality: sharp ones, and of those the colorful ones.

    Args:
        photo: (3, H, W) in [0, 1], sides of at least 96 px.

    Returns:
        (N, 3, 96, 96), at least one: sharpness above 0.75 of that of the photo's sharpest patch, and colorfulness
        above 0.8 of that of the most colorful among these.
    """
    patches = cut_patches(photo.unsqueeze(0), PATCH)[0]
    sharp = sharpness(patches)
    patches = patches[sharp >= SHARP_ENOUGH * sharp.max()]  # equal counts, so that a flat photo keeps something
    colorful = colorfulness(patches)
    return patches[colorful >= COLORFUL_ENOUGH * colorful.max()]
