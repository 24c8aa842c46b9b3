"""``Contrique`` and ``ContriqueFR`` without pyiqa: files, inputs, identity, and what a head changes."""

import json

import pytest
import torch
from PIL import Image

import pyiqa_pixelperfect
from pyiqa_pixelperfect.contrique.metric import Contrique, ContriqueFR
from pyiqa_pixelperfect.contrique.networks import Encoder, half_size
from pyiqa_pixelperfect.contrique.weights_file import read_contrique, write_contrique
from pyiqa_pixelperfect.errors import ImageError, WeightsError
from pyiqa_pixelperfect.linear_head import Labels, LinearHead
from pyiqa_pixelperfect.weights import load_weights, save_weights


@pytest.fixture
def images() -> torch.Tensor:
    coarse = torch.rand(2, 3, 9, 10, generator=torch.Generator().manual_seed(2))
    return torch.nn.functional.interpolate(coarse, size=(71, 83), mode="bicubic").clamp(0, 1)


def test_the_package_offers_both():
    assert pyiqa_pixelperfect.Contrique is Contrique
    assert pyiqa_pixelperfect.ContriqueFR is ContriqueFR


def test_the_score_is_the_head_on_the_features(encoder, head, images):
    metric = Contrique(encoder, head)
    assert torch.allclose(metric(images), encoder.describe(images) @ head.weight + head.bias, atol=1e-5)
    assert metric(images).shape == (2,)


def test_heads_on_dmos_are_turned_around(encoder, head, images):
    dmos = LinearHead(encoder.features, Labels(0, 100, lower_better=True))
    dmos.load_state_dict(head.state_dict())
    assert torch.allclose(Contrique(encoder, dmos)(images), -Contrique(encoder, head)(images))


def test_a_file_gives_back_the_same_scores_and_its_card(encoder, head, images, tmp_path):
    metric = Contrique(encoder, head)
    for half, tolerance in ((False, 1e-6), (True, 0.02)):
        metric.save(tmp_path / "w.safetensors", {"note": "x"}, half=half)
        again = Contrique.load(tmp_path / "w.safetensors")
        spread = (again(images) - metric(images)).abs().max() / metric(images).abs().max()
        assert spread <= tolerance
        assert again.card["note"] == "x"
        assert again.head.labels == head.labels
        assert not any(parameter.requires_grad for parameter in again.parameters())
        assert not again.training


def test_kernels_are_stored_in_half_and_statistics_in_full(encoder, tmp_path):
    write_contrique(tmp_path / "w.safetensors", encoder, None, {})
    state, _ = load_weights(tmp_path / "w.safetensors", "Contrique")
    assert {t.dtype for t in state.values() if t.dim() > 1} == {torch.float16}
    assert {t.dtype for n, t in state.items() if "running" in n} == {torch.float32}


def test_an_encoder_without_a_head_compares_but_does_not_score(encoder, images, tmp_path):
    write_contrique(tmp_path / "w.safetensors", encoder, None, {})
    with pytest.raises(WeightsError, match=r"an encoder with a head, got .* Fit one to ratings: pixelperfect regress"):
        Contrique.load(tmp_path / "w.safetensors")
    assert (ContriqueFR.load(tmp_path / "w.safetensors")(images, images.flip(0)) > 0).all()


def test_a_head_on_differences_belongs_to_the_full_reference_metric(encoder, head, images, tmp_path):
    dmos = LinearHead(encoder.features, Labels(0, 100, lower_better=True))
    dmos.load_state_dict(head.state_dict())
    write_contrique(tmp_path / "w.safetensors", encoder, dmos, {"head_input": "difference"}, half=False)
    with pytest.raises(WeightsError, match="a head for the features of one picture"):
        Contrique.load(tmp_path / "w.safetensors")
    metric = ContriqueFR.load(tmp_path / "w.safetensors")
    assert torch.allclose(metric(images, images), torch.full((2,), 0.5))  # the intercept
    difference = (encoder.describe(images) - encoder.describe(images.flip(0))).abs()
    assert torch.allclose(metric(images, images.flip(0)), difference @ head.weight + 0.5, atol=1e-5)


