"""Files that a command writes: never the user's own picture, always in a folder that exists."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pyiqa_pixelperfect.errors import ConfigError

__all__ = ["PICTURE_FORMATS", "make_room", "save_picture"]

#: What each format needs, so that a picture shows what was done to it and as little as possible of the format.
PICTURE_FORMATS: Mapping[str, Mapping[str, Any]] = {
    ".png": {},
    ".tif": {},
    ".tiff": {},
    ".webp": {"lossless": True},
    ".jpg": {"quality": 95, "subsampling": 0},
    ".jpeg": {"quality": 95, "subsampling": 0},
}


def make_room(option: str, paths: Sequence[Path], *, picture: Path | None) -> None:
    """Make the folders of some files.

    Args:
        option: what the user chose the files with, for the error message.
        paths: files to write; files that are there will be overwritten.
        picture: the file that the user gave and wants to keep.

    Raises:
        ConfigError: one of the files is the user's picture, under whatever name.
    """
    for path in paths:
        if picture is not None and path.exists() and path.samefile(picture):
            raise ConfigError(option, "another file than the picture itself", repr(str(path)))
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)


def save_picture(picture: Tensor, path: Path) -> None:
    """Write a picture, (3, H, W) in [0, 1], rounded to 8 bit; the extension, of ``PICTURE_FORMATS``, is the format."""
    pixels = (picture.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    Image.fromarray(np.ascontiguousarray(pixels)).save(path, **PICTURE_FORMATS[path.suffix.lower()])
