"""Slow twins of Perlin noise, amount fields and interpolated strengths: one pixel at a time."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reference.counter import hashed_one, unit

Array = NDArray[np.float64]


def perlin_loop(seed: int, scale: float, height: int, width: int, stream: int) -> Array:
    """Gradient noise: hashed unit gradients at lattice points, blended by the quintic fade curve."""

    def corner(cy: int, cx: int, y: float, x: float) -> float:
        angle = 2.0 * math.pi * unit(hashed_one(seed, cy * 8191 + cx, stream))
        return math.sin(angle) * (y - cy) + math.cos(angle) * (x - cx)

    def fade(t: float) -> float:
        return 6 * t**5 - 15 * t**4 + 10 * t**3

    out = np.empty((height, width))
    for row in range(height):
        for column in range(width):
            y, x = row / scale, column / scale
            cy, cx = math.floor(y), math.floor(x)
            wy, wx = fade(y - cy), fade(x - cx)
            total = 0.0
            for j in (0, 1):
                for i in (0, 1):
                    total += (wy if j else 1 - wy) * (wx if i else 1 - wx) * corner(cy + j, cx + i, y, x)
            out[row, column] = total
    return out


def octaves_loop(seed: int, scale: float, persistence: float, height: int, width: int, stream: int) -> Array:
    """Three octaves on the quarter grid, each of half the spacing (at least one cell) and a falling weight."""
    total = np.zeros((height, width))
    for octave in range(3):
        spacing = max(scale / 4 / 2**octave, 1.0)
        total += persistence**octave * perlin_loop(seed, spacing, height, width, stream + octave)
    return total


def enlarge_loop(grid: Array, height: int, width: int, *, nearest: bool) -> Array:
    """Four times larger, sample centers at half pixels, edges replicated; cut to (height, width)."""
    rows, columns = grid.shape
    out = np.empty((height, width))
    for row in range(height):
        for column in range(width):
            if nearest:
                out[row, column] = grid[row // 4, column // 4]
                continue
            y, x = max((row + 0.5) / 4 - 0.5, 0.0), max((column + 0.5) / 4 - 0.5, 0.0)
            y0, x0 = int(y), int(x)
            y1, x1 = min(y0 + 1, rows - 1), min(x0 + 1, columns - 1)
            upper = grid[y0, x0] * (1 - (x - x0)) + grid[y0, x1] * (x - x0)
            lower = grid[y1, x0] * (1 - (x - x0)) + grid[y1, x1] * (x - x0)
            out[row, column] = upper * (1 - (y - y0)) + lower * (y - y0)
    return out


def pattern_loop(shape: str, seed: int, scale: float, persistence: float, rows: int, columns: int) -> Array:
    """What is thresholded: noise, a ramp, a wobbly disk, or noise averaged over blocks of 4x4 grid cells."""
    noise = octaves_loop(seed, scale, persistence, rows, columns, 20)
    out = noise.copy()
    angle = 2 * math.pi * unit(hashed_one(seed, 0, 11))
    center = [1.2 * unit(hashed_one(seed, k, 12)) - 0.6 for k in (0, 1)]
    for row in range(rows):
        for column in range(columns):
            y, x = 2 * row / (rows - 1) - 1, 2 * column / (columns - 1) - 1
            ramp = math.sin(angle) * y + math.cos(angle) * x
            if shape == "gradient":
                out[row, column] = ramp
            elif shape == "halfplane":
                out[row, column] = ramp + 0.1 * noise[row, column]
            elif shape == "blob":
                out[row, column] = 0.35 * noise[row, column] - math.hypot(y - center[0], x - center[1])
            elif shape == "blocks":
                top, left = row // 4 * 4, column // 4 * 4
                out[row, column] = noise[top : top + 4, left : left + 4].mean()
    return out


def block_threshold(pattern: Array, coverage: float) -> float:
    """Value of the best block that is not covered; the next number to the share asked for is, and one at least."""
    values = {pattern[row, column] for row in range(0, len(pattern), 4) for column in range(0, pattern.shape[1], 4)}
    covered = max(1, round(coverage * len(values)))
    if covered == len(values):
        return float(min(values) - pattern.std(ddof=1))
    return float(sorted(values, reverse=True)[covered])


def amount_field_loop(
    shape: str,
    seed: int,
    height: int,
    width: int,
    *,
    scale: float,
    persistence: float,
    coverage: float,
    softness: float,
    variation: float,
) -> Array:
    """One amount field (height, width)."""
    if shape == "global":
        return np.ones((height, width))
    rows, columns = math.ceil(height / 4), math.ceil(width / 4)
    pattern = pattern_loop(shape, seed, scale, persistence, rows, columns)
    ordered = sorted(pattern.ravel(), reverse=True)
    threshold = ordered[max(int(coverage * rows * columns) - 1, 0)]
    if shape == "blocks":
        threshold = block_threshold(pattern, coverage)
    border = ordered[0] - threshold if shape == "gradient" else softness * pattern.std(ddof=1)
    inside = enlarge_loop(pattern - threshold, height, width, nearest=shape == "blocks")
    mask = np.clip(inside / border, 0, 1)
    wobble = enlarge_loop(
        octaves_loop(seed, scale, persistence, rows, columns, 30), height, width, nearest=shape == "blocks"
    )
    return mask * (1 - variation * np.clip(0.7 * wobble + 0.5, 0, 1))


def interpolate_loop(image: Array, amount: Array, filtered: Sequence[Array]) -> Array:
    """Each pixel of (C, H, W) on the straight line between the two strengths next to its amount (H, W)."""
    ladder = [image, *filtered]
    out = np.empty_like(image)
    for row in range(image.shape[1]):
        for column in range(image.shape[2]):
            position = amount[row, column] * len(filtered)
            lower = min(int(position), len(filtered) - 1)
            rest = position - lower
            out[:, row, column] = (1 - rest) * ladder[lower][:, row, column] + rest * ladder[lower + 1][:, row, column]
    return out
