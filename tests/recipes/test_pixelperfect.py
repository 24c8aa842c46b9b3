"""Training of Pixel Perfect end to end, on a configuration that takes seconds (promises T1 to T4)."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from pyiqa_pixelperfect.distortions.engine import DistortionEngine
from pyiqa_pixelperfect.distortions.versions import distorted_versions
from pyiqa_pixelperfect.errors import (
    ConfigError,
    DataError,
    MissingDependencyError,
    TrainingDivergedError,
    WeightsError,
)
from pyiqa_pixelperfect.pixelperfect import map_training, score_training, trainer, validation
from pyiqa_pixelperfect.pixelperfect.config import MapStageConfig, PixelPerfectConfig
from pyiqa_pixelperfect.pixelperfect.map_network import DistortionMapNet
from pyiqa_pixelperfect.pixelperfect.map_stage import MapStage
from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect
from pyiqa_pixelperfect.pixelperfect.trainer import train
from pyiqa_pixelperfect.systems import load_config
from pyiqa_pixelperfect.training import logbook
from pyiqa_pixelperfect.training.checkpoint import latest_checkpoint, load_checkpoint

SMOKE = "pixelperfect/smoke.yaml"
#: On top of the smoke configuration: enough for what is not about learning.
BRIEF = ("maps.steps=6", "score.steps=4", "score.crops=8", "checkpoint_every=2", "validate_every=3", "preview_every=0")


@pytest.fixture(autouse=True)
def _no_tensorboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logbook, "_tensorboard", lambda folder, step: None)


def config_of(photos: Path, output: Path, *overrides: str) -> PixelPerfectConfig:
    config = load_config(SMOKE, [f"data.photos={photos}", f"output={output}", "device=cpu", *overrides])
    assert isinstance(config, PixelPerfectConfig)
    return config


def log_of(output: Path) -> list[dict]:
    return [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]


def losses_of(output: Path, stage: str) -> list[float]:
    return [entry["loss"] for entry in log_of(output) if entry["stage"] == stage]


def tensors_of(path: Path) -> dict[str, Tensor]:
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def flat(state: object, prefix: str = "") -> dict[str, object]:
    if isinstance(state, dict):
        return {k: v for name, part in state.items() for k, v in flat(part, f"{prefix}{name}.").items()}
    return {prefix: state}


def assert_same(one: object, two: object) -> None:
    first, second = flat(one), flat(two)
    assert first.keys() == second.keys()
    for name, value in first.items():
        same = torch.equal(value, second[name]) if isinstance(value, Tensor) else value == second[name]
        assert same, name


class StoppedError(Exception):
    """Stands in for whatever ends a run."""


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Let a run end by ``StoppedError`` after that many steps of both stages, descriptions included."""
    advance, count = logbook.Logbook.advance, []

    def stop(book: logbook.Logbook, text: str) -> None:
        count.append(text)
        if len(count) == step:
            raise StoppedError
        advance(book, text)

    monkeypatch.setattr(logbook.Logbook, "advance", stop)


# ------------------------------------------------------------------------------------------------------ it learns


