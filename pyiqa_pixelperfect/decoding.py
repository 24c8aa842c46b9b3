"""Picture files and PIL images to tensors.

What decoding means here: EXIF rotation is applied; 16-bit gray is scaled by its full range (16-bit color arrives from
Pillow with its upper eight bits); gray becomes RGB by repetition; palettes and CMYK are converted by Pillow; embedded
color profiles are ignored, as every metric in common use does; of an animation the first frame counts. Pixels that
are not opaque have no defined color, so pictures with such pixels are refused.
"""

import os
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFile, ImageOps
from torch import Tensor

from pyiqa_pixelperfect.errors import ImageReadError
from pyiqa_pixelperfect.pictures import return_memory

__all__ = ["FORMATS", "MAXIMUM_LARGE_PIXELS", "MAXIMUM_PIXELS", "UnusablePictureError", "picture_to_pixels",
           "read_image", "read_pixels"]  # fmt: skip

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000")
"""Pillow's names of the formats that are opened; all others are refused before any of their code runs."""

MAXIMUM_PIXELS = 89_478_485
"""Width times height; Pillow's own limit (1 GiB / 4 bytes / 3 channels), held even where its check is switched off."""

MAXIMUM_LARGE_PIXELS = 2 * MAXIMUM_PIXELS
"""The same where 8-bit pixels are kept as they are, a quarter of the memory; above it, Pillow itself refuses."""

_LARGE = 2**24  # pixels of pictures after which memory is tidied up
_ORIENTATION = 0x0112  # EXIF tag
_ROWS = 512  # turned into an array at a time: Pillow makes two copies of what it hands over


class UnusablePictureError(Exception):
    """A picture that is too large or whose pixels have no defined RGB value.

    Callers add the argument's name and raise an error of their own.
    """

    def __init__(self, expected: str, got: str, fix: str) -> None:
        super().__init__(expected, got, fix)
        self.expected, self.got, self.fix = expected, got, fix


def read_image(path: str | os.PathLike[str], *, maximum_pixels: int = MAXIMUM_PIXELS) -> Tensor:
    """Decode one picture file.

    Args:
        path: a JPEG, PNG, BMP, TIFF, WebP, AVIF or JPEG 2000 file; the content decides, not the extension.
        maximum_pixels: refuse larger pictures before decoding them. Raise it for pictures that you trust.

    Returns:
        ``(1, 3, H, W)`` float32, RGB, ``[0, 1]``.

    Raises:
        ImageReadError: no such file, not one of the formats, damaged, too large, or with pixels that are not opaque.
    """
    pixels = read_pixels(path, maximum_pixels=maximum_pixels)
    return pixels.contiguous() if pixels.is_floating_point() else pixels.to(torch.float32).div_(255.0)


def read_pixels(path: str | os.PathLike[str], *, maximum_pixels: int = MAXIMUM_LARGE_PIXELS) -> Tensor:
    """Decode one picture file and leave 8-bit pixels as they are: ``(1, 3, H, W)``, as from ``picture_to_pixels``.

    Arguments and errors as for ``read_image``.
    """
    name = os.fsdecode(path)
    _require_file(name)
    try:
        pixels = _decoded(name, maximum_pixels)
    except UnusablePictureError as problem:
        raise ImageReadError(name, problem.expected, problem.got, problem.fix) from None
    except Exception as error:  # decoders raise dozens of types on damaged files: OSError, struct.error, KeyError ...
        reason = str(error).replace(name, "the file").strip().rstrip(".") or "no reason given"
        raise ImageReadError(
            name,
            "a readable JPEG, PNG, BMP, TIFF, WebP, AVIF or JPEG 2000 picture",
            f"{type(error).__name__}: {reason[:200]}",
            "Check that the file is complete and one of these formats.",
        ) from error
    if pixels.shape[-2] * pixels.shape[-1] > _LARGE:
        return_memory()
    return pixels


def _decoded(name: str, maximum_pixels: int) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is below, and an error
        with Image.open(name, formats=FORMATS) as picture:
            _require_size(picture, maximum_pixels)
            pixels = picture_to_pixels(picture)
            picture.close()  # frees its pixels now; metadata may refer to the picture and keep it
            return pixels


