"""Scores: the ones pyiqa gives, each computed once, whatever is interrupted and however many processes there are."""

import multiprocessing
import os
import signal
import time
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
import torch
import torch.distributed as dist

from benchmark.leaderboard.datasets import load_sets
from benchmark.leaderboard.predictors import Predictor, build_predictor
from benchmark.leaderboard.run import run
from benchmark.leaderboard.runner import score_sets
from benchmark.leaderboard.score_book import ScoreBook
from pyiqa_pixelperfect.training.distributed import Processes

ALONE = Processes(0, 1, torch.device("cpu"))
TABLES = ("tables.md", "tables.tex", "standings.csv", "figures.csv", "differences.csv", "scores.csv")


def score(config, predictors, processes=ALONE, **options):
    book = ScoreBook(config.score_folder, processes.rank)
    try:
        return score_sets(load_sets(config)[0], predictors, book, processes, quiet=True, **options)[0]
    finally:
        book.close()


def test_rows_equal_a_direct_loop_over_pyiqa(settings):
    import pyiqa

    names = ["psnr", "ssim", "ms_ssim", "fsim", "vsi", "gmsd", "vif"]
    config = settings(metrics=names, every=36)
    scored = score(config, [build_predictor(entry, None, "cpu") for entry in config.metrics])
    folder = scored.rated.folder
    for name in names:
        metric = pyiqa.create_metric(name, device="cpu")
        sign = -1.0 if metric.lower_better else 1.0
        direct = [
            sign * float(metric(str(folder / image), str(folder / reference)))
            for image, reference in scored.scores.index
        ]
        assert np.abs(scored.scores[name].to_numpy() - direct).max() <= 1e-6


class Counted:
    """A metric that counts its calls, fails where it is told to, and may be slow."""

    def __init__(self, fails=0, seconds=0.0, mode="FR"):
        self.calls, self.fails, self.seconds = 0, fails, seconds
        self.predictor = Predictor("counted", mode, True, f"counted {mode}", self)

    def __call__(self, *images):
        self.calls += 1
        time.sleep(self.seconds)
        if self.calls <= self.fails:
            raise RuntimeError("no")
        return images[0].mean()


def test_known_scores_are_not_computed_again(settings):
    metric = Counted()
    first, second = (score(settings(), [metric.predictor]) for _ in range(2))
    assert metric.calls == first.computed == len(first.scores)
    assert second.computed == 0
    pd.testing.assert_frame_equal(first.scores, second.scores)


def test_another_picture_is_another_score(settings, tmp_path):
    metric = Counted()
    config = settings(cache=tmp_path / "scores")
    scored = score(config, [metric.predictor])
    with_names_changed = [(scored.rated.folder / image).read_bytes() for image, _ in scored.scores.index]
    for number, data in enumerate(with_names_changed):
        (tmp_path / f"{number}.png").write_bytes(data if number else data + b"x")
    table = pd.DataFrame({"image": [f"{number}.png" for number in range(len(with_names_changed))], "mos": 1.0})
    table["reference"] = [str(scored.rated.folder / reference) for _, reference in scored.scores.index]
    table.to_csv(tmp_path / "again.csv", index=False)
    again = {"name": "again", "source": "csv", "table": str(tmp_path / "again.csv")}
    assert score(settings(datasets=[again], cache=tmp_path / "scores"), [metric.predictor]).computed == 1


def test_b3_failures_are_counted_with_their_reasons_and_kept(settings):
    metric = Counted(fails=2)
    scored = score(settings(), [metric.predictor])
    assert scored.failures == {"counted": {"RuntimeError: no": 2}}
    assert scored.scores["counted"].isna().sum() == 2
    assert score(settings(), [metric.predictor]).computed == 0
    again = score(settings(), [metric.predictor], retry_failed=True)
    assert again.computed == 2
    assert not again.scores["counted"].isna().any()


