"""Each command end to end with an untrained network, few pictures and small sizes."""

import json
from itertools import islice

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from benchmark import __main__ as command_line
from benchmark.report import read_record


@pytest.fixture
def run(tmp_path, monkeypatch):
    def call(*arguments, exit_code=0):
        out = tmp_path / "record.json"
        result = CliRunner().invoke(command_line.app, [*arguments, "--out", str(out), "--quiet"])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == exit_code, result.output
        return result.output, (read_record(out) if exit_code == 0 else None)

    return call


@pytest.fixture
def clean_folder(tmp_path, photos):
    folder = tmp_path / "clean"
    folder.mkdir()
    for number in range(5):
        Image.fromarray(photos[number % 2].pixels[:96, :96]).save(folder / f"{number}.png")
    return folder


def test_help_lists_the_commands():
    text = CliRunner().invoke(command_line.app, ["--help"]).output
    for name in ("localization", "ladders", "antisymmetry", "speed", "startup", "ratings"):
        assert name in text


def test_localization(run, clean_folder, tmp_path):
    trials = tmp_path / "trials.csv"
    text, record = run(
        "localization", "--photos", str(clean_folder), "--weights", "untrained", "--tool", "jpeg", "--tool", "warmer",
        "--trials", str(trials),
    )  # fmt: skip
    assert "pillow jpeg2000" in text
    assert "localization auc" in text
    assert [row["tool"] for row in record.results["tools"]] == ["pillow jpeg", "pillow jpeg2000"]
    assert [row["tool"] for row in record.results["more_tools"]] == ["numpy warmer"]
    assert 0.0 <= record.results["headline"]["auc"]["mean"] <= 1.0
    assert [item.figure for item in record.targets] == [
        "localization auc", "localization type", "localization sign", "localization leak",
    ]  # fmt: skip
    assert set(record.data) == {"photos", "weights"}
    assert record.settings["photos"] == "clean"
    assert pd.read_csv(trials)["photo"].tolist() == ["4.png"] * 3


def test_localization_is_repeatable(run, clean_folder):
    arguments = ("localization", "--photos", str(clean_folder), "--weights", "untrained", "--tool", "noise")
    first, second = (run(*arguments[:-1], "skimage")[1] for _ in range(2))
    assert json.dumps(first.results) == json.dumps(second.results)
    assert first.data == second.data


def test_localization_needs_a_headline_tool(run, clean_folder):
    arguments = ("localization", "--photos", str(clean_folder), "--weights", "untrained", "--tool", "warmer")
    assert "leaves no tool" in run(*arguments, exit_code=2)[0]


def test_ladders(run, clean_folder, monkeypatch):
    from benchmark import ladders

    monkeypatch.setattr(ladders, "KINDS", {name: ladders.KINDS[name] for name in ("gaussian_blur", "exposure")})
    text, record = run("ladders", "--photos", str(clean_folder), "--weights", "untrained", "--crop", "48")
    assert "gaussian_blur" in text
    shares = [row["share"] for row in record.results["families"]]
    assert all(0.0 <= share <= 1.0 for share in shares)
    assert len(record.targets) == 4


def test_antisymmetry_of_the_real_architecture(run):
    text, record = run("antisymmetry", "--pairs", "4", "--weights", "untrained")
    assert all(item.reached for item in record.targets), text
    assert len(record.results["pairs"]) == 4
    assert max(row["score_size"] for row in record.results["pairs"]) > 0.0


def test_speed(run):
    text, record = run(
        "speed", "--size", "96x64", "--rounds", "2", "--threads", "1", "--weights", "untrained", "--no-memory",
        "--contestant", "pixelperfect compare", "--contestant", "lpips-squeeze", "--contestant", "mdsi",
    )  # fmt: skip
    assert "x LPIPS" in text
    assert "random weights" in text
    rows = {row["metric"]: row for row in record.results["contestants"]}
    assert rows["lpips-squeeze"]["ratio"] == 1.0
    assert rows["pixelperfect compare"]["ms"] > 0.0


@pytest.mark.parametrize("arguments", [("--size", "12"), ("--contestant", "nobody")])
def test_speed_refuses_nonsense(run, arguments):
    run("speed", *arguments, exit_code=2)


def test_calibration(run, clean_folder, tmp_path):
    arguments = ("--draws", "1", "--crop", "64", "--weights", "untrained", "--diagram", str(tmp_path / "d.png"))
    text, record = run("calibration", "--photos", str(clean_folder), "--config", "pixelperfect/smoke.yaml", *arguments)
    assert "mean of families" in text
    assert (tmp_path / "d.png").stat().st_size > 10_000
    assert len(record.results["families"]) == 14
    assert record.results["overall"]["error"] > 0
    wrong = ("--config", "contrique/smoke.yaml")
    assert "another system" in run("calibration", "--photos", str(clean_folder), *wrong, exit_code=2)[0]


def test_transitivity(run, clean_folder):
    arguments = ("--versions", "3", "--weights", "untrained")
    text, record = run("transitivity", "--photos", str(clean_folder), *arguments)
    assert "consistent" in text
    assert record.results["photos"][0]["triads"] == 4


