"""Fragments: one small cell from each field of a grid, side by side: local quality in little space.

The idea is FAST-VQA's (Wu et al., ECCV 2022); GRepQ takes 7 x 7 cells of 32 px. All versions of a photo are cut at the
same places, which makes their difference one of quality alone.
"""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import functional as V

__all__ = ["draws_per_view", "fragments"]


def draws_per_view(grid: int) -> int:
    """How many uniform numbers one call of ``fragments`` takes: two for each cell."""
    return 2 * grid * grid


def fragments(images: Tensor, draws: NDArray[np.float64], *, grid: int = 7, cell: int = 32) -> Tensor:
    """Cut fragments.

    Args:
        images: (V, 3, H, W), cut alike; enlarged first if a side is shorter than ``grid * cell``.
        draws: ``draws_per_view(grid)`` uniform numbers in [0, 1): where in its field each cell is, down and across.
        grid: fields on a side.
        cell: side of a cell in px.

    Returns:
        (V, 3, grid * cell, grid * cell), of the type of ``images``.
    """
    side = grid * cell
    short = min(images.shape[-2:])
    if short < side:
        size = [max(side, round(length * side / short)) for length in images.shape[-2:]]
        images = V.resize(images, size, V.InterpolationMode.BILINEAR, antialias=False)
    height, width = images.shape[-2:]
    down, across = draws.reshape(2, grid, grid)
    whole = images.new_empty(*images.shape[:-2], side, side)
    for row in range(grid):
        top, bottom = row * height // grid, (row + 1) * height // grid
        for column in range(grid):
            left, right = column * width // grid, (column + 1) * width // grid
            y = top + int(down[row, column] * (bottom - top - cell + 1))
            x = left + int(across[row, column] * (right - left - cell + 1))
            place = (..., slice(row * cell, (row + 1) * cell), slice(column * cell, (column + 1) * cell))
            whole[place] = images[..., y : y + cell, x : x + cell]
    return whole
