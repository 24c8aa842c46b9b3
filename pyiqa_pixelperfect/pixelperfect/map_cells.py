"""Cells of the maps and the pixels that they stand for: one cell per 4x4 pixels, at the border fewer."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from pyiqa_pixelperfect.pixelperfect.inference import plain, room_for

__all__ = ["MAP_STRIDE", "cells_to_pixels", "crop_cells"]

MAP_STRIDE = 4  # pixels per cell, along either side


def crop_cells(cells: Tensor, size: Sequence[int]) -> Tensor:
    """Cut cells that lie wholly in the padding off a (B, C, h, w) map; ``size`` ends in (H, W) pixels."""
    height, width = size[-2], size[-1]
    # Not -(-height // MAP_STRIDE): exporters round quotients toward zero.
    return cells[..., : (height + MAP_STRIDE - 1) // MAP_STRIDE, : (width + MAP_STRIDE - 1) // MAP_STRIDE]


def cells_to_pixels(cells: Tensor, size: Sequence[int], stride: int = MAP_STRIDE) -> Tensor:
    """Interpolate (B, C, h, w) cells to the pixels they cover, (B, C, H, W).

    Maps are interpolated, not their logits: halfway between some amount and none is half of it.

    Args:
        cells: those at the border may reach past the picture.
        size: ends in (H, W), at most ``stride`` times (h, w).
        stride: pixels per cell.
    """
    # Planes one after the other, as users expect them and interpolation is quickest with.
    cells, (height, width) = cells.contiguous(), size[-2:]
    if plain(cells):
        pixels = room_for((*cells.shape[:2], height, width), cells)
        scales = float(stride), float(stride)
        torch.ops.aten.upsample_bilinear2d.out(cells, (height, width), False, *scales, out=pixels)
        return pixels
    whole = F.interpolate(cells, scale_factor=float(stride), mode="bilinear", align_corners=False)
    return whole[..., :height, :width]
