"""Quantiles and order of many numbers, several times as fast as by sorting them.

Both use that floats of one sign are ordered as the integers of the same bits are. Quantiles need no sorted numbers,
only those few that lie where a quantile does: numbers are counted by their upper 16 bits, and of all of them only those
in the bins that quantiles fall into are sorted. The order of numbers is found by sorting integers that hold number and
position, which carries no second array along. Answers are those of sorting.
"""

import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["ascending", "means_by_rank", "order_statistics", "quantiles"]

_UPPER = 1 if sys.byteorder == "little" else 0  # which of the two halves of a float holds sign and exponent


def order_statistics(rows: Tensor, places: Sequence[int]) -> Tensor:
    """Numbers that would stand at some places if rows were sorted.

    Args:
        rows: (B, C, N), finite.
        places: Q of them, 0 for the smallest number, rising.

    Returns:
        (B, C, Q).
    """
    if rows.requires_grad or not _quick(rows):
        ordered = rows.sort(dim=2).values
        return torch.stack([ordered[..., place] for place in places], dim=2)
    wanted = np.asarray(places)
    chosen = np.stack([_selected(row, wanted) for row in rows.detach().flatten(0, 1).contiguous().numpy()])
    return torch.from_numpy(chosen).reshape(*rows.shape[:2], len(places))


def ascending(rows: Tensor) -> Tensor:
    """Positions that would sort rows (B, C, N), finite, equal numbers in the order in which they stand."""
    if torch.compiler.is_compiling():  # ONNX sorts stably, but has no word for it
        return rows.sort(dim=2).indices
    if not _quick(rows):
        return rows.argsort(dim=2, stable=True)
    numbers = rows.detach().numpy() + np.float32(0.0)  # -0 becomes 0, its equal
    pairs = (_rising(numbers.view(np.int32)).astype(np.int64) << 32) | np.arange(rows.shape[2], dtype=np.int64)
    pairs.sort(axis=2)
    return torch.from_numpy(pairs & 0xFFFFFFFF)


def quantiles(rows: Tensor, shares: Sequence[float]) -> Tensor:
    """Quantiles of rows (B, C, N), numbers of them and nothing in between, (B, C, Q); shares are whole thousandths."""
    last = rows.shape[2] - 1
    # Places are computed in whole numbers: exporters would round in single precision.
    return order_statistics(rows, [(2 * round(1000 * share) * last + 1000) // 2000 for share in shares])


def means_by_rank(ranked: Tensor, values: Tensor, parts: int) -> Tensor:
    """Means over equal shares of the cells: where something is smallest, where it is a bit larger, ... largest.

    Args:
        ranked: (B, 1, h, w), what the cells are ranked by.
        values: (B, C, h, w), what means are taken of.
        parts: number of shares.

    Returns:
        (B, C, parts).
    """
    order = ascending(ranked.flatten(2))
    ordered = values.flatten(2).gather(2, order.expand(-1, values.shape[1], -1))
    # As tensor_split does, which in ONNX gives what is left over to other parts.
    sizes = [(ordered.shape[2] + parts - 1 - part) // parts for part in range(parts)]
    ends = [sum(sizes[:part]) for part in range(parts + 1)]
    return torch.stack([ordered[..., start:end].mean(2) for start, end in pairwise(ends)], dim=2)


def _quick(rows: Tensor) -> bool:
    return rows.device.type == "cpu" and rows.dtype == torch.float32 and not torch.compiler.is_compiling()


def _rising(bits: NDArray[Any]) -> NDArray[Any]:
    """Bits of floats, or the upper half of them, as signed integers that are ordered as the numbers are."""
    # Of negative numbers larger bits mean a smaller number: all but the sign are turned.
    rising: NDArray[Any] = bits ^ ((bits >> (8 * bits.itemsize - 1)) & np.iinfo(bits.dtype).max)
    return rising


def _selected(row: NDArray[np.float32], places: NDArray[np.int64]) -> NDArray[np.float32]:
    upper = _rising(row.view(np.int16)[_UPPER::2]).astype(np.int64)
    upper -= upper.min()
    counts = np.bincount(upper)
    up_to = counts.cumsum()
    bins, which = np.unique(np.searchsorted(up_to, places, side="right"), return_inverse=True)
    chosen = np.zeros(len(counts), dtype=bool)
    chosen[bins] = True
    few = np.sort(row[chosen[upper]])
    left_out = (up_to - counts)[bins] - (counts[bins].cumsum() - counts[bins])  # numbers below a bin not among the few
    answer: NDArray[np.float32] = few[places - left_out[which]]
    return answer
