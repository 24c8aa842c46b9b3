"""What closed-form metrics say together: each turned so that higher is better, ranks against ranks."""

import sys

import numpy as np
import pytest
import torch
from scipy import stats

from pyiqa_pixelperfect.distortions.ranked import RankedSets
from pyiqa_pixelperfect.errors import MissingDependencyError
from pyiqa_pixelperfect.pixelperfect.consensus import TEACHERS, consensus_ranks, judge_versions, load_teachers

pytest.importorskip("piq")


def scenes(count: int = 3) -> torch.Tensor:
    smooth = torch.rand(count, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(smooth, size=(72, 72), mode="bicubic").clamp(0, 1)


def noisy(clean: torch.Tensor, deviation: float) -> torch.Tensor:
    return (clean + deviation * torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)


def sets_of(*versions: torch.Tensor, local: tuple[int, ...] = ()) -> RankedSets:
    """One ladder of versions, of which the rows ``local`` are not distorted as a whole."""
    images = torch.cat(versions)
    whole = torch.tensor([row not in local for row in range(len(images))])
    return RankedSets(images, torch.zeros(len(images), 1, 72, 72), len(versions[0]), 1, len(versions) - 1, whole)


def noise_teacher(images, references):
    return -(images - references).square().mean((1, 2, 3))


def brightness_teacher(images, references):
    return images.mean((1, 2, 3)) - references.mean((1, 2, 3))


@pytest.mark.parametrize("name", TEACHERS)
def test_every_teacher_prefers_less_noise(name):
    clean = scenes()
    judged = judge_versions(sets_of(clean, noisy(clean, 0.02), noisy(clean, 0.2)), load_teachers([name]))
    mild, strong = judged[:, 0].chunk(2)
    assert (mild > strong).all()


def test_versions_are_judged_against_their_own_clean_photo():
    clean = scenes(2)
    versions = [clean, noisy(clean, 0.02), noisy(clean, 0.1)]
    judged = judge_versions(sets_of(*versions), [noise_teacher, brightness_teacher])
    assert judged.shape == (4, 2)
    for version in (1, 2):
        for photo in range(2):
            pair = versions[version][photo][None], clean[photo][None]
            expected = [noise_teacher(*pair).item(), brightness_teacher(*pair).item()]
            assert judged[2 * (version - 1) + photo].tolist() == pytest.approx(expected, abs=1e-7)
    assert judge_versions(sets_of(*versions), []).shape == (4, 0)


@pytest.mark.parametrize("local", [(2, 5), (3, 4, 7), tuple(range(2, 8))])
def test_teachers_are_asked_about_distortions_of_whole_pictures_only(local):
    clean = scenes(2)
    versions = [clean, *(noisy(clean, deviation) for deviation in (0.02, 0.1, 0.2))]
    asked = []

    def teacher(images, references):
        asked.append(len(images))
        return noise_teacher(images, references)

    judged = judge_versions(sets_of(*versions, local=local), [teacher, brightness_teacher])
    every = judge_versions(sets_of(*versions), [noise_teacher, brightness_teacher])
    for row in range(6):
        if row + 2 in local:
            assert judged[row].isnan().all()
        else:
            torch.testing.assert_close(judged[row], every[row])
    assert sum(asked) == 6 - len(local)
    assert 0 not in asked  # metrics of libraries fail on nothing
    assert max(asked, default=0) <= 2  # as many at a time as there are photos, or memory would grow with the ladders


def test_ranks_are_among_the_judged():
    judged = torch.randn(6, 2, 3, generator=torch.Generator().manual_seed(6))
    some = judged.clone()
    some[[1, 4]] = torch.nan
    ranks = consensus_ranks(some)
    seen = torch.tensor([0, 2, 3, 5])
    assert ranks[[1, 4]].isnan().all()
    assert torch.equal(ranks[seen], consensus_ranks(judged[seen]))
    assert consensus_ranks(torch.full((2, 3), torch.nan)).isnan().all()


def test_ranks_are_means_over_teachers_and_high_for_bad():
    judged = torch.randn(3, 2, 4, 3, generator=torch.Generator().manual_seed(3))
    ranks = consensus_ranks(judged)
    assert ranks.shape == (3, 2, 4)
    flat = judged.reshape(24, 3).double().numpy()
    expected = np.mean([stats.rankdata(-flat[:, teacher]) for teacher in range(3)], axis=0) / 25
    np.testing.assert_allclose(ranks.flatten().numpy(), expected, rtol=1e-6)
    assert 0 < ranks.min() < ranks.max() < 1


def test_units_of_teachers_do_not_matter():
    judged = torch.rand(10, 2, generator=torch.Generator().manual_seed(4))
    stretched = torch.stack((judged[:, 0] * 1000, judged[:, 1] ** 3), dim=1)
    assert torch.equal(consensus_ranks(judged), consensus_ranks(stretched))
    with pytest.raises(ValueError, match="at least one teacher"):
        consensus_ranks(torch.zeros(3, 0))


def test_no_names_no_teachers_and_no_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "piq", None)
    assert load_teachers([]) == []
    with pytest.raises(MissingDependencyError, match=r"score\.teachers: expected piq"):
        load_teachers(["mdsi"])
