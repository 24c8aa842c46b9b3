"""Interpolation between strengths, against its twin and at its nodes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyiqa_pixelperfect.distortions.strengths import (
    geometric,
    interpolate_strengths,
    keep_where_zero,
    one_and_a_half_power,
)
from reference.fields import interpolate_loop


@settings(max_examples=25, derandomize=True, database=None)
@given(st.integers(0, 2**31), st.integers(1, 6))
def test_interpolation_equals_its_twin(seed, strengths):
    generator = torch.Generator().manual_seed(seed)
    ladder = torch.rand(strengths + 1, 1, 3, 7, 9, generator=generator)
    amount = torch.rand(1, 1, 7, 9, generator=generator)
    amount[..., 0], amount[..., 1] = 0.0, 1.0
    result = interpolate_strengths(ladder[0], amount, list(ladder[1:]))
    expected = interpolate_loop(ladder[0, 0].numpy(), amount[0, 0].numpy(), [f[0].numpy() for f in ladder[1:]])
    np.testing.assert_allclose(result[0], expected, atol=2e-6)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 7])
def test_at_a_node_it_is_exactly_that_strength(count):
    ladder = torch.rand(count + 1, 1, 3, 5, 5)
    for step in range(count + 1):
        amount = torch.full((1, 1, 5, 5), step / count)
        torch.testing.assert_close(
            interpolate_strengths(ladder[0], amount, list(ladder[1:])), ladder[step], rtol=0, atol=5e-7
        )


def test_no_trace_of_the_clean_picture_beyond_the_first_strength():
    clean, filtered = torch.ones(1, 3, 4, 4), [torch.zeros(1, 3, 4, 4)] * 4
    for amount in (0.25, 0.3, 0.7, 1.0):
        assert interpolate_strengths(clean, torch.full((1, 1, 4, 4), amount), filtered).abs().max() == 0


def test_zero_keeps_the_bits_even_out_of_range():
    images = torch.tensor([-0.5, 0.3, 2.0, 1e-30]).reshape(1, 1, 2, 2).expand(1, 3, 2, 2)
    amount = torch.tensor([0.0, 1e-30, -0.0, 0.0]).reshape(1, 1, 2, 2)
    kept = keep_where_zero(images, amount, torch.full_like(images, 7.0))
    assert torch.equal(kept, torch.where(amount == 0, images, torch.ones(())))


def test_powers_are_powers():
    amount = torch.linspace(0, 1, 1001)
    np.testing.assert_allclose(one_and_a_half_power(amount), amount.double() ** 1.5, rtol=1e-6, atol=1e-7)
    for low, high in ((95.0, 4.0), (0.012, 0.55)):
        values = geometric(amount, (low, high))
        np.testing.assert_allclose(values, low * (high / low) ** amount.double(), rtol=1e-6)
        assert values[0] == pytest.approx(low, rel=1e-7)
        assert values[-1] == pytest.approx(high, rel=3e-7)


def test_powers_do_not_depend_on_the_place_in_the_tensor():
    amount = torch.rand(1003, generator=torch.Generator().manual_seed(0))
    for function in (one_and_a_half_power, lambda a: geometric(a, (95.0, 4.0))):
        whole = function(amount)
        for start in range(0, 900, 7):
            length = 3 + start % 29  # short and odd: the ends fall where the whole tensor has no end
            assert torch.equal(function(amount[start : start + length].clone()), whole[start : start + length])
