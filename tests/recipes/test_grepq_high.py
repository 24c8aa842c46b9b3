"""Training of GRepQ's high-level branch end to end, on a small tower of CLIP's shape."""

import json
from pathlib import Path

import pytest
import torch

from pyiqa_pixelperfect.backbones import seeded_weights
from pyiqa_pixelperfect.errors import ConfigError, WeightsError
from pyiqa_pixelperfect.grepq.config import HighLevelConfig
from pyiqa_pixelperfect.grepq.high_metric import HighLevelMetric
from pyiqa_pixelperfect.grepq.high_trainer import train
from pyiqa_pixelperfect.grepq.high_training import HighLevelStage
from pyiqa_pixelperfect.grepq.networks import HighLevelNet
from pyiqa_pixelperfect.systems import load_config
from pyiqa_pixelperfect.training import logbook
from pyiqa_pixelperfect.training.checkpoint import latest_checkpoint
from recipes.runs import StoppedError, assert_same, losses_of, tensors_of

BRIEF = ("data.crop=64", "photos=4", "groups=2", "optimizer.steps=6", "optimizer.warmup=2", "checkpoint_every=2",
         "log_every=1", "optimizer.learning_rate=0.001")  # fmt: skip


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.safetensors"
    with seeded_weights(0):
        network = HighLevelNet((1, 1, 1, 1), 4, 8, 64)
        network.prompts.copy_(torch.randn(2, 8))
    HighLevelMetric(network).save(path, {"source": "drawn at random"}, half=False)
    return path


def config_of(photos: Path, output: Path, start: Path | None, *overrides: str) -> HighLevelConfig:
    settings = [f"data.photos={photos}", f"output={output}", "device=cpu", *BRIEF, *overrides]
    config = load_config("grepq/high_level.yaml", settings + ([f"start={start}"] if start else []))
    assert isinstance(config, HighLevelConfig)
    return config


@pytest.fixture(scope="module")
def run(photos, start, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("high") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logbook, "_tensorboard", lambda folder, step: None)
        train(config_of(photos, output, start))
    return output


def test_the_tower_learns_and_the_projection_and_the_prompts_do_not(run, start):
    assert len(losses_of(run, "high level")) == 6
    before, after = tensors_of(start), tensors_of(run / "grepq-high.safetensors")
    assert not torch.equal(before["tower.stem.conv1.conv.weight"].half(), after["tower.stem.conv1.conv.weight"])
    assert torch.equal(before["prompts"], after["prompts"])
    assert torch.equal(before["tower.head.pos_embed"].half(), after["tower.head.pos_embed"])
    with seeded_weights(0):
        fresh = HighLevelStage(HighLevelMetric.load(start).network, config_of(Path(), Path(), start))
    state = latest_checkpoint(run)["model"]
    assert torch.equal(state["projection.0.weight"], fresh.projection[0].weight)
    card = HighLevelMetric.load(run / "grepq-high.safetensors").card
    assert card["start"].endswith("drawn at random")
    assert str(run) not in json.dumps(card)


def test_the_projection_learns_where_asked(photos, start, run, tmp_path):
    train(config_of(photos, tmp_path, start, "train_projection=true"))
    one, two = (latest_checkpoint(folder)["model"]["projection.0.weight"] for folder in (run, tmp_path))
    assert not torch.equal(one, two)


def test_interpolated_positions_learn_too(photos, start, tmp_path):
    path = train(config_of(photos, tmp_path, start, "positions=interpolated"))
    assert HighLevelMetric.load(path).network.positions == "interpolated"
    before, after = tensors_of(start), tensors_of(path)
    assert not torch.equal(before["tower.head.pos_embed"].half(), after["tower.head.pos_embed"])


def test_t1_a_stopped_run_resumes_to_the_same_bits(photos, start, run, tmp_path, monkeypatch):
    advance, count = logbook.Logbook.advance, []

    def stop(book, text):
        count.append(text)
        if len(count) == 4:
            raise StoppedError
        advance(book, text)

    monkeypatch.setattr(logbook.Logbook, "advance", stop)
    with pytest.raises(StoppedError):
        train(config_of(photos, tmp_path, start))
    monkeypatch.setattr(logbook.Logbook, "advance", advance)
    train(config_of(photos, tmp_path, start))
    assert_same(*(tensors_of(folder / "grepq-high.safetensors") for folder in (run, tmp_path)))
    assert (run / "log.jsonl").read_text() == (tmp_path / "log.jsonl").read_text()


def test_missing_clip_weights_are_one_clear_sentence(photos, tmp_path):
    with pytest.raises(
        WeightsError, match=r"start: expected a file with CLIP's image tower and prompts, got none\. Make"
    ):
        train(config_of(photos, tmp_path, None))


def test_groups_have_at_least_two_members(photos, tmp_path, start):
    with pytest.raises(ConfigError, match="photos must be at least twice groups"):
        config_of(photos, tmp_path, start, "groups=3")
