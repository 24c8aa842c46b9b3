"""Do scores order the versions of a photo as people do?

Input is any table ``image, reference, mos, distortion`` with paths relative to it and higher ratings for better images.
Two figures, blind to how much people like what a photo shows: Spearman's correlation within each reference,
averaged (``within``), and over all images after taking each reference's mean off its scores and its ratings
(``centered``). A third, ``across``, centers the ratings only, so that scores have to be comparable between photos as
they stand. Intervals resample whole references.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from benchmark.peers import Peer
from benchmark.progress import track
from benchmark.statistics import Values, center_by_group, interval, reference_srccs, resample_groups, srcc
from pyiqa_pixelperfect.errors import DataError
from pyiqa_pixelperfect.images import read_image

__all__ = ["read_pairs", "score_pairs", "summarize", "table_hash"]

_COLUMNS = ("image", "reference", "mos")


def read_pairs(table: Path) -> pd.DataFrame:
    """Read a rating table; a missing ``distortion`` column counts as one distortion.

    Raises:
        DataError: the file or a column is missing, a rating is not a number, or a picture does not exist.
    """
    if not table.is_file():
        raise DataError("pairs", "a CSV file", f"{table}, which is none", "Check the path.")
    frame = pd.read_csv(table)
    missing = [column for column in _COLUMNS if column not in frame]
    if missing:
        raise DataError(str(table), f"columns {', '.join(_COLUMNS)}", f"none called {', '.join(missing)}")
    if "distortion" not in frame:
        frame["distortion"] = "any"
    if frame.empty or not np.isfinite(pd.to_numeric(frame["mos"], errors="coerce")).all():
        raise DataError(str(table), "a finite number as mos in every row", "an empty table or other values")
    for column in ("image", "reference"):
        gone = [name for name in frame[column].unique() if not (table.parent / name).is_file()]
        if gone:
            raise DataError(str(table), f"existing {column} files", f"{len(gone)} missing, such as {gone[0]}")
    return frame


def score_pairs(
    pairs: pd.DataFrame, folder: Path, peers: Sequence[Peer], *, device: str = "cpu", quiet: bool = False
) -> pd.DataFrame:
    """Score every pair with every metric.

    Returns:
        The table with one more column per metric, oriented so that higher is better; NaN where a metric failed.
    """
    rows: list[dict[str, float]] = []
    cached: tuple[str, torch.Tensor] | None = None
    for pair in track(pairs.itertuples(), len(pairs), "rated pairs", quiet=quiet):
        if cached is None or cached[0] != str(pair.reference):
            cached = (str(pair.reference), read_image(folder / str(pair.reference)).to(device))
        image = read_image(folder / str(pair.image)).to(device)
        rows.append({peer.name: _score(peer, image, cached[1]) for peer in peers})
    return pd.concat([pairs.reset_index(drop=True), pd.DataFrame(rows)], axis=1)


def summarize(scored: pd.DataFrame, names: Sequence[str], *, ours: str, repeats: int, seed: int) -> pd.DataFrame:
    """Return one row per metric, best first.

    Columns: ``within`` and ``centered`` SRCC with 95 % intervals and ``across``; ``ahead``, by how much ours exceeds it
    within references, with the interval of that difference over the same bootstrap samples; ``within`` for each
    distortion; ``failed`` scores, which are left out of the metric's own row.
    """
    references = scored["reference"].tolist()
    image_samples = resample_groups(references, repeats, seed)
    reference_samples = resample_groups(sorted(set(references)), repeats, seed)
    within = {name: _within(scored, name) for name in names}
    centered = center_by_group(scored["mos"].to_numpy(), references)
    rows = []
    for name in names:
        values, scores = within[name].to_numpy(), scored[name].to_numpy()
        row: dict[str, object] = {"metric": name}
        row |= _with_interval("within", partial(_mean, values), reference_samples, len(values))
        own = center_by_group(scores, references)
        row |= _with_interval("centered", partial(_rows_srcc, own, centered), image_samples, len(scores))
        row["across"] = srcc(scores, centered)
        if ours in names and name != ours:
            difference = within[ours].to_numpy() - values
            row |= _with_interval("ahead", partial(_mean, difference), reference_samples, len(difference))
        for distortion, part in scored.groupby("distortion", sort=True):
            row[f"within {distortion}"] = float(_within(part, name).mean())
        rows.append(row | {"failed": int(scored[name].isna().sum())})
    return pd.DataFrame(rows).sort_values("within", ascending=False, ignore_index=True)


def table_hash(table: Path, pairs: pd.DataFrame) -> str:
    """Return the sha256 over the rating table and every picture that it names, in sorted order."""
    digest = hashlib.sha256(table.read_bytes())
    for name in sorted({*pairs["image"], *pairs["reference"]}):
        digest.update((table.parent / name).read_bytes())
    return digest.hexdigest()


def _score(peer: Peer, image: torch.Tensor, reference: torch.Tensor) -> float:
    try:
        return float(peer.oriented(image, reference)[0])
    except (RuntimeError, ValueError):  # counted and shown in the table; one bad pair must not cost the run
        return float("nan")


def _within(scored: pd.DataFrame, name: str) -> pd.Series:
    return reference_srccs(scored[name].to_numpy(), scored["mos"].to_numpy(), scored["reference"].tolist())


def _with_interval(
    name: str, statistic: Callable[[NDArray[np.int64]], float], samples: Sequence[NDArray[np.int64]], count: int
) -> dict[str, float]:
    low, high = interval(statistic, samples)
    return {name: statistic(np.arange(count)), f"{name}_low": low, f"{name}_high": high}


def _mean(values: Values, rows: NDArray[np.int64]) -> float:
    picked = values[rows]
    known = picked[~np.isnan(picked)]
    return float(known.mean()) if known.size else float("nan")


def _rows_srcc(scores: Values, ratings: Values, rows: NDArray[np.int64]) -> float:
    return srcc(scores[rows], ratings[rows])
