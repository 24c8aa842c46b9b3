"""The commands on CONTRIQUE, end to end with a tiny network, few pictures and small sizes."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from benchmark import __main__ as command_line
from benchmark import probe
from benchmark.probe import distorted_sheets, probe_accuracy
from benchmark.report import read_record
from pyiqa_pixelperfect.contrique.metric import Contrique
from pyiqa_pixelperfect.contrique.networks import Encoder
from pyiqa_pixelperfect.contrique.weights_file import write_contrique
from pyiqa_pixelperfect.linear_head import LinearHead

SMALL = {"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 24]}


@pytest.fixture
def weights(tmp_path):
    encoder = Encoder("resnet18", SMALL, seed=1).eval()
    head = LinearHead(encoder.features)
    head.weight.normal_()
    Contrique(encoder, head).save(tmp_path / "w.safetensors", {"seed": "1"})
    write_contrique(tmp_path / "encoder-00000007.safetensors", encoder, None, {"step": "7"})
    return tmp_path / "w.safetensors"


@pytest.fixture
def run(tmp_path, weights):
    def call(*arguments):
        out = tmp_path / "record.json"
        given = [*arguments, "--weights", str(weights), "--out", str(out), "--quiet"]
        result = CliRunner().invoke(command_line.app, given)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output, read_record(out)

    return call


@pytest.fixture
def folder(tmp_path, photos):
    for number in range(20):
        pixels = photos[number % 2].pixels[number : number + 72, number : number + 72]
        Image.fromarray(pixels).save(tmp_path / f"{number:02}.png")
    return tmp_path


def test_quality(run, folder):
    generator = np.random.default_rng(0)
    table = pd.DataFrame({"image": [f"{number:02}.png" for number in range(20)], "mos": generator.uniform(size=20)})
    table["split"] = ["train"] * 12 + ["test"] * 8
    table.to_csv(folder / "r.csv", index=False)
    arguments = ("--ratings", str(folder / "r.csv"), "--repeats", "20", "--cache", str(folder / "cache"))
    text, record = run("contrique-quality", *arguments, "--curve", str(folder / "encoder-00000007.safetensors"))
    names = ["contrique", "the same network untrained", "step 7", "BRISQUE's 36 statistics + ridge", "PIQE"]
    assert [row["metric"] for row in record.results["rows"]] == names
    assert [row["step"] for row in record.results["rows"]] == [None, 0, 7, None, None]
    assert all(name in text for name in names)
    assert (record.results["train"], record.results["test"]) == (12, 8)
    assert len(record.targets) == 2
    assert len(list((folder / "cache").iterdir())) == 8  # three networks, statistics and PIQE; ours and PIQE on test


def test_probe(run, folder, monkeypatch):
    monkeypatch.setattr(probe, "ALPHAS", probe.ALPHAS[::3])
    text, record = run("contrique-probe", "--photos", str(folder), "--holdout", "all", "--n", "4", "--crop", "64")
    trained, fresh = record.results["accuracy"]
    assert trained["features"] == "contrique"
    assert trained["type"] == pytest.approx(fresh["type"], abs=0.1)
    assert record.results["versions"] == 4 * 121
    assert "level_chance" in text


def test_ladders(run, folder, monkeypatch):
    from benchmark import ladders

    monkeypatch.setattr(ladders, "KINDS", {"gaussian_blur": ladders.KINDS["gaussian_blur"]})
    _, record = run("contrique-ladders", "--photos", str(folder), "--n", "2", "--crop", "64")
    assert record.results["share"] > 0.7  # even an untrained network sees blur grow
    assert json.dumps(record.results["families"])


def test_probes_find_what_features_know_and_nothing_else(photos):
    sheets = list(distorted_sheets([photos[0], photos[1]], seed=0))
    assert len(sheets[0].types) == 121  # 125 but for four that change nothing
    rows = pd.concat(
        [pd.DataFrame({"photo": s.photo, "type": s.types, "level": s.levels}) for s in sheets], ignore_index=True
    )
    known = np.concatenate([np.eye(26)[rows["type"]], np.eye(6)[rows["level"]], np.zeros((len(rows), 1))], axis=1)
    assert probe_accuracy(rows, known)["type"] == 1
    assert probe_accuracy(rows, known)["level"] == 1
    noise = np.random.default_rng(0).normal(size=(len(rows), 5))
    figures = probe_accuracy(rows, noise)
    assert figures["type"] < 0.2
    assert figures["level"] < 0.5
    assert figures["type_chance"] == pytest.approx(5 / 121)
