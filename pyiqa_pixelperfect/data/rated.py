"""Rated pictures: a CSV table with a picture and its mean opinion score in each row, and splits by content."""

import csv
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pyiqa_pixelperfect.errors import ConfigError, DataError

__all__ = ["RatedImage", "content_splits", "ratings_digest", "read_ratings"]

IMAGE_COLUMNS = ("image", "image_name", "file", "name", "dist_name")
RATING_COLUMNS = ("mos", "dmos", "score")
CONTENT_COLUMNS = ("content", "reference", "ref_name")


@dataclass(frozen=True)
class RatedImage:
    """A picture with its rating.

    Attributes:
        path: the file.
        mos: the rating, on the scale of its table.
        content: what it shows; pictures of one content never stand on both sides of a split.
        split: what the table says it is for, such as ``"train"``; empty if it does not say.
    """

    path: Path
    mos: float
    content: str
    split: str = ""


def read_ratings(table: Path, images: Path | None = None, split: str | None = None) -> list[RatedImage]:
    """Read a table of ratings, such as pyiqa's ``meta_info_*.csv``.

    Args:
        table: CSV with a header. A column ``image``, ``image_name``, ``file``, ``name`` or ``dist_name`` names the
            picture; ``mos``, ``dmos`` or ``score`` holds the rating; a column with ``split`` in its name says what a
            row is for; ``content``, ``reference`` or ``ref_name`` what it shows (else every picture is its own).
        images: folder the names are relative to; by default the folder ``images`` beside the table, if there is one,
            else the table's own.
        split: keep only rows of this split.

    Raises:
        DataError: no such table, a column that is missing, a rating that is no finite number, a file that is missing,
            the same picture twice, or no rows.
    """
    if not table.is_file():
        raise DataError("ratings", "a CSV table of rated pictures", f"{str(table)!r}, which is no file")
    folder = images or (table.parent / "images" if (table.parent / "images").is_dir() else table.parent)
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            names = reader.fieldnames or ()
            image, mos = _column(names, IMAGE_COLUMNS, table), _column(names, RATING_COLUMNS, table)
            content = next((name for name in CONTENT_COLUMNS if name in names), image)
            splits = next((name for name in names if "split" in name), None)
            if split is not None and splits is None:
                raise DataError("ratings", "a table with a column 'split'", f"columns {', '.join(names)} in {table}")
            rows = []
            for line, row in enumerate(reader, start=2):
                name, part = row[image] or "", (row[splits] or "") if splits else ""
                if split in (None, part):
                    rows.append(RatedImage(folder / name, _rating(row[mos], table, line), row[content] or "", part))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError("ratings", "a CSV table of rated pictures", f"{str(table)!r} ({error})") from error
    _check_rows(rows, table, split)
    return rows


def _column(names: Sequence[str], known: Sequence[str], table: Path) -> str:
    found = next((name for name in known if name in names), None)
    if found is None:
        raise DataError("ratings", f"a column named {' or '.join(known)}", f"columns {', '.join(names)} in {table}")
    return found


def _rating(text: str | None, table: Path, line: int) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError("ratings", "a finite number as rating", f"{text!r} in line {line} of {table}")
    return value


def _check_rows(rows: list[RatedImage], table: Path, split: str | None) -> None:
    if not rows:
        raise DataError("ratings", "at least one row" + (f" of split {split!r}" if split else ""), f"none in {table}")
    missing = [row.path for row in rows if not row.path.is_file()]
    if missing:
        fix = "Say where the pictures are: images=FOLDER."
        raise DataError("images", "the files of the table", f"{len(missing)} missing, first {missing[0]}", fix)
    again = len(rows) - len({row.path for row in rows})
    if again:
        raise DataError("ratings", "every picture once", f"{again} named again in {table}")


def content_splits(
    contents: Sequence[str], count: int, share: float, seed: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Split rows at random so that no content is on both sides.

    Args:
        contents: content of each row.
        count: how many splits.
        share: share of the contents to validate on, in (0, 1); at least one, and at least one is left to fit on.
        seed: of the draws; split ``i`` is the same whatever ``count`` is.

    Returns:
        For each split the rows to fit on and the rows to validate on, both sorted.

    Raises:
        ConfigError: ``share`` or ``count`` out of range.
        DataError: fewer than two contents.
    """
    if not 0.0 < share < 1.0 or count < 1:
        raise ConfigError("splits", "at least 1, with a share between 0 and 1", f"{count} and {share}")
    names, content = np.unique(np.asarray(contents, dtype=str), return_inverse=True)
    if len(names) < 2:
        raise DataError("ratings", "at least two contents to split", str(len(names)))
    held = min(len(names) - 1, max(1, round(share * len(names))))
    splits = []
    for number in range(count):
        chosen = np.random.default_rng([seed, number]).permutation(len(names))[:held]
        validation = np.isin(content, chosen)
        splits.append((np.flatnonzero(~validation), np.flatnonzero(validation)))
    return splits


def ratings_digest(rows: Sequence[RatedImage]) -> str:
    """SHA-256 over names and ratings: enough for a model card to say which ratings a head saw."""
    text = "\n".join(f"{row.path.name} {row.mos!r}" for row in rows)
    return hashlib.sha256(text.encode()).hexdigest()
