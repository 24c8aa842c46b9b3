"""Time and memory of every metric at several sizes, interleaved: one run, one table.

In every round each metric runs once, in an order that changes from round to round, so that a machine that slows down
for a while slows all of them. Beside the wall clock stands the processor time, which says the same on a busy machine;
on an accelerator the clock is read after it has finished. Memory comes from a fresh process per metric and size.
"""

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmark.leaderboard.config import LeaderboardConfig, MetricEntry, SpeedEntry
from benchmark.leaderboard.predictors import Predictor
from benchmark.progress import track
from benchmark.speed import pair_for_timing

__all__ = ["measure_costs", "measure_memory"]

_PROBE_SECONDS = 900


def measure_costs(config: LeaderboardConfig, predictors: Sequence[Predictor], *, quiet: bool = False) -> pd.DataFrame:
    """Time and weigh metrics.

    Returns:
        One row per size and metric: ``ms`` (median over rounds) with quartiles, ``ms_per_megapixel``, ``cpu_ms``
        (median processor time of all threads), ``rounds``, and with memory ``peak_mib`` and ``extra_mib``, what a score
        adds to what is resident without it. A metric slower than the configuration's patience has a ``note``.
    """
    speed = config.speed or SpeedEntry()
    rows: list[dict[str, object]] = []
    slow: set[str] = set()
    entries = {entry.name: entry for entry in config.metrics}
    for width, height in speed.sizes:
        pair = tuple(part.to(torch.device(config.device)) for part in pair_for_timing(width, height))
        usable = [item for item in predictors if item.name not in slow]
        label = f"{width}x{height}"
        seconds, cpu, late = _time(usable, pair, speed, label, quiet=quiet)
        slow |= late
        for item in predictors:
            row: dict[str, object] = {"size": label, "metric": item.name}
            if item.name not in seconds or item.name in late:
                row["note"] = f"left out: more than {speed.patience:g} s at this or a smaller size"
            else:
                row |= _summary(seconds[item.name], cpu[item.name], width * height)
                if speed.memory:
                    row |= measure_memory(entries[item.name], width, height, config)
            rows.append(row)
    return pd.DataFrame(rows)


def measure_memory(entry: MetricEntry, width: int, height: int, config: LeaderboardConfig) -> dict[str, float]:
    """Return ``peak_mib`` and ``extra_mib`` of one score from a fresh process; empty where the process fails."""
    request = {
        "entry": entry.model_dump(mode="json"),
        "weights": None if config.weights is None else str(config.weights),
        "width": width,
        "height": height,
        "device": config.device,
        "threads": config.threads,
    }
    finished = subprocess.run(
        [sys.executable, "-m", "benchmark.leaderboard.cost_probe", json.dumps(request)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=_PROBE_SECONDS,
        check=False,
    )
    if finished.returncode != 0:  # killed for its memory, most likely: no figure is the honest answer
        return {}
    found: dict[str, float] = json.loads(finished.stdout.splitlines()[-1])
    return found


def _summary(seconds: list[float], cpu: list[float], pixels: int) -> dict[str, float]:
    low, middle, high = (float(value) for value in np.percentile(1000.0 * np.array(seconds), [25, 50, 75]))
    return {
        "ms": middle,
        "ms_low": low,
        "ms_high": high,
        "ms_per_megapixel": 1e6 * middle / pixels,
        "cpu_ms": 1000.0 * float(np.median(cpu)),
        "rounds": len(seconds),
    }


def _time(
    predictors: Sequence[Predictor], pair: tuple[Tensor, ...], speed: SpeedEntry, label: str, *, quiet: bool
) -> tuple[Mapping[str, list[float]], Mapping[str, list[float]], set[str]]:
    image, reference = pair
    seconds: dict[str, list[float]] = {item.name: [] for item in predictors}
    cpu: dict[str, list[float]] = {item.name: [] for item in predictors}
    late: set[str] = set()
    generator = np.random.default_rng(0)
    for number in track(range(speed.rounds + 1), speed.rounds + 1, f"rounds at {label}", quiet=quiet):
        for place in generator.permutation(len(predictors)):
            item = predictors[int(place)]
            if item.name in late:
                continue
            start, before = time.perf_counter(), time.process_time()
            _run(item, image, reference)
            elapsed = time.perf_counter() - start
            if number == 0:  # the warm-up counts only for patience
                late |= {item.name} if elapsed > speed.patience else set()
                continue
            seconds[item.name].append(elapsed)
            cpu[item.name].append(time.process_time() - before)
    return seconds, cpu, late


def _run(predictor: Predictor, image: Tensor, reference: Tensor) -> None:
    with torch.no_grad():
        if predictor.mode == "FR":
            predictor.function(image, reference)
        else:
            predictor.function(image)
    if image.is_cuda:
        torch.cuda.synchronize(image.device)
