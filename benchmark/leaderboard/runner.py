"""Every picture of every set through every metric, once: sharded over processes, cached, resumable.

Each process takes every so many-th picture and scores it with all metrics in turn, so that a machine that is slow for a
while is slow for all of them. Threads, seeds and the order of results do not depend on how many processes there are;
that makes tables of one process and of many equal to the byte.
"""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.distributed as dist
from torch import Tensor

from benchmark.leaderboard.predictors import Predictor, whole_reason
from benchmark.leaderboard.rated_set import Picture, RatedSet
from benchmark.leaderboard.score_book import Entry, ScoreBook, score_key
from benchmark.progress import track
from pyiqa_pixelperfect.training.distributed import Processes

__all__ = ["Scored", "score_sets"]


@dataclass(frozen=True)
class Scored:
    """A set with the scores of all metrics.

    Attributes:
        rated: the set.
        scores: one row per picture, indexed by (image, reference), one column per metric, turned so that higher is
            better; NaN where a metric failed.
        failures: per metric, the reasons with how often each occurred.
        milliseconds: per metric, of every score: milliseconds per megapixel as measured while scoring.
        fingerprint: sha256 of ratings and pictures.
        computed: how many scores were computed in this run, the others were known.
    """

    rated: RatedSet
    scores: pd.DataFrame
    failures: dict[str, dict[str, int]]
    milliseconds: dict[str, list[float]]
    fingerprint: str
    computed: int


@dataclass
class _Shard:
    """What one process found out about its part of one set: by picture number."""

    hashes: dict[str, str] = field(default_factory=dict)
    entries: dict[int, dict[str, Entry]] = field(default_factory=dict)
    computed: int = 0


def score_sets(
    sets: Sequence[RatedSet],
    predictors: Sequence[Predictor],
    book: ScoreBook,
    processes: Processes,
    *,
    seed: int = 0,
    retry_failed: bool = False,
    quiet: bool = False,
) -> list[Scored]:
    """Score what is not known yet and return everything, on every process.

    Args:
        sets: what to score.
        predictors: what to score with; full-reference metrics skip sets without references.
        book: scores known already; new ones are added as they come.
        processes: this one among all.
        seed: of metrics that draw at random.
        retry_failed: compute failed scores once more.
        quiet: report no progress.
    """
    work = [(number, place, picture) for number, rated in enumerate(sets)
            for place, picture in enumerate(rated.pictures())][processes.rank :: processes.world]  # fmt: skip
    shards = [_Shard() for _ in sets]
    for number, place, picture in track(work, len(work), "pictures", quiet=quiet or not processes.first):
        usable = [item for item in predictors if item.mode == "NR" or sets[number].has_references]
        job = _Job(sets[number], picture, seed, processes.device, retry_failed)
        shards[number].entries[place] = _score_picture(job, usable, book, shards[number])
    joined = _join(shards, processes)
    return [_scored(rated, predictors, shard) for rated, shard in zip(sets, joined, strict=True)]


@dataclass(frozen=True)
class _Job:
    rated: RatedSet
    picture: Picture
    seed: int
    device: torch.device
    retry_failed: bool


def _score_picture(job: _Job, predictors: Sequence[Predictor], book: ScoreBook, shard: _Shard) -> dict[str, Entry]:
    image, reference = (_file_hash(job.rated.folder, name, shard.hashes) for name in job.picture)
    entries, tensors = {}, None
    for predictor in predictors:
        key = score_key(predictor.identity, image, reference if predictor.mode == "FR" else "", job.rated.view)
        entry = book.get(key)
        if entry is None or (job.retry_failed and entry.score is None):
            tensors = _read(job) if tensors is None else tensors
            entry = _score(predictor, tensors, int(key[:8], 16) ^ job.seed)
            book.put(key, entry)
            shard.computed += 1
        entries[predictor.name] = entry
    return entries


def _read(job: _Job) -> tuple[Tensor, Tensor | None] | str:
    image, reference = job.picture
    try:
        first = job.rated.read(job.rated.folder / image).to(job.device)
        second = job.rated.read(job.rated.folder / reference).to(job.device) if reference else None
    except (OSError, ValueError) as error:  # a damaged file: every metric fails on it, and all say why
        return whole_reason(error)
    return first, second


def _score(predictor: Predictor, tensors: tuple[Tensor, Tensor | None] | str, seed: int) -> Entry:
    if isinstance(tensors, str):
        return Entry(None, tensors, 0.0, 0)
    image, reference = tensors
    pixels = image.shape[-1] * image.shape[-2]
    start = time.perf_counter()
    try:
        value = predictor.score(image, reference, seed)
    except Exception as error:  # noqa: BLE001 - counted and shown; one bad picture must not cost the run
        return Entry(None, whole_reason(error), time.perf_counter() - start, pixels)
    return Entry(value, "", time.perf_counter() - start, pixels)


def _file_hash(folder: Path, name: str, known: dict[str, str]) -> str:
    if not name:
        return ""
    if name not in known:
        known[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    return known[name]


def _join(shards: list[_Shard], processes: Processes) -> list[_Shard]:
    if processes.world == 1:
        return shards
    parts: list[list[_Shard] | None] = [None] * processes.world
    dist.all_gather_object(parts, shards)
    joined = []
    for same_set in zip(*(part for part in parts if part is not None), strict=True):
        whole = _Shard(computed=sum(shard.computed for shard in same_set))
        for shard in same_set:
            whole.hashes |= shard.hashes
            whole.entries |= shard.entries
        joined.append(whole)
    return joined


def _scored(rated: RatedSet, predictors: Sequence[Predictor], shard: _Shard) -> Scored:
    pictures = rated.pictures()
    rows = [shard.entries[place] for place in range(len(pictures))]
    columns: dict[str, list[float]] = {}
    failures: dict[str, dict[str, int]] = {}
    milliseconds: dict[str, list[float]] = {}
    for predictor in predictors:
        name, sign = predictor.name, -1.0 if predictor.lower_better else 1.0
        entries = [row[name] for row in rows if name in row]
        if not entries:
            continue
        columns[name] = [np.nan if entry.score is None else sign * entry.score for entry in entries]
        reasons = [entry.error for entry in entries if entry.score is None]
        failures[name] = {reason: reasons.count(reason) for reason in sorted(set(reasons))}
        milliseconds[name] = [1e9 * entry.seconds / entry.pixels for entry in entries if entry.pixels]
    index = pd.MultiIndex.from_tuples(pictures, names=["image", "reference"])
    scores = pd.DataFrame(columns, index=index, dtype=np.float64)
    return Scored(rated, scores, failures, milliseconds, rated.fingerprint(shard.hashes), shard.computed)
