"""Plans: the same sample always gets the same row, and rows are drawn as the settings say."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyiqa_pixelperfect.distortions.catalog import KINDS, KINDS_BY_FAMILY
from pyiqa_pixelperfect.distortions.fields import FIELD_SHAPES, FieldSettings
from pyiqa_pixelperfect.distortions.kind import STAGES
from pyiqa_pixelperfect.distortions.plan import (
    Plan,
    PlanSettings,
    draw_plan,
    families_of,
    join_plans,
    single_kind_plan,
)
from pyiqa_pixelperfect.families import FAMILIES

MANY = 12_000
NAMES = list(KINDS)
SIGNED = torch.tensor([kind.signed for kind in KINDS.values()] + [False])
LOCAL = torch.tensor([kind.local_only for kind in KINDS.values()] + [False])


def rows_of(plan: Plan) -> list[tuple]:
    """Everything the plan says of each picture."""
    batch, slots = plan.kinds.shape
    parts = [getattr(plan.fields, f.name).reshape(slots, batch).T for f in fields(FieldSettings)]
    stacked = [t.tolist() for t in (plan.kinds, plan.peaks, plan.seeds, *parts)]
    return [tuple(map(tuple, row)) for row in zip(*stacked, strict=True)]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return draw_plan(PlanSettings(), np.arange(MANY), 3, 1)


@settings(max_examples=30, derandomize=True, database=None)
@given(st.integers(0, 2**40), st.integers(0, 1000), st.lists(st.integers(0, 2**40), min_size=1, max_size=9))
def test_d1_same_sample_same_row(seed, epoch, indices):
    together = rows_of(draw_plan(PlanSettings(), indices, seed, epoch))
    for place, index in enumerate(indices):
        assert rows_of(draw_plan(PlanSettings(), [index], seed, epoch))[0] == together[place]
    assert rows_of(draw_plan(PlanSettings(), indices[::-1], seed, epoch)) == together[::-1]


@pytest.mark.parametrize("world", [2, 3, 8])
def test_d1_world_size_does_not_matter(world):
    whole = rows_of(draw_plan(PlanSettings(), np.arange(48), 7, 2))
    for rank in range(world):
        assert rows_of(draw_plan(PlanSettings(), np.arange(48)[rank::world], 7, 2)) == whole[rank::world]


def test_seeds_epochs_and_samples_differ():
    rows = [
        rows_of(draw_plan(PlanSettings(), [i], s, e))[0] for i, s, e in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))
    ]
    assert len(set(rows)) == 4


def test_shapes_and_types(plan):
    assert len(plan) == MANY
    assert plan.kinds.shape == plan.peaks.shape == plan.seeds.shape == (MANY, 3)
    assert plan.kinds.dtype == plan.seeds.dtype == plan.fields.shape.dtype == plan.fields.seeds.dtype == torch.int64
    assert all(len(getattr(plan.fields, f.name)) == 3 * MANY for f in fields(FieldSettings))
    seeds = torch.cat((plan.seeds.flatten(), plan.fields.seeds))
    assert seeds.min() >= 0
    assert seeds.max() < 2**31
    assert len(seeds.unique()) > 0.999 * len(seeds)


def test_no_family_twice_in_a_picture(plan):
    for row in families_of(plan).tolist():
        present = [family for family in row if family >= 0]
        assert len(present) == len(set(present))


def test_empty_slots_are_last(plan):
    filled = (plan.kinds >= 0).int()
    assert (filled.diff(dim=1) <= 0).all()


def test_counts_follow_their_chances(plan):
    counts = (plan.kinds >= 0).sum(1).bincount(minlength=4) / MANY
    expected = [0.03, *(0.97 * chance for chance in (0.55, 0.3, 0.15))]
    np.testing.assert_allclose(counts, expected, atol=0.016)


def test_families_are_even_and_kinds_within_them(plan):
    families = families_of(plan)
    filled = families >= 0
    shares = families[filled].bincount(minlength=len(FAMILIES)) / filled.sum()
    np.testing.assert_allclose(shares, 1 / len(FAMILIES), rtol=0.1)
    for members in KINDS_BY_FAMILY.values():
        counts = torch.tensor([(plan.kinds == NAMES.index(kind.name)).sum() for kind in members]).double()
        np.testing.assert_allclose(counts / counts.sum(), 1 / len(members), rtol=0.25)


def test_only_named_kinds_are_drawn_and_those_named_twice_twice_as_often():
    names = ("jpeg", "jpeg", "wavelet_codec", "warp")
    plan = draw_plan(PlanSettings(kinds=names, counts=(0.0, 0.0, 1.0), untouched=0.0), np.arange(3000), 1, 0)
    counts = {name: int((plan.kinds == NAMES.index(name)).sum()) for name in set(names)}
    assert counts["warp"] == counts["jpeg"] + counts["wavelet_codec"] == 3000  # two families: the third slot is empty
    assert counts["jpeg"] / counts["wavelet_codec"] == pytest.approx(2, rel=0.1)
    assert (plan.kinds == -1).sum() == 3000


def test_naming_all_kinds_changes_nothing(plan):
    assert rows_of(draw_plan(PlanSettings(kinds=tuple(KINDS)), np.arange(MANY), 3, 1)) == rows_of(plan)


def test_families_are_drawn_by_their_chances():
    chances = [0.0] * len(FAMILIES)
    chances[2], chances[5], chances[9] = 3.0, 1.0, 2.0
    one = draw_plan(PlanSettings(families=tuple(chances), counts=(1.0,), untouched=0.0), np.arange(6000), 2, 0)
    shares = families_of(one)[:, 0].bincount(minlength=len(FAMILIES)) / 6000
    np.testing.assert_allclose(shares, np.array(chances) / 6, atol=0.02)
    four = draw_plan(PlanSettings(families=tuple(chances), counts=(0.0, 0.0, 0.0, 1.0)), np.arange(50), 2, 0)
    assert set(families_of(four).flatten().tolist()) == {-1, 2, 5, 9}


def test_joined_plans_are_the_plans_one_after_the_other():
    plans = [
        draw_plan(PlanSettings(), np.arange(first, first + count), 4, 1) for first, count in ((0, 3), (9, 1), (5, 2))
    ]
    assert rows_of(join_plans(plans)) == [row for plan in plans for row in rows_of(plan)]
    assert rows_of(join_plans(plans[:1])) == rows_of(plans[0])


def test_peaks_are_in_range_and_signed_for_signed_kinds(plan):
    filled = plan.kinds >= 0
    assert plan.peaks[filled].abs().min() >= 0.1
    assert plan.peaks[filled].abs().max() <= 1
    assert plan.peaks[filled].abs().mean().item() == pytest.approx(0.55, abs=0.01)
    negative = plan.peaks < 0
    assert not (negative & ~SIGNED[plan.kinds])[filled].any()
    assert negative[filled & SIGNED[plan.kinds]].float().mean().item() == pytest.approx(0.5, abs=0.03)


def test_order_is_that_of_the_camera_when_asked_for():
    stage = torch.tensor([STAGES.index(kind.stage) for kind in KINDS.values()] + [99])
    ordered = stage[draw_plan(PlanSettings(pipeline=1.0), np.arange(2000), 0, 0).kinds]
    assert (ordered.diff(dim=1) >= 0).all()
    free = stage[draw_plan(PlanSettings(pipeline=0.0), np.arange(2000), 0, 0).kinds]
    pairs = free[:, :2][free[:, 1] < 99].diff(dim=1)
    assert 0.8 < (pairs < 0).sum() / (pairs > 0).sum() < 1.25


def test_local_kinds_are_never_global(plan):
    slots = plan.fields.shape.reshape(3, MANY).T
    local = LOCAL[plan.kinds]
    assert local.sum() > 500
    assert (slots[local] != FIELD_SHAPES.index("global")).all()
    others = slots[~local & (plan.kinds >= 0)].bincount(minlength=6).double()
    np.testing.assert_allclose(others / others.sum(), PlanSettings().shapes, atol=0.015)
    everywhere = draw_plan(PlanSettings(shapes=(0.0, 1.0, 0.0, 0.0, 0.0, 0.0)), np.arange(2000), 0, 0)
    slots, local = everywhere.fields.shape.reshape(3, -1).T, LOCAL[everywhere.kinds]
    assert (slots[~local] == FIELD_SHAPES.index("global")).all()
    assert (slots[local] == FIELD_SHAPES.index("perlin")).all()


def test_fields_are_drawn_from_their_ranges(plan):
    drawn, asked = plan.fields, PlanSettings()
    for values, (low, high) in (
        (drawn.scale, asked.scale),
        (drawn.coverage, asked.coverage),
        (drawn.softness, asked.softness),
        (drawn.variation, (0.0, 0.6)),
        (drawn.persistence, (0.0, 0.7)),
    ):
        assert low - 1e-6 <= values.min() < low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) < values.max() <= high + 1e-5


def test_other_settings_are_followed():
    sparse = draw_plan(PlanSettings(counts=(1.0,), untouched=0.0, amounts=(0.4, 0.5)), np.arange(500), 0, 0)
    assert sparse.kinds.shape == (500, 1)
    assert (sparse.kinds >= 0).all()
    assert sparse.peaks.abs().min() >= 0.4
    assert sparse.peaks.abs().max() <= 0.5
    assert (draw_plan(PlanSettings(untouched=1.0), np.arange(50), 0, 0).kinds == -1).all()


def test_a_single_kind_plan_is_a_ladder():
    plan = single_kind_plan("tint", [-1.0, 0.2, 0.9], seed=4, shape="blob")
    assert (plan.kinds == NAMES.index("tint")).all()
    assert plan.peaks[:, 0].tolist() == pytest.approx([-1.0, 0.2, 0.9])
    assert len(plan.seeds.unique()) == len(plan.fields.seeds.unique()) == 1
    assert (plan.fields.shape == FIELD_SHAPES.index("blob")).all()
    assert (families_of(plan) == FAMILIES.index("tint")).all()
