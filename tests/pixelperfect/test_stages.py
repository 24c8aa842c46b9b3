"""What a training step computes: losses of both stages, who learns from them, and the figures."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from pyiqa_pixelperfect.distortions.engine import DistortionEngine
from pyiqa_pixelperfect.distortions.plan import PlanSettings
from pyiqa_pixelperfect.distortions.ranked import RankedSets, ranked_sets
from pyiqa_pixelperfect.distortions.versions import Versions, distorted_versions, eight_bit
from pyiqa_pixelperfect.pixelperfect.config import MapStageConfig, ScoreStageConfig
from pyiqa_pixelperfect.pixelperfect.losses import agreement_loss, hinge_loss, info_nce, map_loss, map_target
from pyiqa_pixelperfect.pixelperfect.networks import FusedFeatures
from pyiqa_pixelperfect.pixelperfect.stages import MapStage, ScoreStage, map_figures, mean_figures

ENGINE = DistortionEngine(PlanSettings(untouched=0.0))
NONE = torch.zeros(0)


def photos(count: int, side: int = 64) -> Tensor:
    smooth = torch.rand(count, 3, side // 8, side // 8, generator=torch.Generator().manual_seed(1))
    return eight_bit(torch.nn.functional.interpolate(smooth, size=(side, side), mode="bicubic").clamp(0, 1))


def sets_of(seed: int, rungs: int = 3, ladders: int = 1) -> RankedSets:
    return ranked_sets(ENGINE, photos(4), np.arange(4), rungs=rungs, ladders=ladders, seed=seed)


def maps_of(versions: Versions, image: Tensor, reference: Tensor) -> Tensor:
    return map_target(versions.amounts[image], versions.amounts[reference], 4)


def test_the_map_stage_is_the_map_loss_of_all_pairs(small):
    versions = distorted_versions(ENGINE, photos(2), np.arange(2), 2, seed=1)
    config = MapStageConfig(steps=1, photos=2, learning_rate=1.0)
    stage = MapStage(small.map_network, config).eval()
    image, reference = versions.pairs()
    prediction, target = (
        small.map_network(versions.images[image], versions.images[reference]),
        maps_of(versions, image, reference),
    )
    for weight in (10.0, 3.0):
        expected = map_loss(prediction, target, weight_high=weight)
        assert stage(versions, weight)["loss"].item() == pytest.approx(expected.item(), rel=1e-4)


def score_stage(metric, **changes) -> ScoreStage:
    config = ScoreStageConfig(**{"steps": 1, "photos": 4, "rungs": 3, "learning_rate": 1.0, **changes})
    return ScoreStage(metric.map_network, metric.score_network, config)


def test_the_score_stage_is_hinge_and_info_nce_of_the_paper(small):
    """Written once more by the metric's own answers: S(worse, better) of every pair, embeddings against clean."""
    sets = sets_of(5)
    losses = score_stage(small).eval()(sets, NONE)
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
    assert losses["maps"] == losses["agreement"] == 0


def test_steps_are_taken_along_each_ladder_not_across(small):
    sets = sets_of(7, rungs=2, ladders=2)
    losses = score_stage(small, rungs=2, ladders=2).eval()(sets, torch.zeros(4))
    version = sets.images.reshape(5, 4, 3, 64, 64)
    pairs = [(1, 0), (2, 0), (2, 1), (3, 0), (4, 0), (4, 3)]
    with torch.no_grad():
        margins = torch.cat([small(version[early], version[late]) for late, early in pairs])
        first, second, third, fourth = (small(version[v], version[0]) for v in range(1, 5))
        steps = hinge_loss(torch.cat((first, third)), torch.cat((second, fourth)))
        rank = 0.5 * (hinge_loss(margins, torch.zeros_like(margins)) + steps)
    assert losses["rank"].item() == pytest.approx(rank.item(), rel=1e-4)


