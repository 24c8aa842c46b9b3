"""Training of GRepQ's low-level branch end to end, on a configuration that takes seconds (promises T1, T3, T4)."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from pyiqa_pixelperfect.errors import ConfigError, DataError, TrainingDivergedError
from pyiqa_pixelperfect.grepq import low_training
from pyiqa_pixelperfect.grepq.config import LowLevelConfig
from pyiqa_pixelperfect.grepq.metric import GRepQ
from pyiqa_pixelperfect.grepq.trainer import train
from pyiqa_pixelperfect.grepq.version_sets import VersionSets
from pyiqa_pixelperfect.systems import load_config
from pyiqa_pixelperfect.training import logbook
from pyiqa_pixelperfect.training.checkpoint import latest_checkpoint
from recipes.runs import StoppedError, assert_same, log_of, losses_of, tensors_of

pytest.importorskip("piq")

SMOKE = "grepq/smoke.yaml"
BRIEF = ("versions.sets=5", "optimizer.steps=6", "checkpoint_every=2", "validation_photos=0")
PROGRAM = """
import sys
from pyiqa_pixelperfect.systems import load_config, train
if __name__ == "__main__":
    train(load_config("grepq/smoke.yaml", sys.argv[1:]))
"""


def arguments(photos: Path, output: Path, *overrides: str) -> list[str]:
    return [f"data.photos={photos}", f"output={output}", "device=cpu", *overrides]


def config_of(photos: Path, output: Path, *overrides: str) -> LowLevelConfig:
    config = load_config(SMOKE, arguments(photos, output, *overrides))
    assert isinstance(config, LowLevelConfig)
    return config


@pytest.fixture(scope="module")
def smoke(photos, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("grepq") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logbook, "_tensorboard", lambda folder, step: None)
        state = torch.get_rng_state()
        train(config_of(photos, output))
        assert torch.equal(torch.get_rng_state(), state)
    return output


@pytest.fixture(scope="module")
def uninterrupted(photos, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("grepq") / "straight"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logbook, "_tensorboard", lambda folder, step: None)
        train(config_of(photos, output, *BRIEF))
    return output


def test_t4_the_smoke_run_learns(smoke):
    losses = losses_of(smoke, "low level")
    assert len(losses) == 40
    assert np.mean(losses[-8:]) < 0.8 * np.mean(losses[:4])  # of the same two sets in every step


def test_weights_of_the_run_load_and_score(smoke):
    metric = GRepQ.load(smoke / "grepq-low.safetensors")
    assert metric(torch.rand(2, 3, 150, 110)).isfinite().all()
    assert metric.card["photos"] == "5 photos trained on, pristine patches from 5, every fifth held out"
    assert metric.card["labels"] == "none: synthetic distortions only, no human score"
    figures = json.loads(metric.card["figures"])
    assert figures["ordered"] == round(log_of(smoke)[-1]["ordered"], 4)
    assert str(smoke) not in json.dumps(metric.card)


def test_version_sets_are_made_once(photos, uninterrupted, monkeypatch):
    sets = sorted((uninterrupted / "versions").iterdir())
    assert len(sets) == 5
    sets[2].write_bytes(b"damaged")
    made, make = [], VersionSets._make

    def count(self, number):
        made.append(number)
        return make(self, number)

    monkeypatch.setattr(VersionSets, "_make", count)
    output = uninterrupted.parent / "again"
    train(config_of(photos, output, *BRIEF, f"cache={uninterrupted / 'versions'}"))
    assert made == [2]
    assert_same(*(tensors_of(folder / "grepq-low.safetensors") for folder in (uninterrupted, output)))


def test_the_number_of_workers_changes_nothing(photos, uninterrupted, tmp_path):
    overrides = (*BRIEF, f"cache={uninterrupted / 'versions'}", "data.workers=1")
    train(config_of(photos, tmp_path, *overrides))
    assert_same(*(tensors_of(folder / "grepq-low.safetensors") for folder in (uninterrupted, tmp_path)))


def test_t1_a_killed_run_resumes_to_the_same_bits(uninterrupted, photos, tmp_path):
    output = tmp_path / "run"
    (tmp_path / "program.py").write_text(PROGRAM)
    settings = arguments(photos, output, *BRIEF, f"cache={uninterrupted / 'versions'}")
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "program.py"), *settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as child:
        while not list(output.glob("checkpoint-*.pt")) and child.poll() is None:
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    assert not (output / "grepq-low.safetensors").exists()
    train(config_of(photos, output, *BRIEF, f"cache={uninterrupted / 'versions'}"))
    assert_same(*(tensors_of(folder / "grepq-low.safetensors") for folder in (uninterrupted, output)))
    states = [latest_checkpoint(folder) for folder in (uninterrupted, output)]
    for state in states:
        state.pop("commits")
    assert_same(*states)
    assert (output / "log.jsonl").read_text() == (uninterrupted / "log.jsonl").read_text()


@pytest.mark.parametrize("step", [1, 3, 5])
def test_t1_a_run_stopped_at_any_step_resumes_to_the_same_bits(uninterrupted, photos, tmp_path, monkeypatch, step):
    overrides = (*BRIEF, f"cache={uninterrupted / 'versions'}")
    advance, count = logbook.Logbook.advance, []

    def stop(book, text):
        count.append(text)
        if len(count) == step:
            raise StoppedError
        advance(book, text)

    monkeypatch.setattr(logbook.Logbook, "advance", stop)
    with pytest.raises(StoppedError):
        train(config_of(photos, tmp_path, *overrides))
    monkeypatch.setattr(logbook.Logbook, "advance", advance)
    train(config_of(photos, tmp_path, *overrides))
    assert_same(*(tensors_of(folder / "grepq-low.safetensors") for folder in (uninterrupted, tmp_path)))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizer.learning_rate=0.1", r"optimizer\.learning_rate=0\.1 \(was 0\.0005\)"),
        ("seed=1", r"seed=1 \(was 0\)"),
    ],
)
def test_another_configuration_does_not_resume(uninterrupted, photos, override, message):
    with pytest.raises(ConfigError, match=f"output: expected the configuration of the run in .*, got {message}"):
        train(config_of(photos, uninterrupted, *BRIEF, override))


def test_other_photos_do_not_resume(uninterrupted, photos, tmp_path):
    (tmp_path / "photos").mkdir()
    for photo in sorted(photos.iterdir())[1:]:
        (tmp_path / "photos" / photo.name).write_bytes(photo.read_bytes())
    fix = config_of(photos, uninterrupted, *BRIEF)
    moved = fix.model_copy(update={"data": fix.data.model_copy(update={"photos": (tmp_path / "photos",)})})
    with pytest.raises((ConfigError, DataError)):
        train(moved)


def test_t3_a_run_that_diverges_stops_and_keeps_its_checkpoint(photos, uninterrupted, tmp_path, monkeypatch):
    loss_of, calls = low_training.weighted_contrastive_loss, []

    def sometimes_nan(*values, **options):
        calls.append(values)
        return loss_of(*values, **options) * (float("nan") if len(calls) > 2 else 1.0)

    monkeypatch.setattr(low_training, "weighted_contrastive_loss", sometimes_nan)
    with pytest.raises(TrainingDivergedError, match="3 such steps in a row"):
        train(config_of(photos, tmp_path, *BRIEF, f"cache={uninterrupted / 'versions'}"))
    state = latest_checkpoint(tmp_path)
    assert state["step"] == 4
    assert all(tensor.isfinite().all() for tensor in state["model"].values())


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["versions.kinds=[jpeg, nonsense]"], "kinds must be of the catalog, not nonsense"),
        (["versions.kinds=[jpeg, veil]"], "kinds must cover whole pictures, which veil cannot"),
        (["versions.types=4"], "kinds must be at least 4 different ones"),
        (["versions.levels=[[0.5, 0.1]]"], "levels must be"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(photos, tmp_path, overrides, message):
    with pytest.raises(ConfigError, match=message):
        config_of(photos, tmp_path, *overrides)


@pytest.mark.slow
def test_t5_two_processes_train_together(photos, uninterrupted, tmp_path):
    program = PROGRAM.replace("import sys", "import sys, torch").replace(
        "    train(", "    torch.set_num_threads(1)\n    train("
    )
    (tmp_path / "program.py").write_text(program)
    port = str(20_000 + os.getpid() % 20_000)
    launch = ["-m", "torch.distributed.run", "--nproc-per-node=2", "--master-addr=127.0.0.1", f"--master-port={port}"]
    brief = [*BRIEF, "optimizer.steps=3", "cross_content=true", f"cache={uninterrupted / 'versions'}"]
    command = [sys.executable, *launch, str(tmp_path / "program.py"), *arguments(photos, tmp_path / "run", *brief)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(losses_of(tmp_path / "run", "low level")) == 3
    assert GRepQ.load(tmp_path / "run" / "grepq-low.safetensors")(torch.rand(1, 3, 150, 110)).isfinite().all()
