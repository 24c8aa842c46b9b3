"""Both networks together: what holds by construction (DESIGN.md), and promises N1, N2 and N4."""

import copy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import gradcheck

from pyiqa_pixelperfect.pixelperfect.conv_encoder import Encoder
from pyiqa_pixelperfect.pixelperfect.dissimilarity import dissimilarity, view_of
from pyiqa_pixelperfect.pixelperfect.folding import fold_normalization
from pyiqa_pixelperfect.pixelperfect.map_network import DistortionMapNet, PairFusion
from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect
from pyiqa_pixelperfect.pixelperfect.picture_statistics import picture_statistics
from pyiqa_pixelperfect.pixelperfect.score_network import RelationalScoreNet, describe_pairs

#: Pixels that a map cell can see to either side; found by measurement, see the test that pins it.
REACH = 224


def pair(seed: int, height: int, width: int, batch: int = 1) -> tuple[Tensor, Tensor]:
    """A smooth random picture and a version with noise on its left half."""
    generator = torch.Generator().manual_seed(seed)
    smooth = torch.rand(batch, 3, max(2, height // 8), max(2, width // 8), generator=generator)
    image = F.interpolate(smooth, size=(height, width), mode="bicubic").clamp(0, 1)
    noise = 0.3 * torch.randn(image.shape, generator=generator)
    noise[..., width // 2 :] = 0
    return image, (image + noise).clamp(0, 1)


def test_the_lived_in_network_has_opinions(metric):
    image, reference = pair(0, 96, 96)
    assert (metric.map_network(image, reference) - 0.5).abs().max() > 0.2
    assert metric(image, reference).abs() > 0.01


@settings(max_examples=25, derandomize=True, database=None)
@given(st.integers(0, 10_000), st.integers(33, 130), st.integers(33, 130))
def test_maps_and_scores_are_antisymmetric_at_any_size(lived_in, seed, height, width):
    image, reference = pair(seed, height, width)
    maps = lived_in.map_network
    assert (maps(image, reference) + maps(reference, image) - 1).abs().max() <= 1e-6
    assert (lived_in(image, reference) + lived_in(reference, image)).abs().max() <= 1e-5


@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 47), (65, 130), (128, 96)])
def test_n1_identical_images_are_exactly_equal(metric, height, width):
    image, reference = pair(1, height, width, batch=3)
    for picture in (image, reference):
        assert torch.equal(
            metric.map_network(picture, picture), torch.full_like(metric.map_network(picture, picture), 0.5)
        )
        assert torch.equal(metric(picture, picture), torch.zeros(3))


@pytest.mark.parametrize("height", [32, 33, 35, 63, 64, 65])
@pytest.mark.parametrize("width", [32, 37, 95])
def test_any_size_from_32_px(small, height, width):
    image, reference = pair(2, height, width)
    maps = small.map_network(image, reference)
    assert maps.shape == (1, 14, -(-height // 4), -(-width // 4))
    assert ((maps >= 0) & (maps <= 1)).all()
    assert small(image, reference).shape == (1,)


def test_n2_a_batch_equals_its_pictures(metric):
    image, reference = pair(3, 75, 90, batch=5)
    maps, scores = metric.map_network(image, reference), metric(image, reference)
    for i in range(5):
        one = slice(i, i + 1)
        assert (metric.map_network(image[one], reference[one]) - maps[one]).abs().max() <= 1e-5
        assert (metric(image[one], reference[one]) - scores[one]).abs().max() <= 1e-5


def test_n2_memory_layout_does_not_matter(metric):
    image, reference = pair(4, 64, 96, batch=2)
    plain = metric.map_network(image, reference), metric(image, reference)
    last = {"memory_format": torch.channels_last}
    strided = image.transpose(2, 3).contiguous().transpose(2, 3)
    other = copy.deepcopy(metric).to(**last)
    for network, first in ((other, image.contiguous(**last)), (metric, image.contiguous(**last)), (metric, strided)):
        assert (network.map_network(first, reference) - plain[0]).abs().max() <= 1e-5
        assert (network(first, reference) - plain[1]).abs().max() <= 1e-5


def test_folding_the_normalization_changes_nothing(metric):
    image, reference = pair(5, 71, 96, batch=2)
    before = metric.map_network(image, reference), metric(image, reference)
    folded = fold_normalization(metric)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    assert (folded.map_network(image, reference) - before[0]).abs().max() <= 1e-5
    assert (folded(image, reference) - before[1]).abs().max() <= 1e-5


def test_a_folded_fusion_gives_both_orders_as_before_with_their_gradients():
    generator = torch.Generator().manual_seed(0)
    fusion = PairFusion(6, 5).double()
    for parameter in (*fusion.norm.parameters(), fusion.norm.running_mean, fusion.norm.running_var):
        parameter.data = 0.5 + torch.rand(parameter.shape, generator=generator).double()
    folded = copy.deepcopy(fusion.eval()).requires_grad_(False)
    folded.fold()
    image, reference = (torch.randn(2, 6, 8, 9, generator=generator).double() for _ in range(2))
    torch.testing.assert_close(folded(image, reference), fusion(image, reference))
    assert torch.equal(folded(reference, image), folded(image, reference).roll(2, 0))
    gradients = []
    for network in (fusion, folded):
        leaf = image.clone().requires_grad_()
        network(leaf, reference).square().sum().backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(*gradients)


def test_n4_every_parameter_of_the_maps_gets_a_gradient(small):
    image, reference = pair(6, 64, 64, batch=2)
    network = small.train().map_network
    network(image, reference).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
    assert all(p.grad.isfinite().all() for p in network.parameters())


def checkerboard(side: int) -> Tensor:
    grid = (torch.arange(side)[:, None] + torch.arange(side)) % 2
    return grid.float().expand(1, 3, side, side)


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        (torch.full((1, 3, 64, 64), 0.5), torch.full((1, 3, 64, 64), 0.5)),
        (torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64)),
        (torch.ones(1, 3, 64, 64), torch.ones(1, 3, 64, 64)),
        (torch.zeros(1, 3, 64, 64), torch.ones(1, 3, 64, 64)),
        (checkerboard(64), 1 - checkerboard(64)),
        (checkerboard(64), checkerboard(64)),
    ],
    ids=["gray", "black", "white", "black-white", "checkerboards", "equal-checkerboards"],
)
def test_n4_gradients_are_finite_on_extreme_pictures(small, image, reference):
    image = image.clone().requires_grad_()
    (small.map_network(image, reference).square().sum() + small(image, reference).sum()).backward()
    assert image.grad.isfinite().all()


