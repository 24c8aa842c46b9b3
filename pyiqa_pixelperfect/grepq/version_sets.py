"""Version sets: a clean photo and distorted versions of it with the similarity of all pairs, kept on disk.

The versions of a set are a few kinds of distortion at a few levels each, as in GRepQ (four kinds at two levels; which
four is not public, so kinds are drawn for each set). Making a set takes longer than learning from it, so each is made
once, by whichever worker needs it first, and read from then on: fragments are drawn anew each time.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torchvision.transforms.v2 import functional as V

from pyiqa_pixelperfect.data.pristine import photos_digest
from pyiqa_pixelperfect.distortions.catalog import KINDS
from pyiqa_pixelperfect.distortions.counter import planned_seeds, planned_uniform
from pyiqa_pixelperfect.distortions.engine import apply_kind
from pyiqa_pixelperfect.distortions.versions import eight_bit
from pyiqa_pixelperfect.errors import DataError
from pyiqa_pixelperfect.grepq.similarity import fsim_matrix
from pyiqa_pixelperfect.images import read_image
from pyiqa_pixelperfect.weights import write_atomically

__all__ = ["VersionSet", "VersionSets", "VersionSettings", "draw_versions"]

_STREAM_KINDS, _STREAM_AMOUNTS, _STREAM_SEEDS, _STREAM_SCALE = 300, 301, 302, 303


@dataclass(frozen=True)
class VersionSettings:
    """What version sets are drawn from.

    Attributes:
        kinds: names of kinds of the engine's catalog.
        types: different kinds in each set.
        levels: smallest and largest amount of each level, mildest first; every kind of a set comes at every level.
        smallest_scale: sets show their photo reduced by a factor drawn from here to 1.
    """

    kinds: tuple[str, ...]
    types: int = 4
    levels: tuple[tuple[float, float], ...] = ((0.2, 0.5), (0.6, 1.0))
    smallest_scale: float = 1.0

    @property
    def versions(self) -> int:
        """Versions in a set, the clean one included."""
        return 1 + self.types * len(self.levels)


@dataclass(frozen=True)
class VersionSet:
    """Versions of one photo.

    Attributes:
        images: (V, 3, H, W) uint8: the clean photo, then kind by kind from the mildest level to the strongest.
        similarity: (V, V), FSIM of all pairs.
    """

    images: Tensor
    similarity: Tensor


def draw_versions(clean: Tensor, settings: VersionSettings, number: int, seed: int) -> Tensor:
    """Distort a photo; a pure function of its arguments.

    Args:
        clean: (1, 3, H, W) in [0, 1].
        settings: what to draw from.
        number: of the set.
        seed: of the run.

    Returns:
        (V, 3, H, W) in [0, 1], rounded to 8 bit, in the order of ``VersionSet``.
    """
    row = np.array([number])
    names = len(settings.kinds)
    chosen = np.argsort(planned_uniform(seed, 0, row, _STREAM_KINDS, names)[0], kind="stable")[: settings.types]
    steps = len(settings.levels)
    draws = planned_uniform(seed, 0, row, _STREAM_AMOUNTS, settings.types * (1 + steps))[0].reshape(settings.types, -1)
    seeds = planned_seeds(seed, 0, row, _STREAM_SEEDS, settings.types)[0]
    versions = [clean]
    for place, kind in enumerate(chosen.tolist()):
        name = settings.kinds[kind]
        sign = -1.0 if KINDS[name].signed and draws[place, 0] < 0.5 else 1.0
        for (low, high), draw in zip(settings.levels, draws[place, 1:].tolist(), strict=True):
            amount = sign * (low + (high - low) * draw)
            versions.append(apply_kind(name, clean, amount, int(seeds[place]))[0])
    return eight_bit(torch.cat(versions))


class VersionSets:
    """The version sets of a run, made on demand and kept in a folder.

    Args:
        photos: clean photos; set n shows photo n modulo their number.
        settings: what the versions are drawn from.
        count: how many sets there are.
        folder: where they are kept; sets of other photos, settings or seeds in it are made again. Sets that an older
            engine made are not noticed: give a new folder when a kind has changed.
        seed: of the run.

    Raises:
        DataError: no photos.
    """

    def __init__(self, photos: list[Path], settings: VersionSettings, count: int, folder: Path, seed: int) -> None:
        if not photos:
            raise DataError("photos", "at least one photo", "none")
        self.photos, self.settings, self.count, self.folder, self.seed = photos, settings, count, folder, seed
        text = f"{settings} {seed} {photos_digest(photos)}"
        self.tag = hashlib.sha256(text.encode()).hexdigest()

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> VersionSet:
        """Set ``number``, from the folder if it is there and intact."""
        path = self.folder / f"{number:06d}.safetensors"
        try:
            with safe_open(path, "pt") as file:
                if (file.metadata() or {}).get("tag") == self.tag:
                    return VersionSet(file.get_tensor("images"), file.get_tensor("similarity"))
        except (OSError, SafetensorError):
            pass  # not made yet, or damaged
        made = self._make(number)
        tensors = {"images": made.images, "similarity": made.similarity}
        write_atomically(path, save(tensors, {"tag": self.tag}))
        return made

    @torch.no_grad()
    def _make(self, number: int) -> VersionSet:
        clean = read_image(self.photos[number % len(self.photos)])
        draw = planned_uniform(self.seed, 0, np.array([number]), _STREAM_SCALE, 1)[0, 0]
        scale = self.settings.smallest_scale + (1.0 - self.settings.smallest_scale) * float(draw)
        if scale < 1.0:
            size = [round(side * scale) for side in clean.shape[-2:]]
            clean = eight_bit(V.resize(clean, size, V.InterpolationMode.BICUBIC, antialias=True).clamp(0.0, 1.0))
        images = draw_versions(clean, self.settings, number, self.seed)
        return VersionSet((images * 255.0).round().to(torch.uint8), fsim_matrix(images))
