"""The adapter between pyiqa and the network, and the table both start-up hook and plugin read."""

import inspect

import pytest
import torch
from torch import nn

from pyiqa_pixelperfect import ImageError, PixelPerfect, WeightsError, plugin
from pyiqa_pixelperfect.startup.late import register_architectures
from pyiqa_pixelperfect.startup.rows import METRIC_ROWS, architectures


class Recorder(nn.Module):
    """Takes the place of the network and remembers what it was called with."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.calls = []

    def forward(self, image, reference):
        self.calls.append((image, reference))
        return image.mean((1, 2, 3)) - reference.mean((1, 2, 3))


@pytest.fixture
def adapter(monkeypatch) -> plugin.PixelPerfectMetric:
    monkeypatch.setattr(plugin, "PixelPerfect", Recorder)
    return plugin.PixelPerfectMetric(pretrained=False)


@pytest.mark.parametrize("name", METRIC_ROWS)
def test_every_row_is_one_pyiqa_can_use(name):
    row = METRIC_ROWS[name]
    assert set(row) == {"metric_opts", "metric_mode", "lower_better", "score_range"}
    assert row["metric_mode"] in {"FR", "NR"}
    assert isinstance(row["lower_better"], bool)
    assert isinstance(row["score_range"], str)
    assert "fid" not in name, "pyiqa sends names with these letters to its FID code"


@pytest.mark.parametrize(("name", "import_path"), architectures().items())
def test_every_row_names_a_class_of_the_plugin_and_arguments_it_takes(name, import_path):
    assert import_path == f"pyiqa_pixelperfect.plugin:{name}"
    architecture = getattr(plugin, name)
    assert issubclass(architecture, nn.Module)
    arguments = inspect.signature(architecture).parameters
    assert {"pretrained", "pretrained_model_path"} <= set(arguments)
    for row in METRIC_ROWS.values():
        if row["metric_opts"]["type"] == name:
            assert set(row["metric_opts"]) - {"type"} <= set(arguments)


def test_the_image_comes_first(adapter):
    image, reference = torch.full((2, 3, 40, 40), 0.75), torch.full((2, 3, 40, 40), 0.25)
    assert torch.equal(adapter(image, reference), torch.full((2,), 0.5))
    seen_image, seen_reference = adapter.network.calls[0]
    assert torch.equal(seen_image, image)
    assert torch.equal(seen_reference, reference)


def test_the_range_is_left_to_pyiqa_but_not_the_rest():
    """pyiqa checks it except for losses, whose images may overshoot while they are optimized."""
    untrained = plugin.PixelPerfectMetric(pretrained=False)
    noise = torch.randn(1, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    assert untrained(noise, noise.flip(-1)).isfinite().all()
    with pytest.raises(ImageError, match="image"):
        untrained(noise * float("nan"), noise)


def test_inputs_follow_the_weights_to_their_device(adapter):
    adapter.to("meta")
    adapter(torch.rand(1, 3, 40, 40), torch.rand(1, 3, 40, 40))
    assert {tensor.device.type for tensor in adapter.network.calls[0]} == {"meta"}


def test_a_weights_path_wins_over_pretrained(monkeypatch):
    asked = []
    monkeypatch.setattr(
        PixelPerfect, "load", lambda path=None, *, precision: asked.append((path, precision)) or Recorder()
    )
    plugin.PixelPerfectMetric()
    plugin.PixelPerfectMetric(pretrained_model_path="mine.safetensors")
    plugin.PixelPerfectMetric(pretrained=False, pretrained_model_path="mine.safetensors", precision="bfloat16")
    plugin.PixelPerfectMetric(pretrained=False)
    assert asked == [(None, "float32"), ("mine.safetensors", "float32"), ("mine.safetensors", "bfloat16")]


def test_a_missing_weights_file_is_one_clear_error(tmp_path):
    with pytest.raises(WeightsError, match="nowhere"):
        plugin.PixelPerfectMetric(pretrained_model_path=tmp_path / "nowhere.safetensors")


class Registry:
    """What pyiqa's registry does with lazy names, and nothing else."""

    def __init__(self, **taken: str) -> None:
        self.paths = taken

    def register_lazy(self, name: str, import_path: str) -> None:
        if name in self.paths:
            raise AssertionError(name)
        self.paths[name] = import_path


def test_registering_twice_is_once_and_a_foreign_class_stays():
    registry = Registry()
    register_architectures(registry)
    register_architectures(registry)
    assert registry.paths == architectures()
    foreign = Registry(PixelPerfectMetric="theirs:Metric")
    register_architectures(foreign)
    assert foreign.paths["PixelPerfectMetric"] == "theirs:Metric"


def test_grepq_asks_for_clips_weights_in_one_sentence():
    with pytest.raises(WeightsError, match=r"high_model_path: expected a file with .*\(CLIP\), got none\. Make"):
        plugin.GRepQMetric()
