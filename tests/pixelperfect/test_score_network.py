"""The score network: verdict times severity, and what holds of both by construction."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyiqa_pixelperfect.pixelperfect.dissimilarity import DISSIMILARITIES
from pyiqa_pixelperfect.pixelperfect.picture_statistics import STATISTICS
from pyiqa_pixelperfect.pixelperfect.score_network import PairDescription, RelationalScoreNet, describe_pairs


def network(families: int = 3) -> RelationalScoreNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        score = RelationalScoreNet(families, hidden=8, embedding=4, ensemble=2).eval()
        with torch.no_grad():
            score.spread.uniform_(0.5, 2.0)
            score.width.uniform_(0.5, 2.0)
            for member in score.ensemble:
                member.head.weight.mul_(5.0)
    return score


def some_pairs(seed: int, count: int = 5, families: int = 3) -> PairDescription:
    generator = torch.Generator().manual_seed(seed)
    logits = 3.0 * torch.randn(count, families, 6, 7, generator=generator)
    image, reference = torch.randn(2, count, STATISTICS, generator=generator)
    return describe_pairs(logits, image, reference, 0.1 * torch.rand(count, DISSIMILARITIES, generator=generator))


def equal_pairs() -> PairDescription:
    maps, statistics = torch.zeros(2, 3), torch.rand(2, STATISTICS, generator=torch.Generator().manual_seed(0))
    return PairDescription(statistics, statistics, maps, maps, torch.zeros(2, DISSIMILARITIES))


def swapped(pairs: PairDescription) -> PairDescription:
    return PairDescription(pairs.reference, pairs.image, -pairs.mean, pairs.amounts, pairs.unlike)


def test_a_description_holds_means_of_the_signed_maps_with_and_without_their_sign():
    maps = torch.rand(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    image, reference = torch.rand(2, 2, STATISTICS)
    pairs = describe_pairs(maps.logit(), image, reference, torch.zeros(2, DISSIMILARITIES))
    for b in range(2):
        for k in range(3):
            cells = [2 * maps[b, k, y, x].item() - 1 for y in range(5) for x in range(4)]
            assert pairs.mean[b, k].item() == pytest.approx(sum(cells) / 20, abs=1e-6)
            assert pairs.amounts[b, k].item() == pytest.approx(sum(abs(c) for c in cells) / 20, abs=1e-6)
    assert torch.equal(pairs.difference, image - reference)


def test_the_score_is_the_verdict_times_the_severity():
    score, pairs = network(), some_pairs(3)
    with torch.no_grad():
        verdict = torch.tanh(5 * score.lead(pairs))
        assert verdict.abs().max() > 0.01
        assert torch.equal(score(pairs), verdict * score.severity_network(pairs.unlike))


def test_leads_and_verdicts_tell_the_same():
    score = network()
    verdicts = torch.tensor([0.0, 0.1, 0.5, 0.9, 0.99])
    assert torch.allclose(score.verdict(score.lead_of(verdicts)), verdicts, atol=1e-6)
    assert score.lead_of(torch.tensor([1.0, 2.0])).tolist() == [1.0, 1.0]


@settings(max_examples=30, derandomize=True, database=None)
@given(st.integers(0, 10_000))
def test_swapping_turns_the_score_around(seed):
    score, pairs = network(), some_pairs(seed)
    with torch.no_grad():
        assert (score(pairs) + score(swapped(pairs))).abs().max() <= 1e-6
        for one, other in zip(*(score.relate(*score.clues(order)) for order in (pairs, swapped(pairs))), strict=True):
            assert (one + other).abs().max() <= 1e-6
            assert one.abs().max() > 0.01


def test_equal_pictures_score_exactly_zero():
    assert torch.equal(network()(equal_pairs()), torch.zeros(2))


def test_a_stronger_version_of_the_same_difference_is_judged_alike_and_weighs_more():
    score, pairs = network(), some_pairs(7)
    pairs = pairs._replace(reference=-pairs.image)  # both are as far from what is usual, here 0
    stronger = PairDescription(*(2.0 * part for part in pairs))
    with torch.no_grad():
        assert (score(stronger).sign() == score(pairs).sign()).all()
        assert (score.severity(stronger) > score.severity(pairs)).all()


def test_differences_are_measured_by_their_usual_size():
    score, pairs = network(), some_pairs(2, count=300)
    clean = 3.0 + 2.0 * torch.randn(200, STATISTICS, generator=torch.Generator().manual_seed(3))
    score.standardize(pairs, clean)
    torch.testing.assert_close(score.spread, pairs.difference.square().mean(0).sqrt() + 0.02)
    torch.testing.assert_close(score.severity_network.usual, pairs.unlike.square().mean(0).sqrt() + 1e-6)
    torch.testing.assert_close(score.usual, clean.sum(0) / 200)
    torch.testing.assert_close(score.width, ((clean - clean.mean(0)).square().sum(0) / 199).sqrt() + 1e-3)


def test_numbers_are_the_more_unusual_the_more_usual_deviations_they_are_away():
    score, pairs = network(), some_pairs(4)
    with torch.no_grad():
        score.usual.uniform_(-1.0, 1.0)
    for one, numbers in zip(score.unusual(pairs.image), pairs.image, strict=True):
        for i in range(0, STATISTICS, 50):
            deviations = (numbers[i] - score.usual[i]) / score.width[i]
            assert one[i].item() == pytest.approx(np.log1p(deviations.item() ** 2), rel=1e-4, abs=1e-6)


def test_a_verdict_can_hang_on_which_picture_is_the_unusual_one():
    """Pairs whose difference is the same, around what is usual and on either side of it."""
    score = network()
    step = torch.rand(1, STATISTICS, generator=torch.Generator().manual_seed(6))
    maps, unlike = torch.zeros(3, 3), torch.zeros(3, DISSIMILARITIES)
    image = torch.cat((0.5 * step, step, torch.zeros_like(step)))
    pairs = PairDescription(image, image - step, maps, maps, unlike)
    clues, _ = score.clues(pairs)
    difference, unusual = clues[:, :STATISTICS], clues[:, STATISTICS : 2 * STATISTICS]
    assert torch.allclose(difference, difference[:1].expand_as(difference), atol=1e-5)
    assert unusual[0].abs().max() < 1e-5
    assert (unusual[1] > 0).all()
    assert torch.allclose(unusual[1], -unusual[2], atol=1e-5)


def test_embeddings_are_unit_vectors_even_for_equal_pictures():
    score = network()
    for pairs in (some_pairs(1), equal_pairs()):
        length = score.embed(score.relate(*score.clues(pairs))).norm(dim=2)
        assert torch.allclose(length, torch.ones_like(length))


def test_n4_every_parameter_gets_a_gradient():
    score, pairs = network(), some_pairs(5)
    relations = score.relate(*score.clues(pairs))
    (score(pairs).square().sum() + score.embed(relations)[:, :, 0].sum()).backward()
    assert all(p.grad.isfinite().all() and p.grad.abs().sum() > 0 for p in score.parameters())


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_what_tells_a_pair_apart_is_exactly_turned_when_it_is_swapped(count):
    """Both orders in one matrix product are not: its rows may be rounded in different ways."""
    torch.manual_seed(count)
    score = RelationalScoreNet(ensemble=2).eval()
    alike = torch.randn(count, 15)
    turning = torch.randn(count, 2 * STATISTICS + 14)
    for one, other in zip(score.relate(turning, alike), score.relate(-turning, alike), strict=True):
        assert torch.equal(one, -other)


def test_the_verdict_is_that_of_the_mean_of_all_leads():
    """Each network by itself first; two of them may cancel each other out."""
    score, pairs = network(), some_pairs(8)
    with torch.no_grad():
        alone = [member.lead(member(*score.clues(pairs))) for member in score.ensemble]
        assert not torch.allclose(*alone)
        assert torch.allclose(score.lead(pairs), (alone[0] + alone[1]) / 2)
        score.ensemble[1].load_state_dict(score.ensemble[0].state_dict())
        score.ensemble[1].head.weight.neg_()
        assert score(pairs).abs().max() < 1e-6
