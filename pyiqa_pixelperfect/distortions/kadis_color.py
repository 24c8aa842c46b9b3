"""KADIS types 4, 5, 7, 8, 16 to 18 and 25: color and tone, each at one strength for a whole batch.

Every operation is ``(images (B, 3, H, W), parameter, seeds (B,)) -> images`` in [0, 1]. Choices by mask are written
with minima and maxima of continuous pieces: an element-wise choice costs a CPU ten times as much.
"""

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from pyiqa_pixelperfect.distortions.counter import hashed_uniform
from pyiqa_pixelperfect.distortions.jpeg import mix_channels
from pyiqa_pixelperfect.distortions.kadis_filters import gaussian_taps, separable
from pyiqa_pixelperfect.distortions.kadis_places import fetch
from pyiqa_pixelperfect.distortions.tone import luma

__all__ = ["brighten", "color_diffusion", "color_shift", "contrast_change", "darken", "from_roots", "hsv_saturation",
           "lab_saturation", "mean_shift", "to_lab", "to_roots", "tone_curve"]  # fmt: skip

# IEC 61966-2-1 primaries to XYZ over the D65 white point (0.95047, 1, 1.08883), so that white is (1, 1, 1).
_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
_WHITE = (0.95047, 1.0, 1.08883)
RGB_TO_XYZ = tuple(tuple(value / white for value in row) for row, white in zip(_XYZ, _WHITE, strict=True))
XYZ_TO_RGB = tuple(map(tuple, torch.tensor(RGB_TO_XYZ, dtype=torch.float64).inverse().tolist()))
_GAMMA, _DARK, _DARK_LINEAR, _DARK_SLOPE = 2.4, 0.04045, 0.0031308, 12.92  # the sRGB transfer function
_CUBE = 6.0 / 29.0  # below this the CIE 1976 cube root is a straight line
_ROOT = _CUBE**3
_ROOT_SLOPE = 1.0 / (3.0 * _CUBE**2)
_TABLE = 65536  # entries of a tone curve
SHIFT_SIGMA = 3.0  # px
SHIFT_EDGE = 0.1  # gradient of luma times move at which half of a color shift is blended in


@lru_cache(maxsize=1)
def _wide() -> bool:
    """Whether numpy has vectors for roots and for powers of two, of which it has none for older processors."""
    return torch.backends.cpu.get_cpu_capability() == "AVX512"


def _power(values: Tensor, exponent: float) -> Tensor:
    """In place, for values > 0: ``pow`` takes another path for the last values of a tensor, and is slow.

    On a CPU by numpy, whose logarithm and exponential take less than half of torch's time.
    """
    if values.device.type != "cpu":
        return values.log_().mul_(exponent).exp_()
    array = values.numpy()
    logarithm, exponential = (np.log2, np.exp2) if _wide() else (np.log, np.exp)
    logarithm(array, out=array)
    values.mul_(exponent)
    exponential(array, out=array)
    return values


def _cube_root(values: Tensor) -> Tensor:
    """In place, for values > 0."""
    if values.device.type != "cpu" or not _wide():
        return _power(values, 1.0 / 3.0)
    np.cbrt(values.numpy(), out=values.numpy())
    return values


def _square_root(values: Tensor) -> Tensor:
    """In place, for values >= 0; on a CPU by numpy, since torch stumbles over each 0."""
    if values.device.type != "cpu":
        return values.sqrt_()
    np.sqrt(values.numpy(), out=values.numpy())
    return values


def _look_up(table: Tensor, values: Tensor) -> Tensor:
    """Entries of a table (65536,) at values from 0 to 1, rounded to 16 bit, which is as fine as any picture."""
    places = (values * (_TABLE - 1.0)).round_().int().flatten()
    return table.index_select(0, places).reshape(values.shape)


@lru_cache(maxsize=8)
def _from_linear_root(device: torch.device) -> Tensor:
    """(65536,) sRGB values of the square root, from 0 to 1, of linear light: the root spreads what is dark."""
    linear = torch.linspace(0.0, 1.0, _TABLE, dtype=torch.float64).square()
    bright = 1.055 * linear ** (1.0 / _GAMMA) - 0.055
    return torch.where(linear > _DARK_LINEAR, bright, linear * _DARK_SLOPE).float().to(device)


def to_roots(images: Tensor) -> Tensor:
    """The part of CIE 1976 that bends: (B, 3, H, W), the cube roots (lines below 0.9 %) of XYZ of sRGB, white at 1.

    Of roots x, y and z, lightness L is 116 y - 16, a is 500 (x - y) and b is 200 (y - z) (white point D65). Saturation
    is the distance of x and z from y, so that there is no need to make a and b.
    """
    bright = _power(images.clamp_min(_DARK).add_(0.055).mul_(1.0 / 1.055), _GAMMA)
    linear = bright.add_(images.clamp_max(_DARK).sub_(_DARK), alpha=1.0 / _DARK_SLOPE)
    xyz = mix_channels(linear, RGB_TO_XYZ)
    root = _cube_root(xyz.clamp_min(_ROOT))
    return root.add_(xyz.clamp_max_(_ROOT).sub_(_ROOT), alpha=_ROOT_SLOPE)


def from_roots(roots: Tensor) -> Tensor:
    """Inverse of ``to_roots``, within 1.5e-5, colors outside sRGB cut to [0, 1]; ``roots`` are used up."""
    above = roots.clamp_min(_CUBE)
    xyz = above.square().mul_(above).add_(roots.clamp_max_(_CUBE).sub_(_CUBE), alpha=1.0 / _ROOT_SLOPE)
    linear = mix_channels(xyz, XYZ_TO_RGB).clamp_(0.0, 1.0)
    return _look_up(_from_linear_root(roots.device), _square_root(linear))


