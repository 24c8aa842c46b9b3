"""Pre-training of CONTRIQUE and a head on it end to end, on a configuration that takes seconds."""

import csv
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pyiqa_pixelperfect import systems
from pyiqa_pixelperfect.contrique import trainer
from pyiqa_pixelperfect.contrique.config import ContriqueConfig
from pyiqa_pixelperfect.contrique.metric import Contrique, ContriqueFR
from pyiqa_pixelperfect.errors import ConfigError, DataError, TrainingDivergedError, WeightsError
from pyiqa_pixelperfect.training.checkpoint import latest_checkpoint
from pyiqa_pixelperfect.weights import load_weights

BRIEF = ("steps=4", "checkpoint_every=2")


def config_of(photos: Path, output: Path, *overrides: str) -> ContriqueConfig:
    given = [f"data.pristine={photos}", f"data.authentic=[{photos}]", f"output={output}", "device=cpu"]
    config = systems.load_config("contrique/smoke.yaml", [*given, *overrides])
    assert isinstance(config, ContriqueConfig)
    return config


def losses_of(output: Path) -> list[float]:
    lines = (output / "log.jsonl").read_text().splitlines()
    return [entry["loss"] for entry in map(json.loads, lines) if entry["stage"] == "contrique"]


def same_weights(one: Path, other: Path) -> bool:
    first, second = (load_weights(path, "Contrique")[0] for path in (one, other))
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def learned(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of the smoke configuration as it is shipped."""
    output = tmp_path_factory.mktemp("contrique") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pyiqa_pixelperfect.training.logbook._tensorboard", lambda folder, step: None)
        state = torch.get_rng_state()
        systems.train(config_of(photos, output, "keep_every=20"))
        assert torch.equal(torch.get_rng_state(), state)
    return output


def test_the_loss_of_the_smoke_run_falls(learned):
    losses = losses_of(learned)
    assert len(losses) == 40
    assert np.mean(losses[-8:]) < np.mean(losses[:8]) - 0.2


def test_what_is_kept_on_the_way_and_at_the_end_can_be_used(learned):
    image, reference = torch.rand(2, 1, 3, 50, 65)
    for name in ("encoder-00000020", "encoder-00000040", "encoder"):
        assert ContriqueFR.load(learned / f"{name}.safetensors")(image, reference) > 0
    assert same_weights(learned / "encoder.safetensors", learned / "encoder-00000040.safetensors")
    card = ContriqueFR.load(learned / "encoder.safetensors").card
    assert {"config", "seed", "photos", "photos_sha256", "commit", "versions", "license"} <= card.keys()
    assert card["photos"] == "5 clean and 6 authentic pictures, every fifth clean photo held out"


def test_a_run_that_is_stopped_goes_on_to_the_same_bits(photos, tmp_path, monkeypatch):
    systems.train(config_of(photos, tmp_path / "straight", *BRIEF))

    class StoppedError(Exception):
        pass

    step = trainer._step

    def stop(*arguments):
        if arguments[4] == 3:
            raise StoppedError
        return step(*arguments)

    monkeypatch.setattr(trainer, "_step", stop)
    with pytest.raises(StoppedError):
        systems.train(config_of(photos, tmp_path / "stopped", *BRIEF))
    monkeypatch.setattr(trainer, "_step", step)
    assert latest_checkpoint(tmp_path / "stopped")["step"] == 2
    systems.train(config_of(photos, tmp_path / "stopped", *BRIEF))
    assert same_weights(tmp_path / "straight" / "encoder.safetensors", tmp_path / "stopped" / "encoder.safetensors")
    assert losses_of(tmp_path / "straight") == losses_of(tmp_path / "stopped")


@pytest.mark.slow
def test_a_killed_run_goes_on(photos, tmp_path):
    overrides = [
        f"data.pristine={photos}",
        f"data.authentic=[{photos}]",
        f"output={tmp_path}",
        "checkpoint_every=1",
        "steps=12",
    ]
    command = [sys.executable, "-m", "pyiqa_pixelperfect", "train", "contrique/smoke.yaml", *overrides, "device=cpu"]
    with (tmp_path / "printed").open("w") as printed:
        process = subprocess.Popen(command, stdout=printed, stderr=printed, env={**os.environ, "OMP_NUM_THREADS": "1"})
    while not list(tmp_path.glob("checkpoint-*[3-9].pt")):
        assert process.poll() is None, (tmp_path / "printed").read_text()
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = latest_checkpoint(tmp_path)["step"]
    assert 3 <= done < 12
    systems.train(config_of(photos, tmp_path, "checkpoint_every=12", "steps=12"))
    assert latest_checkpoint(tmp_path)["step"] == 12


def test_settings_and_pictures_of_another_run_are_refused(photos, learned, tmp_path):
    with pytest.raises(ConfigError, match=r"output: expected the configuration of the run in .*steps=50 \(was 40\)"):
        systems.train(config_of(photos, learned, "steps=50"))
    fewer = tmp_path / "list.csv"
    fewer.write_text("file\n" + "\n".join(str(path) for path in sorted(photos.glob("*.png"))[:5]))
    same_but_pictures = config_of(photos, learned).model_copy(
        update={"data": config_of(photos, learned).data.model_copy(update={"authentic": (fewer,)})}
    )
    with pytest.raises(ConfigError, match="authentic"):
        systems.train(same_but_pictures)


def test_pictures_that_are_missing_are_named(photos, tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        systems.train(config_of(photos, tmp_path, f"data.authentic=[{tmp_path / 'nowhere'}]"))
    with pytest.raises(ConfigError, match="authentic or ratings must name pictures"):
        config_of(photos, tmp_path, "data.authentic=[]")
    with pytest.raises(ConfigError, match="backbone: expected a timm model"):
        systems.train(config_of(photos, tmp_path, "network.backbone=resnet5"))


def test_a_run_that_is_not_finite_stops(photos, tmp_path):
    with pytest.raises(TrainingDivergedError):
        systems.train(config_of(photos, tmp_path, "optimizer=sgd", "learning_rate=1e30", "warmup=0"))
    assert not (tmp_path / "encoder.safetensors").exists()


def test_the_published_setting_trains_resumes_and_loads(photos, tmp_path):
    """ResNet-50, SGD, one distortion a photo: only size and number of crops are less."""
    given = [f"data.pristine={photos}", f"data.authentic=[{photos}]", f"output={tmp_path}", "device=cpu"]
    small = ["data.crop=64", "data.workers=0", "batch.photos=2", "batch.authentic=2", "steps=2", "checkpoint_every=1"]
    config = systems.load_config("contrique/pretrain.yaml", [*given, *small])
    systems.train(config)
    (tmp_path / "checkpoint-00000002.pt").unlink()
    path = systems.train(config)
    metric = ContriqueFR.load(path)
    assert metric.encoder.features == 4096
    image = torch.rand(1, 3, 40, 40)
    assert metric(image, image) == 0


# ------------------------------------------------------------------------------------------------------------- heads


@pytest.fixture(scope="module")
def ratings(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs more or less blurred by being made small, rated by how small."""
    folder = tmp_path_factory.mktemp("ratings")
    rows = []
    for number, photo in enumerate(sorted(photos.glob("*.png"))):
        with Image.open(photo) as picture:
            for factor in (1, 2, 3, 5, 8):
                small = picture.resize((picture.width // factor, picture.height // factor))
                small.resize((96, 96)).save(folder / f"{number}-{factor}.png")
                rows.append((f"{number}-{factor}.png", 1 - np.log2(factor) / 3, str(number), "train"))
    with (folder / "r.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "mos", "content", "split"), *rows])
    return folder / "r.csv"


def regression(encoder: Path, ratings: Path, output: Path, *overrides: str):
    given = [f"encoder={encoder}", f"head.ratings={ratings}", f"output={output}", "device=cpu", "head.splits=3"]
    return systems.load_regression("contrique/regress.yaml", [*given, *overrides])


def test_a_head_makes_an_encoder_a_metric(learned, ratings, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    path = systems.regress(regression(learned / "encoder.safetensors", ratings, tmp_path))
    assert "alpha" in caplog.text
    metric = Contrique.load(path)
    names = [ratings.parent / f"0-{factor}.png" for factor in (1, 8)]
    assert metric.score(names[0]) > metric.score(names[1])
    assert metric.head.labels.source == "r.csv, rows of split 'train', 30 pictures"
    figures = json.loads(metric.card["head_figures"])
    assert len(figures["splits"]) == 3
    assert metric.card["seed"] == "10"  # of the encoder, which the head leaves alone
    state, card = load_weights(tmp_path / "head.safetensors", "LinearHead")
    assert torch.equal(state["weight"], metric.head.weight)
    assert card["encoder_sha256"] == metric.card["encoder_sha256"]
    again = systems.regress(regression(learned / "encoder.safetensors", ratings, tmp_path / "again"))
    assert again.read_bytes() == path.read_bytes()
    # a head can be fitted anew to an encoder that has one
    other = systems.regress(regression(path, ratings, tmp_path / "other", "head.lower_better=true"))
    assert Contrique.load(other).score(names[0]).item() == pytest.approx(-metric.score(names[0]).item(), abs=1e-3)


def test_missing_ratings_and_encoders_are_named(learned, ratings, tmp_path):
    with pytest.raises(DataError, match="ratings: expected a CSV table"):
        systems.regress(regression(learned / "encoder.safetensors", tmp_path / "no.csv", tmp_path))
    with pytest.raises(WeightsError, match="which is no file"):
        systems.regress(regression(tmp_path / "no.safetensors", ratings, tmp_path))
