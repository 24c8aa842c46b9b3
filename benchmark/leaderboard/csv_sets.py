"""Rated sets from any CSV table of image, maybe reference, and rating."""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.leaderboard.config import SetEntry
from benchmark.leaderboard.rated_set import ANY, MissingSet, RatedSet, missing_pictures
from pyiqa_pixelperfect.errors import DataError

__all__ = ["load_csv_set"]


def load_csv_set(entry: SetEntry, root: Path) -> RatedSet | MissingSet:
    """Read a table and check that its pictures are there.

    Returns:
        The set, or one line on what is missing: sets that were never copied here are ordinary, malformed ones are not.

    Raises:
        DataError: the table is there and lacks a column, holds no row, or holds a rating that is not a number.
    """
    table = root / (entry.table or "")
    if not table.is_file():
        return MissingSet(entry.name, f"put its table at {table}, or set root= to the folder it lies under")
    called = {name: entry.columns.get(name, name) for name in ("image", "reference", "mos", "distortion")}
    words = {called[name]: str for name in ("image", "reference", "distortion")}  # a file may be called 0012
    frame = pd.read_csv(table, dtype=words | dict.fromkeys(entry.where, str))
    needed = [called[name] for name in ("image", "mos")] + list(entry.where)
    needed += [called[name] for name in ("reference", "distortion") if name in entry.columns]
    absent = [name for name in needed if name not in frame]
    if absent:
        raise DataError(
            str(table), f"columns {', '.join(needed)}", f"none called {', '.join(absent)}", "Name them in 'columns'."
        )
    for column, value in entry.where.items():
        frame = frame[frame[column] == value]
    frame = frame.iloc[:: entry.every].reset_index(drop=True)
    ratings = pd.to_numeric(frame[called["mos"]], errors="coerce").to_numpy(dtype=np.float64)
    if frame.empty or not np.isfinite(ratings).all():
        raise DataError(
            str(table), f"a finite number as {called['mos']} in every row", "an empty table or other values"
        )
    folder = root / entry.folder if entry.folder is not None else table.parent
    rows = pd.DataFrame({"image": frame[called["image"]]})
    known = called["reference"] in frame
    rows["reference"] = frame[called["reference"]].fillna("") if known else ""
    rows["rating"] = -ratings if entry.lower_better else ratings
    rows["distortion"] = frame[called["distortion"]].fillna(ANY) if called["distortion"] in frame else ANY
    rows["content"] = rows["reference"].where(rows["reference"] != "", rows["image"])
    gone = missing_pictures(rows, folder)
    if gone:
        place = os.fspath(folder / gone[0])
        return MissingSet(entry.name, f"{len(gone)} pictures of its table are missing, such as {place}")
    return RatedSet(entry.name, "ratings", rows, folder, entry.rank_by)