@pytest.fixture(scope="module")
def smoke(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of the smoke configuration as it is shipped."""
    output = tmp_path_factory.mktemp("smoke") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logbook, "_tensorboard", lambda folder, step: None)
        started, used = time.monotonic(), time.process_time()
        state = torch.get_rng_state()
        train(config_of(photos, output))
        assert torch.equal(torch.get_rng_state(), state)
        (output / "seconds").write_text(f"{time.monotonic() - started} {time.process_time() - used}")
    return output


def test_t4_the_smoke_run_is_short_and_its_loss_falls(smoke):
    assert float((smoke / "seconds").read_text().split()[1]) < 60  # of computing; a busy machine is not to blame
    losses = losses_of(smoke, "maps")
    assert len(losses) == 60
    assert np.mean(losses[-10:]) < 0.9 * np.mean(losses[:10])
    assert len(losses_of(smoke, "score")) == 20


def test_the_log_tells_the_whole_run(smoke):
    log = log_of(smoke)
    assert [entry["step"] for entry in log if entry["stage"] == "maps"] == list(range(1, 61))
    assert [entry["step"] for entry in log if entry["stage"] == "score"] == list(range(61, 81))
    assert [entry["step"] for entry in log if entry["stage"] == "validation"] == [30, 60]
    assert {"loss", "gradient", "rate", "skipped"} <= log[0].keys()
    assert log[-1]["stage"] == "final"
    assert set(log[-1]) == {"step", "stage", "maps_error", "maps_leak", "maps_type", "maps_sign", "score_ordered"}
    assert (smoke / "previews" / "maps-00000060.png").stat().st_size > 10_000


def test_weights_of_the_run_load_and_score(smoke):
    metric = PixelPerfect.load(smoke / "pixelperfect.safetensors")
    image, reference = torch.rand(2, 3, 70, 65), torch.rand(2, 3, 70, 65)
    assert metric(image, reference).isfinite().all()
    assert torch.equal(metric(image, image), torch.zeros(2))
    card = metric.card
    assert {"config", "seed", "photos", "photos_sha256", "figures", "commit", "versions", "license"} <= card.keys()
    assert card["photos"] == "5 of 6 photos trained on, every fifth held out"
    assert json.loads(card["figures"])["maps_error"] == round(log_of(smoke)[-1]["maps_error"], 4)
    assert "photos" not in json.loads(card["config"])  # no paths of the machine it was made on
    assert str(smoke) not in json.dumps(card)


def test_the_maps_of_the_run_are_the_average_of_its_last_checkpoint(smoke):
    state = latest_checkpoint(smoke)
    assert state["step"] == 60
    stored = tensors_of(smoke / "pixelperfect.safetensors")
    average = {name.removeprefix("module."): t for name, t in state["averaged"].items() if name != "n_averaged"}
    for name, tensor in average.items():
        weight = stored[f"map_network.{name}"]
        assert torch.equal(weight, tensor.to(weight.dtype)), name
    assert any(not torch.equal(t, average[n.removeprefix("network.")]) for n, t in state["model"].items())


def test_the_score_can_be_trained_alone_on_finished_maps(smoke, photos, tmp_path):
    start = smoke / "pixelperfect.safetensors"
    train(config_of(photos, tmp_path, f"maps.start={start}", "maps.steps=0", "score.crops=8", "score.steps=4"))
    before, after = tensors_of(start), tensors_of(tmp_path / "pixelperfect.safetensors")
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items() if name.startswith("map_network"))
    assert not torch.equal(before["score_network.head.weight"], after["score_network.head.weight"])
    assert PixelPerfect.load(tmp_path / "pixelperfect.safetensors").card["maps_from"].startswith(start.name)


def test_maps_of_other_sizes_are_no_start(smoke, photos, tmp_path):
    start = f"maps.start={smoke / 'pixelperfect.safetensors'}"
    with pytest.raises(WeightsError, match=r"maps\.start: expected weights of a network of these sizes"):
        train(config_of(photos, tmp_path, *BRIEF, start, "network.encoder_widths=[8, 12, 16, 24, 40]"))


def test_a_score_that_learns_from_other_metrics(photos, tmp_path):
    pytest.importorskip("piq")
    votes = ("score.ladders=2", "score.weight_consensus=0.5", "score.teachers=[haarpsi]")
    train(config_of(photos, tmp_path, *BRIEF, *votes))
    assert any(entry["agreement"] > 0 for entry in log_of(tmp_path) if entry["stage"] == "score")


def test_descriptions_that_another_process_did_not_write_are_missed(tmp_path):
    with pytest.raises(DataError, match=r"described: expected sets that another process wrote to .*none"):
        score_training._whole(None, tmp_path / "000001.safetensors", "tag")


def test_descriptions_are_made_once(straight, photos, monkeypatch):
    files = sorted((straight / "described").iterdir())
    assert len(files) == 2
    files[1].write_bytes(b"damaged")
    made, describe = [], score_training.describe_sets

    def count(*values: object):
        made.append(values)
        return describe(*values)

    monkeypatch.setattr(score_training, "describe_sets", count)
    before = tensors_of(straight / "pixelperfect.safetensors")
    train(config_of(photos, straight, *BRIEF))
    assert len(made) == 1
    assert_same(before, tensors_of(straight / "pixelperfect.safetensors"))


def test_t4_one_batch_can_be_learned_by_heart(photos):
    """Distortions of a visible strength all over the picture: what cannot be seen cannot be learned."""
    settings = {"counts": (1.0,), "untouched": 0.0, "amounts": (0.6, 1.0), "shapes": (0.0, 0.9, 0.0, 0.1, 0.0, 0.0)}
    config = config_of(
        photos, Path("unused"), *(f"engine.{k}={list(v) if isinstance(v, tuple) else v}" for k, v in settings.items())
    )
    from pyiqa_pixelperfect.data.crops import CropDataset
    from pyiqa_pixelperfect.data.pristine import list_photos

    dataset = CropDataset(list_photos(photos), 64, 1.0, seed=0)
    clean = torch.stack([dataset[n][1] for n in range(4)]).float() / 255
    versions = distorted_versions(DistortionEngine(config.engine.settings()), clean, np.arange(4), 1, seed=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = DistortionMapNet(14, (8, 12, 16, 24, 32), (16, 16, 24, 24))
    stage = MapStage(network, MapStageConfig(steps=1, photos=4, learning_rate=1.0)).train()
    optimizer = torch.optim.Adam(stage.parameters(), lr=0.01)
    losses = []
    for _ in range(120):
        loss = stage(versions, 10.0)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert min(losses[-10:]) <= 0.1 * losses[0]


# ---------------------------------------------------------------------------------------------- it survives a crash


PROGRAM = """
import sys
from pyiqa_pixelperfect.systems import load_config, train
if __name__ == "__main__":
    train(load_config("pixelperfect/smoke.yaml", sys.argv[1:]))
"""


def arguments(photos: Path, output: Path, *overrides: str) -> list[str]:
    return [f"data.photos={photos}", f"output={output}", "device=cpu", *overrides]


@pytest.fixture(scope="module")
def straight(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("straight") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logbook, "_tensorboard", lambda folder, step: None)
        train(config_of(photos, output, *BRIEF))
    return output


def assert_same_run(one: Path, two: Path) -> None:
    assert_same(tensors_of(one / "pixelperfect.safetensors"), tensors_of(two / "pixelperfect.safetensors"))
    states = [latest_checkpoint(output) for output in (one, two)]
    for state in states:
        state.pop("commits")
    assert_same(*states)
    assert (one / "log.jsonl").read_text() == (two / "log.jsonl").read_text()


def test_t1_a_killed_run_resumes_to_the_same_bits(straight, photos, tmp_path):
    output = tmp_path / "run"
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, str(tmp_path / "program.py"), *arguments(photos, output, *BRIEF)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        while not list(output.glob("checkpoint-*.pt")) and child.poll() is None:
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    assert not (output / "pixelperfect.safetensors").exists()
    train(config_of(photos, output, *BRIEF))
    assert_same_run(straight, output)


@pytest.mark.parametrize("step", [5, 7, 9])
def test_t1_a_run_stopped_at_any_step_resumes_to_the_same_bits(straight, photos, tmp_path, monkeypatch, step):
    advance = logbook.Logbook.advance
    stop_at(monkeypatch, step)
    with pytest.raises(StoppedError):
        train(config_of(photos, tmp_path, *BRIEF))
    monkeypatch.setattr(logbook.Logbook, "advance", advance)
    train(config_of(photos, tmp_path, *BRIEF))
    assert_same_run(straight, tmp_path)


def test_a_finished_run_started_again_changes_nothing(straight, photos):
    content = (straight / "pixelperfect.safetensors").read_bytes()
    log = (straight / "log.jsonl").read_text()
    train(config_of(photos, straight, *BRIEF))
    assert (straight / "pixelperfect.safetensors").read_bytes() == content
    assert (straight / "log.jsonl").read_text() == log


def test_the_card_names_the_commit_the_run_began_with(photos, tmp_path, monkeypatch):
    commits = iter(("one", "two"))
    monkeypatch.setattr(trainer, "current_commit", lambda: next(commits))
    save, calls = map_training.save_checkpoint, []

    def stop(*values: object) -> None:
        save(*values)
        calls.append(values)
        if len(calls) == 1:
            raise StoppedError

    monkeypatch.setattr(map_training, "save_checkpoint", stop)
    with pytest.raises(StoppedError):
        train(config_of(photos, tmp_path, *BRIEF, "maps.steps=4"))
    train(config_of(photos, tmp_path, *BRIEF, "maps.steps=4"))
    assert PixelPerfect.load(tmp_path / "pixelperfect.safetensors").card["commit"] == "one, resumed at two"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("maps.learning_rate=0.001", r"maps\.learning_rate=0\.001 \(was 0\.003\)"),
        ("seed=1", r"seed=1 \(was 0\)"),
        ("score.rungs=3", r"score\.rungs=3 \(was 2\)"),
    ],
)
def test_another_configuration_does_not_resume(straight, photos, override, message):
    before = (straight / "log.jsonl").read_text()
    with pytest.raises(ConfigError, match=f"output: expected the configuration of the run in .*, got {message}"):
        train(config_of(photos, straight, *BRIEF, override))
    assert (straight / "log.jsonl").read_text() == before


def test_how_often_a_run_reports_and_by_how_many_workers_it_reads_may_change(straight, photos):
    train(
        config_of(photos, straight, *BRIEF, "log_every=2", "validate_every=0", "checkpoint_every=9", "data.workers=1")
    )


def test_other_photos_do_not_resume(straight, photos, tmp_path):
    listed = sorted(photos.glob("*.png"))
    manifest = tmp_path / "list.csv"
    state = latest_checkpoint(straight)
    config = config_of(photos, straight, *BRIEF)
    trainer._check_same_run(config, state["photos"], state)
    with pytest.raises(DataError, match=r"photos: expected those that the run in .* began with, got others"):
        trainer._check_same_run(config, "other", state)
    manifest.write_text("file\n" + "\n".join(map(str, listed[:3])))
    with pytest.raises(DataError, match="at least 5 photos"):
        train(config_of(manifest, tmp_path / "run", *BRIEF))


# --------------------------------------------------------------------------------- it saves no numbers that are none


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
    train(config_of(photos, tmp_path, *BRIEF))
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


# ------------------------------------------------------------------------------------------------- before it starts


def test_a_missing_drawing_library_is_noticed_at_the_start(photos, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("pyiqa_pixelperfect.plots")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match=r"preview_every: expected matplotlib.*preview_every=0"):
        train(config_of(photos, tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    with pytest.raises(MissingDependencyError):
        validation.require_previews()


def test_missing_photos_are_noticed_at_the_start(tmp_path):
    with pytest.raises(DataError, match="photos"):
        train(config_of(tmp_path / "none", tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_without_score_steps_or_holdout_there_are_still_weights(photos, tmp_path):
    train(config_of(photos, tmp_path, *BRIEF, "maps.steps=1", "score.steps=0", "data.holdout=false"))
    card = PixelPerfect.load(tmp_path / "pixelperfect.safetensors").card
    assert card["photos"] == "6 of 6 photos trained on, none held out"


# ----------------------------------------------------------------------------------------------------- many processes


@pytest.mark.slow
def test_t5_two_processes_train_together(photos, tmp_path):
    program = PROGRAM.replace("    train(", "    torch.set_num_threads(1)\n    path = train(").replace(
        "import sys", "import sys, torch"
    )
    (tmp_path / "program.py").write_text(program)
    port = 20_000 + os.getpid() % 20_000
    launch = [
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--master-addr",
        "127.0.0.1",
        "--master-port",
        str(port),
    ]
    overrides = [*BRIEF, "maps.steps=3", "score.steps=2"]
    command = [sys.executable, *launch, str(tmp_path / "program.py"), *arguments(photos, tmp_path / "run", *overrides)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    steps = [entry["step"] for entry in log_of(tmp_path / "run") if entry["stage"] in {"maps", "score"}]
    assert steps == [1, 2, 3, 4, 5]
    metric = PixelPerfect.load(tmp_path / "run" / "pixelperfect.safetensors")
    assert metric(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64)).isfinite().all()
