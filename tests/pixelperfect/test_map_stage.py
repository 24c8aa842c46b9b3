"""Stage 1: its loss, and the figures that say how well it does."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from pyiqa_pixelperfect.distortions.engine import DistortionEngine
from pyiqa_pixelperfect.distortions.plan import PlanSettings
from pyiqa_pixelperfect.distortions.versions import Versions, distorted_versions, eight_bit
from pyiqa_pixelperfect.pixelperfect.config import MapStageConfig
from pyiqa_pixelperfect.pixelperfect.losses import family_loss, map_loss, map_target
from pyiqa_pixelperfect.pixelperfect.map_stage import MapStage, map_figures, mean_figures

ENGINE = DistortionEngine(PlanSettings(untouched=0.0))


def photos(count: int, side: int = 64) -> Tensor:
    smooth = torch.rand(count, 3, side // 8, side // 8, generator=torch.Generator().manual_seed(1))
    return eight_bit(torch.nn.functional.interpolate(smooth, size=(side, side), mode="bicubic").clamp(0, 1))


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
    both = MapStage(small.map_network, config.model_copy(update={"weight_family": 0.5})).eval()(versions, 10.0)
    family = family_loss(prediction, target).item()
    assert both["family"].item() == pytest.approx(family, rel=1e-4)
    assert both["loss"].item() == pytest.approx(both["error"].item() + 0.5 * family, rel=1e-4)


class Answers(torch.nn.Module):
    """A map network that says what it is told."""

    def __init__(self, maps: Tensor) -> None:
        super().__init__()
        self.answer = maps.logit()

    def encode(self, images: Tensor) -> list[Tensor]:
        return [images]

    def fuse(self, image: list[Tensor], reference: list[Tensor]) -> Tensor:
        return self.answer

    def maps_of(self, logits: Tensor) -> Tensor:
        return logits.sigmoid()


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
