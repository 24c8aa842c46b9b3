"""The demonstration: real damage where it says, the score through pyiqa, one clear line when something is missing."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("skimage")

from pyiqa_pixelperfect import demo
from pyiqa_pixelperfect.commands import compare as command
from pyiqa_pixelperfect.images import as_image


def test_the_worse_version_is_worse_where_it_says() -> None:
    picture = demo.photograph()
    worse = demo.make_worse(picture)
    assert worse.size == picture.size
    image, reference = as_image(worse, "image"), as_image(picture, "reference")
    saturation = [(tensor.amax(1) - tensor.amin(1)).mean() for tensor in (image, reference)]
    assert saturation[0] < 0.8 * saturation[1]  # everywhere
    luma = image.mean(1)[0], reference.mean(1)[0]
    height, width = luma[0].shape
    change = (luma[0] - luma[1]).abs()
    compressed = change[height * 3 // 4 :, : width // 4].mean()  # less color leaves the luma nearly as it was
    untouched = change[height // 3 : height // 2, width // 3 : width // 2].mean()
    assert compressed > 2 * untouched
    detail = [values[: height // 4, width * 3 // 4 :].diff(dim=1).abs().mean() for values in luma]
    assert detail[0] < 0.7 * detail[1]  # blurred


def test_it_writes_both_pictures_and_calls_compare(tmp_path: Path, monkeypatch, capsys) -> None:
    calls = []
    monkeypatch.setattr(demo, "_score_through_pyiqa", lambda image, reference: "-1.2345")
    monkeypatch.setattr(command, "compare", lambda *arguments, **options: calls.append((arguments, options)))
    assert demo.main(["--out", str(tmp_path / "demo")]) == 0
    (image, reference, outputs), _ = calls[0]
    assert image.is_file()
    assert reference.is_file()
    assert [path.name for path in outputs] == ["comparison.png", "comparison.html"]
    shown = capsys.readouterr().out
    assert "metric = pyiqa.create_metric('pixelperfect')" in shown
    assert "-1.2345" in shown


def test_a_failing_pyiqa_is_one_line(tmp_path: Path, monkeypatch, capsys) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "Traceback\nModuleNotFoundError: No module named 'pyiqa'\n")
    monkeypatch.setattr(demo.subprocess, "run", lambda *arguments, **options: failed)
    assert demo.main(["--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: demo: expected a score from pyiqa, got ModuleNotFoundError")
    assert error.count("\n") == 1


def test_a_missing_scikit_image_is_one_line(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    assert demo.main(["--out", str(tmp_path)]) == 2
    assert "pip install scikit-image" in capsys.readouterr().err
