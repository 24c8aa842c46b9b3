"""The networks: shapes of the paper and of CLIP, native size, and the positional embedding in and out."""

import pytest
import torch
from torchvision.models import resnet18

from pyiqa_pixelperfect.backbones import seeded_weights
from pyiqa_pixelperfect.grepq.networks import HighLevelNet, LowLevelNet


def test_the_low_level_network_has_the_papers_shape():
    network = LowLevelNet()
    theirs = {name: tensor.shape for name, tensor in resnet18().state_dict().items() if not name.startswith("fc.")}
    assert {name: tensor.shape for name, tensor in network.encoder.state_dict().items()} == theirs
    assert [tuple(p.shape) for p in network.head.parameters()] == [(512, 512), (512,), (128, 512), (128,)]


def test_features_are_torchvisions_and_then_the_head():
    network, theirs = LowLevelNet().eval(), resnet18().eval()
    theirs.load_state_dict(network.encoder.state_dict(), strict=False)
    theirs.fc = torch.nn.Identity()
    images = torch.rand(2, 3, 70, 90)
    torch.testing.assert_close(network(images), network.head(theirs(images)), rtol=1e-4, atol=1e-5)


def test_weights_are_drawn_from_the_seed_alone():
    state = torch.get_rng_state()
    with seeded_weights(3):
        one = LowLevelNet(4, 6)
    with seeded_weights(3):
        two = LowLevelNet(4, 6)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_the_tower_has_the_shape_of_clips_resnet_50():
    with torch.device("meta"):
        network = HighLevelNet()
    assert sum(p.numel() for p in network.tower.parameters()) == 38_316_896  # of OpenAI's RN50 image tower
    assert network.tower.get_parameter("head.pos_embed").shape == (50, 2048)
    assert network.prompts.shape == (2, 1024)


@pytest.mark.parametrize("size", [(64, 64), (100, 161), (224, 224)])
def test_images_of_any_size_are_described(high, size):
    assert high.network(torch.rand(1, 3, *size)).shape == (1, 8)


def test_odd_sizes_lose_their_last_row_where_clip_loses_it(high):
    """CLIP pools 2 x 2 cells and drops an odd last one, on both paths of a block."""
    block = high.network.tower.stages[1][0]
    cells = torch.rand(1, 16, 7, 9)
    inner = block.conv3_1x1(
        torch.nn.functional.avg_pool2d(block.conv2_kxk.bn(block.conv2_kxk.conv(block.conv1_1x1(cells))), 2)
    )
    outer = block.shortcut.conv(torch.nn.functional.avg_pool2d(cells, 2))
    torch.testing.assert_close(block(cells), torch.relu(inner + outer))


def test_without_positions_the_embedding_does_not_matter_and_with_them_it_does(high):
    images = torch.rand(1, 3, 96, 128)
    network = high.network
    results = {}
    for positions in ("none", "interpolated"):
        network.positions = positions
        before = network(images)
        with torch.no_grad():
            network.tower.get_parameter("head.pos_embed").add_(1.0)
        results[positions] = (before, network(images))
    assert torch.equal(*results["none"])
    assert not torch.allclose(*results["interpolated"])


@pytest.mark.parametrize("positions", ["none", "interpolated"])
def test_the_pool_is_clips_attention_of_the_mean_with_or_without_positions(high, positions):
    """At the size of CLIP's own images, where nothing is resampled, written out."""
    network = high.network
    network.positions = positions
    images = torch.rand(2, 3, 224, 224)
    pool = network.tower.head
    cells = network.tower.forward_features((images - network.mean) / network.std).flatten(2).transpose(1, 2)
    tokens = torch.cat((cells.mean(1, keepdim=True), cells), dim=1)
    tokens = tokens + pool.pos_embed if positions == "interpolated" else tokens
    query, key, value = pool.q(tokens[:, :1]), pool.k(tokens), pool.v(tokens)
    heads = []
    for part in range(pool.num_heads):
        rows = slice(part * pool.head_dim, (part + 1) * pool.head_dim)
        weights = (query[..., rows] @ key[..., rows].transpose(1, 2) / pool.head_dim**0.5).softmax(-1)
        heads.append(weights @ value[..., rows])
    expected = pool.proj(torch.cat(heads, dim=-1))[:, 0]
    torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-5)
