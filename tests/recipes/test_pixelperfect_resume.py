"""A run of Pixel Perfect that was interrupted ends where it would have ended (promise T1)."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pyiqa_pixelperfect.errors import ConfigError, DataError
from pyiqa_pixelperfect.pixelperfect import map_training, score_training, trainer
from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect
from pyiqa_pixelperfect.pixelperfect.trainer import train
from pyiqa_pixelperfect.training import logbook
from pyiqa_pixelperfect.training.checkpoint import latest_checkpoint
from pyiqa_pixelperfect.training.identity import check_same_run
from recipes.runs import BRIEF, PROGRAM, StoppedError, arguments, assert_same, config_of, tensors_of


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Let a run end by ``StoppedError`` after that many steps of both stages, descriptions included."""
    advance, count = logbook.Logbook.advance, []

    def stop(book: logbook.Logbook, text: str) -> None:
        count.append(text)
        if len(count) == step:
            raise StoppedError
        advance(book, text)

    monkeypatch.setattr(logbook.Logbook, "advance", stop)


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
        ("network.encoder_widths=[8,12,16,24,40]", r"network\.encoder_widths=\[8, 12, 16, 24, 40\] \(was "),
    ],
)
def test_another_configuration_does_not_resume(straight, photos, override, message):
    before = (straight / "log.jsonl").read_text()
    with pytest.raises(ConfigError, match=f"output: expected the configuration of the run in .*, got {message}"):
        train(config_of(photos, straight, *BRIEF, override))
    assert (straight / "log.jsonl").read_text() == before


def test_the_score_may_be_taught_anew_on_the_maps_of_a_finished_run(straight, photos, tmp_path):
    shutil.copytree(straight, tmp_path / "run")
    train(config_of(photos, tmp_path / "run", *BRIEF, "score.rungs=3", "network.score_hidden=8"))
    before, after = (tensors_of(folder / "pixelperfect.safetensors") for folder in (straight, tmp_path / "run"))
    maps = [name for name in before if name.startswith("map_network.")]
    assert_same({name: before[name] for name in maps}, {name: after[name] for name in maps})
    assert before["score_network.ensemble.0.head.weight"].shape != after["score_network.ensemble.0.head.weight"].shape


def test_how_often_a_run_reports_and_by_how_many_workers_it_reads_may_change(straight, photos, tmp_path):
    shutil.copytree(straight, tmp_path / "run")  # other workers describe again, which later tests would see
    changed = ("log_every=2", "validate_every=0", "checkpoint_every=9", "data.workers=1")
    train(config_of(photos, tmp_path / "run", *BRIEF, *changed))


def test_other_photos_do_not_resume(straight, photos, tmp_path):
    listed = sorted(photos.glob("*.png"))
    manifest = tmp_path / "list.csv"
    state = latest_checkpoint(straight)
    config = config_of(photos, straight, *BRIEF)
    check_same_run(config.output, trainer._fingerprint(config), state["photos"], state)
    with pytest.raises(DataError, match=r"photos: expected those that the run in .* began with, got others"):
        check_same_run(config.output, trainer._fingerprint(config), "other", state)
    manifest.write_text("file\n" + "\n".join(map(str, listed[:3])))
    with pytest.raises(DataError, match="at least 5 photos"):
        train(config_of(manifest, tmp_path / "run", *BRIEF))


def test_descriptions_are_made_once_and_each_part_by_itself(straight, photos, monkeypatch):
    files = sorted((straight / "described").iterdir())
    assert [file.name[:4] for file in files] == ["maps", "maps", "pict", "pict"]
    files[1].write_bytes(b"damaged")
    made = []
    for name in ("describe_maps", "describe_pictures"):
        describe = getattr(score_training, name)
        monkeypatch.setattr(
            score_training, name, lambda *values, name=name, describe=describe: made.append(name) or describe(*values)
        )
    before = tensors_of(straight / "pixelperfect.safetensors")
    train(config_of(photos, straight, *BRIEF))
    assert made == ["describe_maps"]
    assert_same(before, tensors_of(straight / "pixelperfect.safetensors"))
