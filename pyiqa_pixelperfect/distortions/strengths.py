"""Per-pixel strength for operators that only come in fixed strengths.

A filter has one kernel for a whole picture. Where the amount changes from pixel to pixel, the picture is filtered at
a few strengths and every pixel is interpolated between the two neighboring ones. Blending the strongest result with
the clean picture instead would leave the clean edges visible inside the blur, as ghosts.

Powers go through ``exp``: where torch computes ``pow`` and ``exp2`` on a CPU, the last few values of a tensor take
another code path than the rest and may differ in the last bit, so that a pixel would depend on the batch around it.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["geometric", "interpolate_strengths", "keep_where_zero", "one_and_a_half_power"]


def interpolate_strengths(images: Tensor, amount: Tensor, filtered: Sequence[Tensor]) -> Tensor:
    """Interpolate between neighboring strengths.

    Args:
        images: (B, 3, H, W), the picture at strength 0.
        amount: (B, 1, H, W) in [0, 1]; ``k / N`` gives exactly the k-th of the N entries of ``filtered``.
        filtered: N results (B, 3, H, W) in rising order of strength.

    Returns:
        (B, 3, H, W).
    """
    position = amount * len(filtered)
    result = images * (1.0 - position).clamp_min(0.0)
    for step, strong in enumerate(filtered, start=1):
        result = result + strong * (1.0 - (position - step).abs()).clamp_min(0.0)
    return result


def geometric(amount: Tensor, ends: tuple[float, float]) -> Tensor:
    """Value at ``amount``: ``ends[0]`` at 0, ``ends[1]`` at 1, in equal ratios between; both ends > 0."""
    return ends[0] * torch.exp(math.log(ends[1] / ends[0]) * amount)


def one_and_a_half_power(amount: Tensor) -> Tensor:
    """``amount ** 1.5`` of amounts >= 0."""
    return amount * amount.sqrt()


def keep_where_zero(images: Tensor, amount: Tensor, distorted: Tensor) -> Tensor:
    """Clip to [0, 1] and leave pixels of zero amount bit-identical, which arithmetic alone would not promise."""
    return torch.where(amount == 0, images, distorted.clamp(0.0, 1.0))
