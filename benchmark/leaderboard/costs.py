"""Time and memory of every metric at several sizes, interleaved: one run, one table.

In every round each metric runs once, in an order that changes from round to round, so that a machine that slows down
for a while slows all of them. Beside the wall clock stands the processor time, which says the same on a busy machine;
on an accelerator the clock is read after it has finished. Memory comes from a fresh process per metric and size.
"""

import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmark.fresh_process import answer_of, run_probe
from benchmark.leaderboard.config import LeaderboardConfig, MetricEntry, SpeedEntry
from benchmark.leaderboard.predictors import Predictor, build_predictor, whole_reason
from benchmark.progress import track
from benchmark.speed import pair_for_timing

__all__ = ["absent_device", "measure_costs", "measure_memory"]

_PROBE_SECONDS = 900


def measure_costs(config: LeaderboardConfig, predictors: Sequence[Predictor], *, quiet: bool = False) -> pd.DataFrame:
    """Time and weigh metrics, on every configured device after the other.

    Args:
        config: sizes, rounds and devices are those of its ``speed``.
        predictors: metrics that scored, on the device of the run; for other devices they are built anew.
        quiet: report no progress.

    Returns:
        One row per device, size and metric: ``ms`` (median over rounds) with quartiles, ``ms_per_megapixel``,
        ``cpu_ms`` (median processor time of all threads), ``rounds``, and with memory ``peak_mib`` and ``extra_mib``,
        what a score adds to what is resident without it; on an accelerator both are of its own memory. ``note`` says
        why figures are missing: a metric slower than the configuration's patience, one that fails or runs out of memory
        at a size, a device that this machine does not have (one row).
    """
    speed = config.speed or SpeedEntry()
    names = {item.name for item in predictors}
    rows: list[dict[str, Any]] = []
    for device in speed.devices or (config.device,):
        reason = absent_device(device)
        if reason:
            rows.append({"device": device, "size": "", "metric": "", "note": f"not measured: {reason}"})
            continue
        here: Sequence[Predictor] = predictors
        if torch.device(device).type != torch.device(config.device).type:
            built = [build_predictor(item, config.weights, device) for item in config.metrics if item.name in names]
            here = [item for item in built if isinstance(item, Predictor)]
        rows += _on_device(device, config, speed, here, quiet=quiet)
    return pd.DataFrame(rows)


def absent_device(device: str) -> str:
    """Return why nothing can be computed on a device of this machine; empty if it can."""
    kind = torch.device(device).type
    if kind == "cuda" and not torch.cuda.is_available():
        return "torch finds no CUDA device on this machine"
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # torch built without it, or no such number
        return whole_reason(error)
    return ""


def measure_memory(
    entry: MetricEntry, width: int, height: int, config: LeaderboardConfig, device: str
) -> dict[str, Any]:
    """Return ``peak_mib`` and ``extra_mib`` of one score from a fresh process; where it fails, a ``note`` instead."""
    request = {
        "entry": entry.model_dump(mode="json"),
        "weights": None if config.weights is None else str(config.weights),
        "width": width,
        "height": height,
        "device": device,
        "threads": config.threads,
    }
    try:
        finished = run_probe("leaderboard.cost_probe", request, seconds=_PROBE_SECONDS)
    except subprocess.TimeoutExpired:
        return {"note": f"two scores took more than {_PROBE_SECONDS} s"}
    if finished.returncode < 0:
        return {"note": f"its process was killed by signal {-finished.returncode}, for its memory most likely"}
    if finished.returncode != 0:
        last = (finished.stderr.strip().splitlines() or ["no reason given"])[-1]
        return {"note": f"its process failed: {last[:200]}"}
    return answer_of(finished)


def _on_device(
    device: str, config: LeaderboardConfig, speed: SpeedEntry, predictors: Sequence[Predictor], *, quiet: bool
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    reasons: dict[str, str] = {}  # of metrics that are out from a size on
    entries = {entry.name: entry for entry in config.metrics}
    for width, height in speed.sizes:
        pair = tuple(part.to(torch.device(device)) for part in pair_for_timing(width, height))
        label = f"{width}x{height}"
        found: dict[str, str] = {}
        memory: dict[str, dict[str, Any]] = {}
        usable = [item for item in predictors if item.name not in reasons]
        if speed.memory:  # first, and in processes of their own: a metric that is killed for its memory must not take
            # the run with it
            for item in track(usable, len(usable), f"memory at {label} on {device}", quiet=quiet):
                memory[item.name] = measure_memory(entries[item.name], width, height, config, device)
            found = {name: str(answer["note"]) for name, answer in memory.items() if "note" in answer}
        usable = [item for item in usable if item.name not in found]
        seconds, cpu, more = _time(usable, pair, speed, f"{label} on {device}", quiet=quiet)
        reasons |= {name: f"{reason} at {label}; larger sizes not tried" for name, reason in {**found, **more}.items()}
        for item in predictors:
            row: dict[str, Any] = {"device": device, "size": label, "metric": item.name, "note": ""}
            if item.name in reasons:
                row["note"] = f"left out: {reasons[item.name]}"
            else:
                row |= _summary(seconds[item.name], cpu[item.name], width * height) | memory.get(item.name, {})
            rows.append(row)
    return rows


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
) -> tuple[Mapping[str, list[float]], Mapping[str, list[float]], Mapping[str, str]]:
    image, reference = pair
    seconds: dict[str, list[float]] = {item.name: [] for item in predictors}
    cpu: dict[str, list[float]] = {item.name: [] for item in predictors}
    reasons: dict[str, str] = {}
    generator = np.random.default_rng(0)
    for number in track(range(speed.rounds + 1), speed.rounds + 1, f"rounds at {label}", quiet=quiet):
        for place in generator.permutation(len(predictors)):
            item = predictors[int(place)]
            if item.name in reasons:
                continue
            start, before = time.perf_counter(), time.process_time()
            try:
                _run(item, image, reference)
            except Exception as error:  # noqa: BLE001 - out of memory, most likely; one metric must not cost the table
                reasons[item.name] = whole_reason(error)
                continue
            elapsed = time.perf_counter() - start
            if number == 0:  # the warm-up counts only for patience
                if elapsed > speed.patience:
                    reasons[item.name] = f"more than {speed.patience:g} s"
                continue
            seconds[item.name].append(elapsed)
            cpu[item.name].append(time.process_time() - before)
    return seconds, cpu, reasons


def _run(predictor: Predictor, image: Tensor, reference: Tensor) -> None:
    with torch.no_grad():
        if predictor.mode == "FR":
            predictor.function(image, reference)
        else:
            predictor.function(image)
    if image.is_cuda:
        torch.cuda.synchronize(image.device)
