"""The ONNX file: the answers of the network at sizes other than it was exported at, and clear words in every error."""

import importlib.util

import pytest
import torch
import torch.nn.functional as F

from pyiqa_pixelperfect.errors import ConfigError, MissingDependencyError
from pyiqa_pixelperfect.pixelperfect import export
from pyiqa_pixelperfect.pixelperfect.export import export_onnx


def test_the_file_answers_as_the_network_does_at_any_size(small, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    path = export_onnx(small, tmp_path / "new" / "network.onnx")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(str(path), options)
    generator = torch.Generator().manual_seed(0)
    for height, width in ((64, 96), (33, 47), (301, 517), (700, 801)):
        smooth = torch.rand(1, 3, height // 8, width // 8, generator=generator)
        reference = F.interpolate(smooth, (height, width), mode="bicubic").clamp(0, 1)
        image = (reference + 0.1 * torch.randn(reference.shape, generator=generator)).clamp(0, 1)
        score, maps = session.run(None, {"image": image.numpy(), "reference": reference.numpy()})
        expected = small.compare(image, reference)
        assert abs(torch.from_numpy(maps) - expected.maps).max() <= 1e-5
        assert score[0] == pytest.approx(expected.score.item(), abs=1e-5)


def test_a_file_of_another_kind_is_refused(small, tmp_path):
    with pytest.raises(ConfigError, match=r"path: expected a file name ending in \.onnx, got 'w\.pt'"):
        export_onnx(small, tmp_path / "w.pt")


def test_what_is_missing_is_named_before_anything_is_written(small, tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == "onnxscript" else found("json"))
    with pytest.raises(MissingDependencyError, match=r"no onnxscript.*pip install 'pyiqa-pixelperfect\[onnx\]'"):
        export_onnx(small, tmp_path / "w.onnx")
    assert not list(tmp_path.iterdir())
