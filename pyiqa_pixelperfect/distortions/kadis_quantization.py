"""KADIS types 6 and 22: few colors and few levels, chosen for each picture, without a loop over pictures.

Every operation is ``(images (B, 3, H, W), parameter, seeds (B,)) -> images`` in [0, 1]. Both count values rounded to 8
bit in whole numbers, so that the choice is the same to the bit on any device and in any batch.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["color_quantization", "multi_otsu", "otsu_edges", "palette_tree", "quantization"]

_GRAYS = 256
PALETTE_SAMPLES = 64  # at most this many rows and columns of a picture choose its palette


def _eight_bit(images: Tensor) -> Tensor:
    return (images * 255.0).round_()


def _spread(count: Tensor, total: Tensor, squares: Tensor) -> Tensor:
    """Sum of squared distances from the mean, (B, N, 3), of N sets of which count, sum and sum of squares are known."""
    return squares - total.square() / count.clamp_min(1.0)


def palette_tree(samples: Tensor, colors: int) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
    """Divide the colors of each picture in two again and again, each time at the mean of the axis that varies most.

    In the last round, when fewer than twice as many colors are asked for, only the sets that vary most are divided.
    Variance-based division is that of Wan, Prusinkiewicz, Wong (1990); level by level rather than one set at a time,
    so that the pictures of a batch go together.

    Args:
        samples: (B, 3, S) whole numbers 0..255 as float64.
        colors: how many, from 2 on.

    Returns:
        Rounds of division, each with the axis (B, N) int64 and the edge (B, N) of its N sets (values above go to set
        2n + 1, others to 2n), and the mean colors (B, M, 3) of the sets after the last round.
    """
    batch, _, size = samples.shape
    features = torch.cat((torch.ones_like(samples[:, :1]), samples, samples.square()), dim=1)
    place = torch.zeros(batch, size, dtype=torch.int32, device=samples.device)
    rounds: list[tuple[Tensor, Tensor]] = []
    means = samples.mean(2)[:, None]  # only for sets that are empty, and the first is not
    depth = math.ceil(math.log2(colors))
    for step in range(depth + 1):
        sums = features.new_zeros(batch, 7, 2**step)
        sums.scatter_add_(2, place[:, None].long().expand(-1, 7, -1), features)  # whole numbers: exact in any order
        count, total, squares = (part.mT for part in sums.split((1, 3, 3), dim=1))
        inherited = means if step == 0 else means.repeat_interleave(2, 1)
        means = torch.where(count > 0, total / count.clamp_min(1.0), inherited)
        if step < depth:
            axis = _spread(count, total, squares).argmax(2)
            edge = means.gather(2, axis[..., None])[..., 0]
            if step == depth - 1 and colors < 2**depth:
                rank = _spread(count, total, squares).sum(2).argsort(stable=True, dim=1, descending=True).argsort(1)
                edge = edge + _GRAYS * (rank >= colors - 2**step)
            rounds.append((axis, edge.float()))  # means of so few whole numbers stay on their side of any other
            _descend(samples, place, *rounds[-1])
    return rounds, means


def _descend(values: Tensor, place: Tensor, axis: Tensor, edge: Tensor) -> None:
    """Move each value (B, 3, P) from its set ``place`` (B, P) int32 to one of the two parts of it, in place.

    All that is looked up is flat and by int32: a CPU does it several times as fast as ``gather``.
    """
    batch, channels, count = values.shape
    numbers = torch.arange(batch, dtype=torch.int32, device=values.device)[:, None]
    sets = (place + numbers * axis.shape[1]).flatten()
    chosen = (axis * count).int().flatten().index_select(0, sets).reshape(batch, count)
    chosen += numbers * (channels * count) + torch.arange(count, dtype=torch.int32, device=values.device)
    along = values.flatten().index_select(0, chosen.flatten())
    above = along > edge.flatten().index_select(0, sets)
    place.mul_(2).add_(above.reshape(batch, count))


def color_quantization(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 6: each picture in ``parameter`` colors of its own, without dithering; no ``seeds``.

    The palette comes from ``palette_tree`` over an even grid of at most 64 x 64 pixels (ours; the original's
    ``rgb2ind`` divides by variance too, one set at a time). Fewer colors are always a coarser division of the same.
    """
    values = _eight_bit(images)
    steps = [-(-side // PALETTE_SAMPLES) for side in images.shape[-2:]]
    samples = values[:, :, :: steps[0], :: steps[1]].flatten(2).double()
    rounds, means = palette_tree(samples, round(parameter))
    pixels = values.flatten(2)
    place = torch.zeros_like(pixels[:, 0], dtype=torch.int32)
    for axis, edge in rounds:
        _descend(pixels, place, axis, edge)
    palette = means.mT.float().div_(255.0)
    planes = torch.arange(3 * len(images), dtype=torch.int32, device=images.device).reshape(-1, 3, 1)
    colors = (place[:, None] + planes * palette.shape[2]).flatten()
    return palette.flatten().index_select(0, colors).reshape(images.shape)


def otsu_edges(histogram: Tensor, classes: int) -> Tensor:
    """Multi-Otsu: the classes of gray values with the largest variance between them, found exactly.

    Dynamic programming over the last value of each class instead of a search over all combinations, which for ten
    classes of 256 values would be 10^16. Liao, Chen, Chung (2001) for the criterion.

    Args:
        histogram: (B, L) counts as float64.
        classes: how many, from 2 to L.

    Returns:
        (B, classes - 1) int64 in rising order: the last value of each class but the highest.
    """
    batch, length = histogram.shape
    # About the middle value, so that the squares stay small; in float32 the classes differ by nothing that is seen.
    values = torch.arange(length, dtype=histogram.dtype, device=histogram.device) - 0.5 * length
    count = F.pad(histogram.cumsum(1), (1, 0))
    total = F.pad((histogram * values).cumsum(1), (1, 0))
    inside = count[:, 1:, None] - count[:, None, :-1]  # [b, last, first]: how many values from first to last
    gain = (total[:, 1:, None] - total[:, None, :-1]).square_().div_(inside.clamp_min_(1.0)).float()
    gain += torch.full((length, length), -math.inf, device=gain.device).triu_(1)
    best = gain[:, :, 0]  # of one class that ends with each value
    before = []  # [b, first]: the best of 1, 2, ... classes that end before a value
    sums = torch.empty_like(gain)
    for _ in range(classes - 1):
        before.append(F.pad(best[:, :-1], (1, 0), value=-math.inf))
        best = torch.add(gain, before[-1][:, None], out=sums).amax(2)
    edges = []
    last = torch.full((batch, 1, 1), length - 1, device=histogram.device)
    for reached in reversed(before):
        first = (gain.gather(1, last.expand(-1, 1, length))[:, 0] + reached).argmax(1)
        last = (first - 1)[:, None, None]
        edges.append(first - 1)
    return torch.stack(edges[::-1], dim=1)


def multi_otsu(values: Tensor, classes: int) -> Tensor:
    """(B, 256) float32: the value in [0, 1] that stands for each 8-bit value, the mean of its multi-Otsu class.

    Args:
        values: (B, N) int64 from 0 to 255.
        classes: how many.
    """
    histogram = torch.zeros(len(values), _GRAYS, dtype=torch.int32, device=values.device)
    one = torch.ones(1, 1, dtype=torch.int32, device=values.device)
    counts = histogram.scatter_add_(1, values, one.expand(values.shape)).double()
    edges = otsu_edges(counts, classes)
    grays = torch.arange(_GRAYS, dtype=torch.float64, device=values.device)
    group = (grays[None, :, None] > edges[:, None, :]).sum(2)
    sums = counts.new_zeros(2, len(values), classes)
    sums[0].scatter_add_(1, group, counts)
    sums[1].scatter_add_(1, group, counts * grays)
    return (sums[1] / sums[0].clamp_min(1.0)).gather(1, group).div_(255.0).float()


def quantization(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 22: all values of a picture in ``parameter`` levels by multi-Otsu, each the mean of its class; no ``seeds``.

    One set of levels for the three channels together, as MATLAB's ``multithresh`` does with an array.
    """
    values = _eight_bit(images).flatten(1).long()
    return multi_otsu(values, round(parameter)).gather(1, values).reshape(images.shape)