def test_n4_gradcheck_of_a_small_network():
    torch.manual_seed(0)
    metric = PixelPerfect(
        DistortionMapNet(14, (2, 2, 2, 2, 2), (3, 3, 3, 3)), RelationalScoreNet(hidden=8, embedding=2)
    )
    metric = metric.double().eval().requires_grad_(False)
    image, reference = (torch.rand(1, 3, 32, 32, dtype=torch.float64) for _ in "ab")
    patch = torch.rand(1, 3, 2, 2, dtype=torch.float64, requires_grad=True)

    def answer(values: Tensor) -> tuple[Tensor, Tensor]:
        whole = image.clone()
        whole[..., 14:16, 9:11] = values
        logits = metric.map_network.fuse(*(metric.map_network.encode(picture) for picture in (whole, reference)))
        unlike = dissimilarity(view_of(whole), view_of(reference))
        pairs = describe_pairs(logits, picture_statistics(whole), picture_statistics(reference), unlike)
        return torch.sigmoid(logits), metric.score_network(pairs)

    assert answer(patch)[1].abs() > 0
    assert gradcheck(answer, (patch,))


def test_the_default_networks_have_one_to_three_million_parameters():
    count = sum(p.numel() for net in (DistortionMapNet(), RelationalScoreNet()) for p in net.parameters())
    assert 1_000_000 <= count <= 3_000_000


def test_n2_fully_convolutional_a_crop_sees_what_the_whole_sees(metric):
    image, reference = pair(7, 512, 544)
    whole = metric.map_network(image, reference)
    crop = metric.map_network(image[..., 32:512, 64:544], reference[..., 32:512, 64:544])
    inside = slice(REACH // 4, crop.shape[-1] - REACH // 4)
    there = whole[..., 8:128, 16:136][..., inside, inside]
    assert crop[..., inside, inside].numel() > 0
    assert (crop[..., inside, inside] - there).abs().max() <= 1e-5


def test_how_far_a_map_cell_sees(metric):
    """A change of one pixel must not show further away than REACH: tiling needs the figure."""
    image, reference = pair(8, 480, 480)
    changed = image.clone()
    changed[..., 240, 240] = 1 - changed[..., 240, 240]
    moved = (metric.map_network(changed, reference) - metric.map_network(image, reference)).abs().amax((0, 1))
    rows, columns = torch.nonzero(moved > 1e-6, as_tuple=True)
    assert len(rows)
    furthest = max((axis * 4 + offset - 240).abs().max().item() for axis in (rows, columns) for offset in (0, 3))
    assert 32 <= furthest <= REACH


def test_encoder_levels_have_their_strides():
    pyramid = Encoder((4, 5, 6, 7, 8))(torch.rand(2, 3, 64, 96))
    assert [tuple(level.shape) for level in pyramid] == [(2, 5, 16, 24), (2, 6, 8, 12), (2, 7, 4, 6), (2, 8, 2, 3)]


def test_encoding_does_not_depend_on_training_mode_leftovers(small):
    """Evaluation mode: no picture changes another's answer, and no forward pass changes the network."""
    before = copy.deepcopy(small.state_dict())
    small.map_network(*pair(9, 64, 64, batch=3))
    assert all(torch.equal(tensor, before[name]) for name, tensor in small.state_dict().items())


def test_sides_are_padded_by_replication(small):
    """Reflection would show the network a second picture, zeros an edge."""
    images, _ = pair(12, 40, 50)
    padded = F.pad(images, (0, 14, 0, 24), mode="replicate")
    for level, expected in zip(small.map_network.encode(images), small.map_network.encoder(padded), strict=True):
        assert torch.allclose(level, expected, rtol=0, atol=1e-5)
