"""The paper's SwinV2 encoder in the place of the small one, and the variant without anti-symmetry for its ablation."""

import json

import pytest
import torch

from pyiqa_pixelperfect.backbones import seeded_weights
from pyiqa_pixelperfect.errors import ConfigError, WeightsError
from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect
from pyiqa_pixelperfect.pixelperfect.networks import build_maps, kind_of
from pyiqa_pixelperfect.pixelperfect.score_network import RelationalScoreNet
from pyiqa_pixelperfect.pixelperfect.swin_encoder import SwinEncoder
from pyiqa_pixelperfect.plugin import PixelPerfectSwinV2Metric
from pyiqa_pixelperfect.systems import load_config

OPTIONS = {"embed_dim": 12, "depths": [1, 2, 1, 1], "num_heads": [1, 1, 2, 2]}
ENCODER = {"backbone": "swinv2_tiny_window8_256", "options": OPTIONS}


@pytest.fixture
def swin() -> PixelPerfect:
    with seeded_weights(1):
        return PixelPerfect(build_maps(ENCODER, (8, 8, 12, 12)), RelationalScoreNet(hidden=8, embedding=4))


def test_pairs_of_any_size_are_compared_and_swapping_mirrors_the_answers(swin):
    generator = torch.Generator().manual_seed(0)
    for height, width in ((32, 32), (97, 131)):
        image, reference = torch.rand(2, 1, 3, height, width, generator=generator)
        forth, back = swin.compare(image, reference), swin.compare(reference, image)
        assert forth.maps.shape == (1, 14, height, width)
        assert (forth.maps + back.maps - 1).abs().max() <= 1e-6
        assert (forth.score + back.score).abs().max() <= 1e-5
        assert forth.maps.std() > 0
        assert torch.equal(swin.compare(image, image).maps, torch.full_like(forth.maps, 0.5))


def test_the_card_says_which_network_it_is(swin, tmp_path):
    swin.save(tmp_path / "w.safetensors")
    loaded = PixelPerfect.load(tmp_path / "w.safetensors")
    assert kind_of(loaded.map_network) == "swinv2"
    assert json.loads(loaded.card["sizes"])["encoder"] == ENCODER
    image, reference = torch.rand(2, 1, 3, 64, 96, generator=torch.Generator().manual_seed(2))
    assert (loaded.maps(image, reference) - swin.maps(image, reference)).abs().max() < 0.01
    indices = [(a, b) for a, b in zip(loaded.buffers(), swin.buffers(), strict=False) if not a.is_floating_point()]
    assert kind_of(PixelPerfect().map_network) == "conv"
    assert all(torch.equal(a, b) for a, b in indices if a.dim())


def test_a_cell_sees_no_farther_than_its_context():
    encoder = SwinEncoder(ENCODER["backbone"], OPTIONS)
    assert encoder.context == 7 * 4 + 2 * 7 * 8 + 7 * 16 + 7 * 32 + 64
    assert encoder.alignment == 256


@pytest.mark.parametrize("backbone", ["resnet18", "swin_tiny_patch4_window7_224", "nobody"])
def test_other_backbones_are_refused(backbone):
    with pytest.raises(ConfigError, match="backbone"):
        SwinEncoder(backbone)


def test_without_weights_it_says_so_in_one_sentence(tmp_path):
    with pytest.raises(WeightsError, match=r"pretrained_model_path=FILE.*none are bundled.*Train them"):
        PixelPerfectSwinV2Metric()
    PixelPerfect().save(tmp_path / "conv.safetensors")
    with pytest.raises(WeightsError, match="expected weights of a SwinV2"):
        PixelPerfectSwinV2Metric(pretrained_model_path=tmp_path / "conv.safetensors")


def test_the_shipped_configuration_is_of_it():
    config = load_config("pixelperfect/swinv2.yaml")
    assert config.network.encoder == {"backbone": "swinv2_tiny_window8_256", "options": {}}


def test_the_variant_of_the_ablation_is_not_mirrored_and_comes_back_as_it_was(tmp_path):
    with seeded_weights(3):
        maps = build_maps((4, 6, 8, 8, 12), (8, 8, 12, 12), antisymmetric=False)
        metric = PixelPerfect(maps, RelationalScoreNet(hidden=8, embedding=4))
    image, reference = torch.rand(2, 1, 3, 64, 64, generator=torch.Generator().manual_seed(4))
    assert (metric.maps(image, reference) + metric.maps(reference, image) - 1).abs().max() > 1e-4
    metric.save(tmp_path / "w.safetensors", half=False)
    again = PixelPerfect.load(tmp_path / "w.safetensors")
    assert (again.maps(image, reference) - metric.maps(image, reference)).abs().max() < 1e-5