def test_a_damaged_picture_fails_for_every_metric_and_stops_nothing(settings, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    reference = next((settings().root / "planted-0").glob("coffee_0.png"))
    table = pd.DataFrame({"image": ["bad.png", str(reference)], "reference": str(reference), "mos": [1.0, 2.0]})
    table.to_csv(tmp_path / "table.csv", index=False)
    entry = {"name": "hurt", "source": "csv", "table": str(tmp_path / "table.csv")}
    scored = score(settings(datasets=[entry]), [Counted().predictor])
    assert scored.scores["counted"].isna().tolist() == [True, False]
    assert "bad.png" in next(iter(scored.failures["counted"]))


def test_sets_without_references_are_for_metrics_without(settings, rated_folder):
    entry = {"name": "alone", "source": "csv", "table": "nr.csv", "folder": "planted-0"}
    pd.read_csv(rated_folder / "planted-0/pairs.csv")[["image", "mos"]].head(8).to_csv(rated_folder / "nr.csv")
    full, none = Counted(), Counted(mode="NR")
    scored = score(settings(datasets=[entry]), [full.predictor, none.predictor])
    assert (full.calls, none.calls) == (0, 8)
    assert scored.scores.shape == (8, 1)


def _one_of_two(rank, config, store):
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2"}
    dist.init_process_group(
        "gloo", store=dist.FileStore(store, 2), rank=rank, world_size=2, timeout=timedelta(minutes=10)
    )
    run(config, quiet=True)


@pytest.fixture(scope="module")
def whole(settings_in, tmp_path_factory):
    """The output of a run that nothing interrupted, in one process."""
    output = tmp_path_factory.mktemp("whole")
    run(settings_in(output), quiet=True)
    return output


def test_two_processes_write_the_same_bytes_as_one(settings, whole, tmp_path):
    two = settings(output=tmp_path / "two")
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_one_of_two, args=(rank, two, str(tmp_path / "store"))) for rank in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    books = [file.read_bytes().splitlines() for file in (tmp_path / "two/scores").glob("*.jsonl")]
    alone = (whole / "scores/scores-0000.jsonl").read_bytes().splitlines()
    assert [len(book) for book in books] == [len(alone) // 2] * 2  # each did its half
    for name in TABLES:
        assert (whole / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def _score_slowly(config):
    torch.set_num_threads(1)  # a forked process has none of its parent's threads, and would wait for them
    score(config, [Counted(seconds=0.3).predictor])


def test_killed_and_resumed_equals_uninterrupted_with_no_score_computed_twice(settings, tmp_path):
    killed, whole = settings(output=tmp_path / "killed"), settings(output=tmp_path / "whole")
    worker = multiprocessing.get_context("fork").Process(target=_score_slowly, args=(killed,), daemon=True)
    worker.start()
    book = tmp_path / "killed/scores/scores-0000.jsonl"
    while not book.is_file() or len(book.read_bytes().splitlines()) < 4:
        assert worker.is_alive()
        time.sleep(0.02)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    before = len(book.read_bytes().splitlines())
    metric = Counted()
    resumed, uninterrupted = score(killed, [metric.predictor]), score(whole, [Counted().predictor])
    assert 4 <= before < len(resumed.scores)
    assert metric.calls == len(resumed.scores) - before
    keys = [line.split(b'"')[3] for line in book.read_bytes().splitlines()]
    assert len(keys) == len(set(keys)) == len(resumed.scores)
    pd.testing.assert_frame_equal(resumed.scores, uninterrupted.scores, check_exact=True)
    assert resumed.fingerprint == uninterrupted.fingerprint


@pytest.mark.parametrize("kept", [0.1, 0.6])
def test_b4_tables_of_an_interrupted_run_are_those_of_a_whole_one_to_the_byte(kept, settings, whole, tmp_path):
    killed = settings(output=tmp_path / "killed")
    data = (whole / "scores/scores-0000.jsonl").read_bytes()
    book = tmp_path / "killed/scores/scores-0000.jsonl"
    book.parent.mkdir(parents=True)
    book.write_bytes(data[: int(kept * len(data))])  # what a kill leaves: the last line is torn
    assert not book.read_bytes().endswith(b"\n")
    before = book.read_bytes().count(b"\n")
    run(killed, quiet=True)
    assert book.read_bytes().count(b"\n") == data.count(b"\n") + 1  # the torn line was closed and computed anew
    assert 0 < before < data.count(b"\n")
    for name in TABLES:
        assert (whole / name).read_bytes() == (tmp_path / "killed" / name).read_bytes()


@pytest.mark.parametrize("name", ["smoke", "leaderboard", "maps", "blur_jpeg220", "biq2021"])
def test_shipped_configurations_are_valid(name):
    from benchmark.leaderboard.config import load_leaderboard

    config = load_leaderboard(f"configs/benchmark/{name}.yaml", ["root=/data", "seed=3"])
    assert (str(config.root), config.seed) == ("/data", 3)
