"""A SwinV2 so small that it trains in seconds: trained, stopped, resumed, loaded, scored."""

import shutil

import torch

from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect
from pyiqa_pixelperfect.pixelperfect.networks import kind_of
from pyiqa_pixelperfect.pixelperfect.trainer import train
from recipes.runs import BRIEF, assert_same, config_of, tensors_of

SMALL = (
    "network.kind=swinv2",
    "network.backbone_options={embed_dim: 8, depths: [1, 1, 1, 1], num_heads: [1, 1, 1, 1]}",
    "network.decoder_widths=[8, 8, 8, 8]",
)


def test_it_trains_resumes_to_the_same_bits_loads_and_scores(photos, tmp_path):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    weights = train(config_of(photos, whole, *BRIEF, *SMALL))
    resumed.mkdir()
    earlier = min(whole.glob("checkpoint-*"))
    assert earlier.name < "checkpoint-00000006"
    shutil.copy(earlier, resumed / earlier.name)
    again = train(config_of(photos, resumed, *BRIEF, *SMALL))
    assert_same(tensors_of(weights), tensors_of(again))
    metric = PixelPerfect.load(weights)
    assert kind_of(metric.map_network) == "swinv2"
    assert metric(*torch.rand(2, 1, 3, 64, 64)).isfinite().all()


def test_swapped_pairs_are_learned_from_and_repeatable(photos, tmp_path):
    options = ("network.antisymmetric=false", "maps.swap=0.25")
    one, two = (train(config_of(photos, tmp_path / name, *BRIEF, *options)) for name in ("one", "two"))
    assert_same(tensors_of(one), tensors_of(two))
    other = train(config_of(photos, tmp_path / "other", *BRIEF, *options[:1]))
    assert not torch.equal(tensors_of(one)["map_network.head.weight"], tensors_of(other)["map_network.head.weight"])
