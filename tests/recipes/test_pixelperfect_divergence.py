"""A training of Pixel Perfect that diverges stops, and saves no numbers that are none (promise T3)."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pyiqa_pixelperfect.errors import TrainingDivergedError
from pyiqa_pixelperfect.pixelperfect import map_training
from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect
from pyiqa_pixelperfect.pixelperfect.trainer import train
from pyiqa_pixelperfect.training.checkpoint import load_checkpoint
from recipes.runs import BRIEF, config_of, flat, log_of


def assert_all_finite(output: Path) -> int:
    paths = list(output.glob("checkpoint-*.pt"))
    for path in paths:
        for name, value in flat(load_checkpoint(path)).items():
            assert not isinstance(value, Tensor) or value.isfinite().all(), name
    return len(paths)


def poison(monkeypatch: pytest.MonkeyPatch, bad: set[int]) -> None:
    """Let the batches of some steps hold a NaN."""
    make, count = map_training.distorted_versions, []

    def poisoned(*values: object, **named: object):
        versions = make(*values, **named)
        count.append(0)
        if len(count) in bad:
            versions.images[-1, 0, 3, 3] = math.nan
        return versions

    monkeypatch.setattr(map_training, "distorted_versions", poisoned)


def test_t3_lasting_nan_stops_the_run(photos, tmp_path, monkeypatch):
    poison(monkeypatch, set(range(3, 99)))
    with pytest.raises(TrainingDivergedError, match=r"got loss nan .* at step 4, 3 such steps in a row"):
        train(config_of(photos, tmp_path, *BRIEF, "checkpoint_every=1"))
    assert assert_all_finite(tmp_path) == 2
    assert not (tmp_path / "pixelperfect.safetensors").exists()


def test_t3_a_passing_nan_is_skipped_and_leaves_no_trace(photos, tmp_path, monkeypatch):
    poison(monkeypatch, {3})
    train(config_of(photos, tmp_path, *BRIEF, "score.crops=4"))
    assert assert_all_finite(tmp_path) == 2
    maps = [entry for entry in log_of(tmp_path) if entry["stage"] == "maps"]
    assert [entry["loss"] is None for entry in maps] == [False, False, True, False, False, False]
    assert [entry["skipped"] for entry in maps] == [0, 0, 1, 1, 1, 1]
    metric = PixelPerfect.load(tmp_path / "pixelperfect.safetensors")
    assert metric(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64)).isfinite().all()


def test_t3_weights_that_overflow_in_a_good_step_are_not_saved(photos, tmp_path, monkeypatch):
    """The loss of step 4 is finite; the step itself is not, and a checkpoint is due right after it."""
    step, count = torch.optim.AdamW.step, []

    def overflow(optimizer: torch.optim.AdamW) -> None:
        step(optimizer)
        count.append(0)
        if len(count) == 4:
            with torch.no_grad():
                optimizer.param_groups[0]["params"][0][0, 0, 0, 0] = math.inf

    monkeypatch.setattr(torch.optim.AdamW, "step", overflow)
    with pytest.raises(TrainingDivergedError, match=r"training: expected finite weights, got 1 of .* at step 4"):
        train(config_of(photos, tmp_path, *BRIEF))
    assert assert_all_finite(tmp_path) == 1


def test_t3_a_learning_rate_that_explodes_stops_the_run(photos, tmp_path):
    with pytest.raises(TrainingDivergedError):
        train(config_of(photos, tmp_path, *BRIEF, "checkpoint_every=1", "maps.learning_rate=1e20", "maps.warmup=0"))
    assert_all_finite(tmp_path)
    assert not (tmp_path / "pixelperfect.safetensors").exists()
