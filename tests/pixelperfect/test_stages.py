"""What a training step computes: pairs, targets, ranked sets, losses and figures."""

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pyiqa_pixelperfect.distortions.engine import DistortionEngine
from pyiqa_pixelperfect.distortions.plan import PlanSettings
from pyiqa_pixelperfect.pixelperfect.config import MapStageConfig, ScoreStageConfig
from pyiqa_pixelperfect.pixelperfect.losses import hinge_loss, info_nce, map_loss, map_target
from pyiqa_pixelperfect.pixelperfect.networks import FusedFeatures
from pyiqa_pixelperfect.pixelperfect.stages import (
    MapBatch,
    MapStage,
    RankedSets,
    ScoreStage,
    eight_bit,
    map_batch,
    map_figures,
    mean_figures,
    pair_rows,
    ranked_sets,
    rung_factors,
)

CPU = torch.device("cpu")
ENGINE = DistortionEngine(PlanSettings(untouched=0.0))


def photos(count: int, side: int = 64) -> Tensor:
    smooth = torch.rand(count, 3, side // 8, side // 8, generator=torch.Generator().manual_seed(1))
    return eight_bit(torch.nn.functional.interpolate(smooth, size=(side, side), mode="bicubic").clamp(0, 1))


def numbers(count: int, first: int = 0) -> np.ndarray:
    return np.arange(first, first + count)


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(st.integers(1, 6), st.integers(2, 5))
def test_pairs_are_all_pairs_of_versions_of_the_same_photo(count, versions):
    image, reference = pair_rows(count, versions, CPU)
    pairs = set(zip(image.tolist(), reference.tolist(), strict=True))
    expected = {
        (late * count + photo, early * count + photo)
        for photo in range(count)
        for late in range(versions)
        for early in range(late)
    }
    assert pairs == expected
    assert len(image) == len(expected)


def test_eight_bit_leaves_bytes_alone_and_rounds_the_rest():
    values = torch.arange(256) / 255.0
    assert torch.equal(eight_bit(values), values)
    assert torch.equal(eight_bit(values[:-1] + 0.4 / 255), values[:-1])


def test_a_map_batch_is_clean_first_then_versions_with_their_truth():
    clean = photos(3)
    batch = map_batch(ENGINE, clean, numbers(3), versions=2, seed=4)
    assert batch.images.shape == (9, 3, 64, 64)
    assert torch.equal(batch.images[:3], clean)
    assert batch.amounts[:3].abs().sum() == 0
    for version in range(2):
        rows = slice(3 + 3 * version, 6 + 3 * version)
        draw = ENGINE.apply(clean, ENGINE.plan(numbers(3), seed=4, epoch=version))
        assert torch.equal(batch.amounts[rows], draw.amounts)
        assert torch.equal(batch.images[rows], eight_bit(draw.image))
    assert not torch.equal(batch.images[3:6], batch.images[6:9])
    image, reference, target = batch.pairs()
    assert torch.equal(target, map_target(batch.amounts[image], batch.amounts[reference], 4))
    assert torch.equal(target[:3], map_target(batch.amounts[3:6], None, 4))


def test_d1_a_sample_does_not_depend_on_its_batch():
    clean = photos(4)
    whole = map_batch(ENGINE, clean, numbers(4, 10), versions=1, seed=0)
    single = map_batch(ENGINE, clean[2:3], numbers(1, 12), versions=1, seed=0)
    assert torch.equal(whole.images[4 + 2], single.images[1])


def test_the_map_stage_is_the_map_loss_of_all_pairs(small):
    batch = map_batch(ENGINE, photos(2), numbers(2), versions=2, seed=1)
    config = MapStageConfig(steps=1, photos=2, learning_rate=1.0)
    stage = MapStage(small.map_network, config).eval()
    image, reference, target = batch.pairs()
    prediction = small.map_network(batch.images[image], batch.images[reference])
    for weight in (10.0, 3.0):
        expected = map_loss(prediction, target, weight_high=weight)
        assert stage(batch, weight)["loss"].item() == pytest.approx(expected.item(), rel=1e-4)


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 3))
def test_rungs_rise_from_above_0_to_1(seed, rungs, slots):
    factors = rung_factors(numbers(40), rungs, slots, seed)
    assert factors.shape == (40, slots, rungs)
    np.testing.assert_allclose(factors[..., -1], 1.0, rtol=0, atol=1e-12)
    rises = np.diff(factors, axis=2, prepend=0.0)
    assert (rises >= 0).all()
    assert (rises[:, 0] > 0).all()  # so that no two rungs are equal


