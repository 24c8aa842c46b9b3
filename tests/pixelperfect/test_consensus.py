"""Votes: unanimous or none, each teacher turned so that higher is better."""

import sys

import pytest
import torch

from pyiqa_pixelperfect.distortions.ranked import RankedSets
from pyiqa_pixelperfect.errors import MissingDependencyError
from pyiqa_pixelperfect.pixelperfect.consensus import TEACHERS, consensus_votes, load_teachers, ranked_votes

pytest.importorskip("piq")


def scenes(count: int = 3) -> torch.Tensor:
    smooth = torch.rand(count, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(smooth, size=(72, 72), mode="bicubic").clamp(0, 1)


def noisy(clean: torch.Tensor, deviation: float) -> torch.Tensor:
    return (clean + deviation * torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)


def noise_teacher(images, references):
    return -(images - references).square().mean((1, 2, 3))


def brightness_teacher(images, references):
    return images.mean((1, 2, 3)) - references.mean((1, 2, 3))


@pytest.mark.parametrize("name", TEACHERS)
def test_every_teacher_prefers_less_noise(name):
    clean = scenes()
    votes = consensus_votes(load_teachers([name]), noisy(clean, 0.02), noisy(clean, 0.2), clean)
    assert votes.tolist() == [1, 1, 1]
    assert consensus_votes(load_teachers([name]), noisy(clean, 0.2), noisy(clean, 0.02), clean).tolist() == [-1] * 3


def test_only_unanimous_votes_count():
    clean = scenes(2) * 0.5 + 0.2
    bright, dark = clean + 0.1, clean - 0.01
    votes = consensus_votes([noise_teacher, brightness_teacher], bright, dark, clean)
    assert votes.tolist() == [0, 0]  # nearer to clean, but darker
    both = consensus_votes([noise_teacher, brightness_teacher], clean + 0.01, clean - 0.1, clean)
    assert both.tolist() == [1, 1]
    assert consensus_votes([noise_teacher], clean, clean, clean).tolist() == [0, 0]


def test_votes_on_ranked_sets_compare_the_strongest_rungs_with_clean():
    clean = scenes(2)
    versions = [clean, noisy(clean, 0.01), noisy(clean, 0.02), noisy(clean, 0.1), noisy(clean, 0.2)]
    sets = RankedSets(torch.cat(versions), torch.zeros(10, 1, 72, 72), 2, ladders=2, rungs=2)
    assert ranked_votes(sets, [noise_teacher]).tolist() == [1, 1]
    assert ranked_votes(sets, []).tolist() == [0, 0]
    lone = RankedSets(torch.cat(versions[:3]), torch.zeros(6, 1, 72, 72), 2, ladders=1, rungs=2)
    assert ranked_votes(lone, [noise_teacher]).tolist() == []


def test_no_names_no_teachers_and_no_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "piq", None)
    assert load_teachers([]) == []
    with pytest.raises(MissingDependencyError, match=r"score\.teachers: expected piq"):
        load_teachers(["mdsi"])
