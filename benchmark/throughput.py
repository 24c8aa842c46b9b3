"""Megapixels per second of the distortion engine, beside the usual way of one picture after the other.

Both ways start from the same decoded 8-bit pictures and end with the float batch that training takes. They take turns
on every job, in an order that changes from round to round, and ratios are formed within a round, so that a machine
that slows down for a while does little harm. All libraries get the same number of threads.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmark.one_at_a_time import ONE_AT_A_TIME
from benchmark.photos import BUNDLED, Pixels, load_photos
from benchmark.progress import track
from benchmark.report import target
from benchmark.schema import Target
from pyiqa_pixelperfect.distortions import KADIS, KADIS_LEVELS, DistortionEngine, distort_kadis
from pyiqa_pixelperfect.families import FAMILIES

__all__ = ["BATCHED", "MIX", "USUAL", "Contestant", "Job", "batched", "crops_per_second", "crops_targets", "make_jobs",
           "make_pictures", "measure", "one_at_a_time", "summarize", "throughput_targets"]  # fmt: skip

#: 8-bit pictures (H, W, 3), their types and levels (N,) int64 -> float32 batch (N, 3, H, W) in [0, 1]
Contestant: TypeAlias = Callable[[Sequence[Pixels], Tensor, Tensor], Tensor]

BATCHED, USUAL = "batched", "one at a time"
MIX = "KADIS mix"
_MIX_RATIO = 3.0
_CROPS_PER_SECOND = 20000.0


@dataclass(frozen=True)
class Job:
    """Pictures to distort and what each gets.

    Attributes:
        name: of the entry, or ``MIX``.
        pictures: N of them, all of one size.
        types: (N,) int64.
        levels: (N,) int64.
    """

    name: str
    pictures: Sequence[Pixels]
    types: Tensor
    levels: Tensor

    @property
    def megapixels(self) -> float:
        """Pixels of all pictures, in millions."""
        return sum(picture.shape[0] * picture.shape[1] for picture in self.pictures) / 1e6


def make_pictures(count: int, size: int, seed: int = 0) -> list[Pixels]:
    """Cut squares of ``size`` px out of scikit-image's photographs, at places that follow from ``seed``."""
    photos = [photo.pixels for photo in load_photos(BUNDLED)]
    generator = np.random.default_rng(seed)
    pictures = []
    for number in range(count):
        photo = photos[number % len(photos)]
        if min(photo.shape[:2]) < size:
            photo = np.asarray(cv2.resize(photo, (2 * size, 2 * size), interpolation=cv2.INTER_CUBIC), np.uint8)
        top, left = generator.integers(0, (photo.shape[0] - size + 1, photo.shape[1] - size + 1))
        pictures.append(np.ascontiguousarray(photo[top : top + size, left : left + size]))
    return pictures


def make_jobs(names: Sequence[str], pictures: Sequence[Pixels], *, mix: bool = True, seed: int = 0) -> list[Job]:
    """Return one job for each entry, all pictures at all levels, and one of these entries mixed in random order."""
    levels = torch.arange(1, KADIS_LEVELS + 1).repeat_interleave(len(pictures))
    jobs = [
        Job(name, list(pictures) * KADIS_LEVELS, torch.full_like(levels, KADIS[name].number), levels) for name in names
    ]
    if mix:
        order = np.random.default_rng(seed).permutation(len(jobs) * len(levels))
        every = [picture for job in jobs for picture in job.pictures]
        types, all_levels = torch.cat([job.types for job in jobs]), levels.repeat(len(jobs))
        jobs.append(Job(MIX, [every[place] for place in order], types[order], all_levels[order]))
    return jobs


def batched(pictures: Sequence[Pixels], types: Tensor, levels: Tensor) -> Tensor:
    """Distort as a batch of tensors, with this package."""
    images = _new_batch(pictures)
    images.copy_(torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)).div_(255.0)
    return distort_kadis(images, types, levels, torch.arange(len(pictures)), out=images)


def one_at_a_time(pictures: Sequence[Pixels], types: Tensor, levels: Tensor) -> Tensor:
    """Distort one picture after the other, with the libraries of ``one_at_a_time.py``."""
    generator = np.random.default_rng(0)
    entries = list(KADIS.values())
    images = _new_batch(pictures)
    for image, picture, number, level in zip(images, pictures, types.tolist(), levels.tolist(), strict=True):
        entry = entries[number - 1]
        result: np.ndarray = picture
        if level not in entry.identity_levels:
            result = ONE_AT_A_TIME[number - 1](picture, entry.levels[level - 1], generator)
        image.copy_(torch.from_numpy(result).permute(2, 0, 1))
        if result.dtype == np.uint8:
            image.div_(255.0)
    return images


def _new_batch(pictures: Sequence[Pixels]) -> Tensor:
    """Memory for float pictures, from numpy, which asks for large pages: small ones cost more than some distortions."""
    return torch.from_numpy(np.empty((len(pictures), 3, *pictures[0].shape[:2]), np.float32))


