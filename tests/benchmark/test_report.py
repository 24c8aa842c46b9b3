import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pydantic
import pytest

from benchmark import report
from benchmark.schema import SCHEMA_VERSION, Record


@pytest.fixture
def record():
    return report.make_record(
        "localization",
        {"photos": Path("/private/folder/photos"), "n": 3, "tool": [Path("/a/b")], "weights": "/private/w"},
        {"photos": "0" * 64},
        {"auc": np.float32(0.5), "bad": float("nan"), "nested": [{"x": float("inf")}], "count": np.int64(3)},
        [report.target("auc", 0.5, 0.9, 0.95, at_least=True)],
    )


def test_record_survives_the_disk(record, tmp_path):
    path = tmp_path / "deep" / "record.json"
    report.write_record(record, path)
    assert report.read_record(path) == record
    assert [file.name for file in path.parent.iterdir()] == ["record.json"]


def test_record_says_what_is_needed_to_judge_it(record):
    content = record.model_dump(mode="json")
    assert content["schema_version"] == SCHEMA_VERSION
    assert content["commit"]
    assert content["versions"]["torch"]
    assert content["versions"]["python"]
    assert content["device"]["kind"] == "cpu"
    assert content["date"].endswith("+00:00")
    assert content["data"] == {"photos": "0" * 64}
    assert content["targets"][0]["reached"] is False


def test_record_holds_no_private_folders_and_no_nan(record):
    text = json.dumps(record.model_dump(mode="json"), allow_nan=False)
    assert "/private" not in text
    assert '"photos": "photos"' in text
    assert record.results == {"auc": 0.5, "bad": None, "nested": [{"x": None}], "count": 3}


def test_other_schemas_are_refused(record, tmp_path):
    content = record.model_dump(mode="json")
    for change in ({"schema_version": 99}, {"surprise": 1}, {"command": "Not A Command"}):
        path = tmp_path / "record.json"
        path.write_text(json.dumps(content | change))
        with pytest.raises(pydantic.ValidationError):
            report.read_record(path)
    del content["commit"]
    with pytest.raises(pydantic.ValidationError, match="commit"):
        Record.model_validate(content)


def test_failed_write_leaves_the_old_record(record, tmp_path, monkeypatch):
    path = tmp_path / "record.json"
    report.write_record(record, path)
    before = path.read_bytes()

    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr(report.Path, "replace", broken)
    with pytest.raises(OSError, match="disk full"):
        report.write_record(record, path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("measured", "at_least", "reached"),
    [(0.9, True, True), (0.89, True, False), (0.9, False, True), (0.91, False, False), (float("nan"), True, False),
     (float("nan"), False, False)],
)  # fmt: skip
def test_targets_judge_rightly(measured, at_least, reached):
    assert report.target("figure", measured, 0.9, None, at_least=at_least).reached is reached


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ((0.5, 0.4, 0.61251), "0.500 (0.400 .. 0.613)"),
        ((0.5, math.nan, math.nan), "0.500"),
        ((math.nan, math.nan, math.nan), ""),
    ],
)
def test_only_what_is_known_of_an_interval_is_written(cell, words):
    assert report.spread(*cell) == words
    table = pd.DataFrame([cell], columns=["auc", "auc_low", "auc_high"])
    assert report.spreads(table, "auc") == [words]


def test_table_is_aligned_markdown():
    frame = pd.DataFrame({"name": ["a", "long name"], "value": [0.12345, float("nan")], "count": [1, 20]})
    lines = report.markdown_table(frame).splitlines()
    assert lines == [
        "| name      | value | count |",
        "| --------- | ----: | ----: |",
        "| a         | 0.123 |     1 |",
        "| long name |     - |    20 |",
    ]
    assert report.markdown_table(pd.DataFrame()) == "(nothing)"


def test_results_of_other_machines_are_committed_under_results():
    assert report.default_output("speed") == report.RESULTS / "speed.json"
    assert report.RESULTS.parent.name == "benchmark"


def test_committed_records_are_readable():
    for path in report.RESULTS.glob("*.json"):
        command = report.read_record(path).command
        assert path.stem == command or path.stem.startswith(f"{command}-")
