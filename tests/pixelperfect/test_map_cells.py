"""Cells of the maps and the pixels that they stand for."""

import numpy as np
import pytest
import torch
from scipy.interpolate import RegularGridInterpolator

from pyiqa_pixelperfect.pixelperfect.map_cells import MAP_STRIDE, cells_to_pixels, crop_cells


def test_padding_does_not_count():
    """Cells that lie wholly in the padding are cut off."""
    grid = torch.arange(24.0).reshape(1, 1, 4, 6)
    assert torch.equal(crop_cells(grid, (1, 3, 9, 20)), grid[..., :3, :5])
    assert torch.equal(crop_cells(grid, (1, 3, 16, 24)), grid)


@pytest.mark.parametrize("stride", [2, MAP_STRIDE])
def test_pixels_lie_between_the_middles_of_cells(stride):
    """SciPy agrees about what lies between; outside the middles of the border's cells these go on."""
    cells = torch.rand(2, 3, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    size = 5 * stride - 1, 7 * stride
    rows, columns = (
        np.clip((np.arange(side) + 0.5) / stride - 0.5, 0, last) for side, last in zip(size, (4, 6), strict=True)
    )
    places = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1)
    pixels = cells_to_pixels(cells, size, stride)
    assert pixels.shape == (2, 3, *size)
    for plane, expected in zip(pixels.flatten(0, 1), cells.flatten(0, 1), strict=True):
        between = RegularGridInterpolator((np.arange(5), np.arange(7)), expected.numpy())(places)
        np.testing.assert_allclose(plane.numpy(), between, atol=1e-12)


def test_how_cells_lie_in_memory_does_not_matter():
    """The network's are channels last, a crop of them is not even dense."""
    cells = torch.rand(1, 14, 6, 9, generator=torch.Generator().manual_seed(1))
    last = cells.contiguous(memory_format=torch.channels_last)
    assert torch.equal(cells_to_pixels(last[..., 1:, 1:], (18, 30)), cells_to_pixels(cells[..., 1:, 1:], (18, 30)))


@pytest.mark.parametrize("size", [(24, 36), (21, 33), (23, 35)])
def test_gradients_do_not_change_what_lies_between(size):
    """Without them pixels are written where they stay; with them cells beyond the picture are cut off afterwards."""
    cells = torch.rand(2, 14, 6, 9, generator=torch.Generator().manual_seed(2))
    pixels = cells_to_pixels(cells, size)
    assert pixels.is_contiguous()
    tracked = cells_to_pixels(cells.clone().requires_grad_(), size)
    assert tracked.requires_grad
    assert torch.equal(pixels, tracked)
