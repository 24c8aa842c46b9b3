"""Slow twins of block transforms, wavelets and sampling, from their definitions."""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Cohen, Daubechies, Feauveau 1992: the 9/7 analysis filters with low-pass gain sqrt(2), center tap first.
CDF_LOW = (0.852698679009, 0.377402855613, -0.110624404418, -0.023849465020, 0.037828455507)
CDF_HIGH = (0.788485616406, -0.418092273222, -0.040689417609, 0.064538882629)


def filter_bank(signal: Array) -> tuple[Array, Array]:
    """Low and high band of one even-length row, by convolution with whole-sample mirrored ends."""
    padded = np.pad(signal, 4, mode="reflect")
    low = np.zeros(len(signal) // 2)
    high = np.zeros(len(signal) // 2)
    for n in range(len(low)):
        for k in range(-4, 5):
            low[n] += CDF_LOW[abs(k)] * padded[4 + 2 * n + k]
        for k in range(-3, 4):
            high[n] += CDF_HIGH[abs(k)] * padded[4 + 2 * n + 1 + k]
    return low, high


def _basis(size: int) -> Array:
    basis = np.empty((size, size))
    for k in range(size):
        for n in range(size):
            scale = math.sqrt((1 if k == 0 else 2) / size)
            basis[k, n] = scale * math.cos(math.pi * (2 * n + 1) * k / (2 * size))
    return basis


def quantization_steps(table: tuple[tuple[int, ...], ...], quality: int) -> Array:
    """A table of T.81 scaled in whole numbers as the Independent JPEG Group's library does."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.array([[min(max((entry * scale + 50) // 100, 1), 255) for entry in row] for row in table], float)


def code_plane_loop(plane: Array, quality: NDArray[np.int64], table: tuple[tuple[int, ...], ...]) -> Array:
    """Code (H, W) of 0..255 in 8x8 blocks, block (i, j) with ``quality[i, j]``."""
    basis = _basis(8)
    out = np.empty_like(plane)
    for i in range(plane.shape[0] // 8):
        for j in range(plane.shape[1] // 8):
            place = np.s_[8 * i : 8 * i + 8, 8 * j : 8 * j + 8]
            steps = quantization_steps(table, int(quality[i, j]))
            coefficients = np.rint(basis @ (plane[place] - 128) @ basis.T / steps) * steps
            out[place] = basis.T @ coefficients @ basis + 128
    return out


def align_loop(amount: Array, phase: tuple[int, int]) -> Array:
    """Mean of (H, W) over 16 px units that start at ``phase`` - 16, the field replicated beyond its edges."""
    height, width = amount.shape
    out = np.empty_like(amount)
    for row in range(height):
        for column in range(width):
            top = (row + phase[0]) // 16 * 16 - phase[0]
            left = (column + phase[1]) // 16 * 16 - phase[1]
            rows = [min(max(r, 0), height - 1) for r in range(top, top + 16)]
            columns = [min(max(c, 0), width - 1) for c in range(left, left + 16)]
            out[row, column] = amount[np.ix_(rows, columns)].mean()
    return out


def cubic_sample_loop(image: Array, shift_y: Array, shift_x: Array) -> Array:
    """(C, H, W) sampled at shifted places by Keys' cubic with a = -0.75, taps beyond the edge replicated."""

    def weight(distance: float) -> float:
        t, a = abs(distance), -0.75
        if t <= 1:
            return (a + 2) * t**3 - (a + 3) * t**2 + 1
        return a * (t**3 - 5 * t**2 + 8 * t - 4) if t < 2 else 0.0

    _, height, width = image.shape
    out = np.zeros_like(image)
    for row in range(height):
        for column in range(width):
            y, x = row + shift_y[row, column], column + shift_x[row, column]
            for r in range(math.floor(y) - 1, math.floor(y) + 3):
                for c in range(math.floor(x) - 1, math.floor(x) + 3):
                    tap = image[:, min(max(r, 0), height - 1), min(max(c, 0), width - 1)]
                    out[:, row, column] += weight(y - r) * weight(x - c) * tap
    return out
