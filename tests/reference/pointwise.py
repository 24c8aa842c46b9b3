"""Slow twins of the pointwise distortions: one pixel (r, g, b) and one amount at a time."""

import colorsys
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Pixel = tuple[float, float, float]


def gray(pixel: Pixel) -> float:
    """BT.601 luma."""
    return 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]


def each(image: Array, amount: Array, change: Callable[[Pixel, float], list[float]]) -> Array:
    """Apply ``change`` to each pixel of (3, H, W) with its amount (H, W); pixels of amount 0 stay."""
    out = image.copy()
    for row in range(image.shape[1]):
        for column in range(image.shape[2]):
            if amount[row, column] != 0:
                out[:, row, column] = np.clip(change(tuple(image[:, row, column]), amount[row, column]), 0, 1)
    return out


def exposure(pixel: Pixel, amount: float) -> list[float]:
    """1.3 stops at amount 1."""
    return [v * 2 ** (1.3 * amount) for v in pixel]


def gamma_error(pixel: Pixel, amount: float) -> list[float]:
    """Exponent 1/2.6 at amount 1, 2.6 at -1."""
    return [v ** (2.6**-amount) for v in pixel]


def mean_shift(pixel: Pixel, amount: float) -> list[float]:
    """0.35 added at amount 1."""
    return [v + 0.35 * amount for v in pixel]


def contrast_stretch(pivot: float) -> Callable[[Pixel, float], list[float]]:
    """Slope 2.6 at amount 1, 1 at 0, 0.12 at -1, straight lines between."""

    def change(pixel: Pixel, amount: float) -> list[float]:
        slope = 1 + 1.6 * amount if amount > 0 else 1 + 0.88 * amount
        return [pivot + slope * (v - pivot) for v in pixel]

    return change


def contrast_curve(pixel: Pixel, amount: float) -> list[float]:
    """Logistic curve of slope 10 |amount|, rescaled to keep 0 and 1; its inverse for negative amounts."""
    steep = 10 * abs(amount)

    def logistic(v: float) -> float:
        return 1 / (1 + math.exp(-steep * (v - 0.5)))

    low, high = logistic(0), logistic(1)
    if amount > 0:
        return [(logistic(v) - low) / (high - low) for v in pixel]
    return [0.5 - math.log(1 / (low + v * (high - low)) - 1) / steep for v in pixel]


def banding(*, rounds: bool) -> Callable[[Pixel, float], list[float]]:
    """64 levels at amount 0, 3 at 1, in equal ratios; rounded to the nearest or cut down.

    Numbers of steps that are no power of two: that of the next power, of whose levels every second one is left by the
    share ``left`` of the values on either side (above, when cutting). The share is searched for by halving: the error
    of evenly spread values, summed over the two cells of a coarse step, rises with it.
    """

    def error(left: float) -> float:
        if rounds:
            return (((1 - left) / 2) ** 3 + ((1 + left) / 2) ** 3) / 3
        return ((1 + left) ** 3 + 1 - left**3) / 6

    def level(place: float, left: float) -> float:
        finest = math.floor(place + 0.5) if rounds else math.floor(place)
        if finest % 2 == 0:
            return finest
        if rounds:
            return finest if abs(place - finest) <= (1 - left) / 2 else finest + math.copysign(1, place - finest)
        return finest if place - finest >= left else finest - 1

    def change(pixel: Pixel, amount: float) -> list[float]:
        steps = 64 ** (1 - amount) * 3**amount - rounds
        count = 1
        while count < steps * (1 - 1e-5):
            count *= 2
        low, high = 0.0, 1.0
        for _ in range(60):
            left = (low + high) / 2
            low, high = (left, high) if error(left) < error(0) * (count / steps) ** 2 else (low, left)
        return [level(v * count, left) / count for v in pixel]

    return change


def _saturation(amount: float) -> float:
    return 1 + 2.5 * amount if amount > 0 else 1 + amount


def chroma_scale(pixel: Pixel, amount: float) -> list[float]:
    """Distance from gray scaled by 0 (amount -1) to 3.5 (amount 1)."""
    return [gray(pixel) + _saturation(amount) * (v - gray(pixel)) for v in pixel]


def hsv_saturation(pixel: Pixel, amount: float) -> list[float]:
    """Saturation of the HSV cone scaled and cut at 1."""
    hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
    return list(colorsys.hsv_to_rgb(hue, min(1.0, saturation * _saturation(amount)), value))


def white_balance(stops: Pixel) -> Callable[[Pixel, float], list[float]]:
    """Channel gains in stops at amount 1, then the pixel scaled back to its luma."""

    def change(pixel: Pixel, amount: float) -> list[float]:
        moved = tuple(v * 2 ** (s * amount) for v, s in zip(pixel, stops, strict=True))
        back = gray(pixel) / gray(moved) if gray(moved) > 0 else 0.0
        return [v * back for v in moved]

    return change


temperature = white_balance((0.5, 0.0, -0.5))
tint = white_balance((0.0, -0.5, 0.0))