def test_precision(run, clean_folder):
    arguments = ("--versions", "2", "--weights", "untrained")
    text, record = run("precision", "--photos", str(clean_folder), *arguments)
    assert "amount, at most" in text
    figures, versions = record.results["figures"], record.results["versions"]
    assert figures["pairs"] == len(versions) >= 2
    assert figures["score, at most"] == max(row["moved"] for row in versions)
    assert 0 < figures["amount, mean"] < figures["amount, at most"] == max(row["amount_at_most"] for row in versions)
    assert figures["amount, mean"] == pytest.approx(sum(row["amount"] for row in versions) / len(versions))


def test_consensus(run, clean_folder, monkeypatch, tmp_path):
    from benchmark import consensus, real_tools

    few = [tool for tool in real_tools.HEADLINE_TOOLS if tool.name in ("pillow jpeg", "opencv box blur")]
    versions = consensus.every_version
    monkeypatch.setitem(consensus.VERSIONS, "tools", lambda photo, seed: versions(photo, seed, few))
    arguments = ("--weights", "untrained", "--scores", str(tmp_path / "scores.csv"))
    text, record = run("consensus", "--photos", str(clean_folder), *arguments)
    assert "mean rank" in text
    assert record.results["versions"] == 6
    rows = pd.read_csv(tmp_path / "scores.csv")
    assert len(rows) == 6
    assert {row["metric"] for row in record.results["metrics"]} >= {"pixelperfect", "vsi", "psnr"}
    assert len(record.results["called better"]) == (rows["pixelperfect"] > 0).sum()
    assert record.targets


@pytest.mark.parametrize("versions", ["kadis", "rated"])
def test_consensus_under_types_of_databases_promises_nothing(run, clean_folder, monkeypatch, versions):
    from benchmark import consensus

    made = consensus.VERSIONS[versions]
    monkeypatch.setitem(consensus.VERSIONS, versions, lambda photo, seed: islice(made(photo, seed), 9))
    arguments = ("--weights", "untrained", "--versions", versions, "--crop", "64", "--n", "1")
    text, record = run("consensus", "--photos", str(clean_folder), *arguments)
    assert "Called better than the original" in text
    assert (record.results["versions"], record.targets) == (9, [])


def test_ablate(run, clean_folder, tmp_path):
    brief = ("maps.steps=3", "score.steps=2", "score.crops=4", "validation_crops=4", "device=cpu")
    options = [part for value in (f"data.photos={clean_folder}", *brief) for part in ("--set", value)]
    runs = ("--folder", str(tmp_path / "runs"), "--variant", "as configured", "--variant", "p_swap", "--seeds", "2")
    first, second = (run("ablate", "pixelperfect/smoke.yaml", *runs, *options)[1] for _ in range(2))
    assert first.results == second.results  # read, not repeated
    built, learned = first.results["variants"]
    assert built["asymmetry"] <= 1e-6 < learned["asymmetry"]
    assert (built["seeds"], built["score_ordered_spread"] >= 0) == (2, True)
    text, _ = run("ablate", "pixelperfect/smoke.yaml", *runs[:2], "--variant", "no such variant", exit_code=2)
    assert "known: as configured" in text


def test_tiling(run, monkeypatch):
    from benchmark import tiling

    monkeypatch.setattr(tiling, "SIZES", tiling.SIZES[:1])
    text, record = run("tiling", "--megapixels", "0.4", "--threads", "1", "--weights", "untrained")
    assert "tile" in text
    assert all(item.reached for item in record.targets), text
    assert [row["tile"] for row in record.results["exactness"]] == [96]
    assert record.results["large"]["megapixels"] == pytest.approx(0.4, rel=0.01)
    assert record.results["large"]["peak"] > record.results["large"]["before"] > 0


def test_memory_of_the_real_network():
    from benchmark.speed import measure_memory

    measured = measure_memory("pixelperfect compare", 96, 64, threads=1, weights="untrained", lpips_folder=None)
    assert 0.0 <= measured["extra"] < measured["peak"]


def test_ratings(run, tmp_path, photos, generator):
    rows = []
    for number, photo in enumerate(photos):
        Image.fromarray(photo.pixels).save(tmp_path / f"reference_{number}.png")
        for step in range(1, 4):
            noisy = photo.pixels + generator.normal(0.0, 5.0 * step, photo.pixels.shape)
            Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(tmp_path / f"{number}_{step}.png")
            rows.append((f"{number}_{step}.png", f"reference_{number}.png", -step, "noise"))
    pairs = tmp_path / "pairs.csv"
    pd.DataFrame(rows, columns=["image", "reference", "mos", "distortion"]).to_csv(pairs, index=False)
    text, record = run("ratings", "--pairs", str(pairs), "--weights", "untrained", "--repeats", "20")
    table = {row["metric"]: row for row in record.results["metrics"]}
    assert table["psnr"]["within"] == 1.0
    assert "pixelperfect" in table
    assert "ahead" in text
    assert record.results["references"] == 2


def test_deliberate_errors_are_one_sentence(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["benchmark", "localization", "--photos", "/nowhere", "--weights", "untrained"])
    with pytest.raises(SystemExit) as stop:
        command_line.main()
    assert stop.value.code == 1
    assert "photos: expected a folder of photos" in capsys.readouterr().err