def test_a_distance_is_zero_for_equals_and_symmetric(encoder, images):
    metric = ContriqueFR(encoder)
    assert torch.equal(metric(images, images.clone()), torch.zeros(2))
    there, back = metric(images, images.flip(0)), metric(images.flip(0), images)
    assert torch.equal(there, back)
    assert (there > 0).all()


def test_a_distance_is_the_mean_of_one_minus_cosine_over_cells_levels_and_scales(encoder, images):
    image, reference = images[:1], images[1:]
    parts = []
    for one, other in ((image, reference), (half_size(image), half_size(reference))):
        for first, second in list(zip(encoder.pyramid(one), encoder.pyramid(other), strict=True))[1:]:
            parts.append((1 - torch.nn.functional.cosine_similarity(first, second)).mean().item())
    assert len(parts) == 8
    assert ContriqueFR(encoder)(image, reference).item() == pytest.approx(sum(parts) / 8, rel=1e-4)


def test_a_distance_is_at_most_one_and_grows_with_the_area_that_is_damaged(encoder, images):
    metric = ContriqueFR(encoder)
    damaged = [images.clone() for _ in range(3)]
    for part, width in zip(damaged, (20, 40, 83), strict=True):
        part[..., :width] = 1 - part[..., :width]
    distances = torch.stack([metric(part, images) for part in damaged])
    assert (distances.diff(dim=0) > 0).all()
    assert distances.max() <= 1


def test_paths_pictures_and_tensors_are_the_same(encoder, head, images, tmp_path):
    pixels = (images[0] * 255).round().byte()
    picture = Image.fromarray(pixels.permute(1, 2, 0).numpy())
    picture.save(tmp_path / "a.png")
    metric, distance = Contrique(encoder, head), ContriqueFR(encoder)
    expected = metric(pixels[None] / 255)
    assert torch.allclose(metric.score(tmp_path / "a.png"), expected)
    assert torch.allclose(metric.score(picture), expected)
    assert distance.compare(picture, str(tmp_path / "a.png")).item() == 0


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.rand(1, 4, 64, 64), "1 or 3 channels"),
        (torch.rand(64, 64), "a tensor of shape"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), "floating point"),
        (torch.rand(1, 3, 31, 64), "at least 32 x 32"),
        (torch.full((1, 3, 64, 64), float("nan")), "finite values"),
        (None, "a float tensor"),
    ],
)
def test_unusable_images_are_refused_by_name(encoder, head, image, message):
    with pytest.raises(ImageError, match=f"image: expected {message}"):
        Contrique(encoder, head)(image)
    with pytest.raises(ImageError, match=f"reference: expected {message}"):
        ContriqueFR(encoder)(torch.rand(1, 3, 64, 64), image)


def test_sizes_that_differ_are_refused(encoder):
    with pytest.raises(ImageError, match="reference: expected the image's size"):
        ContriqueFR(encoder)(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 65))


def test_a_head_of_another_length_is_refused(encoder):
    with pytest.raises(WeightsError, match=f"a head for the {encoder.features} features of the encoder, got one for 7"):
        Contrique(encoder, LinearHead(7))


@pytest.mark.parametrize(
    "change",
    [
        {"network": "{"},
        {"network": json.dumps({"backbone": "resnet18"})},
        {"network": json.dumps({"backbone": "resnet99", "options": {}, "levels": 1, "deviation": False})},
        {"network": json.dumps({"backbone": "resnet18", "options": {}, "levels": 1, "deviation": False})},
        {"labels": "[]"},
    ],
)
def test_files_that_do_not_fit_are_refused(encoder, head, tmp_path, change):
    Contrique(encoder, head).save(tmp_path / "w.safetensors")
    state, card = load_weights(tmp_path / "w.safetensors", "Contrique")
    save_weights(tmp_path / "w.safetensors", state, {**card, **change})
    with pytest.raises(WeightsError, match=r"weights: expected tensors and settings that fit|what its labels are"):
        Contrique.load(tmp_path / "w.safetensors")


def test_networks_are_built_without_touching_the_callers_generator(encoder, head, tmp_path):
    Contrique(encoder, head).save(tmp_path / "w.safetensors")
    state = torch.get_rng_state()
    read_contrique(tmp_path / "w.safetensors", need_head=True)
    Encoder("resnet18", encoder.settings["options"])
    assert torch.equal(torch.get_rng_state(), state)
