"""Damaged and malicious picture files: the answer is a finite [0, 1] tensor or an ImageReadError, nothing else."""

import io
import os
import struct
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from pyiqa_pixelperfect.decoding import MAXIMUM_PIXELS, read_image
from pyiqa_pixelperfect.errors import ImageReadError

# Pillow warns about much that it repairs; here only what comes back counts. A warning must not become the error that
# hides a crash, so they are silenced instead of raised.
pytestmark = pytest.mark.filterwarnings("ignore")

MUTATIONS = int(os.environ.get("PIXELPERFECT_MUTATIONS", "60"))  # per format; a release runs 1500
SECONDS = 20.0  # of computing; generous, for slow machines: what it guards against takes minutes


def encoded(form: str) -> bytes:
    generator = np.random.default_rng(3)
    smooth = Image.fromarray(generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((64, 48))
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    if form == "PNG16":
        Image.fromarray(generator.integers(0, 65536, (48, 64), dtype=np.uint16)).save(stream, "PNG")
    elif form in ("BMP", "JPEG2000"):
        smooth.save(stream, form)
    else:
        smooth.save(stream, form, exif=exif)
    return stream.getvalue()


def mutated(data: bytes, generator: np.random.Generator) -> bytes:
    """Damage a file the way broken disks, broken uploads and fuzzers do."""
    damaged = bytearray(data)
    match generator.integers(5):
        case 0:  # cut off
            return bytes(damaged[: generator.integers(1, len(damaged))])
        case 1:  # single bits flipped
            for place in generator.integers(0, len(damaged), generator.integers(1, 20)):
                damaged[place] ^= 1 << int(generator.integers(8))
        case 2:  # bytes of the header overwritten: sizes, depths, offsets
            for place in generator.integers(0, min(80, len(damaged)), generator.integers(1, 6)):
                damaged[place] = int(generator.integers(256))
        case 3:  # a stretch repeated or left out
            start, stop = sorted(generator.integers(0, len(damaged), 2))
            damaged[start:stop] = damaged[start:stop] * int(generator.integers(0, 3))
        case _:  # a stretch of noise
            start = int(generator.integers(len(damaged)))
            noise = generator.bytes(int(generator.integers(1, 64)))
            damaged[start : start + len(noise)] = noise
    return bytes(damaged)


def read_or_refuse(path: Path) -> bool:
    """Return whether the file was read; fail on anything but a sound tensor or an ImageReadError."""
    started = time.process_time()
    try:
        image = read_image(path)
    except ImageReadError:
        return False
    finally:
        assert time.process_time() - started < SECONDS
    assert image.dtype == torch.float32
    assert image.dim() == 4
    assert image.shape[1] == 3
    assert bool(torch.isfinite(image).all())
    assert float(image.min()) >= 0
    assert float(image.max()) <= 1
    return True


@pytest.mark.parametrize("form", ["JPEG", "PNG", "PNG16", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000"])
def test_i2_mutated_files_are_read_or_refused(form: str, tmp_path: Path) -> None:
    data = encoded(form)
    path = tmp_path / "picture"
    path.write_bytes(data)
    assert read_or_refuse(path)
    refused = 0
    for seed in range(MUTATIONS):
        path.write_bytes(mutated(data, np.random.default_rng([len(form), seed])))
        refused += not read_or_refuse(path)
    assert refused > MUTATIONS / 10  # or the mutations do not reach the decoder


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF", "BMP", "JPEG2000"])
def test_half_a_file_is_refused(form: str, tmp_path: Path) -> None:
    data = encoded(form)
    path = tmp_path / "half"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageReadError, match="complete and one of these formats") as caught:
        read_image(path)
    assert caught.value.argument == str(path)


def png_claiming(width: int, height: int) -> bytes:
    """Return a small PNG file whose header claims any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("width", "height"), [(MAXIMUM_PIXELS + 1, 1), (13_000, 13_000), (60_000, 60_000), (2**31 - 1,) * 2]
)
def test_decompression_bombs_are_refused_before_decoding(
    width: int, height: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_claiming(width, height))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("pixels were decoded"))
    with pytest.raises(ImageReadError):
        read_image(path)


def test_bombs_are_refused_even_where_pillow_is_told_not_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    path = tmp_path / "bomb.png"
    path.write_bytes(png_claiming(13_000, 13_000))
    with pytest.raises(ImageReadError, match=f"at most {MAXIMUM_PIXELS} pixels, got 13000 x 13000"):
        read_image(path)


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"not a picture at all", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP"]
)
def test_files_that_are_hardly_there(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "tiny.png"
    path.write_bytes(data)
    with pytest.raises(ImageReadError):
        read_image(path)


@pytest.mark.parametrize("form", ["GIF", "TGA", "ICO", "PCX", "SGI", "DDS"])
def test_formats_not_on_the_list_are_never_opened(form: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    Image.new("RGB", (64, 48), "red").save(path, form)
    with pytest.raises(ImageReadError, match="UnidentifiedImageError"):
        read_image(path)


def test_reading_leaves_pillow_and_the_warnings_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "half.png"
    path.write_bytes(encoded("PNG")[:700])
    before = (Image.MAX_IMAGE_PIXELS, list(warnings.filters))
    read_or_refuse(path)
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == before