def picture_to_pixels(picture: Image.Image) -> Tensor:
    """Return the pixels of a PIL image, upright and RGB, ``(1, 3, H, W)``.

    Returns:
        uint8 in 0..255; float32 in ``[0, 1]`` for 16-bit gray, its three channels being one and the same memory.
    """
    _load_all(picture)
    white = _sixteen_bit_white(picture)
    transparent = picture.info.get("transparency")
    if picture.getexif().get(_ORIENTATION, 1) != 1:  # asked for first, because turning by nothing makes a copy
        picture = ImageOps.exif_transpose(picture)
    if white is not None:
        levels = np.asarray(picture).astype(np.float32)
        if isinstance(transparent, int) and bool((levels == transparent).any()):
            raise _transparency()
        gray = torch.from_numpy(levels / np.float32(white)).clamp_(0, 1)
        return gray.expand(1, 3, -1, -1)
    if picture.mode in ("I", "F") or picture.mode.startswith("I;"):
        raise UnusablePictureError(
            "a picture with 8 or 16 bits a channel",
            f"mode {picture.mode!r} (32-bit or signed pixels of unknown range)",
            "Scale it to [0, 1] yourself and pass a tensor, or save it as a 16-bit PNG.",
        )
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        lowest = picture.getchannel("A").getextrema()[0]
        if lowest != 255:
            raise _transparency()
    return _planes(picture if picture.mode == "RGB" else picture.convert("RGB")).unsqueeze(0)


def _load_all(picture: Image.Image) -> None:
    """Decode a picture, and refuse a file that ends too soon even where Pillow was told to make up the rest.

    Importing pyiqa's data sets tells it so, for the whole process.
    """
    lenient, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        picture.load()
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = lenient


def _planes(picture: Image.Image) -> Tensor:
    """Pixels of an RGB image, (3, H, W) uint8."""
    planes = torch.empty(3, picture.height, picture.width, dtype=torch.uint8)
    for top in range(0, picture.height, _ROWS):
        rows = np.array(picture.crop((0, top, picture.width, min(top + _ROWS, picture.height))))
        planes[:, top : top + _ROWS] = torch.from_numpy(rows).permute(2, 0, 1)
    return planes


def _require_file(name: str) -> None:
    """Refuse what is not an ordinary file: reading a pipe or a device could go on forever."""
    if "://" in name:
        raise ImageReadError(name, "the path of a file", "a web address", "Download the picture and pass its path.")
    try:
        kind = "a folder" if Path(name).is_dir() else "something that is not an ordinary file"
        exists, is_file = Path(name).exists(), Path(name).is_file()
    except (OSError, ValueError) as error:  # a name too long for the file system
        raise ImageReadError(repr(name)[:200], "the path of a file", str(error), "Check the path.") from error
    if not exists:
        raise ImageReadError(
            name, "an existing picture file", "no such file", f"Looked in {Path.cwd()}; check the path."
        )
    if not is_file:
        raise ImageReadError(name, "a picture file", kind, "Pass the path of one picture.")


def _require_size(picture: Image.Image, maximum_pixels: int) -> None:
    width, height = picture.size
    if width * height > maximum_pixels:
        raise UnusablePictureError(
            f"at most {maximum_pixels} pixels",
            f"{width} x {height}",
            "Crop or shrink it, or raise maximum_pixels if you trust the file.",
        )


def _sixteen_bit_white(picture: Image.Image) -> int | None:
    """Return the level that means white in a 16-bit gray picture, and None for all other pictures."""
    if picture.mode not in ("I;16", "I;16B", "I;16L", "I;16N"):
        # Pillow before version 11 opened 16-bit gray PNG files with 32-bit pixels.
        return 65535 if picture.mode == "I" and picture.format == "PNG" else None
    tags = getattr(picture, "tag_v2", {})
    if tags.get(262) == 0:  # PhotometricInterpretation: white is zero, which Pillow undoes for 8 bits only
        raise UnusablePictureError(
            "black as zero", "a 16-bit TIFF with white as zero", "Invert it and save it as a PNG."
        )
    return 4095 if tags.get(258) == (12,) else 65535  # BitsPerSample: 12-bit TIFF is unpacked without scaling


def _transparency() -> UnusablePictureError:
    return UnusablePictureError(
        "opaque pixels",
        "a picture with transparent pixels",
        "Lay it over a background of your choice and save it as RGB.",
    )
