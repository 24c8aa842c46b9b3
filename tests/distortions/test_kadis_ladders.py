"""Ladders of KADIS-700k in ranked sets: rising by their own table, alike for both photos of a couple, where asked."""

import numpy as np
import pytest
import torch

from pyiqa_pixelperfect.distortions.engine import DistortionEngine
from pyiqa_pixelperfect.distortions.kadis import KADIS
from pyiqa_pixelperfect.distortions.kadis_ladders import draw_kadis_ladders
from pyiqa_pixelperfect.distortions.kadis_plan import apply_kadis
from pyiqa_pixelperfect.distortions.plan import PlanSettings
from pyiqa_pixelperfect.distortions.ranked import RankedSets, ranked_sets
from pyiqa_pixelperfect.distortions.versions import eight_bit
from pyiqa_pixelperfect.errors import ConfigError

BY_NUMBER = {entry.number: entry for entry in KADIS.values()}
# White noise only, so that what is seen of it is the engine's.
ENGINE = DistortionEngine(PlanSettings(untouched=0.0, counts=(1.0,), kinds=("white_noise",)))


def photos(count: int, side: int = 64) -> torch.Tensor:
    smooth = torch.rand(count, 3, side // 8, side // 8, generator=torch.Generator().manual_seed(1))
    return eight_bit(torch.nn.functional.interpolate(smooth, size=(side, side), mode="bicubic").clamp(0, 1))


def sets_of(share: float, count: int = 8, rungs: int = 3, seed: int = 3) -> RankedSets:
    return ranked_sets(ENGINE, photos(count), np.arange(count), rungs=rungs, ladders=2, kadis=share, seed=seed)


@pytest.mark.parametrize("rungs", [1, 2, 3, 5])
def test_rungs_get_worse_by_the_table_and_never_leave_pictures_as_they_are(rungs):
    rows, plans, _ = draw_kadis_ladders(np.arange(400), rungs, 1.0, seed=1)
    assert rows.tolist() == list(range(400))
    for row in range(400):
        types = {int(plan.types[row]) for plan in plans}
        severities = [BY_NUMBER[int(plan.types[row])].severity[int(plan.levels[row]) - 1] for plan in plans]
        assert len(types) == 1
        assert len({np.sign(severity) for severity in severities}) == 1  # one side of pristine
        assert (np.diff(np.abs([0, *severities])) > 0).all()


def test_every_type_with_enough_levels_is_climbed_at_every_level():
    _, plans, _ = draw_kadis_ladders(np.arange(6000), 3, 1.0, seed=0)
    seen = {(int(t), int(level)) for plan in plans for t, level in zip(plan.types, plan.levels, strict=True)}
    expected = {
        (entry.number, level) for entry in KADIS.values() for side in entry.ladders if len(side) >= 3 for level in side
    }
    assert seen == expected
    assert {number for number, _ in expected} == set(range(1, 26)) - {18}  # of mean shift there are two on each side


def test_ladders_are_drawn_by_sample_number_alone_and_as_often_as_asked():
    few, many = (draw_kadis_ladders(np.arange(count), 3, 0.3, seed=7) for count in (50, 2000))
    assert 0.27 < len(many.rows) / 2000 < 0.33
    count = len(few.rows)
    assert torch.equal(few.rows, many.rows[:count])
    for one, other in zip(few.plans, many.plans, strict=True):
        assert torch.equal(one.types, other.types[:count])
        assert torch.equal(one.levels, other.levels[:count])
        assert torch.equal(one.seeds, other.seeds[:count])
    assert not torch.equal(draw_kadis_ladders(np.arange(50), 3, 0.3, seed=8).plans[0].seeds, few.plans[0].seeds)


def test_sets_hold_what_the_types_make_of_the_clean_photo_in_place_of_the_last_ladder():
    plain, sets = sets_of(0.0), sets_of(0.5)
    shared = np.tile(np.arange(4), 2)
    rows, plans, whole = draw_kadis_ladders(shared, 3, 0.5, seed=3)
    assert 0 < len(rows) < 8
    assert torch.equal(rows[: len(rows) // 2] + 4, rows[len(rows) // 2 :])  # both photos of a couple
    expected = plain.images.clone()
    for rung, plan in enumerate(plans):
        for place, row in enumerate(rows.tolist()):
            at = sets.version(1, rung) * 8 + row
            made = apply_kadis(
                plain.images[row][None], int(plan.types[place]), int(plan.levels[place]), plan.seeds[place][None]
            )
            expected[at] = eight_bit(made[0])
            assert sets.whole[at] == whole[place]
            assert not sets.amounts[at].any()
    assert torch.equal(sets.images, expected)
    untouched = torch.tensor([row for row in range(8) if row not in rows.tolist()])
    last = sets.version(1, 2) * 8 + untouched
    assert torch.equal(sets.amounts[last], plain.amounts[last])
    assert torch.equal(sets.whole[last], plain.whole[last])


def test_patches_and_blocks_are_no_distortions_of_whole_pictures():
    _, plans, whole = draw_kadis_ladders(np.arange(2000), 3, 1.0, seed=0)
    assert set(plans[0].types[~whole].tolist()) == {
        KADIS["non_eccentricity_patch"].number,
        KADIS["color_block"].number,
    }
    assert {entry.name for entry in KADIS.values() if entry.local} == {"non_eccentricity_patch", "color_block"}


def test_more_rungs_than_levels_are_refused():
    with pytest.raises(ConfigError, match="at most 5"):
        draw_kadis_ladders(np.arange(4), 6, 0.5, seed=0)
