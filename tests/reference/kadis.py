"""Slow twins of KADIS operations that no library has: one pixel, one square, one division at a time."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float64]


def disk(radius: float) -> Array:
    """Share of each pixel's area inside a disk, by 101 x 101 points, the whole summing to 1."""
    reach = math.ceil(radius - 0.5)
    points = (np.arange((2 * reach + 1) * 101) + 0.5) / 101 - reach - 0.5
    inside = points[:, None] ** 2 + points[None, :] ** 2 <= radius**2
    area = inside.reshape(2 * reach + 1, 101, -1, 101).mean((1, 3))
    return area / area.sum()


def line(length: float, angle: float, reach: int) -> Array:
    """A line of ``length`` px: full on its axis, fading over one pixel to the sides and half a one at the ends."""
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    for row in range(-reach, reach + 1):
        for column in range(-reach, reach + 1):
            along = abs(column * math.cos(angle) + row * math.sin(angle))
            across = abs(row * math.cos(angle) - column * math.sin(angle))
            kernel[row + reach, column + reach] = max(0, 1 - across) * min(1, max(0, (length + 1) / 2 - along))
    return kernel / kernel.sum()


def starlet_shrinkage(channel: Array, deviation: float) -> Array:
    """Undecimated cubic B-spline wavelets, four planes, coefficients below three deviations of the noise dropped."""
    kept, smooth = np.zeros_like(channel), channel
    for plane, share in enumerate((0.8907, 0.2007, 0.0856, 0.0413)):
        taps = np.zeros(4 * 2**plane + 1)
        taps[:: 2**plane] = np.array([1, 4, 6, 4, 1]) / 16
        smoother = ndimage.correlate1d(ndimage.correlate1d(smooth, taps, 0, mode="nearest"), taps, 1, mode="nearest")
        detail = smooth - smoother
        kept += np.where(np.abs(detail) > 3 * share * deviation, detail, 0)
        smooth = smoother
    return kept + smooth


def divide_colors(pixels: NDArray[np.int64], colors: int) -> list[NDArray[np.int64]]:
    """Rows (N, 3) divided at the mean of the axis that varies most, set by set; lists of row numbers."""
    sets = [np.arange(len(pixels))]
    while len(sets) < colors:
        order = range(len(sets))
        if 2 * len(sets) > colors:
            spread = [((pixels[rows] - pixels[rows].mean(0)) ** 2).sum() for rows in sets]
            order = sorted(order, key=lambda n: -spread[n])[: colors - len(sets)]
        divided = []
        for number, rows in enumerate(sets):
            values = pixels[rows]
            axis = np.argmax(((values - values.mean(0)) ** 2).sum(0))
            above = values[:, axis] > values[:, axis].mean()
            divided += [rows[~above], rows[above]] if number in order else [rows]
        sets = divided
    return sets


def move_patches(image: Array, starts: NDArray[np.int64], steps: NDArray[np.int64], side: int) -> Array:
    """Each patch replaced by the one a step away in the picture as it was; the first lies on top."""
    out = image.copy()
    for (top, left), (down, right) in reversed(list(zip(starts.tolist(), steps.tolist(), strict=True))):
        source = image[:, top + down : top + down + side, left + right : left + right + side]
        out[:, top : top + side, left : left + side] = source
    return out
