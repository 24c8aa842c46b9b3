"""Quicker ways to the same result for when there is no gradient to compute: less memory is touched, none is copied."""

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["halved", "halved_in_strips", "plain", "plus_and_minus", "plus_enlarged", "room_for", "steps_to_next"]

_STRIP = 2**20  # numbers of the stem's features in a strip, 4 MiB, about
_LINE = 64  # bytes: where torch lets its own memory begin


def plain(*tensors: Tensor) -> bool:
    """Whether plain numbers on a CPU are asked for: neither gradients nor a graph."""
    tracked = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    return tensors[0].device.type == "cpu" and not tracked and not torch.compiler.is_compiling()


def room_for(size: Sequence[int], like: Tensor, *, channels_last: bool = False) -> Tensor:
    """A tensor (B, C, H, W) on the CPU of the type of ``like``, for numbers that are about to be written.

    The memory is numpy's, which asks Linux for large pages. Torch does so only if told by an environment variable, and
    to touch the thousands of small pages of a large tensor for the first time takes longer than to fill it.

    Args:
        size: four numbers.
        like: of any shape.
        channels_last: how it is laid out.
    """
    count, channels, height, width = size
    length = math.prod(size) * like.element_size()
    memory = np.empty(length + _LINE, dtype=np.uint8)
    start = -memory.ctypes.data % _LINE
    numbers = torch.from_numpy(memory[start : start + length]).view(like.dtype)
    if channels_last:
        return numbers.view(count, height, width, channels).permute(0, 3, 1, 2)
    return numbers.view(count, channels, height, width)


def halved(planes: Tensor, times: int) -> Tensor:
    """Means over squares of ``2^times`` of the last two dimensions of 4 or 5; what is left over at the end is left out.

    Halving again and again is quicker than sums of more than two.
    """
    if torch.compiler.is_compiling():  # sizes may be symbols, and halves of halves formulas that are long to simplify
        side = 2**times
        return F.avg_pool2d(planes, side) if planes.dim() == 4 else F.avg_pool3d(planes, (1, side, side))
    for _ in range(times):
        rows, columns = planes.shape[-2] // 2 * 2, planes.shape[-1] // 2 * 2
        pairs = planes[..., 0:rows:2, :columns] + planes[..., 1:rows:2, :columns]
        planes = (pairs[..., 0::2] + pairs[..., 1::2]) / 4.0
    return planes


def halved_in_strips(images: Tensor, stem: nn.Conv2d, entry: nn.Conv2d) -> Tensor:
    """``relu(entry(relu(stem(images - 0.5))))``, a few rows at a time, to the same result.

    What lies between the two is by far the largest thing there is in the network; a strip of it stays in the cache.

    Args:
        images: (B, 3, H, W), sides multiples of 4.
        stem: 6x6 convolution of stride 2, padded by 2.
        entry: 3x3 convolution of stride 2, padded by 1.

    Returns:
        (B, C, H/4, W/4), channels last.
    """
    count, _, height, width = images.shape
    size = count, entry.out_channels, height // 4, width // 4
    whole = room_for(size, images, channels_last=True)
    rows = max(1, _STRIP // (2 * stem.out_channels * (width // 2)))
    for top in range(0, height // 4, rows):
        end = min(top + rows, height // 4)
        first = max(0, 2 * top - 1)  # row of stride 2: what lies above the picture is 0 there, not at stride 1
        above, below = (2, 0)[first > 0], (0, 2)[end == height // 4]
        for number in range(count):
            planes = images[number, :, max(0, 2 * first - 2) : 4 * end + 2] - 0.5
            planes = F.pad(planes, (0, 0, above, below)) if above or below else planes
            # Stacking puts the colors of a pixel side by side in a seventh of the time that torch takes for it.
            pixels = torch.stack(planes.unbind(), dim=2).permute(2, 0, 1).unsqueeze(0)
            features = F.conv2d(pixels, stem.weight, stem.bias, stride=2, padding=(0, 2)).clamp_min_(0.0)
            padding = (1 - min(1, top), 1)
            halved = F.conv2d(features, entry.weight, entry.bias, stride=2, padding=padding)
            torch.clamp_min(halved, 0.0, out=whole[number : number + 1, :, top:end])
    return whole


def plus_and_minus(one: Tensor, other: Tensor) -> Tensor:
    """``one + other`` and ``one - other`` of two batches (B, C, H, W) in one, (2B, C, H, W), laid out as the first."""
    if not plain(one, other):
        return torch.cat((one + other, one - other))
    last = one.is_contiguous(memory_format=torch.channels_last)
    both = room_for((2 * len(one), *one.shape[1:]), one, channels_last=last)
    torch.add(one, other, out=both[: len(one)])
    torch.sub(one, other, out=both[len(one) :])
    return both


def plus_enlarged(fine: Tensor, coarse: Tensor) -> Tensor:
    """``fine``, (B, C, 2h, 2w), plus ``coarse``, (B, C, h, w), each of whose cells counts for four; may be in place."""
    if not plain(fine, coarse):
        return F.interpolate(coarse, scale_factor=2.0, mode="nearest").add_(fine)
    for row in (0, 1):
        for column in (0, 1):
            fine[..., row::2, column::2].add_(coarse)
    return fine


def steps_to_next(values: Tensor, side: int) -> Tensor:
    """Signed steps to the next along dimension ``side``, -1 or -2; the last one repeats the one before."""
    length = values.shape[side]
    ahead, here = values.narrow(side, 1, length - 1), values.narrow(side, 0, length - 1)
    if not plain(values):
        steps = ahead - here
        return torch.cat((steps, steps.narrow(side, length - 2, 1)), dim=side)
    whole = torch.empty_like(values)
    steps = whole.narrow(side, 0, length - 1)
    torch.sub(ahead, here, out=steps)
    whole.narrow(side, length - 1, 1).copy_(steps.narrow(side, length - 2, 1))
    return whole
