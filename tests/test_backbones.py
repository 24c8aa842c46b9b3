"""timm backbones: pyramids of known sizes, weights from a seed, and no download."""

import pytest
import torch

from pyiqa_pixelperfect.backbones import FeaturePyramid
from pyiqa_pixelperfect.errors import ConfigError

SMALL = {"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 24]}


def test_every_level_has_the_channels_and_strides_it_says():
    pyramid = FeaturePyramid("resnet18", SMALL)
    levels = pyramid(torch.rand(2, 3, 70, 65))
    assert pyramid.channels == (64, 8, 8, 16, 24)
    assert [tuple(level.shape) for level in levels] == [
        (2, channels, -(-70 // stride), -(-65 // stride))
        for channels, stride in zip(pyramid.channels, pyramid.strides, strict=True)
    ]


def test_weights_are_a_function_of_the_seed_and_leave_the_callers_generator_alone():
    state = torch.get_rng_state()
    first, again, other = (FeaturePyramid("resnet18", SMALL, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["body.conv1.weight"], other["body.conv1.weight"])


@pytest.mark.parametrize(
    ("name", "options"), [("resnet1", {}), ("resnet18", {"layer": [1]}), ("resnet18", {"pretrained_cfg": 3}), ("", {})]
)
def test_unknown_models_and_options_are_named(name, options):
    with pytest.raises(ConfigError, match="backbone: expected a timm model"):
        FeaturePyramid(name, options)