def test_half_of_the_sets_rise_together_and_the_others_also_wait():
    factors = rung_factors(numbers(400), 4, 3, 0)
    together = (factors == factors[:, :1]).all((1, 2))
    assert 0.4 < together.mean() < 0.6
    waiting = np.diff(factors[~together], axis=2, prepend=0.0)[:, 1:, :-1] == 0
    assert 0.2 < waiting.mean() < 0.4


def test_ranked_sets_are_clean_first_then_more_and_more_of_the_same():
    clean = photos(4)
    sets = ranked_sets(ENGINE, clean, numbers(4), rungs=3, seed=2)
    assert sets.images.shape == (16, 3, 64, 64)
    assert torch.equal(sets.images[:4], clean)
    plan = ENGINE.plan(np.array([0, 1, 0, 1]), seed=2, epoch=1000)
    assert torch.equal(sets.images[12:], eight_bit(ENGINE.apply(clean, plan).image))  # the last rung is the whole plan
    distance = [(sets.images[4 * r : 4 * r + 4] - clean).square().mean((1, 2, 3)) for r in range(4)]
    assert (distance[1] > 0).all()
    assert (distance[3] > distance[1]).float().mean() >= 0.75


def test_photos_half_a_batch_apart_get_the_same_distortions():
    clean = photos(2)
    sets = ranked_sets(ENGINE, torch.cat((clean, clean)), numbers(4), rungs=2, seed=3)
    for rung in (1, 2):
        assert torch.equal(sets.images[4 * rung : 4 * rung + 2], sets.images[4 * rung + 2 : 4 * rung + 4])


def score_stage(metric, **changes) -> ScoreStage:
    config = ScoreStageConfig(**{"steps": 1, "photos": 4, "rungs": 3, "learning_rate": 1.0, **changes})
    return ScoreStage(metric.map_network, metric.score_network, config)


def test_the_score_stage_is_hinge_and_info_nce_of_the_paper(small):
    """Written once more by the metric's own answers: S(worse, better) of every pair, embeddings against clean."""
    sets = ranked_sets(ENGINE, photos(4), numbers(4), rungs=3, seed=5)
    losses = score_stage(small).eval()(sets)
    version = sets.images.reshape(4, 4, 3, 64, 64)
    pairs = [(late, early) for late in range(4) for early in range(late)]
    with torch.no_grad():
        margins = torch.cat([small(version[early], version[late]) for late, early in pairs])
        to_clean = [small(version[rung], version[0]) for rung in range(1, 4)]
        both = hinge_loss(margins, torch.zeros_like(margins))
        steps = hinge_loss(torch.cat(to_clean[:-1]), torch.cat(to_clean[1:]))
        vectors = []
        for rung in range(1, 4):
            fused = small._fuse(version[rung], version[0])
            vectors.append(small.score_network.embed(small.score_network.hidden(fused)))
        first, second = (torch.cat([v[half] for v in vectors]) for half in (slice(0, 2), slice(2, 4)))
        contrast = info_nce(first, second)
    assert losses["rank"].item() == pytest.approx((0.5 * (both + steps)).item(), rel=1e-4)
    assert losses["contrast"].item() == pytest.approx(contrast.item(), rel=1e-3)
    assert losses["loss"].item() == pytest.approx((losses["rank"] + 0.5 * losses["contrast"]).item(), rel=1e-6)
    assert losses["ordered"].item() == pytest.approx((margins > 0).float().mean().item())


