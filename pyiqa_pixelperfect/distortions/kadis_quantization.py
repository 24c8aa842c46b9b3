"""KADIS types 6 and 22: few colors and few levels, chosen for each picture, without a loop over pictures.

Every operation is ``(images (B, 3, H, W), parameter, seeds (B,)) -> images`` in [0, 1]. Both count values rounded to 8
bit in whole numbers, so that the choice is the same to the bit on any device and in any batch.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["color_quantization", "multi_otsu", "otsu_edges", "palette_tree", "quantization"]

_GRAYS = 256
PALETTE_SAMPLES = 64  # at most this many rows and columns of a picture choose its palette
_TOTAL_BITS, _SQUARE_BITS = 20, 28  # for the sums of so many values and squares


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
        samples: (B, 3, S) whole numbers 0..255 as float64, S up to 64 x 64.
        colors: how many, from 2 on.

    Returns:
        Rounds of division, each with the axis (B, N) int64 and the edge (B, N) of its N sets (values above go to set
        2n + 1, others to 2n), and the mean colors (B, M, 3) of the sets after the last round.
    """
    batch, _, size = samples.shape
    # Whole numbers in the bits of one: adding up is most of the work. Of the first channel the count is there, too.
    packed = samples.long()
    packed += packed.square() << _TOTAL_BITS
    packed[:, 0] += 1 << (_TOTAL_BITS + _SQUARE_BITS)
    place = torch.zeros(batch, size, dtype=torch.int32, device=samples.device)
    rounds: list[tuple[Tensor, Tensor]] = []
    means = samples.mean(2)[:, None]  # only for sets that are empty, and the first is not
    depth = math.ceil(math.log2(colors))
    for step in range(depth + 1):
        sums = packed.new_zeros(batch, 3, 2**step)
        sums.scatter_add_(2, place[:, None].long().expand(-1, 3, -1), packed)
        sums = sums.mT
        count = (sums[..., :1] >> (_TOTAL_BITS + _SQUARE_BITS)).double()
        total = (sums & ((1 << _TOTAL_BITS) - 1)).double()
        squares = ((sums >> _TOTAL_BITS) & ((1 << _SQUARE_BITS) - 1)).double()
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


def _boxes(rounds: Sequence[tuple[Tensor, Tensor]], colors: int) -> tuple[Tensor, Tensor]:
    """Cut the cube of colors into boxes by every edge of a tree, each through the whole cube.

    The colors of a box go the same way down the tree, and there are far fewer boxes than pixels.

    Returns:
        (B, 3, 256) int32, what each value of each channel adds to the number of the box, and (B, P) int32, the set in
        which each box ends up. P is what is enough for any tree of so many colors.
    """
    axis, edge = (torch.cat(parts, 1) for parts in zip(*rounds, strict=True))
    batch, device = len(axis), axis.device
    own = axis[:, None, :] == torch.arange(3, device=device)[None, :, None]
    # The first value above an edge starts a box, however many edges are there; the last column is for none.
    above = torch.where(own & (edge < _GRAYS)[:, None], edge[:, None].floor() + 1.0, float(_GRAYS)).long()
    starts = torch.zeros(batch, 3, _GRAYS + 1, dtype=torch.int32, device=device).scatter_(2, above, 1)[..., :_GRAYS]
    ranks = starts.cumsum(2, dtype=torch.int32)
    lowest = torch.zeros(batch, 3, _GRAYS + 1, device=device)  # value of each rank
    grays = torch.arange(_GRAYS, dtype=torch.float32, device=device).expand(starts.shape)
    lowest.scatter_(2, torch.where(starts > 0, ranks, _GRAYS).long(), grays)
    sizes = ranks[..., -1:] + 1
    most = math.floor(((colors + 2) / 3) ** 3)  # boxes of colors - 1 edges that are shared out evenly
    # Divided as fractions, in the middle between whole numbers, which is exact and takes a tenth of the time.
    rest = (torch.arange(most, dtype=torch.float32, device=device) + 0.5).expand(batch, -1)
    wanted = []
    strides = (sizes[:, 1] * sizes[:, 2], sizes[:, 2], torch.ones_like(sizes[:, 2]))
    for stride in strides:
        wanted.append((rest / stride).floor_())
        rest = torch.addcmul(rest, wanted[-1], stride, value=-1.0)
    corners = torch.stack(wanted, dim=1).int()
    planes = torch.arange(batch * 3, dtype=torch.int32, device=device).reshape(batch, 3, 1)
    corners = torch.minimum(corners, sizes - 1).add_(planes * (_GRAYS + 1))  # numbers beyond the last box are not used
    values = lowest.flatten().index_select(0, corners.flatten()).reshape(corners.shape)
    place = torch.zeros(batch, most, dtype=torch.int32, device=device)
    for some_axis, some_edge in rounds:
        _descend(values, place, some_axis, some_edge)
    return ranks * torch.stack(strides, dim=1), place


