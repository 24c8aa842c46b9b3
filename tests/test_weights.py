"""Weights files: the card, the checksum and every kind of damage (promises W1 to W3)."""

import errno
import json
import os
import random
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pyiqa_pixelperfect.errors import WeightsError
from pyiqa_pixelperfect.weights import bundled_weights, file_sha256, load_weights, save_weights, write_atomically

STATE = {
    "kernel": torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0)).half(),
    "scale": torch.tensor([1.0, -2.5, 3e-20]),
    "count": torch.tensor(12),
    "empty": torch.zeros(0, 3),
    "brain": torch.tensor([0.5, 1.5], dtype=torch.bfloat16),
}
CARD = {"class": "Net", "data": "seven photos, größer"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_weights(tmp_path / "net.safetensors", STATE, CARD)
    return tmp_path / "net.safetensors"


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(one[n].dtype == two[n].dtype and torch.equal(one[n], two[n]) for n in one)


def test_weights_and_card_come_back(path):
    state, card = load_weights(str(path), "Net")
    assert same(state, STATE)
    assert card == {**CARD, "format": "1"}


def test_views_and_strided_tensors_are_stored_by_value(tmp_path):
    whole = torch.arange(24.0).reshape(2, 3, 4)
    state = {"a": whole[:, 1], "b": whole.permute(2, 0, 1), "c": whole}
    save_weights(tmp_path / "w", state, CARD)
    assert same(load_weights(tmp_path / "w", "Net")[0], state)


def test_a_checksum_given_by_the_caller_is_replaced(tmp_path):
    save_weights(tmp_path / "w", STATE, {**CARD, "sha256": "0" * 64, "format": "0"})
    assert load_weights(tmp_path / "w", "Net")[1]["format"] == "1"


def test_equal_weights_are_equal_files(path, tmp_path):
    save_weights(tmp_path / "again", dict(reversed(STATE.items())), dict(reversed(CARD.items())))
    assert (tmp_path / "again").read_bytes() == path.read_bytes()
    with path.open("rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        assert len(json.loads(file.read(length))["__metadata__"]["sha256"]) == 64


def test_a_card_must_name_a_class(tmp_path):
    with pytest.raises(WeightsError, match="card: expected an entry 'class'"):
        save_weights(tmp_path / "w", STATE, {"data": "?"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_t3_weights_that_are_no_numbers_are_not_saved(tmp_path, value):
    with pytest.raises(WeightsError, match="state: expected finite weights, got NaN or infinity in bad"):
        save_weights(tmp_path / "w", {"good": torch.ones(2), "bad": torch.tensor([1.0, value])}, CARD)
    assert list(tmp_path.iterdir()) == []


def test_w3_the_wrong_class_is_named(path):
    with pytest.raises(WeightsError, match="expected weights of Other, got weights of 'Net'"):
        load_weights(path, "Other")


def test_w2_a_thousand_bit_flips_are_noticed(path, tmp_path):
    content = path.read_bytes()
    draw = random.Random(20)
    target = tmp_path / "damaged"
    for _ in range(1000):
        bit = draw.randrange(8 * len(content))
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        target.write_bytes(damaged)
        try:
            state, card = load_weights(target, "Net")
        except WeightsError:
            continue
        # What JSON does not care about may change; what was saved may not.
        assert same(state, STATE), bit
        assert card == {**CARD, "format": "1"}, bit


def test_w2_every_bit_of_the_tensors_counts(path, tmp_path):
    content = path.read_bytes()
    start = 8 + struct.unpack("<Q", content[:8])[0]
    for position in range(start, len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1 << position % 8
        (tmp_path / "damaged").write_bytes(damaged)
        with pytest.raises(WeightsError, match="does not fit its checksum"):
            load_weights(tmp_path / "damaged", "Net")


def test_w2_two_hundred_truncations_are_noticed(path, tmp_path):
    content = path.read_bytes()
    draw = random.Random(21)
    for length in [0, 1, 7, 8, 9, len(content) - 1, *(draw.randrange(len(content)) for _ in range(194))]:
        (tmp_path / "damaged").write_bytes(content[:length])
        with pytest.raises(WeightsError):
            load_weights(tmp_path / "damaged", "Net")


def test_appended_bytes_are_noticed(path):
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(WeightsError):
        load_weights(path, "Net")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, "expected a file of format '1'"),
        ({"class": "Net"}, "expected a file of format '1' written by this package, got format None"),
        ({"class": "Net", "format": "2"}, "got format '2'"),
        ({"class": "Net", "format": "1"}, "does not fit its checksum"),
        ({"class": "Net", "format": "1", "sha256": "0" * 64}, "does not fit its checksum"),
    ],
)
def test_files_of_others_are_refused(tmp_path, metadata, message):
    save_file({"a": torch.ones(3)}, tmp_path / "w", metadata=metadata)
    with pytest.raises(WeightsError, match=message):
        load_weights(tmp_path / "w", "Net")


def test_exchanged_tensors_are_noticed(tmp_path):
    save_weights(tmp_path / "w", {"a": torch.ones(3), "b": torch.zeros(3)}, CARD)
    content = (tmp_path / "w").read_bytes()
    (tmp_path / "w").write_bytes(content.replace(b'"a":', b'"?":').replace(b'"b":', b'"a":').replace(b'"?":', b'"b":'))
    with pytest.raises(WeightsError, match="checksum"):
        load_weights(tmp_path / "w", "Net")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_a_weights_error(path):
    path.chmod(0)
    with pytest.raises(WeightsError):
        load_weights(path, "Net")


def test_missing_bundled_weights_are_named():
    with pytest.raises(WeightsError, match="weights: expected bundled weights 'nothing'"):
        bundled_weights("nothing")


def test_w2_the_file_hash_is_sha256(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    assert file_sha256(tmp_path / "f") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


# ---------------------------------------------------------------------------------------------------- atomic writing


@pytest.mark.parametrize("call", ["fsync", "write", "replace"])
def test_t2_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch, call):
    target = tmp_path / "w"
    write_atomically(target, b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if call == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    elif call == "replace":
        monkeypatch.setattr(Path, "replace", full)
    else:
        opened = os.fdopen

        def fdopen(*arguments: object):
            file = opened(*arguments)
            file.close()
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fdopen", fdopen)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(target, b"new")
    monkeypatch.undo()
    assert target.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["w"]


def test_written_files_can_be_shared_and_folders_appear(tmp_path):
    write_atomically(tmp_path / "deep" / "er" / "w", b"x")
    assert (tmp_path / "deep" / "er" / "w").stat().st_mode & 0o777 == 0o644