def to_lab(images: Tensor) -> Tensor:
    """CIE 1976 of sRGB, scaled: (B, 3, H, W) of a / 500, (L + 16) / 116 and b / 200 (white point D65)."""
    roots = to_roots(images)
    roots[:, 0] -= roots[:, 1]
    roots[:, 2].neg_().add_(roots[:, 1])
    return roots


def color_diffusion(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 4: chroma (a, b of Lab) smoothed with 1.5 ``parameter`` + 2 px and multiplied by ``parameter``."""
    roots = to_roots(images)
    lightness = roots[:, 1:2]
    chroma = separable(roots[:, ::2] - lightness, gaussian_taps(1.5 * parameter + 2.0))
    torch.add(lightness, chroma, alpha=parameter, out=roots[:, ::2])
    return from_roots(roots)


def color_shift(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 5: green moved right and down by ``parameter`` px in all, where there are edges.

    The direction is drawn per image, the moves along the axes are whole pixels. How much of the moved plane shows is
    c / (c + 0.1), where c is the gradient of luma, smoothed with 3 px, times the move: about the change that the move
    makes there. The scale is fixed, where the original stretches the gradient of each picture to its own extremes.
    """
    height, width = images.shape[-2:]
    angles = hashed_uniform(seeds, (1,), 105) * (0.5 * math.pi)
    down, right = (angles.sin() * parameter).round().long(), (angles.cos() * parameter).round().long()
    rows = (torch.arange(height, device=images.device) - down).clamp_min(0).int()[:, :, None]
    columns = (torch.arange(width, device=images.device) - right).clamp_min(0).int()[:, None, :]
    green = fetch(images[:, 1:2], (rows * width + columns).flatten(1)).reshape(-1, 1, height, width)
    gray = luma(images)
    slope_x = torch.zeros_like(gray)
    torch.sub(gray[..., 1:], gray[..., :-1], out=slope_x[..., :-1])
    slope_y = torch.sub(gray[:, :, 1:], gray[:, :, :-1])
    change = slope_x.square_()
    change[:, :, :-1].addcmul_(slope_y, slope_y)
    edges = separable(_square_root(change), gaussian_taps(SHIFT_SIGMA))
    share = edges.div_(edges + SHIFT_EDGE / parameter)
    done = images.clamp(0.0, 1.0)
    done[:, 1:2].lerp_(green, share).clamp_(0.0, 1.0)
    return done


def hsv_saturation(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 7: HSV saturation times ``parameter``; no ``seeds``. Oracle: colorsys.

    A negative factor continues the formula of HSV beyond gray: every pixel goes to the complement of its color, on
    the bright side of its value, and is cut at 1.
    """
    value = images.amax(1, keepdim=True)
    return torch.lerp(value, images, parameter).clamp_(0.0, 1.0)


def lab_saturation(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 8: a and b of Lab times ``parameter``, colors outside sRGB cut; no ``seeds``. Oracle: scikit-image."""
    roots = to_roots(images)
    torch.lerp(roots[:, 1:2], roots[:, ::2], parameter, out=roots[:, ::2])
    return from_roots(roots)


@lru_cache(maxsize=64)
def _table(knots: tuple[tuple[float, float], ...], device: torch.device) -> Tensor:
    """(65536,) values in [0, 1] of the monotone cubic through some points, for x from 0 to 1."""
    from scipy.interpolate import PchipInterpolator  # a third of a second, paid only by who bends tones

    heights = PchipInterpolator(*zip(*knots, strict=True))(np.linspace(0.0, 1.0, _TABLE))
    return torch.from_numpy(heights.clip(0.0, 1.0).astype(np.float32)).to(device)


def tone_curve(values: Tensor, knots: tuple[tuple[float, float], ...]) -> Tensor:
    """Bend [0, 1] values along the monotone cubic (Fritsch and Carlson 1980) through (x, y) knots from x = 0 to 1.

    Looked up in a table of 16 bit, and cut to [0, 1].
    """
    return _look_up(_table(knots, values.device), values)


def brighten(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 16: curve through (0.5, 0.5 + ``parameter`` / 2), two thirds on RGB and one on the lightness of Lab."""
    knots = ((0.0, 0.0), (0.5, 0.5 + 0.5 * parameter), (1.0, 1.0))
    roots = to_roots(images)
    lightness = roots[:, 1:2]
    lighter = tone_curve(lightness.mul(1.16).sub_(0.16).clamp_(0.0, 1.0), knots).add_(0.16).div_(1.16)
    roots += lighter.sub_(lightness)  # of all three alike: a and b stay as they are
    return tone_curve(images, knots).lerp_(from_roots(roots), 1.0 / 3.0)


def darken(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 17: curve through (0.5, 0.5 - ``parameter`` / 2); no ``seeds``. Oracle: scipy.interpolate."""
    return tone_curve(images, ((0.0, 0.0), (0.5, 0.5 - 0.5 * parameter), (1.0, 1.0)))


def mean_shift(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 18: ``parameter`` added; no ``seeds``."""
    return (images + parameter).clamp_(0.0, 1.0)


def contrast_change(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 25: curve that takes 0.3 and 0.7 to 0.25 - ``parameter`` / 4 and 0.75 + ``parameter`` / 4; no ``seeds``.

    The identity is at -0.2, not at 0, so that the severity of a level is its distance from there.
    """
    bend = 0.25 + 0.25 * parameter
    knots = ((0.0, 0.0), (0.3, 0.5 - bend), (0.5, 0.5), (0.7, 0.5 + bend), (1.0, 1.0))
    return tone_curve(images, knots)
