"""Time and memory of every metric: whatever fails or is missing costs its own row only, and says why."""

import math
import subprocess
import time
from itertools import combinations

import pandas as pd
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from benchmark.leaderboard.config import LeaderboardConfig, MetricEntry
from benchmark.leaderboard.costs import absent_device, measure_costs, measure_memory
from benchmark.leaderboard.figures import speed_figure
from benchmark.leaderboard.machine_tables import machine_tables
from benchmark.leaderboard.predictors import Predictor, build_predictor
from benchmark.leaderboard.results import Results

ABSENT = next(name for name in ("cuda", "xpu", "mps") if absent_device(name))


def costs_config(**speed):
    return LeaderboardConfig(datasets=["tid2013"], metrics=["psnr", "piqe"], speed=speed)


def predictor(name, function):
    return Predictor(name, "FR", False, "", function)


def results_of(config, speed):
    return Results(config, (), {}, {}, (), (), (), pd.DataFrame(), speed=speed)


def test_costs_of_every_size_and_metric():
    config = costs_config(sizes=[[64, 48], [96, 64]], rounds=3, memory=False)
    metrics = [build_predictor(entry, None, "cpu") for entry in config.metrics]
    table = measure_costs(config, metrics, quiet=True)
    assert table["size"].tolist() == ["64x48"] * 2 + ["96x64"] * 2
    assert (table["device"] == "cpu").all()
    assert (table["ms_low"] <= table["ms"]).all()
    assert (table["ms"] <= table["ms_high"]).all()
    assert table["ms_per_megapixel"][0] == pytest.approx(table["ms"][0] / (64 * 48 / 1e6))
    assert (table["rounds"] == 3).all()


def test_metrics_take_turns_in_every_round():
    calls = []
    metrics = [predictor(name, lambda *_, name=name: calls.append(name)) for name in ("psnr", "piqe")]
    measure_costs(costs_config(sizes=[[64, 48]], rounds=9, memory=False), metrics, quiet=True)
    rounds = [tuple(calls[place : place + 2]) for place in range(0, 20, 2)]
    assert set(rounds) == {("psnr", "piqe"), ("piqe", "psnr")}


def test_a_metric_that_tries_the_patience_is_left_out_from_there_on():
    calls = []
    slow = predictor("psnr", lambda *_: calls.append(time.sleep(0.2)))
    config = costs_config(sizes=[[64, 48], [96, 64]], rounds=3, memory=False, patience=0.1)
    table = measure_costs(config, [slow], quiet=True)
    assert table["note"].tolist() == ["left out: more than 0.1 s at 64x48; larger sizes not tried"] * 2
    assert len(calls) == 1
    assert "ms" not in table


def test_a_metric_that_fails_costs_its_own_rows_only():
    def hungry(image, _):
        if image.shape[-1] > 64:
            raise RuntimeError("CUDA out of memory")
        return image.mean()

    config = costs_config(sizes=[[64, 48], [96, 64]], rounds=2, memory=False)
    table = measure_costs(config, [predictor("hungry", hungry), predictor("psnr", lambda *_: None)], quiet=True)
    notes = table.set_index(["size", "metric"])["note"]
    assert notes["96x64", "hungry"] == "left out: RuntimeError: CUDA out of memory at 96x64; larger sizes not tried"
    assert (notes.drop(("96x64", "hungry")) == "").all()
    assert table.set_index(["size", "metric"])["ms"].notna().tolist() == [True, True, False, True]


def test_a_device_that_is_not_there_is_a_row_that_says_so():
    config = costs_config(sizes=[[64, 48]], rounds=1, memory=False, devices=["cpu", ABSENT])
    metrics = [build_predictor(entry, None, "cpu") for entry in config.metrics]
    speed = measure_costs(config, metrics, quiet=True)
    assert speed["device"].tolist() == ["cpu", "cpu", ABSENT]
    assert speed["note"].iloc[-1].startswith("not measured: ")
    table = machine_tables(results_of(config, speed))[0].frame
    assert table["device"].tolist() == ["cpu", "cpu", ABSENT]
    assert "not measured" in table["note"].iloc[-1]


def test_no_device_at_all_still_makes_a_table():
    config = costs_config(devices=[ABSENT])
    speed = measure_costs(config, [predictor("psnr", lambda *_: None)], quiet=True)
    results = results_of(config, speed)
    assert machine_tables(results)[0].frame.columns.tolist() == ["device", "size", "metric", "note"]
    assert results.interleaved_times()[0].empty


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_a_second_device_is_measured_with_metrics_of_its_own():
    config = costs_config(sizes=[[64, 48]], rounds=2, devices=["cpu", "cuda"])
    metrics = [build_predictor(entry, None, "cpu") for entry in config.metrics]
    speed = measure_costs(config, metrics, quiet=True)
    assert speed["device"].tolist() == ["cpu"] * 2 + ["cuda"] * 2
    assert (speed["peak_mib"] > 0).all()


