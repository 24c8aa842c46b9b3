"""Clean photos as 8-bit arrays, and the rule that says which of them training has never seen.

Real tools (codecs, OpenCV, Pillow) work on 8-bit RGB arrays, so this is the one place where pictures are not float
tensors; ``to_tensor`` brings them back at the door of the metric.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pyiqa_pixelperfect.data.pristine import is_validation, list_photos
from pyiqa_pixelperfect.errors import DataError
from pyiqa_pixelperfect.images import read_image

__all__ = ["BUNDLED", "Holdout", "Photo", "Pixels", "center_crop", "eight_bit", "load_photos", "photos_hash",
           "to_pixels", "to_tensor"]  # fmt: skip

Pixels: TypeAlias = NDArray[np.uint8]
Holdout: TypeAlias = Literal["every5", "all"]

BUNDLED = "bundled"  # in place of a folder: the pictures that come with scikit-image
_BUNDLED_NAMES = ("astronaut", "coffee", "chelsea", "rocket")
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Photo:
    """A clean photo.

    Attributes:
        name: file name without folder; seeds of everything random about the photo derive from it.
        pixels: ``(H, W, 3)`` RGB, 0 to 255.
    """

    name: str
    pixels: Pixels


def load_photos(source: str | Path, holdout: Holdout = "every5", count: int | None = None) -> list[Photo]:
    """Read the photos to measure on.

    Args:
        source: a folder (its ``manifest.csv`` gives the order, else the sorted file names), a manifest, or
            ``"bundled"`` for scikit-image's own pictures.
        holdout: ``"every5"`` keeps the rows that training holds out; ``"all"`` keeps every row. Bundled pictures are
            never trained on and always kept.
        count: at most this many, spread evenly over the list so that every source of a sorted manifest is represented.

    Raises:
        DataError: the source is missing, lists nothing, or leaves nothing after the hold-out rule.
        ImageReadError: a listed file cannot be decoded.
    """
    if str(source) == BUNDLED:
        return [_bundled(name) for name in _spread(list(_BUNDLED_NAMES), count)]
    files = list_photos(Path(source))  # the same list as training reads, so that rows mean the same
    kept = [file for row, file in enumerate(files) if holdout == "all" or is_validation(row)]
    if not kept:
        raise DataError(
            "photos", "at least one photo after the hold-out rule", f"{len(files)} files", "Use --holdout all."
        )
    return [Photo(file.name, _read_pixels(file)) for file in _spread(kept, count)]


def center_crop(photo: Photo, size: int | None) -> Photo:
    """Return the central ``size x size`` pixels of a photo, or as much of them as it has; ``None`` keeps all."""
    if size is None:
        return photo
    height, width = photo.pixels.shape[:2]
    top, left = max(0, (height - size) // 2), max(0, (width - size) // 2)
    return Photo(photo.name, np.ascontiguousarray(photo.pixels[top : top + size, left : left + size]))


def eight_bit(values: NDArray[Any]) -> Pixels:
    """Return values of any shape, meant to be in [0, 255], as whole numbers in that range."""
    return np.rint(np.clip(values, 0.0, 255.0)).astype(np.uint8)


def to_tensor(pixels: Pixels) -> Tensor:
    """Return 8-bit ``(H, W, 3)`` pixels as a float32 image ``(1, 3, H, W)`` in ``[0, 1]``."""
    return torch.tensor(pixels).permute(2, 0, 1)[None].float().contiguous() / 255.0


def to_pixels(image: Tensor) -> Pixels:
    """The inverse: 8-bit ``(H, W, 3)`` pixels of an image ``(3, H, W)`` in ``[0, 1]``."""
    return (image * 255.0).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


def photos_hash(photos: list[Photo]) -> str:
    """Return the sha256 over names, shapes and pixels: equal hashes mean that two runs saw the same pictures."""
    digest = hashlib.sha256()
    for photo in photos:
        digest.update(f"{photo.name} {photo.pixels.shape}".encode())
        digest.update(np.ascontiguousarray(photo.pixels).tobytes())
    return digest.hexdigest()


def _read_pixels(file: Path) -> Pixels:
    return to_pixels(read_image(file)[0])


def _bundled(name: str) -> Photo:
    import skimage.data  # only here: listing its lazy loaders costs time that other sources need not pay

    return Photo(f"{name}.png", np.ascontiguousarray(getattr(skimage.data, name)()[..., :3]))


def _spread(items: list[_Item], count: int | None) -> list[_Item]:
    if count is None or count >= len(items):
        return items
    return [items[int(position)] for position in np.linspace(0, len(items) - 1, max(1, count)).round()]
