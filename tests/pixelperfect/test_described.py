"""Described sets hold what the metric itself would say of each pair, in the order of the ranked sets."""

import numpy as np
import pytest
import torch

from pyiqa_pixelperfect.distortions.engine import DistortionEngine
from pyiqa_pixelperfect.distortions.plan import PlanSettings
from pyiqa_pixelperfect.distortions.ranked import RankedSets, ranked_sets
from pyiqa_pixelperfect.distortions.versions import eight_bit
from pyiqa_pixelperfect.pixelperfect.described import describe_sets, join_sets, load_sets, save_sets, sets_tag
from pyiqa_pixelperfect.pixelperfect.score_stage import ordered_share


def sets_of(seed: int, rungs: int = 2, ladders: int = 2, side: int = 64) -> RankedSets:
    smooth = torch.rand(4, 3, side // 8, side // 8, generator=torch.Generator().manual_seed(1))
    photos = eight_bit(torch.nn.functional.interpolate(smooth, size=(side, side), mode="bicubic").clamp(0, 1))
    engine = DistortionEngine(PlanSettings(untouched=0.0))
    return ranked_sets(engine, photos, np.arange(4), rungs=rungs, ladders=ladders, seed=seed)


#: (image, reference) of every pair of two ladders of two rungs: 0 is clean, 1 and 2 climb, 3 and 4 climb.
PAIRS = ((1, 0), (2, 0), (2, 1), (3, 0), (4, 0), (4, 3), (2, 4))


def test_every_pair_of_every_crop_is_where_it_should_be(small):
    sets = sets_of(3)
    votes = torch.tensor([1.0, -1.0, 0.0, 1.0])
    described = describe_sets(small.map_network, sets, votes)
    assert (len(described), described.known) == (2, 6)
    scores = small.score_network(described.pairs()).reshape(2, 2, 7)
    version = sets.images.reshape(5, 4, 3, 64, 64)
    with torch.no_grad():
        for photo in range(4):
            half, couple = divmod(photo, 2)
            for number, (image, reference) in enumerate(PAIRS):
                expected = small(version[image, photo][None], version[reference, photo][None])
                torch.testing.assert_close(scores[couple, half, number], expected[0], rtol=1e-4, atol=1e-5)
            assert described.votes[couple, half, 0] == votes[photo]
    assert described.to_clean.tolist() == [[0, 1], [3, 4]]


def test_the_share_in_order_is_counted_over_known_pairs(small):
    sets = sets_of(4)
    described = describe_sets(small.map_network, sets, torch.zeros(4))
    version = sets.images.reshape(5, 4, 3, 64, 64)
    with torch.no_grad():
        right = [small(version[image], version[reference]) < 0 for image, reference in PAIRS[:6]]
    share = ordered_share(small.score_network, described)
    assert share == pytest.approx(torch.cat(right).float().mean().item())


def test_couples_can_be_taken_out_and_joined(small):
    parts = [describe_sets(small.map_network, sets_of(seed), torch.zeros(4)) for seed in (1, 2)]
    joined = join_sets(parts)
    assert len(joined) == 4
    taken = joined.rows(torch.tensor([3, 0]))
    assert torch.equal(taken.difference, torch.stack((parts[1].difference[1], parts[0].difference[0])))
    assert torch.equal(taken.votes, torch.stack((parts[1].votes[1], parts[0].votes[0])))
    assert taken.known == 6


def test_files_hold_them_for_the_same_maps_and_settings_only(small, tmp_path):
    described, path = describe_sets(small.map_network, sets_of(5), torch.zeros(4)), tmp_path / "0.safetensors"
    assert load_sets(path, "x") is None
    tag = sets_tag(small.map_network, "settings")
    save_sets(path, described, tag)
    again = load_sets(path, tag)
    assert again is not None
    for name in ("difference", "mean", "amounts", "error", "votes", "to_clean"):
        assert torch.equal(getattr(again, name), getattr(described, name))
    assert load_sets(path, sets_tag(small.map_network, "others")) is None
    with torch.no_grad():
        small.map_network.head.weight[0, 0] += 1e-3
    assert load_sets(path, sets_tag(small.map_network, "settings")) is None


def test_a_damaged_file_counts_as_none(small, tmp_path):
    path = tmp_path / "0.safetensors"
    save_sets(path, describe_sets(small.map_network, sets_of(5), torch.zeros(4)), "x")
    path.write_bytes(path.read_bytes()[:-100])
    assert load_sets(path, "x") is None
