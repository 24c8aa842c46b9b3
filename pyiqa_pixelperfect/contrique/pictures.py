"""The pictures of a run: which there are, and the batches of windows that each step gets."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pyiqa_pixelperfect.contrique.config import ContriqueConfig, DataConfig
from pyiqa_pixelperfect.contrique.views import Views, plan_distortions, synthetic_pictures, two_views
from pyiqa_pixelperfect.data.crops import CropDataset, StepSampler, crop_loader
from pyiqa_pixelperfect.data.pristine import list_photos, split_photos
from pyiqa_pixelperfect.data.rated import read_ratings
from pyiqa_pixelperfect.distortions.kadis_plan import KADIS_CLASSES
from pyiqa_pixelperfect.training.distributed import Processes

__all__ = ["Pictures", "find_pictures", "views_of_steps"]

_CACHE = 1 << 30  # bytes of decoded photos of each kind


class Pictures(NamedTuple):
    """Files to learn from.

    Attributes:
        pristine: clean photos, those held out not among them.
        authentic: pictures with distortions of their own.
    """

    pristine: list[Path]
    authentic: list[Path]


def find_pictures(config: DataConfig) -> Pictures:
    """List the pictures that a configuration names.

    Raises:
        DataError: a folder or table is missing or unusable, or too few clean photos to hold any out.
    """
    clean = list_photos(config.pristine)
    pristine = split_photos(clean)[0] if config.holdout else clean
    authentic = [photo for source in config.authentic for photo in list_photos(source)]
    if config.ratings is not None:
        authentic += [row.path for row in read_ratings(config.ratings, split=config.split)]
    return Pictures(pristine, authentic)


def views_of_steps(config: ContriqueConfig, pictures: Pictures, processes: Processes, first: int) -> Iterator[Views]:
    """Views for each step from ``first`` on, on the device; a pure function of the step, whatever was before."""
    data, batch, seed = config.data, config.batch, config.seed
    window = 2 * data.crop
    clean = CropDataset(pictures.pristine, window, data.smallest_scale, seed, cache_bytes=_CACHE)
    # Reducing a picture changes its quality, so authentic ones are taken as they are.
    found = CropDataset(pictures.authentic, window, 1.0, seed + 1, cache_bytes=_CACHE)
    samplers = (
        StepSampler(first, config.steps, count, processes.rank, processes.world)
        for count in (batch.photos, batch.authentic)
    )
    loaders = (crop_loader(d, s, data.workers) for d, s in zip((clean, found), samplers, strict=True))
    for (numbers, photos), (found_numbers, windows) in zip(*loaders, strict=True):
        plan = plan_distortions(numbers.numpy(), batch.versions, batch.repeat, seed)
        own = torch.tensor([found.photo_number(number) for number in found_numbers.tolist()])
        every = (numbers.numpy()[:, None] * batch.versions + np.arange(batch.versions)).ravel()
        synthetic = synthetic_pictures(_on(photos, processes.device), plan)
        classes = torch.cat((plan.classes, KADIS_CLASSES + own))
        yield two_views(synthetic, _on(windows, processes.device), classes, (every, found_numbers.numpy()), seed)


def _on(pixels: Tensor, device: torch.device) -> Tensor:
    return pixels.to(device, non_blocking=True).float() / 255.0
