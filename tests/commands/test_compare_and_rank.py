"""Verdicts on two pictures and on many: what is printed, and what is written."""

import json
from pathlib import Path

import pytest
from PIL import Image

from pyiqa_pixelperfect.families import FAMILIES
from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect

WEIGHTS = ("--weights", "weights.safetensors", "--device", "cpu")


def test_compare_prints_the_verdict_of_the_network(run) -> None:
    result = run("compare", "a.jpg", "reference.png", *WEIGHTS)
    expected = PixelPerfect.load("weights.safetensors").compare("a.jpg", "reference.png").summary()
    assert result.code == 0
    assert result.out == f"{expected}\n"
    assert expected.visible  # or this test shows nothing
    assert result.err == ""


def test_compare_json_is_all_there_is(run) -> None:
    result = run("compare", "a.jpg", "reference.png", "--json", "--out", "c.png", *WEIGHTS)
    data = json.loads(result.out)
    expected = PixelPerfect.load("weights.safetensors").compare("a.jpg", "reference.png").summary()
    assert data["score"] == pytest.approx(expected.score)
    assert data["verdict"] == expected.verdict
    assert [row["family"] for row in data["families"]] == list(FAMILIES)
    assert (data["image"], data["reference"], data["outputs"]) == ("a.jpg", "reference.png", ["c.png"])


def test_compare_writes_pictures_and_pages(run) -> None:
    result = run("compare", "a.jpg", "reference.png", "--out", "new/c.png", "-o", "new/c.html", *WEIGHTS)
    assert result.err.splitlines() == [f"wrote {Path('new/c.png')}", f"wrote {Path('new/c.html')}"]
    with Image.open("new/c.png") as sheet:
        assert min(sheet.size) > 400
    page = Path("new/c.html").read_text(encoding="utf-8")
    assert "weights.safetensors, sha256" in page
    assert "a.jpg" in page


def test_swapping_image_and_reference_changes_the_sign(run) -> None:
    scores = [
        json.loads(run("compare", *pair, "--json", *WEIGHTS).out)["score"]
        for pair in (("a.jpg", "b.png"), ("b.png", "a.jpg"))
    ]
    assert scores[0] == pytest.approx(-scores[1], abs=1e-6)
    assert scores[0] != 0


def test_sizes_that_differ_name_the_reference(run) -> None:
    Image.new("RGB", (80, 80)).save("square.png")
    result = run("compare", "a.jpg", "square.png", *WEIGHTS)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "reference: expected the image's size, 72 x 96 (height x width), got 80 x 80" in result.err


def test_rank_prints_and_writes(run) -> None:
    ranking = PixelPerfect.load("weights.safetensors").rank(["a.jpg", "b.png", "reference.png"], "reference.png")
    files = ["a.jpg", "b.png", "reference.png"]
    result = run("rank", "reference.png", *files, "--out", "r.html", "--out", "r.png", *WEIGHTS)
    assert result.out == ranking.table(files) + "\n"
    assert Path("r.html").is_file()
    assert Path("r.png").is_file()
    data = json.loads(run("rank", "reference.png", *files, "--json", *WEIGHTS).out)
    assert [row["position"] for row in data["ranking"]] == ranking.order
    verdicts = {row["name"]: row["verdict"] for row in data["ranking"]}
    assert verdicts["reference.png"] == "image and reference look the same"


def test_rank_without_a_reference_takes_the_first_picture_as_one_more_version(run) -> None:
    files = ["a.jpg", "reference.png", "b.png"]
    ranking = PixelPerfect.load("weights.safetensors").rank(files)
    result = run("rank", "--no-reference", *files, "--out", "r.html", "--out", "r.png", *WEIGHTS)
    assert result.out == ranking.table(files) + "\n"
    assert result.out.splitlines()[-1] == f"no reference: {files[ranking.stands_in]} stands in for it"
    assert f"of these {files[ranking.stands_in]} stands in" in Path("r.html").read_text(encoding="utf-8")
    data = json.loads(run("rank", "--no-reference", *files, "--json", *WEIGHTS).out)
    assert (data["reference"], data["stands_in"]) == (None, files[ranking.stands_in])
    assert [row["position"] for row in data["ranking"]] == ranking.order
