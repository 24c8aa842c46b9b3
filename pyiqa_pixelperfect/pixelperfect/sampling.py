"""Strides for looking at a part of a picture: every so many rows or bands, always an odd number of them.

Blocks of codecs, enlarged pixels and mosaics mostly have even sides. By an even stride each of them would be met at one
phase only, and all edges between them seen, or none.
"""

from typing import TypeVar

from torch import Tensor

__all__ = ["odd"]

_Count = TypeVar("_Count", int, Tensor)


def odd(count: _Count) -> _Count:
    """The smallest odd number that is not below a count, which is not negative."""
    return count // 2 * 2 + 1
