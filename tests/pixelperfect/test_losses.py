"""The losses against slow twins, known values and their symmetries (promises N4 and N5)."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import gradcheck

from pyiqa_pixelperfect.pixelperfect.losses import (
    family_loss,
    hinge_loss,
    info_nce,
    map_loss,
    map_target,
)
from reference.losses import (
    family_loss_loop,
    hinge_loop,
    info_nce_loop,
    map_loss_loop,
    map_target_loop,
)

CASES = settings(max_examples=200, derandomize=True, database=None)
SEEDS = st.integers(0, 2**31 - 1)


def unit_rows(generator: torch.Generator, count: int, length: int) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(count, length, generator=generator, dtype=torch.float64), dim=1)


@CASES
@given(SEEDS, st.integers(1, 3), st.integers(1, 4), st.integers(1, 7), st.floats(1, 20), st.floats(0, 0.5))
def test_n5_map_loss_equals_its_twin(seed, batch, families, side, weight, beta):
    generator = np.random.default_rng(seed)
    prediction = generator.random((batch, families, side, side + 1))
    target = generator.random(prediction.shape)
    target[generator.random(target.shape) < 0.5] = 0.5
    ours = map_loss(torch.from_numpy(prediction), torch.from_numpy(target), weight_high=weight, beta=beta)
    assert ours.item() == pytest.approx(map_loss_loop(prediction, target, weight, beta), abs=1e-10)


@CASES
@given(SEEDS, st.integers(1, 3), st.integers(2, 5), st.integers(1, 6), st.floats(0.5, 5))
def test_n5_family_loss_equals_its_twin(seed, batch, families, side, sharpness):
    generator = np.random.default_rng(seed)
    prediction = generator.random((batch, families, side, side + 1))
    target = 0.5 + 0.5 * generator.uniform(-1, 1, prediction.shape) ** 3  # many faint cells, and some that one leads
    ours = family_loss(torch.from_numpy(prediction), torch.from_numpy(target), sharpness=sharpness)
    assert ours.item() == pytest.approx(family_loss_loop(prediction, target, sharpness), abs=1e-10)


def test_family_loss_asks_for_the_right_family_to_lead_and_not_for_large_amounts():
    target = torch.full((1, 3, 4, 4), 0.5)
    target[:, 1] = 0.2  # an amount of -0.6: the sign is the map loss's business
    right, faint, wrong = target.clone(), target.clone(), target.clone()
    faint[:, 1] = 0.35
    wrong[:, 2] = 0.9
    losses = [family_loss(maps, target).item() for maps in (right, faint, wrong)]
    assert losses[0] < losses[1] < losses[2]
    mixed = target.clone()
    mixed[:, 0] = 0.75  # 0.5 beside 0.6: no family leads
    assert family_loss(wrong, mixed).item() == 0.0
    assert family_loss(wrong, torch.full_like(target, 0.5)).item() == 0.0


@CASES
@given(SEEDS, st.integers(1, 9), st.integers(1, 9), st.integers(1, 5), st.booleans())
def test_n5_map_target_equals_its_twin_at_any_size(seed, height, width, stride, clean):
    generator = np.random.default_rng(seed)
    image = generator.uniform(-1, 1, (2, 2, height, width))
    reference = None if clean else generator.uniform(-1, 1, image.shape)  # differences reach 2: clipping shows
    other = None if reference is None else torch.from_numpy(reference)
    ours = map_target(torch.from_numpy(image), other, stride).numpy()
    twin = map_target_loop(image, reference, stride)
    assert ours.shape == twin.shape
    np.testing.assert_allclose(ours, twin, rtol=0, atol=1e-10)


@CASES
@given(SEEDS, st.integers(1, 40), st.floats(0, 3))
def test_n5_hinge_loss_equals_its_twin(seed, count, margin):
    better, worse = np.random.default_rng(seed).normal(size=(2, count))
    ours = hinge_loss(torch.from_numpy(better), torch.from_numpy(worse), margin=margin)
    assert ours.item() == pytest.approx(hinge_loop(better.tolist(), worse.tolist(), margin), abs=1e-10)
    margins = margin * torch.rand(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    ours = hinge_loss(torch.from_numpy(better), torch.from_numpy(worse), margin=margins)
    each = [hinge_loop([b], [w], m) for b, w, m in zip(better, worse, margins.tolist(), strict=True)]
    assert ours.item() == pytest.approx(math.fsum(each) / count, abs=1e-10)


@CASES
@given(SEEDS, st.integers(1, 9), st.integers(1, 6), st.floats(0.05, 2))
def test_n5_info_nce_equals_its_twin(seed, count, length, temperature):
    generator = torch.Generator().manual_seed(seed)
    anchors, positives = unit_rows(generator, count, length), unit_rows(generator, count, length)
    ours = info_nce(anchors, positives, temperature=temperature)
    assert ours.item() == pytest.approx(info_nce_loop(anchors.numpy(), positives.numpy(), temperature), abs=1e-10)


def test_a_perfect_map_costs_nothing():
    target = torch.rand(2, 3, 5, 5, dtype=torch.float64)
    assert map_loss(target, target).item() == 0.0


def test_the_paper_weighs_distorted_cells_tenfold():
    target = torch.tensor([0.5, 0.54, 0.56, 0.44, 0.46], dtype=torch.float64)
    losses = [map_loss(target[i : i + 1] + 0.1, target[i : i + 1]).item() for i in range(5)]
    assert losses == pytest.approx([0.01, 0.01, 0.1, 0.1, 0.01])
    edge = torch.tensor([0.75], dtype=torch.float64)  # a difference of beta itself is not more than beta
    assert map_loss(edge + 0.1, edge, beta=0.25).item() == pytest.approx(0.01)


def test_hinge_at_the_margin_below_and_above():
    zero = torch.zeros(1, dtype=torch.float64)
    assert [hinge_loss(zero + s, zero).item() for s in (1.0, 3.0, 0.0, -1.0, 0.25)] == [0.0, 0.0, 1.0, 2.0, 0.75]


@pytest.mark.parametrize("count", [1, 2, 7, 64])
def test_info_nce_of_identical_embeddings_is_log_n(count):
    rows = torch.ones(count, 4, dtype=torch.float64) / 2.0
    assert info_nce(rows, rows).item() == pytest.approx(math.log(count), abs=1e-12)


def test_info_nce_of_perfectly_separated_embeddings_is_nearly_0():
    rows = torch.eye(8, dtype=torch.float64)
    assert info_nce(rows, rows).item() == pytest.approx(math.log1p(7 * math.exp(-1 / 0.07)), abs=1e-12)


@CASES
@given(SEEDS, st.integers(2, 12))
def test_n5_losses_do_not_depend_on_order(seed, count):
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(count, generator=generator)
    one, two = unit_rows(generator, count, 5), unit_rows(generator, count, 5)
    assert torch.allclose(info_nce(one, two), info_nce(one[order], two[order]), rtol=0, atol=1e-12)
    assert torch.allclose(info_nce(one, two), info_nce(two, one), rtol=0, atol=1e-12)
    assert torch.allclose(hinge_loss(one, two), hinge_loss(one[order], two[order]), rtol=0, atol=1e-12)
    assert torch.allclose(map_loss(one, two), map_loss(one[order], two[order]), rtol=0, atol=1e-12)


@CASES
@given(SEEDS, st.integers(1, 9), st.integers(1, 5))
def test_swapping_a_pair_mirrors_its_map(seed, side, stride):
    generator = torch.Generator().manual_seed(seed)
    one, two = torch.rand(2, 1, 2, side, side + 2, generator=generator, dtype=torch.float64) * 2 - 1
    assert torch.allclose(map_target(one, two, stride), 1 - map_target(two, one, stride), rtol=0, atol=1e-15)


def test_equal_amounts_give_one_half_exactly():
    amounts = torch.rand(2, 14, 13, 9) * 2 - 1
    assert torch.equal(map_target(amounts, amounts, 4), torch.full((2, 14, 4, 3), 0.5))


def test_differences_are_clipped_pixel_by_pixel():
    image = torch.tensor([[[[1.0, 0.0]]]])
    reference = torch.tensor([[[[-1.0, 0.0]]]])  # the first pixel differs by 2, which counts as 1
    assert map_target(image, reference, 2).item() == 0.75


def test_n4_gradients_of_all_losses():
    generator = torch.Generator().manual_seed(0)
    one, two = (torch.randn(4, 5, generator=generator, dtype=torch.float64, requires_grad=True) for _ in "ab")
    target = torch.rand(4, 5, generator=generator, dtype=torch.float64)
    assert gradcheck(lambda a: map_loss(a, target), (one,))
    assert gradcheck(lambda a: family_loss(a, target), (one,))
    assert gradcheck(hinge_loss, (one, two))
    assert gradcheck(lambda a, b: info_nce(a, b, temperature=0.5), (one, two))


def test_a_cold_info_nce_stays_finite():
    rows = torch.eye(4).requires_grad_()
    loss = info_nce(rows, -rows, temperature=1e-3)
    loss.backward()
    assert loss.isfinite()
    assert rows.grad.isfinite().all()
