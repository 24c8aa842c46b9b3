"""Described sets hold what the metric itself would say of each pair, in the order of the ranked sets."""

from dataclasses import fields

import numpy as np
import pytest
import torch

from pyiqa_pixelperfect.distortions.engine import DistortionEngine
from pyiqa_pixelperfect.distortions.plan import PlanSettings
from pyiqa_pixelperfect.distortions.ranked import RankedSets, ranked_sets
from pyiqa_pixelperfect.distortions.versions import eight_bit
from pyiqa_pixelperfect.errors import DataError
from pyiqa_pixelperfect.pixelperfect.described import (
    DescribedSets,
    describe_maps,
    describe_pictures,
    describe_sets,
    join_sets,
)
from pyiqa_pixelperfect.pixelperfect.description_files import DescribedBatch, settings_tag
from pyiqa_pixelperfect.pixelperfect.picture_statistics import picture_statistics
from pyiqa_pixelperfect.pixelperfect.score_stage import ordered_share


def sets_of(seed: int, rungs: int = 2, ladders: int = 2, side: int = 64) -> RankedSets:
    smooth = torch.rand(4, 3, side // 8, side // 8, generator=torch.Generator().manual_seed(1))
    photos = eight_bit(torch.nn.functional.interpolate(smooth, size=(side, side), mode="bicubic").clamp(0, 1))
    engine = DistortionEngine(PlanSettings(untouched=0.0))
    return ranked_sets(engine, photos, np.arange(4), rungs=rungs, ladders=ladders, seed=seed)


#: (image, reference) of every pair of two ladders of two rungs: 0 is clean, 1 and 2 climb, 3 and 4 climb.
PAIRS = ((1, 0), (2, 0), (2, 1), (3, 0), (4, 0), (4, 3), (1, 3), (1, 4), (2, 3), (2, 4))
#: What two teachers say of versions 1 to 4 of four photos, version by version.
JUDGED = torch.arange(32.0).reshape(16, 2)


def assert_equal(one: DescribedSets, other: DescribedSets) -> None:
    for field in fields(one):
        assert torch.equal(getattr(one, field.name), getattr(other, field.name))


def test_every_pair_of_every_crop_is_where_it_should_be(small):
    sets = sets_of(3)
    described = describe_sets(small.map_network, sets, JUDGED)
    assert (len(described), described.known) == (2, 6)
    scores = small.score_network(described.pairs()).reshape(2, 2, 10)
    version = sets.images.reshape(5, 4, 3, 64, 64)
    with torch.no_grad():
        for photo in range(4):
            half, couple = divmod(photo, 2)
            for number, (image, reference) in enumerate(PAIRS):
                expected = small(version[image, photo][None], version[reference, photo][None])
                torch.testing.assert_close(scores[couple, half, number], expected[0], rtol=1e-4, atol=1e-5)
            assert torch.equal(described.judged[couple, half], JUDGED.reshape(4, 4, 2)[:, photo])
    torch.testing.assert_close(described.clean, picture_statistics(version[0][[0, 2, 1, 3]]))  # couple by couple
    assert described.members.tolist() == [list(pair) for pair in PAIRS]
    assert described.ladders.tolist() == [[1, 2], [3, 4]]
    assert described.to_clean.tolist() == [0, 1, 3, 4]


def test_the_share_in_order_is_counted_over_known_pairs(small):
    sets = sets_of(4)
    described = describe_sets(small.map_network, sets, JUDGED)
    version = sets.images.reshape(5, 4, 3, 64, 64)
    with torch.no_grad():
        right = [small(version[image], version[reference]) < 0 for image, reference in PAIRS[:6]]
    share = ordered_share(small.score_network, described)
    assert share == pytest.approx(torch.cat(right).float().mean().item())


def test_a_lone_ladder_has_no_crossing_pairs(small):
    described = describe_sets(small.map_network, sets_of(6, ladders=1, rungs=3), JUDGED[:12])
    assert described.known == described.amounts.shape[2] == 6
    assert described.to_clean.tolist() == [0, 1, 3]


def test_couples_can_be_taken_out_and_joined(small):
    parts = [describe_sets(small.map_network, sets_of(seed), JUDGED) for seed in (1, 2)]
    joined = join_sets(parts)
    assert len(joined) == 4
    taken = joined.rows(torch.tensor([3, 0]))
    assert torch.equal(taken.statistics, torch.stack((parts[1].statistics[1], parts[0].statistics[0])))
    assert torch.equal(taken.judged, torch.stack((parts[1].judged[1], parts[0].judged[0])))
    assert taken.known == 6


def batch_in(folder, small, settings: str = "settings") -> DescribedBatch:
    return DescribedBatch(folder, 7, settings_tag(settings), settings_tag(settings, small.map_network))


def test_files_hold_them_for_the_same_settings_and_the_part_of_the_maps_for_the_same_maps(small, tmp_path):
    sets = sets_of(5)
    batch = batch_in(tmp_path, small)
    assert batch.missing == (True, True)
    with pytest.raises(DataError, match=r"described: expected sets that another process wrote to .*none"):
        batch.sets()
    batch.keep(describe_pictures(sets, JUDGED), None)
    assert batch_in(tmp_path, small).missing == (False, True)
    batch.keep(None, describe_maps(small.map_network, sets))
    assert batch.missing == (False, False)
    expected = describe_sets(small.map_network, sets, JUDGED)
    assert_equal(batch.sets(), expected)
    assert_equal(batch_in(tmp_path, small).sets(), expected)
    assert batch_in(tmp_path, small, "others").missing == (True, True)
    small.map_network.calibration.gain += 0.1  # which comes after what is described
    assert batch_in(tmp_path, small).missing == (False, False)
    assert_equal(describe_sets(small.map_network, sets, JUDGED), expected)
    with torch.no_grad():
        small.map_network.head.weight[0, 0] += 1e-3
    assert batch_in(tmp_path, small).missing == (False, True)


def test_what_another_process_described_is_read(small, tmp_path):
    mine, theirs = batch_in(tmp_path, small), batch_in(tmp_path, small)
    sets = sets_of(5)
    theirs.keep(describe_pictures(sets, JUDGED), describe_maps(small.map_network, sets))
    assert mine.missing == (True, True)
    assert_equal(mine.sets(), theirs.sets())


def test_a_damaged_file_counts_as_none(small, tmp_path):
    sets = sets_of(5)
    batch_in(tmp_path, small).keep(describe_pictures(sets, JUDGED), describe_maps(small.map_network, sets))
    damaged, _ = sorted(tmp_path.iterdir())
    damaged.write_bytes(damaged.read_bytes()[:-100])
    assert damaged.name == "maps-000007.safetensors"
    assert batch_in(tmp_path, small).missing == (False, True)
