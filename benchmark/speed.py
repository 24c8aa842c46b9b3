"""How long one comparison takes on the CPU, and how much memory, beside the peers in the same run.

Times on a shared machine drift, so the contestants take turns: every round runs each of them once in a new order, and
ratios are formed within a round before the median over rounds is taken. Memory is measured in a fresh process per
contestant, because a high-water mark cannot be unlearned (``benchmark/memory_probe.py``).
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmark.contestants import YARDSTICK, Call
from benchmark.fresh_process import ask
from benchmark.photos import BUNDLED, load_photos, to_tensor
from benchmark.progress import track
from benchmark.real_tools import HEADLINE_TOOLS, apply_tool
from benchmark.report import target
from benchmark.schema import Target

__all__ = ["measure_memory", "measure_time", "pair_for_timing", "speed_targets", "summarize"]

_PROBE_SECONDS = 600


def pair_for_timing(width: int, height: int) -> tuple[Tensor, Tensor]:
    """Return a JPEG-compressed photo and its original, ``(1, 3, height, width)`` each."""
    photo = load_photos(BUNDLED, count=1)[0].pixels
    pixels = np.asarray(cv2.resize(photo, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
    jpeg = HEADLINE_TOOLS[0]
    return to_tensor(apply_tool(jpeg, pixels, jpeg.strengths[2], seed=0)), to_tensor(pixels)


def measure_time(
    calls: Mapping[str, Call], image: Tensor, reference: Tensor, *, rounds: int, threads: int, quiet: bool = False
) -> pd.DataFrame:
    """Time every call once per round, in an order that changes from round to round.

    Returns:
        Seconds, one row per round (a warm-up round before them is thrown away), one column per contestant.
    """
    names = list(calls)
    generator = np.random.default_rng(0)
    rows = []
    with _threads(threads), torch.inference_mode():
        for _ in track(range(rounds + 1), rounds + 1, "rounds", quiet=quiet):
            row = {}
            for place in generator.permutation(len(names)):
                start = time.perf_counter()
                calls[names[place]](image, reference)
                row[names[place]] = time.perf_counter() - start
            rows.append(row)
    return pd.DataFrame(rows[1:], columns=names)


def measure_memory(
    name: str, width: int, height: int, *, threads: int, weights: str | None, lpips_folder: Path | None
) -> dict[str, float]:
    """Return a contestant's memory from a fresh process, in MiB; keys as of ``memory_probe.probe``."""
    request = {
        "name": name,
        "width": width,
        "height": height,
        "threads": threads,
        "weights": weights,
        "lpips_folder": None if lpips_folder is None else str(lpips_folder),
    }
    return ask("memory_probe", request, about=f"memory probe of {name!r}", seconds=_PROBE_SECONDS)


def summarize(
    seconds: pd.DataFrame, memory: Mapping[str, Mapping[str, float]], notes: Mapping[str, str]
) -> pd.DataFrame:
    """Return one row per contestant: milliseconds (median, quartiles), ratio to LPIPS (likewise), MiB, note."""
    rows = []
    for name in seconds.columns:
        low, median, high = np.percentile(1000.0 * seconds[name], [25, 50, 75])
        row: dict[str, object] = {"metric": name, "ms": median, "ms_low": low, "ms_high": high}
        if YARDSTICK in seconds:
            quartiles = np.percentile(seconds[name] / seconds[YARDSTICK], [25, 50, 75])
            row |= dict(zip(("ratio_low", "ratio", "ratio_high"), (float(value) for value in quartiles), strict=True))
        if name in memory:
            row |= {f"{key}_mib": value for key, value in memory[name].items()}
        rows.append(row | {"note": notes.get(name, "")})
    return pd.DataFrame(rows)


def speed_targets(table: pd.DataFrame) -> list[Target]:
    """Return the promised ratio and memory of one comparison beside the measured ones, as far as they were measured."""
    ours = table[table["metric"] == "pixelperfect compare"]
    if ours.empty:
        return []
    targets: Sequence[tuple[str, str, float, float]] = (
        ("time of compare / LPIPS-SqueezeNet", "ratio", 1.0, 0.5),
        ("peak memory of compare, MiB", "peak_mib", 1024.0, 1024.0),
    )
    return [
        target(label, float(ours[column].iloc[0]), first, later, at_least=False)
        for label, column, first, later in targets
        if column in ours
    ]


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