def color_quantization(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 6: each picture in ``parameter`` colors of its own, without dithering; no ``seeds``.

    The palette comes from ``palette_tree`` over an even grid of at most 64 x 64 pixels (ours; the original's
    ``rgb2ind`` divides by variance too, one set at a time). Fewer colors are always a coarser division of the same.
    """
    values = _eight_bit(images)
    batch, channels = values.shape[:2]
    steps = [-(-side // PALETTE_SAMPLES) for side in images.shape[-2:]]
    samples = values[:, :, :: steps[0], :: steps[1]].flatten(2).double()
    rounds, means = palette_tree(samples, round(parameter))
    parts, place = _boxes(rounds, round(parameter))
    planes = torch.arange(batch * channels, dtype=torch.int32, device=images.device).reshape(batch, channels, 1)
    levels = values.flatten(2).add_(planes * _GRAYS).int()
    boxes = parts.flatten().index_select(0, levels.flatten()).reshape(levels.shape).sum(1, dtype=torch.int32)
    palette = means.mT.float().div_(255.0).gather(2, place[:, None].expand(-1, channels, -1).long())  # of boxes
    colors = torch.add(boxes[:, None], planes * palette.shape[2], out=levels).flatten()
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


def _histograms(levels: Tensor, batch: int) -> Tensor:
    """Counts (B, 256) as float64 of N values each that are numbered through, (B * N,) int32 from 0 to 256 B - 1."""
    if levels.device.type == "cpu":
        counts = torch.bincount(levels, minlength=batch * _GRAYS)
    else:  # which would wait for an accelerator
        one = torch.ones(1, dtype=torch.int32, device=levels.device)
        counts = torch.zeros(batch * _GRAYS, dtype=torch.int32, device=levels.device)
        counts.scatter_add_(0, levels.long(), one.expand(levels.shape))
    return counts.reshape(batch, _GRAYS).double()


def multi_otsu(counts: Tensor, classes: int) -> Tensor:
    """(B, 256) float32: the value in [0, 1] that stands for each 8-bit value, the mean of its multi-Otsu class.

    Args:
        counts: (B, 256) float64, of each value.
        classes: how many.
    """
    edges = otsu_edges(counts, classes)
    grays = torch.arange(_GRAYS, dtype=torch.float64, device=counts.device)
    group = (grays[None, :, None] > edges[:, None, :]).sum(2)
    sums = counts.new_zeros(2, len(counts), classes)
    sums[0].scatter_add_(1, group, counts)
    sums[1].scatter_add_(1, group, counts * grays)
    return (sums[1] / sums[0].clamp_min(1.0)).gather(1, group).div_(255.0).float()


def quantization(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 22: all values of a picture in ``parameter`` levels by multi-Otsu, each the mean of its class; no ``seeds``.

    One set of levels for the three channels together, as MATLAB's ``multithresh`` does with an array.
    """
    batch = len(images)
    starts = torch.arange(0, batch * _GRAYS, _GRAYS, dtype=torch.int32, device=images.device)
    levels = _eight_bit(images).add_(starts.reshape(-1, 1, 1, 1)).int().flatten()
    table = multi_otsu(_histograms(levels, batch), round(parameter))
    return table.flatten().index_select(0, levels).reshape(images.shape)
