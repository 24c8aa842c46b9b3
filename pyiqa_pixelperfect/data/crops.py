"""Crops of clean photos, each a pure function of ``(seed, sample number)``: nothing to save, nothing to restore."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as V

from pyiqa_pixelperfect.distortions.counter import planned_seeds, planned_uniform
from pyiqa_pixelperfect.errors import DataError
from pyiqa_pixelperfect.images import read_image

__all__ = ["CropDataset", "StepSampler", "crop_loader"]

_STREAM_ORDER, _STREAM_CROP = 100, 101


class CropDataset(Dataset[tuple[int, Tensor]]):
    """Random square crops; item ``i`` is photo ``i mod N`` of a permutation drawn anew for each pass.

    Args:
        photos: paths of clean photos.
        crop: side of the crops in px.
        smallest_scale: crops show up to ``1 / smallest_scale`` times their size of the photo, reduced. A photo that is
            smaller than the crop is enlarged to fill it.
        seed: seed of order, places, scales and flips.
        cache_bytes: how much memory decoded photos may take; the rest is decoded again every time.

    Raises:
        DataError: no photos.
    """

    def __init__(
        self, photos: list[Path], crop: int, smallest_scale: float, seed: int, *, cache_bytes: int = 4 << 30
    ) -> None:
        if not photos:
            raise DataError("photos", "at least one photo", "none")
        self.photos, self.crop, self.smallest_scale, self.seed = photos, crop, smallest_scale, seed
        self._decoded: dict[int, Tensor] = {}
        self._room = cache_bytes

    def __len__(self) -> int:
        return 1 << 62  # a stream: the sampler decides how much of it is read

    def _photo(self, number: int) -> Tensor:
        """Decode once, keep as 8 bit: decoding costs more than everything else that is done with a crop."""
        if number in self._decoded:
            return self._decoded[number]
        photo = (read_image(self.photos[number])[0] * 255.0).round().to(torch.uint8)
        if photo.nbytes <= self._room:
            self._decoded[number] = photo
            self._room -= photo.nbytes
        return photo

    def photo_number(self, index: int) -> int:
        """Which photo item ``index`` is cut from."""
        epoch, place = divmod(index, len(self.photos))
        return int(_permutation(self.seed, epoch, len(self.photos))[place])

    def __getitem__(self, index: int) -> tuple[int, Tensor]:
        """Return ``index`` and its crop, (3, crop, crop) uint8."""
        photo = self._photo(self.photo_number(index))
        scale_draw, y_draw, x_draw, flip = planned_uniform(self.seed, 0, np.array([index]), _STREAM_CROP, 4)[0]
        short = min(photo.shape[-2:])
        # Half of the crops at full size; never reduce so far that the photo does not fill the crop.
        smallest = max(self.smallest_scale, self.crop / short)
        scale = 1.0 if scale_draw < 0.5 else smallest + (1.0 - smallest) * (scale_draw - 0.5) * 2.0
        side = min(short, round(self.crop / scale))
        top = int(y_draw * (photo.shape[-2] - side + 1))
        left = int(x_draw * (photo.shape[-1] - side + 1))
        window = photo[:, top : top + side, left : left + side]
        if side != self.crop:
            window = V.resize(window, [self.crop, self.crop], InterpolationMode.BICUBIC, antialias=True)
        return index, (window.flip(-1) if flip < 0.5 else window).contiguous()


@lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    keys = planned_seeds(seed, epoch, np.arange(count), _STREAM_ORDER, 1)[:, 0]
    return np.argsort(keys, kind="stable")


class StepSampler(Sampler[list[int]]):
    """Sample numbers of each step for one process, from any step on; all processes together cover every number."""

    def __init__(self, first: int, last: int, per_process: int, rank: int = 0, world: int = 1) -> None:
        self.first, self.last, self.per_process, self.rank, self.world = first, last, per_process, rank, world

    def __len__(self) -> int:
        return max(0, self.last - self.first)

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self.first, self.last):
            start = (step * self.world + self.rank) * self.per_process
            yield list(range(start, start + self.per_process))


def crop_loader(dataset: CropDataset, sampler: StepSampler, workers: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Iterate over steps: (numbers (P,) int64, crops (P, 3, crop, crop) uint8)."""
    loader: DataLoader[tuple[int, Tensor]] = DataLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        generator=torch.Generator(),  # or it would draw a number from the caller's global one
    )
    return iter(loader)