def measure(
    contestants: Mapping[str, Contestant], jobs: Sequence[Job], *, rounds: int, threads: int, quiet: bool = False
) -> pd.DataFrame:
    """Time every contestant on every job, once per round.

    Returns:
        Columns round, job, contestant, seconds; a warm-up round before the first is thrown away.
    """
    names = list(contestants)
    generator = np.random.default_rng(0)
    rows = []
    turns = [(number, job) for number in range(rounds + 1) for job in jobs]
    with _threads(threads), torch.inference_mode():
        for number, job in track(turns, len(turns), "jobs", quiet=quiet):
            for place in generator.permutation(len(names)):
                start = time.perf_counter()
                contestants[names[place]](job.pictures, job.types, job.levels)
                rows.append((number, job.name, names[place], time.perf_counter() - start))
    table = pd.DataFrame(rows, columns=["round", "job", "contestant", "seconds"])
    return table[table["round"] > 0].reset_index(drop=True)


def summarize(seconds: pd.DataFrame, jobs: Sequence[Job]) -> pd.DataFrame:
    """Return megapixels per second and the ratio of the two ways: per entry, per family, and for the mix.

    A family is the sum of its entries' times. Speeds are medians over rounds; the ratio is the median, with quartiles,
    of the ratios within each round.
    """
    megapixels = {job.name: job.megapixels for job in jobs}
    times = seconds.pivot_table(index="round", columns=["job", "contestant"], values="seconds")
    groups = [(name, "entry", [name]) for name in megapixels if name != MIX]
    for family in FAMILIES:
        members = [name for name in megapixels if name != MIX and KADIS[name].family == family]
        if members:
            groups.append((family, "family", members))
    if MIX in megapixels:
        groups.append((MIX, "mix", [MIX]))
    rows = []
    for name, what, members in groups:
        ours, theirs = (sum(times[member, way] for member in members) for way in (BATCHED, USUAL))
        amount = sum(megapixels[member] for member in members)
        low, ratio, high = np.percentile(theirs / ours, [25, 50, 75])
        speeds = {BATCHED: amount / float(np.median(ours)), USUAL: amount / float(np.median(theirs))}
        rows.append({"name": name, "what": what, **speeds, "ratio": ratio, "ratio_low": low, "ratio_high": high})
    return pd.DataFrame(rows)


def throughput_targets(table: pd.DataFrame) -> list[Target]:
    """Return the promised ratio of the mix beside the measured one, if it was measured."""
    mix = table[table["what"] == "mix"]
    figure = f"megapixels per second of the {MIX}, batched / one at a time"
    return [target(figure, float(ratio), _MIX_RATIO, None, at_least=True) for ratio in mix["ratio"]]


def crops_per_second(
    pictures: Sequence[Pixels], *, device: str, batch: int, rounds: int, threads: int, quiet: bool = False
) -> pd.DataFrame:
    """Time plan and application of the Pixel Perfect mix, as training draws it, on batches that lie on the device.

    Args:
        pictures: squares; repeated or cut off to fill a batch.
        device: torch device.
        batch: crops in a batch.
        rounds: batches that are timed, after one that is not.
        threads: CPU threads, for the plan and for a CPU device.
        quiet: report no progress.

    Returns:
        One row per round: crops per second, the device waited for before the clock stops.
    """
    repeated = [pictures[place % len(pictures)] for place in range(batch)]
    images = torch.from_numpy(np.stack(repeated)).to(device).permute(0, 3, 1, 2).float().div_(255.0).contiguous()
    engine, rows = DistortionEngine(), []
    with _threads(threads), torch.inference_mode():
        for number in track(range(rounds + 1), rounds + 1, "batches", quiet=quiet):
            _wait(device)
            start = time.perf_counter()
            plan = engine.plan(np.arange(number * batch, (number + 1) * batch))
            planned = time.perf_counter()
            engine.apply(images, plan)
            _wait(device)
            stop = time.perf_counter()
            rows.append({"crops_per_second": batch / (stop - start), "plan_share": (planned - start) / (stop - start)})
    return pd.DataFrame(rows[1:])


def crops_targets(table: pd.DataFrame) -> list[Target]:
    """Return the promised crops per second on an accelerator beside the measured ones."""
    figure = "crops of 224 x 224 per second, Pixel Perfect mix"
    return [target(figure, float(table["crops_per_second"].median()), _CROPS_PER_SECOND, None, at_least=True)]


def _wait(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Give torch, OpenCV and OpenJPEG the same number of threads.

    OpenJPEG is Pillow's in either way; this package codes as many pictures at a time instead, each with one thread.
    """
    before = torch.get_num_threads(), cv2.getNumThreads(), os.environ.get("OPJ_NUM_THREADS")
    torch.set_num_threads(count)
    cv2.setNumThreads(count)
    os.environ["OPJ_NUM_THREADS"] = str(count)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
        if before[2] is None:
            del os.environ["OPJ_NUM_THREADS"]
        else:
            os.environ["OPJ_NUM_THREADS"] = before[2]
