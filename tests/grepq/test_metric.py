"""The metric as a user meets it: parts, files, features, sizes and mistakes."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.functional import gaussian_blur

from pyiqa_pixelperfect.errors import ConfigError, DataError, ImageError, WeightsError
from pyiqa_pixelperfect.grepq.high_metric import HighLevelMetric
from pyiqa_pixelperfect.grepq.metric import GRepQ
from pyiqa_pixelperfect.grepq.networks import LowLevelNet
from pyiqa_pixelperfect.grepq.patches import select_pristine
from pyiqa_pixelperfect.linear_head import Labels, LinearHead
from pyiqa_pixelperfect.weights import load_weights, save_weights
from reference.grepq_losses import deviation_loop


def test_the_low_level_score_is_the_deviation_of_patch_features(low, photographs):
    pristine = torch.cat([low.low(select_pristine(photo)) for photo in photographs])
    patches = [photographs[:1, :, y : y + 96, x : x + 96] for y in (0, 48) for x in (0, 48)]
    features = torch.cat([low.low(patch) for patch in patches])
    distance = deviation_loop(features.double().numpy(), pristine.double().numpy(), 0.001)
    assert low(photographs[:1]).item() == pytest.approx(1 - 1 / (1 + np.exp(-distance / 100)), abs=1e-6)


def test_worse_pictures_score_lower(low, photographs):
    blurred = gaussian_blur(photographs, [15, 15], [4.0, 4.0])
    assert (low(photographs) > low(blurred)).all()


def test_the_parts_add_up(low, high, photographs):
    assert low.parts(photographs[0]).high is None
    low.high = high
    parts = low.parts(photographs)
    assert torch.equal(parts.total, parts.low + parts.high)
    assert torch.equal(low(photographs), parts.total)
    assert ((parts.low > 0) & (parts.low <= 0.5)).all()
    assert ((parts.high > 0) & (parts.high < 1)).all()


def test_pictures_do_not_depend_on_their_neighbors(low, high, photographs):
    low.high = high
    singles = torch.cat([low(photo[None]) for photo in photographs])
    assert (low(photographs) - singles).abs().max() <= 1e-5


def test_the_number_of_patches_at_once_does_not_matter(low, photographs, monkeypatch):
    expected = low(photographs)
    monkeypatch.setattr("pyiqa_pixelperfect.grepq.metric._CHUNK", 3)
    assert (low(photographs) - expected).abs().max() <= 1e-6


@pytest.mark.parametrize("size", [(95, 300), (96, 143), (143, 96), (32, 32)])
def test_pictures_without_two_patches_are_refused(low, size):
    with pytest.raises(ImageError, match=r"image: expected sides of at least 96 and 144 px.*got \d+ x \d+"):
        low(torch.rand(1, 3, *size))


@pytest.mark.parametrize("size", [(96, 144), (144, 96), (97, 150)])
def test_two_patches_are_enough(low, size):
    assert low(torch.rand(2, 3, *size)).isfinite().all()


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_flat_pictures_have_a_score_and_a_gradient(low, value):
    image = torch.full((1, 3, 150, 150), value, requires_grad=True)
    low(image).sum().backward()
    assert image.grad.isfinite().all()


def test_n4_the_score_rises_along_its_gradient(low, photographs):
    image = gaussian_blur(photographs, [9, 9], [2.0, 2.0]).requires_grad_()
    before = low(image).sum()
    before.backward()
    with torch.no_grad():
        after = low(image + image.grad / image.grad.abs().max() * 1e-3).sum()
    assert after > before


def test_weights_come_back_with_their_gaussian_and_card(low, photographs, tmp_path):
    low.save(tmp_path / "low.safetensors", {"seed": "1"}, half=False)
    back = GRepQ.load(tmp_path / "low.safetensors")
    assert back.card["seed"] == "1"
    assert torch.equal(back.pristine_covariance, low.pristine_covariance)
    torch.testing.assert_close(back(photographs), low(photographs), rtol=0, atol=1e-6)
    assert not any(parameter.requires_grad for parameter in back.parameters())
    low.save(tmp_path / "half.safetensors")
    half = GRepQ.load(tmp_path / "half.safetensors")
    assert torch.equal(half.pristine_covariance, low.pristine_covariance)  # never rounded
    assert (half(photographs) - low(photographs)).abs().max() < 1e-3
    assert (tmp_path / "half.safetensors").stat().st_size < (tmp_path / "low.safetensors").stat().st_size


def test_normalized_features_are_remembered_and_forget_their_length(low, photographs, tmp_path):
    low.normalized = True
    low.fit_pristine(photographs)
    low.save(tmp_path / "low.safetensors")
    back = GRepQ.load(tmp_path / "low.safetensors")
    assert back.normalized
    features = back._patch_features(torch.rand(5, 3, 96, 96))
    assert features.norm(dim=1).tolist() == pytest.approx([1.0] * 5, abs=1e-5)


def test_high_level_weights_come_back(high, photographs, tmp_path):
    high.network.positions = "interpolated"
    high.save(tmp_path / "high.safetensors", {"prompts": "[]"}, half=False)
    back = HighLevelMetric.load(tmp_path / "high.safetensors")
    assert back.network.positions == "interpolated"
    torch.testing.assert_close(back(photographs), high(photographs), rtol=0, atol=1e-6)


def test_positions_can_be_chosen_at_loading(low, high, photographs, tmp_path):
    low.save(tmp_path / "low.safetensors")
    high.save(tmp_path / "high.safetensors")
    files = {"path": tmp_path / "low.safetensors", "high": tmp_path / "high.safetensors"}
    without, stretched = (GRepQ.load(**files, positions=positions) for positions in (None, "interpolated"))
    assert stretched.high.network.positions == "interpolated"
    assert not torch.equal(without.parts(photographs).high, stretched.parts(photographs).high)
    with pytest.raises(ConfigError, match="positions: expected none or interpolated, got 'rotary'"):
        GRepQ.load(**files, positions="rotary")


def test_both_branches_load_together(low, high, photographs, tmp_path):
    low.save(tmp_path / "low.safetensors")
    high.save(tmp_path / "high.safetensors")
    metric = GRepQ.load(tmp_path / "low.safetensors", high=tmp_path / "high.safetensors")
    assert metric.parts(photographs).high.shape == (3,)
    metric.save(tmp_path / "again.safetensors")  # the low-level branch alone
    assert not any(name.startswith("high") for name in load_weights(tmp_path / "again.safetensors", "GRepQ")[0])


def test_features_of_either_branch_or_both(low, high, photographs):
    assert torch.equal(low.features(photographs), low.low(photographs))
    with pytest.raises(WeightsError, match="branches: expected high-level weights"):
        low.features(photographs, "high")
    low.high = high
    assert torch.equal(low.features(photographs, "high"), high.network(photographs))
    both = low.features(photographs, "both")
    assert torch.equal(both, torch.cat((high.network(photographs), low.low(photographs)), dim=1))


def test_paths_and_pictures_are_the_same_to_it(low, photographs, tmp_path):
    picture = Image.fromarray((photographs[0] * 255).round().byte().permute(1, 2, 0).numpy())
    picture.save(tmp_path / "picture.png")
    expected = low.parts(photographs[0]).low
    for given in (picture, tmp_path / "picture.png"):
        assert (low.parts(given).low - expected).abs().max() < 1e-6


def test_a_head_rates_pictures_on_its_own_scale(low, photographs):
    head = LinearHead(6, Labels(0, 100))
    head.weight.fill_(2.0)
    head.bias.fill_(50.0)
    expected = low.low(photographs).sum(1) * 2 + 50
    torch.testing.assert_close(low.rate(photographs, head), expected)
    with pytest.raises(WeightsError, match="head: expected as many features"):
        low.rate(photographs, LinearHead(7))


def test_photos_without_patches_are_no_pristine_photos(low):
    with pytest.raises(DataError, match="clean photos with at least two patches"):
        low.fit_pristine([torch.rand(3, 64, 300), torch.rand(3, 96, 100)])


@pytest.mark.parametrize("damage", ["class", "sizes", "missing tensor", "shape"])
def test_w3_weights_that_do_not_fit_are_refused(low, tmp_path, damage):
    low.save(tmp_path / "low.safetensors")
    state, card = load_weights(tmp_path / "low.safetensors", "GRepQ")
    if damage == "class":
        card["class"] = "PixelPerfect"
    elif damage == "sizes":
        card["sizes"] = "[]"
    elif damage == "missing tensor":
        state.pop("pristine_mean")
    else:
        state["pristine_mean"] = torch.zeros(7)
    save_weights(tmp_path / "bad.safetensors", state, card)
    with pytest.raises(WeightsError, match="weights: expected"):
        GRepQ.load(tmp_path / "bad.safetensors")


def test_a_network_that_is_not_given_has_the_papers_size():
    metric = GRepQ()
    assert isinstance(metric.low, LowLevelNet)
    assert (metric.low.width, metric.low.features) == (64, 128)
