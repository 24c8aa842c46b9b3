"""Mixed precision where it helps, and only there."""

import pytest
import torch

from pyiqa_pixelperfect.training import precision


@pytest.mark.parametrize(
    ("word", "hardware", "expected"),
    [
        ("float32", True, torch.float32),
        ("bfloat16", False, torch.bfloat16),
        ("auto", True, torch.bfloat16),
        ("auto", False, torch.float32),
    ],
)
def test_autocast_follows_the_word_and_the_hardware(monkeypatch, word, hardware, expected):
    monkeypatch.setattr(precision, "_computes_in_bfloat16", lambda device: hardware)
    with precision.autocast(torch.device("cpu"), word):
        assert torch.mm(torch.ones(2, 2), torch.ones(2, 2)).dtype == expected
    assert torch.mm(torch.ones(2, 2), torch.ones(2, 2)).dtype == torch.float32


def test_the_probe_knows_old_versions_of_torch(monkeypatch):
    assert isinstance(precision._computes_in_bfloat16(torch.device("cpu")), bool)
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert precision._computes_in_bfloat16(torch.device("cpu")) is False
