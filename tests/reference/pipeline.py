"""Slow twins of what cameras and transmission do, where no library does it: one point, pixel or unit at a time."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def light_of(value: float) -> float:
    """Transfer curve of IEC 61966-2-1."""
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def value_of(light: float) -> float:
    """Its inverse, clipped."""
    light = min(max(light, 0.0), 1.0)
    return light * 12.92 if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055


def radial_loop(draws: Sequence[float], height: int, width: int) -> Array:
    """Fall-off around a center (``draws`` 0 and 1), between the square (draw 2 = 0) and the fourth power (1)."""
    center = [0.4 * draw - 0.2 for draw in draws[:2]]
    corners = [(y - center[0]) ** 2 + (x - center[1]) ** 2 for y in (-1, 1) for x in (-1, 1)]
    out = np.empty((height, width))
    for row in range(height):
        for column in range(width):
            y, x = 2 * row / (height - 1) - 1 - center[0], 2 * column / (width - 1) - 1 - center[1]
            square = (y * y + x * x) / max(corners)
            out[row, column] = square * (1 - draws[2]) + square**2 * draws[2]
    return out


def trajectory_loop(waves: Array, length: float, reach: int) -> Array:
    """Kernel of a path: ``waves`` (2, 3) of half waves, each of 64 points shared among its four pixels."""
    weights = (1.0, 0.6, 0.35)
    spread = math.sqrt(sum((weights[k] * waves[axis, k]) ** 2 / 2 for axis in (0, 1) for k in range(3)))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    for point in range(64):
        time = (point + 0.5) / 64
        y, x = (
            sum(weights[k] * waves[axis, k] * math.cos(math.pi * (k + 1) * time) for k in range(3))
            / spread
            * length
            / math.sqrt(12)
            + reach
            for axis in (0, 1)
        )
        for row in (math.floor(y), math.floor(y) + 1):
            for column in (math.floor(x), math.floor(x) + 1):
                share = (1 - abs(y - row)) * (1 - abs(x - column))
                if share > 0:
                    kernel[row, column] += share / 64
    return kernel


def keys(distance: float) -> float:
    """Cubic convolution (Keys, 1981) with a = -1/2."""
    t = abs(distance)
    if t < 1:
        return 1.5 * t**3 - 2.5 * t**2 + 1
    return -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t < 2 else 0.0


def interpolated_loop(samples: Array, places: Sequence[float]) -> Array:
    """The first axis of ``samples`` at real places by ``keys``; taps beyond the ends are left out."""
    out = np.zeros((len(places), *samples.shape[1:]))
    for number, place in enumerate(places):
        weights = [keys(place - index) for index in range(len(samples))]
        for index, weight in enumerate(weights):
            out[number] += weight / sum(weights) * samples[index]
    return out


def concealed_loop(image: Array, lost: NDArray[np.bool_], phase: tuple[int, int]) -> Array:
    """Lost pixels of (C, H, W) from the nearest pixels outside their 16 px unit, up, down, left and right.

    Each counts by one over its distance; those outside the picture do not count.
    """
    out = image.copy()
    _, height, width = image.shape
    for row in range(height):
        for column in range(width):
            if not lost[row, column]:
                continue
            top = (row + phase[0]) // 16 * 16 - phase[0]
            left = (column + phase[1]) // 16 * 16 - phase[1]
            places = [(top - 1, column), (top + 16, column), (row, left - 1), (row, left + 16)]
            total, weights = np.zeros(len(image)), 0.0
            for r, c in places:
                if 0 <= r < height and 0 <= c < width:
                    weight = 1 / (abs(r - row) + abs(c - column))
                    total, weights = total + weight * image[:, r, c], weights + weight
            out[:, row, column] = total / weights
    return out


def clipped_loop(image: Array, amount: Array) -> Array:
    """Tones of (3, H, W) beyond two quantiles of the luma held there (amounts < 0) or driven on three times as far."""
    gray = np.sort((0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]).ravel())
    out = image.copy()
    for row in range(image.shape[1]):
        for column in range(image.shape[2]):
            cut = int(0.45 * (len(gray) - 1) * abs(amount[row, column]))
            low, high = gray[cut], gray[len(gray) - 1 - cut]
            for channel in range(3):
                value = image[channel, row, column]
                kept = min(max(value, low), high)
                slope = 3 if amount[row, column] > 0 else 0
                if amount[row, column] != 0:
                    out[channel, row, column] = min(max(kept + slope * (value - kept), 0), 1)
    return out
