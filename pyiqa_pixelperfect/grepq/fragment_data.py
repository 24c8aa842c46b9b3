"""Training items of the low-level branch: two views of all versions of a photo, each a pure function of its number."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pyiqa_pixelperfect.data.crops import StepSampler
from pyiqa_pixelperfect.distortions.counter import planned_seeds, planned_uniform
from pyiqa_pixelperfect.grepq.fragments import draws_per_view, fragments
from pyiqa_pixelperfect.grepq.version_sets import VersionSets

__all__ = ["FragmentDataset", "Views", "view_loader"]

_STREAM_ORDER, _STREAM_VIEWS = 310, 311


class Views(NamedTuple):
    """Two views of V versions of P photos (an item: P = 1, without that dimension)."""

    anchors: Tensor  # (P, V, 3, S, S) uint8
    others: Tensor  # (P, V, 3, S, S) uint8: other places, and maybe mirrored
    similarity: Tensor  # (P, V, V)


class FragmentDataset(Dataset[Views]):
    """Items of all version sets in an order drawn anew for each pass.

    Args:
        sets: the version sets.
        grid: fields on a side of a fragment picture.
        cell: side of a cell in px.
        seed: seed of order, places and mirroring.
    """

    def __init__(self, sets: VersionSets, grid: int, cell: int, seed: int) -> None:
        self.sets, self.grid, self.cell, self.seed = sets, grid, cell, seed

    def __len__(self) -> int:
        return 1 << 62  # a stream: the sampler decides how much of it is read

    def __getitem__(self, index: int) -> Views:
        """Views of item ``index``."""
        epoch, place = divmod(index, len(self.sets))
        keys = planned_seeds(self.seed, epoch, np.arange(len(self.sets)), _STREAM_ORDER, 1)[:, 0]
        versions = self.sets[int(np.argsort(keys, kind="stable")[place])]
        count = draws_per_view(self.grid)
        draws = planned_uniform(self.seed, 0, np.array([index]), _STREAM_VIEWS, 2 * count + 2)[0]
        anchors = fragments(versions.images, draws[:count], grid=self.grid, cell=self.cell)
        others = fragments(versions.images, draws[count : 2 * count], grid=self.grid, cell=self.cell)
        mirrored = [axis for axis, draw in zip((-1, -2), draws[2 * count :], strict=True) if draw < 0.5]
        return Views(anchors, others.flip(mirrored).contiguous(), versions.similarity)


def view_loader(dataset: FragmentDataset, sampler: StepSampler, workers: int) -> Iterator[Views]:
    """Iterate over the views of each step; workers make and cut sets while the device learns."""
    loader: DataLoader[Views] = DataLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        generator=torch.Generator(),  # or it would draw a number from the caller's global one
    )
    return iter(loader)
