"""Large pictures: are tiles as good as the whole, and what do they cost?

Two questions. Exactness: pairs of sizes that still fit as a whole are compared both ways, and the largest difference of
any map at any pixel is what a seam could show at most. Cost: two files of many megapixels are compared as the command
line does it, in a fresh process, because a high-water mark of memory cannot be unlearned.
"""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from benchmark.fresh_process import ask
from benchmark.photos import BUNDLED, Photo, Pixels, load_photos, to_tensor
from benchmark.real_tools import HEADLINE_TOOLS, apply_tool
from benchmark.report import target
from benchmark.schema import Target
from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect

__all__ = ["SIZES", "measure_exactness", "measure_large", "tiling_pairs", "tiling_targets"]

SIZES = ((389, 517, 96), (821, 1103, 256), (1201, 1597, 512))  # height, width, tile, px
_PROBE_SECONDS = 3600


def tiling_pairs() -> Iterator[tuple[Pixels, Pixels, int]]:
    """A photo beside what JPEG left of it in each of ``SIZES``, and the tile to use."""
    photo = load_photos(BUNDLED, count=1)[0]
    for height, width, tile in SIZES:
        clean = np.asarray(cv2.resize(photo.pixels, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
        jpeg = HEADLINE_TOOLS[0]
        yield apply_tool(jpeg, clean, jpeg.strengths[2], seed=0), clean, tile


def measure_exactness(metric: PixelPerfect, pairs: Iterable[tuple[Pixels, Pixels, int]]) -> pd.DataFrame:
    """Compare pairs whole and tiled.

    Returns:
        One row per pair: size, tile, largest difference of the maps at any pixel and of the score, and the score.
    """
    rows = []
    for image, reference, tile in pairs:
        tensors = to_tensor(image), to_tensor(reference)
        whole, tiled = (metric.compare(*tensors, tile=side) for side in (max(image.shape), tile))
        rows.append(
            {
                "height": image.shape[0],
                "width": image.shape[1],
                "tile": tile,
                "maps": float((whole.maps - tiled.maps).abs().max()),
                "score": float((whole.score - tiled.score).abs().max()),
                "score_size": float(whole.score.abs().max()),
            }
        )
    return pd.DataFrame(rows)


def measure_large(megapixels: float, *, threads: int, weights: str | None) -> dict[str, float]:
    """Compare two files of that many megapixels in a fresh process; keys as of ``tiling_probe.probe``."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("image.jpg", "reference.jpg")]
        _write_large(load_photos(BUNDLED, count=1)[0], megapixels, files)
        request = {"image": str(files[0]), "reference": str(files[1]), "threads": threads, "weights": weights}
        return ask("tiling_probe", request, about="tiling probe", seconds=_PROBE_SECONDS)


def tiling_targets(exactness: pd.DataFrame, large: dict[str, float] | None) -> list[Target]:
    """Return the promised bounds beside what was measured."""
    targets = [target("largest difference of tiled maps", float(exactness["maps"].max()), 1e-3, None, at_least=False)]
    if large is not None:
        label = f"peak memory at {large['megapixels']:.0f} megapixels, MiB"
        targets.append(target(label, large["peak"], 2048.0, None, at_least=False))
    return targets


def _write_large(photo: Photo, megapixels: float, files: list[Path]) -> None:
    """Write a large picture twice, at JPEG quality 30 and 95: a photo and its mirror images side by side, 3 : 2."""
    height = round((megapixels * 1e6 / 1.5) ** 0.5)
    width = round(megapixels * 1e6 / height)
    block = np.concatenate([photo.pixels, photo.pixels[:, ::-1]], axis=1)
    block = np.concatenate([block, block[::-1]], axis=0)
    repeats = (-(-height // block.shape[0]), -(-width // block.shape[1]), 1)
    picture = Image.fromarray(np.tile(block, repeats)[:height, :width])
    for file, quality in zip(files, (30, 95), strict=True):
        picture.save(file, quality=quality)
