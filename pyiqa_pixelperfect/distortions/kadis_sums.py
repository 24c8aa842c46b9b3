"""Filters as sums of moved copies: the fastest way on a CPU where few taps are not zero.

In planes that carry their replicated edges with them, a move is an offset in memory, so that a tap is one operation
over all of the memory in a row, planes and all. What comes out at the edges is mixed from places that do not belong
together, and is left out of the view that is returned.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

__all__ = ["sum_kernel"]


def sum_kernel(planes: Tensor, kernel: Sequence[Sequence[float]], *, mirrored: bool = False) -> Tensor:
    """Correlate planes with a kernel, edges replicated.

    Args:
        planes: (N, H, W).
        kernel: k rows of k numbers, k odd.
        mirrored: the lower half of the kernel is the upper one mirrored; then rows of pixels are added up in pairs.

    Returns:
        (N, H, W), a view of something larger.
    """
    reach = len(kernel) // 2
    wide = F.pad(planes, (reach, reach, reach, reach), mode="replicate")
    height, pitch = wide.shape[1:]
    flat = wide.flatten()
    length = flat.numel() - 2 * reach * (pitch + 1)
    done = flat[reach * (pitch + 1) :][:length] * kernel[reach][reach]
    for number in range(reach + 1 if mirrored else len(kernel)):
        weights = kernel[number]
        if not any(weights):
            continue
        rows = flat[number * pitch :][: length + 2 * reach]
        if mirrored and number < reach:
            rows = rows + flat[(2 * reach - number) * pitch :][: length + 2 * reach]
        for start, weight in enumerate(weights):
            if weight != 0.0 and (number, start) != (reach, reach):
                done.add_(rows[start:][:length], alpha=weight)
    return done.as_strided(planes.shape, (height * pitch, pitch, 1), done.storage_offset())
