"""The score network: verdict times severity, and what holds of both by construction."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyiqa_pixelperfect.pixelperfect.picture_statistics import STATISTICS
from pyiqa_pixelperfect.pixelperfect.score_network import PairDescription, RelationalScoreNet, describe_pairs


def network(families: int = 3) -> RelationalScoreNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        score = RelationalScoreNet(families, hidden=8, embedding=4).eval()
        with torch.no_grad():
            score.family_weights.copy_(torch.tensor([0.3, -1.0, 2.0])[:families])
            score.spread.uniform_(0.5, 2.0)
            score.head.weight.mul_(5.0)
    return score


def some_pairs(seed: int, count: int = 5, families: int = 3) -> PairDescription:
    generator = torch.Generator().manual_seed(seed)
    logits = 3.0 * torch.randn(count, families, 6, 7, generator=generator)
    image, reference = torch.randn(2, count, STATISTICS, generator=generator)
    return describe_pairs(logits, image, reference, 0.01 * torch.rand(count, generator=generator))


def swapped(pairs: PairDescription) -> PairDescription:
    return PairDescription(-pairs.difference, -pairs.mean, pairs.amounts, pairs.error)


def test_a_description_holds_means_of_the_signed_maps_with_and_without_their_sign():
    maps = torch.rand(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    image, reference = torch.rand(2, 2, STATISTICS)
    pairs = describe_pairs(maps.logit(), image, reference, torch.zeros(2))
    for b in range(2):
        for k in range(3):
            cells = [2 * maps[b, k, y, x].item() - 1 for y in range(5) for x in range(4)]
            assert pairs.mean[b, k].item() == pytest.approx(sum(cells) / 20, abs=1e-6)
            assert pairs.amounts[b, k].item() == pytest.approx(sum(abs(c) for c in cells) / 20, abs=1e-6)
    assert torch.equal(pairs.difference, image - reference)


def test_the_score_is_the_verdict_times_the_severity():
    """Written once more with loops."""
    score, pairs = network(), some_pairs(3)
    with torch.no_grad():
        answers = score(pairs)
        powers = [math.exp(w.item()) for w in score.family_weights]
        by_statistics, by_pixels = (math.log1p(math.exp(w.item())) for w in score.distance_weights)
        for i in range(5):
            one = PairDescription(*(part[i : i + 1] for part in pairs))
            amounts = sum(3 * powers[k] / sum(powers) * one.amounts[0, k].item() for k in range(3))
            usual = [(d / s).item() for d, s in zip(one.difference[0], score.spread, strict=True)]
            distance = math.sqrt(sum(d * d for d in usual) / STATISTICS + 0.02**2) - 0.02
            verdict = math.tanh(2 * score.lead(score.relation(one)).item())
            pixels = math.sqrt(one.error.item() + 1e-6) - 1e-3
            apart = by_statistics * distance + by_pixels * 10 * pixels
            found = amounts * (amounts + 1e-4) ** -0.9
            severity = math.exp(score.gain.item()) * found * (apart + 1e-3) ** 0.9
            assert answers[i].item() == pytest.approx(verdict * severity, rel=1e-4)


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 10_000))
def test_swapping_turns_the_score_around(seed):
    score, pairs = network(), some_pairs(seed)
    with torch.no_grad():
        assert (score(pairs) + score(swapped(pairs))).abs().max() <= 1e-6
        relation = score.relation(pairs)
        assert (relation + score.relation(swapped(pairs))).abs().max() <= 1e-6
        assert relation.abs().max() > 0.01


def test_equal_pictures_score_exactly_zero():
    equal = PairDescription(torch.zeros(2, STATISTICS), torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(2))
    assert torch.equal(network()(equal), torch.zeros(2))


def test_a_stronger_version_of_the_same_difference_is_judged_alike_and_weighs_more():
    score, pairs = network(), some_pairs(7)
    stronger = PairDescription(*(2.0 * part for part in pairs))
    with torch.no_grad():
        assert (score(stronger).sign() == score(pairs).sign()).all()
        # Amounts, statistics and the mean square of errors twice as large: a geometric mean of 2, 2 and its root.
        assert (score.severity(stronger) > 2.0**0.5 * score.severity(pairs)).all()
        assert (score.severity(stronger) < 2.0 * score.severity(pairs)).all()


def test_severity_of_maps_is_taken_cell_by_cell():
    score, pairs = network(), some_pairs(8, count=2)
    cells = torch.rand(2, 3, 4, 5)
    with torch.no_grad():
        pairs = pairs._replace(amounts=cells.mean((2, 3)))
        whole = score.severity(pairs, cells)
        assert whole.shape == (2, 4, 5)
        assert torch.allclose(whole.mean((1, 2)), score.severity(pairs))


def test_differences_are_measured_by_their_usual_size():
    score = network()
    differences = torch.randn(400, STATISTICS, generator=torch.Generator().manual_seed(2)) * 3.0
    score.standardize([differences[:300], differences[300:]])
    assert torch.allclose(score.spread, differences.square().mean(0).sqrt() + 0.02)


def test_embeddings_are_unit_vectors_even_for_equal_pictures():
    score = network()
    equal = PairDescription(torch.zeros(2, STATISTICS), torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(2))
    for pairs in (some_pairs(1), equal):
        length = score.embed(score.relation(pairs)).norm(dim=1)
        assert torch.allclose(length, torch.ones_like(length))


def test_n4_every_parameter_gets_a_gradient():
    score, pairs = network(), some_pairs(5)
    relation = score.relation(pairs)
    (score(pairs).square().sum() + score.embed(relation)[:, 0].sum()).backward()
    assert all(p.grad.isfinite().all() and p.grad.abs().sum() > 0 for p in score.parameters())
