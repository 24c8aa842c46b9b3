"""Checkpoints that a crash cannot cost (promise T2), and that run no code (promise W1)."""

import contextlib
import errno
import logging
import multiprocessing
import os
import pickle
import random
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import torch

from pyiqa_pixelperfect.errors import WeightsError
from pyiqa_pixelperfect.training.checkpoint import latest_checkpoint, load_checkpoint, save_checkpoint

STATE = {"stage": "maps", "model": {"a": torch.arange(5.0)}, "guard": {"skipped": 1}, "commits": ["x"]}


def test_a_checkpoint_comes_back(tmp_path):
    path = save_checkpoint(tmp_path, 12, {**STATE, "step": 12})
    assert path.name == "checkpoint-00000012.pt"
    state = load_checkpoint(path)
    assert torch.equal(state.pop("model")["a"], STATE["model"]["a"])
    assert state == {"stage": "maps", "step": 12, "guard": {"skipped": 1}, "commits": ["x"]}


def test_only_the_newest_are_kept_and_strangers_are_left_alone(tmp_path):
    (tmp_path / "checkpoint-best.pt").write_bytes(b"mine")
    for step in (1, 2, 10, 3):
        save_checkpoint(tmp_path, step, {"step": step}, keep=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "checkpoint-00000003.pt",
        "checkpoint-00000010.pt",
        "checkpoint-best.pt",
    ]
    assert latest_checkpoint(tmp_path) == {"step": 10}


def test_what_killed_runs_left_half_written_is_cleared_away(tmp_path):
    (tmp_path / ".checkpoint-00000001.pt.ab12").write_bytes(b"half")
    save_checkpoint(tmp_path, 2, {"step": 2})
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint-00000002.pt"]


def test_no_folder_and_an_empty_one_hold_none(tmp_path):
    assert latest_checkpoint(tmp_path) is None
    assert latest_checkpoint(tmp_path / "none") is None


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "text", "folder"])
def test_t2_a_damaged_newest_falls_back_with_a_warning(tmp_path, caplog, damage):
    save_checkpoint(tmp_path, 1, {"step": 1})
    path = save_checkpoint(tmp_path, 2, {"step": 2, "weights": torch.randn(500)})
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[1000] ^= 4
    contents = {
        "truncated": content[: len(content) // 2],
        "empty": b"",
        "text": b"not a checkpoint",
        "flipped": content,
    }
    path.unlink()
    if damage == "folder":
        path.mkdir()
    else:
        path.write_bytes(contents[damage])
    with caplog.at_level(logging.WARNING):
        assert latest_checkpoint(tmp_path) == {"step": 1}
    assert "skipping a damaged checkpoint" in caplog.text
    assert path.name in caplog.text


def test_t2_every_flipped_bit_is_noticed_or_harmless(tmp_path):
    weights = torch.arange(300.0)
    path = save_checkpoint(tmp_path, 2, {"step": 2, "weights": weights})
    content = path.read_bytes()
    draw = random.Random(3)
    for _ in range(150):
        damaged = bytearray(content)
        damaged[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            state = load_checkpoint(path)
        except WeightsError:
            continue
        assert state["step"] == 2
        assert torch.equal(state["weights"], weights)


def test_checkpoints_from_before_there_were_seals_still_load(tmp_path):
    torch.save({"step": 5}, tmp_path / "checkpoint-00000005.pt")
    assert latest_checkpoint(tmp_path) == {"step": 5}


def test_t2_a_full_disk_is_an_error_and_leaves_the_old_one(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, 1, {"step": 1})

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(tmp_path, 2, {"step": 2})
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint-00000001.pt"]
    assert latest_checkpoint(tmp_path) == {"step": 1}


def test_w1_a_checkpoint_cannot_run_code(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "exploded",))

    (tmp_path / "checkpoint-00000001.pt").write_bytes(pickle.dumps(Bomb()))
    torch.save({"step": Bomb()}, tmp_path / "checkpoint-00000002.pt")
    assert latest_checkpoint(tmp_path) is None
    assert not (tmp_path / "exploded").exists()


def save_forever(folder: Path, said: Connection) -> None:
    step = (latest_checkpoint(folder) or {"step": 0})["step"]
    while True:
        step += 1
        save_checkpoint(folder, step, {"step": step, "weights": torch.full((200_000,), float(step))})
        said.send(step)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, to start children quickly")
def test_t2_a_process_killed_while_saving_leaves_a_checkpoint(tmp_path):
    """Children that save in a loop are killed at random moments; each one's newest checkpoint is whole, and not older
    than the last that it said was saved.
    """
    draw = random.Random(4)
    context = multiprocessing.get_context("fork")
    newest = 0
    for _ in range(30):
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(target=save_forever, args=(tmp_path, theirs))
        child.start()
        theirs.close()
        said = ours.recv()
        time.sleep(draw.random() * 0.03)
        child.kill()
        child.join()
        with contextlib.suppress(EOFError):
            while ours.poll():
                said = ours.recv()
        ours.close()
        state = latest_checkpoint(tmp_path)
        assert state["step"] >= said > newest
        assert (state["weights"] == state["step"]).all()
        newest = state["step"]