def test_votes_pull_the_pair_itself_and_both_against_clean(small):
    sets = sets_of(7, rungs=2, ladders=2)
    votes = torch.tensor([1.0, -1.0, 0.0, 1.0])
    stage = score_stage(small, rungs=2, ladders=2, weight_consensus=0.7, teachers=["mdsi"], margin_consensus=0.3)
    losses = stage.eval()(sets, votes)
    version = sets.images.reshape(5, 4, 3, 64, 64)
    with torch.no_grad():
        direct = small(version[2], version[4])
        through_clean = small(version[2], version[0]) - small(version[4], version[0])
        agreement = 0.5 * sum(agreement_loss(s, votes, margin=0.3) for s in (direct, through_clean))
    assert losses["agreement"].item() == pytest.approx(agreement.item(), rel=1e-4)
    parts = losses["rank"] + 0.5 * losses["contrast"] + 0.7 * losses["agreement"]
    assert losses["loss"].item() == pytest.approx(parts.item(), rel=1e-6)


def test_the_map_loss_of_all_pairs_may_join_in(small):
    sets = sets_of(8, rungs=2, ladders=2)
    losses = score_stage(small, rungs=2, ladders=2, weight_maps=20.0, weight_high=4.0).eval()(sets, torch.zeros(4))
    image, reference = (torch.cat(rows) for rows in zip(sets.ordered(), sets.unordered(), strict=True))
    prediction = small.map_network(sets.images[image], sets.images[reference])
    expected = map_loss(prediction, maps_of(sets, image, reference), weight_high=4.0)
    assert losses["maps"].item() == pytest.approx(expected.item(), rel=1e-4)
    parts = losses["rank"] + 0.5 * losses["contrast"] + 20.0 * losses["maps"]
    assert losses["loss"].item() == pytest.approx(parts.item(), rel=1e-6)


def test_the_score_stage_weighs_its_parts_as_told(small):
    losses = score_stage(small, weight_rank=2.0, weight_contrast=0.0).eval()(sets_of(5), NONE)
    assert losses["loss"].item() == pytest.approx(2.0 * losses["rank"].item(), rel=1e-6)


def test_equal_pictures_are_not_in_order(small):
    images = photos(2).repeat(3, 1, 1, 1)
    losses = score_stage(small).eval()(RankedSets(images, images[:, :1], 2, 1, 2), NONE)
    assert losses["ordered"].item() == 0.0
    assert losses["rank"].item() == pytest.approx(1.0)


def test_the_score_stage_trains_the_score_only(small):
    before = copy.deepcopy(small.map_network.state_dict())
    stage = score_stage(small).train()
    stage(sets_of(6), NONE)["loss"].backward()
    assert all(torch.equal(t, before[n]) for n, t in small.map_network.state_dict().items())
    assert not stage.maps.training
    assert all(p.grad is None for p in small.map_network.parameters())
    silent = {n for n, p in small.score_network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0}
    assert silent <= {"rate.bias"}
    assert all(p.grad.isfinite().all() for p in small.score_network.parameters() if p.grad is not None)


def encoder_gradient(small, **changes) -> Tensor:
    small.zero_grad()
    stage = score_stage(small, weight_maps=1e-12, **changes).eval()
    stage(sets_of(6), NONE)["loss"].backward()
    return small.map_network.encoder.stem.conv.weight.grad.clone()


def test_a_share_of_the_gradient_of_the_score_reaches_the_map_network(small):
    whole, tenth, none = (encoder_gradient(small, gradient_share=share) for share in (1.0, 0.1, 0.0))
    assert whole.norm() > 1e-4
    torch.testing.assert_close(tenth, 0.1 * whole, rtol=1e-3, atol=1e-7)
    assert none.norm() < 1e-6 * whole.norm()


def test_both_networks_learn_in_a_joint_stage_but_the_score_does_not_move_the_maps(small):
    stage = score_stage(small, weight_maps=20.0).train()
    assert stage.maps.training
    stage(sets_of(6), NONE)["loss"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in small.map_network.parameters())
    head = small.map_network.head.weight.grad.clone()
    small.zero_grad()
    score_stage(small, weight_maps=20.0, weight_rank=100.0).train()(sets_of(6), NONE)["loss"].backward()
    torch.testing.assert_close(small.map_network.head.weight.grad, head, rtol=1e-3, atol=1e-6)


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
    versions = Versions(torch.zeros(2, 3, 32, 32), torch.cat((torch.zeros_like(amounts), amounts)), photos=1)
    return map_figures(Answers(prediction), versions)


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