def test_the_score_stage_weighs_its_parts_as_told(small):
    sets = ranked_sets(ENGINE, photos(4), numbers(4), rungs=3, seed=5)
    losses = score_stage(small, weight_rank=2.0, weight_contrast=0.0).eval()(sets)
    assert losses["loss"].item() == pytest.approx(2.0 * losses["rank"].item(), rel=1e-6)


def test_equal_pictures_are_not_in_order(small):
    images = photos(2).repeat(3, 1, 1, 1)
    losses = score_stage(small).eval()(RankedSets(images, 2))
    assert losses["ordered"].item() == 0.0
    assert losses["rank"].item() == pytest.approx(1.0)


def test_the_score_stage_trains_the_score_only(small):
    before = copy.deepcopy(small.map_network.state_dict())
    stage = score_stage(small).train()
    stage(ranked_sets(ENGINE, photos(4), numbers(4), rungs=3, seed=6))["loss"].backward()
    assert all(torch.equal(t, before[n]) for n, t in small.map_network.state_dict().items())
    assert not stage.maps.training
    assert all(p.grad is None for p in small.map_network.parameters())
    silent = {n for n, p in small.score_network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0}
    assert silent <= {"rate.bias"}
    assert all(p.grad.isfinite().all() for p in small.score_network.parameters() if p.grad is not None)


class Answers(torch.nn.Module):
    """A map network that says what it is told."""

    def __init__(self, maps: Tensor) -> None:
        super().__init__()
        self.answer = maps.logit()

    def encode(self, images: Tensor) -> list[Tensor]:
        return [images]

    def fuse(self, image: list[Tensor], reference: list[Tensor]) -> FusedFeatures:
        return FusedFeatures(fine=self.answer, coarse=self.answer, logits=self.answer)


def figures_of(target: Tensor, prediction: Tensor) -> dict[str, float]:
    amounts = torch.nn.functional.interpolate(2 * target - 1, scale_factor=4.0)
    batch = MapBatch(torch.zeros(2, 3, 32, 32), torch.cat((torch.zeros_like(amounts), amounts)), photos=1)
    return map_figures(Answers(prediction), batch)


def test_figures_of_a_perfect_answer_and_of_a_mirrored_one():
    target = torch.full((1, 4, 8, 8), 0.5)
    target[:, 1, :4] = 0.9
    target[:, 2, 4:, :2] = 0.2
    assert figures_of(target, target) == pytest.approx({"error": 0, "leak": 0, "type": 1, "sign": 1}, abs=1e-6)
    mirrored = figures_of(target, 1 - target)
    assert (mirrored["type"], mirrored["sign"]) == (1, 0)
    assert mirrored["error"] == pytest.approx((32 * 1.6 + 8 * 1.2) / 40, rel=1e-5)


def test_figures_of_an_answer_in_the_wrong_family():
    target = torch.full((1, 4, 8, 8), 0.5)
    target[:, 1] = 0.9
    answer = torch.full_like(target, 0.5)
    answer[:, 3] = 0.8
    figures = figures_of(target, answer)
    assert figures["type"] == 0
    assert figures["sign"] == 0
    assert figures["error"] == pytest.approx(0.8)
    assert figures["leak"] == pytest.approx(0.2)  # 0.6 in one of the three families that nothing was done to


def test_figures_that_are_not_defined_do_not_count():
    nothing = torch.full((1, 4, 8, 8), 0.5)
    empty = figures_of(nothing, nothing)
    assert math.isnan(empty["error"])
    assert empty["leak"] == 0
    mean = mean_figures([empty, {"error": 0.2, "leak": 0.1, "type": 1.0, "sign": 0.5}])
    assert mean == pytest.approx({"error": 0.2, "leak": 0.05, "type": 1.0, "sign": 0.5})
    assert math.isnan(mean_figures([empty])["type"])
