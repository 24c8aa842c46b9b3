"""Encoder and projector: shapes, unit lengths, invariances, gradients that reach everything, golden features."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from torch import nn

from contrique.small import SMALL
from pyiqa_pixelperfect.contrique.losses import supervised_nt_xent
from pyiqa_pixelperfect.contrique.networks import Encoder, Projector, half_size
from pyiqa_pixelperfect.errors import ConfigError


@pytest.fixture(scope="module")
def photo() -> torch.Tensor:
    return torch.from_numpy(data.astronaut()[100:221, 150:297].copy()).permute(2, 0, 1)[None] / 255


def test_the_published_network_has_the_published_sizes():
    with torch.device("meta"):
        encoder, projector = Encoder(), Projector(2048)
    assert encoder.width == 2048
    assert encoder.features == 4096
    assert sum(p.numel() for p in encoder.parameters()) == 23_508_032  # ResNet-50 without its classifier
    assert [tuple(p.shape) for p in projector.parameters() if p.dim() == 2] == [(2048, 2048), (128, 2048)]


def test_patches_are_unit_vectors_of_the_four_quarters(encoder):
    views = torch.rand(2, 3, 128, 128)
    patches = encoder.patches(views)
    assert patches.shape == (2, 4, 24)
    assert torch.allclose(patches.norm(dim=2), torch.ones(2, 4), atol=1e-5)
    deepest = encoder.pyramid(views)[-1]  # (2, 24, 4, 4)
    quarter = nn.functional.normalize(deepest[:, :, :2, 2:].mean((2, 3)), dim=1)
    assert torch.allclose(patches[:, 1], quarter, atol=1e-5)


@pytest.mark.parametrize(("levels", "deviation"), [(1, False), (2, False), (3, True)])
def test_descriptions_have_unit_length_for_each_level_and_scale(photo, levels, deviation):
    encoder = Encoder("resnet18", SMALL, levels=levels, deviation=deviation).eval()
    described = encoder.describe(photo)
    assert described.shape == (1, encoder.features)
    parts = 2 * levels * (1 + deviation)
    assert described.square().sum().item() == pytest.approx(parts, rel=1e-4)


def test_by_default_features_are_means_of_the_deepest_level_at_both_scales(photo):
    encoder = Encoder("resnet18", SMALL, seed=3).eval()
    expected = [
        nn.functional.normalize(encoder.pyramid(image)[-1].mean((2, 3)), dim=1) for image in (photo, half_size(photo))
    ]
    assert torch.allclose(encoder.describe(photo), torch.cat(expected, 1), atol=1e-6)


def test_half_size_is_that_of_pillow(photo):
    picture = Image.fromarray((photo[0] * 255).round().byte().permute(1, 2, 0).numpy())
    expected = np.asarray(picture.resize((147 // 2, 121 // 2)), dtype=np.float64) / 255
    got = half_size(photo)[0].permute(1, 2, 0).numpy()
    difference = np.abs(got - expected) * 255
    assert difference.mean() < 0.35  # Pillow rounds to 8 bit after each of its two passes
    assert difference.max() < 2.0


def test_gradients_reach_every_trainable_parameter_of_both_networks():
    encoder, projector = Encoder("resnet18", SMALL), Projector(24, 8)
    views = torch.rand(6, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    patches = encoder.patches(views)
    supervised_nt_xent(projector(patches.flatten(0, 1)), torch.arange(3).repeat(2).repeat_interleave(4)).backward()
    for network in (encoder, projector):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().max() > 0, name


def test_gradients_of_descriptions_are_finite_on_flat_pictures(encoder):
    for level in (0.0, 0.5, 1.0):
        image = torch.full((1, 3, 40, 40), level, requires_grad=True)
        encoder.describe(image).sum().backward()
        assert image.grad.isfinite().all()


def test_weights_are_a_function_of_the_seed():
    one, again, other = (Encoder("resnet18", SMALL, seed=s).state_dict() for s in (1, 1, 2))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["pyramid.body.conv1.weight"], other["pyramid.body.conv1.weight"])


@pytest.mark.parametrize("levels", [0, 6])
def test_levels_that_the_backbone_lacks_are_named(levels):
    with pytest.raises(ConfigError, match="levels: expected 1 to 5 levels of resnet18"):
        Encoder("resnet18", SMALL, levels=levels)


def test_golden_features(photo):
    """A change of pooling, order of scales, half-size filter or normalization shows here."""
    encoder = Encoder("resnet18", SMALL, levels=2, deviation=True)
    with torch.no_grad():
        for number, parameter in enumerate(encoder.parameters()):  # the same on every version of torch
            count = torch.arange(parameter.numel(), dtype=torch.float64)
            values = torch.sin(count * 0.37 + number) / math.sqrt(max(1, parameter[0].numel()))
            parameter.copy_(values.reshape(parameter.shape) + (1.0 if parameter.dim() == 1 else 0.0))
    described = encoder.eval().describe(photo)[0]
    assert described.shape == (160,)
    assert described[GOLDEN_PLACES].tolist() == pytest.approx(GOLDEN, rel=2e-3, abs=2e-5)


GOLDEN_PLACES = [0, 7, 16, 31, 40, 60, 79, 80, 100, 120, 159]
GOLDEN = [0.13308, 0.14966, 0.19221, 9.9945e-05, 0.091046, 0.087832, 0.05521, 0.13664, 0.50094, 0.085578, 0.062792]
