"""The ONNX file: clear words where it cannot be written."""

import importlib.util

import pytest

from pyiqa_pixelperfect.errors import ConfigError, MissingDependencyError
from pyiqa_pixelperfect.pixelperfect import export
from pyiqa_pixelperfect.pixelperfect.export import export_onnx


def test_a_file_of_another_kind_is_refused(small, tmp_path):
    with pytest.raises(ConfigError, match=r"path: expected a file name ending in \.onnx, got 'w\.pt'"):
        export_onnx(small, tmp_path / "w.pt")


def test_what_is_missing_is_named_before_anything_is_written(small, tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == "onnxscript" else found("json"))
    with pytest.raises(MissingDependencyError, match=r"no onnxscript.*pip install 'pyiqa-pixelperfect\[onnx\]'"):
        export_onnx(small, tmp_path / "w.onnx")
    assert not list(tmp_path.iterdir())
