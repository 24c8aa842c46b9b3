"""A rated set that anybody can make: scikit-image's pictures under outside tools, with invented ratings.

A rating is 5 less what the tool's strength costs, plus a little noise. Nobody ever looked at these pictures; the set is
there to try a run out and to test it, and its figures say nothing about people.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from benchmark.leaderboard.config import SetEntry
from benchmark.leaderboard.csv_sets import load_csv_set
from benchmark.leaderboard.rated_set import MissingSet, RatedSet
from benchmark.photos import BUNDLED, Photo, load_photos
from benchmark.real_tools import HEADLINE_TOOLS, apply_tool, named_strengths, tool_seed
from pyiqa_pixelperfect.weights import write_atomically

__all__ = ["load_planted_set"]

_TOOLS = ("pillow jpeg", "opencv gaussian blur", "skimage gaussian")
_SIDE = 192  # pixels
_CROPS = 3  # per picture, side by side: contents enough for intervals
_NOISE = 0.15  # standard deviation of a rating


def load_planted_set(entry: SetEntry, folder: Path, seed: int) -> RatedSet | MissingSet:
    """Make the pictures below ``folder``, unless they are there, and return them as a set."""
    place = folder / f"planted-{seed}"
    if not (place / "pairs.csv").is_file():
        place.mkdir(parents=True, exist_ok=True)
        _make(place, seed)
    return load_csv_set(entry.model_copy(update={"table": Path("pairs.csv")}), place)


def _make(place: Path, seed: int) -> None:
    generator = np.random.default_rng(seed)
    tools = [tool for tool in HEADLINE_TOOLS if tool.name in _TOOLS]
    rows = []
    for photo in (crop for picture in load_photos(BUNDLED) for crop in _crops(picture)):
        Image.fromarray(photo.pixels).save(place / photo.name)
        for tool in tools:
            for step, (strength, value) in enumerate(named_strengths(tool).items(), start=1):
                name = f"{Path(photo.name).stem}_{tool.name.replace(' ', '-')}_{strength}.png"
                pixels = apply_tool(tool, photo.pixels, value, tool_seed(seed, photo.name, tool.name))
                Image.fromarray(pixels).save(place / name)
                rating = 5.0 - step + generator.normal(0.0, _NOISE)
                rows.append((name, photo.name, round(float(rating), 4), tool.name))
    table = pd.DataFrame(rows, columns=["image", "reference", "mos", "distortion"])
    write_atomically(place / "pairs.csv", table.to_csv(index=False).encode())  # last: its presence means complete


def _crops(photo: Photo) -> Iterator[Photo]:
    rows, columns = photo.pixels.shape[:2]
    top = (rows - _SIDE) // 2
    for number, left in enumerate(np.linspace(0, columns - _SIDE, _CROPS).round().astype(int)):
        pixels = np.ascontiguousarray(photo.pixels[top : top + _SIDE, left : left + _SIDE])
        yield Photo(f"{Path(photo.name).stem}_{number}.png", pixels)