def test_memory_comes_from_a_fresh_process():
    found = measure_memory(MetricEntry(name="psnr"), 512, 384, costs_config(), "cpu")
    assert 0.0 < found["extra_mib"] < found["peak_mib"]


def test_a_process_that_dies_is_a_note_and_its_metric_is_not_timed(monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")
    calls = []
    table = measure_costs(
        costs_config(sizes=[[64, 48]], rounds=1), [predictor("psnr", lambda *_: calls.append(1))], quiet=True
    )
    assert table["note"].tolist() == ["left out: its process failed: no reason given at 64x48; larger sizes not tried"]
    assert calls == []


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (subprocess.CompletedProcess([], -9, "", ""), "killed by signal 9"),
        (subprocess.CompletedProcess([], 1, "", "Traceback\nRuntimeError: no"), "failed: RuntimeError: no"),
        (subprocess.TimeoutExpired([], 900), "took more than 900 s"),
    ],
)
def test_reasons_of_a_process_that_dies(ended, words, monkeypatch):
    def end(*_, **__):
        if isinstance(ended, Exception):
            raise ended
        return ended

    monkeypatch.setattr(subprocess, "run", end)
    assert words in measure_memory(MetricEntry(name="psnr"), 64, 48, costs_config(), "cpu")["note"]


def test_the_speed_figure_takes_the_interleaved_times_at_the_largest_size_that_most_can_do():
    rows = [("cpu", "64x48", "a", 10.0), ("cpu", "64x48", "b", 20.0), ("cpu", "96x64", "a", 40.0),
            ("cpu", "96x64", "b", 80.0), ("cpu", "192x96", "a", 90.0), ("cpu", "192x96", "b", math.nan),
            ("cuda", "192x96", "a", 1.0)]  # fmt: skip
    speed = pd.DataFrame(rows, columns=["device", "size", "metric", "ms"]).assign(note="")
    speed["ms_low"], speed["ms_high"], speed["ms_per_megapixel"] = speed["ms"] / 2, speed["ms"] * 2, speed["ms"] * 7
    times, where = results_of(costs_config(), speed).interleaved_times()
    assert where == "at 96x64 on cpu, in turns"
    assert times.set_index("metric").loc["b"].tolist() == [560.0, 280.0, 1120.0]
    board = pd.DataFrame({"metric": ["a", "b"], "average": [0.5, 0.7]})
    axes = speed_figure(board, times, "a", where, "SRCC, rated").axes[0]
    assert axes.get_ylabel() == "SRCC, rated"
    assert axes.get_xlabel().startswith("milliseconds per megapixel at 96x64 on cpu, in turns")
    assert axes.collections[-1].get_offsets()[:, 0].tolist() == [280.0, 560.0]
    assert [text.get_text() for text in axes.texts] == ["a", "b"]


@pytest.mark.parametrize("count", [2, 9, 18])
def test_every_metric_of_the_speed_figure_has_its_name_in_free_sight(count):
    """Most are crowded at the upper edge, one is far off."""
    names = [f"metric {number}" for number in range(count)]
    heights = [0.0] + [0.9 + 0.01 * (number % 9) for number in range(1, count)]
    board = pd.DataFrame({"metric": names, "average": heights})
    times = pd.DataFrame({"metric": names, "ms_per_megapixel": [100.0 + 40.0 * number for number in range(count)]})
    times["ms_per_megapixel_low"] = times["ms_per_megapixel_high"] = times["ms_per_megapixel"]
    figure = speed_figure(board, times, "metric 1", "somewhere", "SRCC")
    canvas, axes = FigureCanvasAgg(figure), figure.axes[0]
    canvas.draw()
    written = [text for text in axes.texts if text.get_text()]
    assert [text.get_text() for text in written] == names
    boxes = [Text.get_window_extent(text, canvas.get_renderer()) for text in written]
    assert all(axes.bbox.fully_containsx(box.x0) and axes.bbox.fully_containsx(box.x1) for box in boxes)
    assert all(axes.bbox.fully_containsy(box.y0) and axes.bbox.fully_containsy(box.y1) for box in boxes)
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    points = axes.transData.transform(axes.collections[-1].get_offsets())
    assert not any(box.contains(*point) for box in boxes for point in points)
