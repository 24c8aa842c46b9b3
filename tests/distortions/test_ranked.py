"""Ranked sets: what is worse is worse by construction, and equal ranks have equal distortions."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pyiqa_pixelperfect.distortions.engine import DistortionEngine
from pyiqa_pixelperfect.distortions.plan import PlanSettings
from pyiqa_pixelperfect.distortions.ranked import RankedSets, ranked_sets, rung_factors
from pyiqa_pixelperfect.distortions.versions import eight_bit
from pyiqa_pixelperfect.errors import ImageError

ENGINE = DistortionEngine(PlanSettings(untouched=0.0))


def photos(count: int, side: int = 64) -> Tensor:
    smooth = torch.rand(count, 3, side // 8, side // 8, generator=torch.Generator().manual_seed(1))
    return eight_bit(torch.nn.functional.interpolate(smooth, size=(side, side), mode="bicubic").clamp(0, 1))


def empty_sets(count: int, ladders: int, rungs: int) -> RankedSets:
    stack = torch.zeros(count * (1 + ladders * rungs), 1, 1, 1)
    return RankedSets(stack, stack, count, ladders, rungs, torch.ones(len(stack), dtype=torch.bool))


@settings(max_examples=50, derandomize=True, database=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 3))
def test_rungs_rise_from_above_0_to_1(seed, rungs, slots):
    factors = rung_factors(np.arange(40), rungs, slots, seed)
    assert factors.shape == (40, slots, rungs)
    np.testing.assert_allclose(factors[..., -1], 1.0, rtol=0, atol=1e-12)
    rises = np.diff(factors, axis=2, prepend=0.0)
    assert (rises >= 0).all()
    assert (rises[:, 0] > 0).all()  # so that no two rungs are equal


def test_half_of_the_sets_rise_together_and_the_others_also_wait():
    factors = rung_factors(np.arange(400), 4, 3, 0)
    together = (factors == factors[:, :1]).all((1, 2))
    assert 0.4 < together.mean() < 0.6
    waiting = np.diff(factors[~together], axis=2, prepend=0.0)[:, 1:, :-1] == 0
    assert 0.2 < waiting.mean() < 0.4


def test_the_clean_photo_comes_first_then_more_and_more_of_the_same():
    clean = photos(4)
    sets = ranked_sets(ENGINE, clean, np.arange(4), rungs=3, seed=2)
    assert sets.images.shape == (16, 3, 64, 64)
    assert torch.equal(sets.images[:4], clean)
    plan = ENGINE.plan(np.array([0, 1, 0, 1]), seed=2, epoch=1000)
    draw = ENGINE.apply(clean, plan)  # the last rung is the whole plan
    assert torch.equal(sets.images[12:], eight_bit(draw.image))
    assert torch.equal(sets.amounts[12:], draw.amounts)
    distance = [(sets.images[4 * r : 4 * r + 4] - clean).square().mean((1, 2, 3)) for r in range(4)]
    assert (distance[1] > 0).all()
    assert (distance[3] > distance[1]).float().mean() >= 0.75


PAST = DistortionEngine(PlanSettings(untouched=0.5, counts=(1.0,), amounts=(0.05, 0.3), kinds=("jpeg", "white_noise")))


def test_ladders_begin_where_the_past_of_a_photo_ends():
    clean = photos(6)
    sets = ranked_sets(ENGINE, clean, np.arange(6), rungs=2, past=PAST, seed=2)
    begun = eight_bit(PAST.apply(clean, PAST.plan(np.arange(6), seed=2, epoch=900)).image)
    changed = (begun != clean).flatten(1).any(1)
    assert 0 < changed.sum() < 6  # some photos have a past, others have none
    assert torch.equal(sets.images[:6], begun)
    assert not sets.amounts[:6].any()  # what happened before is not what ladders are about
    plain = ranked_sets(ENGINE, begun, np.arange(6), rungs=2, seed=2)
    assert torch.equal(sets.images, plain.images)
    assert torch.equal(sets.amounts, plain.amounts)


def test_each_photo_has_a_past_of_its_own():
    clean = photos(2)
    sets = ranked_sets(ENGINE, torch.cat((clean, clean)), np.arange(4), rungs=2, past=PAST, seed=4)
    alone = [
        ranked_sets(ENGINE, clean, np.array(pair), rungs=2, past=PAST, seed=4).images[:2] for pair in ([0, 1], [2, 3])
    ]
    assert torch.equal(sets.images[:4], torch.cat(alone))
    assert not torch.equal(*alone)  # although both halves of a batch climb the same ladders


@pytest.mark.parametrize("past", [None, PAST])
def test_versions_distorted_as_a_whole_have_no_pixel_that_was_left_alone(past):
    engine = DistortionEngine(PlanSettings(untouched=0.0, kinds=("white_noise", "exposure"), counts=(0.6, 0.4)))
    sets = ranked_sets(engine, photos(24), np.arange(24), rungs=2, ladders=2, past=past, seed=8)
    assert sets.whole[:24].all()
    for version in range(1, 5):
        rows = slice(24 * version, 24 * (version + 1))
        assert 0 < sets.whole[rows].sum() < 24
        amounts = sets.amounts[rows].abs()
        there = amounts.flatten(2).amax(2) > 0
        everywhere = amounts.flatten(2).amin(2) > 0
        assert torch.equal((everywhere | ~there).all(1), sets.whole[rows])


def test_amounts_never_fall_along_a_ladder():
    sets = ranked_sets(ENGINE, photos(8), np.arange(8), rungs=3, ladders=2, seed=6)
    worse, better = sets.ordered()
    assert (sets.amounts[worse].abs() >= sets.amounts[better].abs() - 1e-6).all()
    assert (sets.amounts[worse].abs().sum((1, 2, 3)) >= sets.amounts[better].abs().sum((1, 2, 3))).all()


def test_photos_half_a_batch_apart_get_the_same_distortions():
    clean = photos(2)
    sets = ranked_sets(ENGINE, torch.cat((clean, clean)), np.arange(4), rungs=2, ladders=2, seed=3)
    for version in range(1, 5):
        assert torch.equal(sets.images[4 * version : 4 * version + 2], sets.images[4 * version + 2 : 4 * version + 4])


def test_ladders_of_a_photo_are_different():
    sets = ranked_sets(ENGINE, photos(2), np.arange(2), rungs=2, ladders=2, seed=3)
    first, second = sets.images[2 * sets.version(0, 1) :][:2], sets.images[2 * sets.version(1, 1) :][:2]
    assert not torch.equal(first, second)


@settings(max_examples=50, derandomize=True, database=None)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 4))
def test_known_and_unknown_orders(count, ladders, rungs):
    sets = empty_sets(count, ladders, rungs)
    assert len(sets) == 1 + ladders * rungs
    known, unknown = set(), set()
    for photo in range(count):
        for ladder in range(ladders):
            climb = [0, *range(1 + ladder * rungs, 1 + (ladder + 1) * rungs)]
            for place, worse in enumerate(climb):
                known |= {(worse * count + photo, better * count + photo) for better in climb[:place]}
            if ladder + 1 < ladders:
                others = range(1 + (ladder + 1) * rungs, 1 + (ladder + 2) * rungs)
                unknown |= {(one * count + photo, other * count + photo) for one in climb[1:] for other in others}
    for pairs, expected in ((sets.ordered(), known), (sets.crossing(), unknown)):
        rows = list(zip(pairs[0].tolist(), pairs[1].tolist(), strict=True))
        assert set(rows) == expected
        assert len(rows) == len(expected)


def test_an_odd_number_of_photos_is_refused():
    with pytest.raises(ImageError, match=r"clean: expected an even number of photos.*got 3"):
        ranked_sets(ENGINE, photos(3), np.arange(3), rungs=2, seed=0)
