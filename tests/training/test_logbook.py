"""The log of a run: readable by any JSON reader, and after a resume as if nothing had happened."""

import json
import math
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from pyiqa_pixelperfect.training import logbook as module
from pyiqa_pixelperfect.training.logbook import FINAL, Logbook


@pytest.fixture(autouse=True)
def _no_tensorboard(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "tensorboard" not in request.keywords and "with_tensorboard" not in request.fixturenames:
        monkeypatch.setattr(module, "_tensorboard", lambda folder, step: None)


@pytest.fixture
def with_tensorboard() -> None:
    pytest.importorskip("tensorboard")


def entries(folder: Path) -> list[dict]:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


def write(folder: Path, first: int, last: int) -> None:
    with Logbook(folder, first) as book:
        book.stage("maps", last, first)
        for step in range(first + 1, last + 1):
            book.advance("maps")
            book.write(step, "maps", loss=1 / step)


def test_numbers_are_written_line_by_line(tmp_path):
    write(tmp_path, 0, 3)
    assert entries(tmp_path) == [{"step": s, "stage": "maps", "loss": float(f"{1 / s:.6g}")} for s in (1, 2, 3)]


def test_numbers_that_are_none_are_null(tmp_path):
    with Logbook(tmp_path, 0) as book:
        book.write(1, "maps", loss=math.nan, gradient=math.inf, rate=0.1)
    assert entries(tmp_path) == [{"step": 1, "stage": "maps", "loss": None, "gradient": None, "rate": 0.1}]


def test_t1_a_resumed_log_reads_like_an_uninterrupted_one(tmp_path):
    write(tmp_path / "straight", 0, 9)
    write(tmp_path / "resumed", 0, 7)
    write(tmp_path / "resumed", 4, 9)
    assert (tmp_path / "resumed" / "log.jsonl").read_bytes() == (tmp_path / "straight" / "log.jsonl").read_bytes()


@pytest.mark.parametrize(
    "rest", [b'{"step": 3, "sta', b"{", b'{"step": 3}', b"\x00\x00\x00", b"3", b'"a"', b"\xff\xfe", b"null"]
)
def test_t2_a_last_line_that_is_cut_off_is_dropped(tmp_path, rest):
    write(tmp_path, 0, 2)
    with (tmp_path / "log.jsonl").open("ab") as file:
        file.write(rest)
    write(tmp_path, 2, 3)
    assert [entry["step"] for entry in entries(tmp_path)] == [1, 2, 3]


def test_final_figures_are_not_doubled_by_starting_a_finished_run(tmp_path):
    for _ in range(2):
        with Logbook(tmp_path, 3) as book:
            book.write(3, FINAL, error=0.5)
    assert entries(tmp_path) == [{"step": 3, "stage": FINAL, "error": 0.5}]


def test_other_processes_write_nothing(tmp_path):
    with Logbook(tmp_path / "run", 0, active=False) as book:
        book.stage("maps", 3, 0)
        book.advance("x")
        book.write(1, "maps", loss=1.0)
        book.picture(1, "maps", Figure())
    assert not (tmp_path / "run").exists()


def test_pictures_are_kept_by_step(tmp_path):
    with Logbook(tmp_path, 0) as book:
        book.picture(12, "maps", Figure())
    assert (tmp_path / "previews" / "maps-00000012.png").read_bytes().startswith(b"\x89PNG")


def test_tensorboard_shows_the_same_and_hides_what_is_done_again(tmp_path, with_tensorboard):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    write(tmp_path, 0, 6)
    write(tmp_path, 3, 5)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("maps/loss")] == [1, 2, 3, 4, 5]
