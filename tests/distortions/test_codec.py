"""The wavelet and the transform codec: lifting against filters, dead zones against numbers, errors against steps."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyiqa_pixelperfect.distortions import codec
from reference.transforms import filter_bank


@settings(max_examples=20, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 2**31), st.integers(4, 40))
def test_lifting_equals_the_filter_bank(seed, half):
    signal = torch.rand(2, 2 * half, generator=torch.Generator().manual_seed(seed))
    low, high = codec.forward_lifting(signal)
    for row in range(2):
        expected = filter_bank(signal[row].double().numpy())
        np.testing.assert_allclose(low[row], expected[0], atol=2e-6)
        np.testing.assert_allclose(high[row], expected[1], atol=2e-6)


@settings(max_examples=20, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 2**31), st.integers(1, 40))
def test_lifting_is_undone_exactly(seed, half):
    signal = torch.rand(3, 2 * half, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(codec.inverse_lifting(*codec.forward_lifting(signal)), signal, rtol=0, atol=2e-6)


def test_bands_are_about_orthonormal():
    signal = torch.randn(64, 512, generator=torch.Generator().manual_seed(0))
    low, high = codec.forward_lifting(signal)
    assert (low.square().sum() + high.square().sum()).item() == pytest.approx(signal.square().sum().item(), rel=0.05)
    flat = codec.forward_lifting(torch.ones(1, 64))
    torch.testing.assert_close(flat[0], torch.full((1, 32), 2**0.5), rtol=0, atol=1e-5)
    assert flat[1].abs().max() < 1e-5


def test_pyramid_splits_rows_and_columns_and_joins_again():
    plane = torch.zeros(1, 1, 64, 64)
    plane[..., ::2] = 1.0  # changes along rows only
    energy = [band.square().mean().item() for band in codec._split(plane)]
    assert energy[2] > 0.2
    assert energy[1] < 1e-9
    assert energy[3] < 1e-9
    noise = torch.rand(2, 3, 64, 96)
    torch.testing.assert_close(codec._join(*codec._split(noise)), noise, rtol=0, atol=5e-6)


def test_dead_zone_equals_its_rule():
    values = torch.linspace(-3.001, 3.0017, 1001)
    for step in (0.1, 0.7):
        expected = [float(np.sign(v) * np.floor(abs(v) / step + 0.33) * step) for v in values.double().tolist()]
        done = codec.dead_zone(values, torch.tensor(step))
        assert (np.abs(done.numpy() - expected) > 1e-5).sum() <= 1
        assert (done[values.abs() < 0.66 * step] == 0).all()
        assert (done - values).abs().max() <= 0.67 * step + 1e-5


@pytest.mark.parametrize("kind", [codec.wavelet_codec, codec.transform_codec])
def test_flat_pictures_stay_flat(kind):
    seeds = torch.arange(4)
    for level in (0.2, 0.5, 0.9):
        flat = torch.full((4, 3, 48, 48), level)
        done = kind(flat, torch.full((4, 1, 48, 48), 0.6), seeds)
        assert done.std((2, 3)).max() < 1e-3


@pytest.mark.parametrize("kind", [codec.wavelet_codec, codec.transform_codec])
def test_fine_steps_change_little_and_coarse_ones_take_detail(crops, kind):
    seeds = torch.arange(4)
    fine = kind(crops, torch.full_like(crops[:, :1], 1e-6), seeds)
    coarse = kind(crops, torch.full_like(crops[:, :1], 1.0), seeds)
    assert (fine - crops).abs().mean() < 0.012
    assert (coarse - crops).abs().mean() > 2.5 * (fine - crops).abs().mean()
    assert coarse.diff(dim=3).abs().mean() < 0.8 * crops.diff(dim=3).abs().mean()
    assert (coarse.mean((2, 3)) - crops.mean((2, 3))).abs().max() < 0.1


def test_wavelet_steps_follow_the_amount_of_each_place(crops):
    amount = torch.zeros_like(crops[:, :1]) + 0.05
    amount[..., 40:] = 1.0
    error = (codec.wavelet_codec(crops, amount, torch.arange(4)) - crops).abs().mean((0, 1, 2))
    assert error[:24].mean() < 0.35 * error[56:].mean()


def test_large_and_small_blocks_are_both_drawn(crops):
    # A strongly coded picture is flat inside its blocks before deblocking: gradients gather at multiples of the size.
    same = crops[:1].expand(24, 3, 61, 79)
    done = codec.transform_codec(same, torch.ones(24, 1, 61, 79), torch.arange(24))
    assert len({tuple(picture.flatten()[::97].tolist()) for picture in done}) >= 12


def test_steps_are_geometric_and_coarser_for_color():
    steps = codec._steps(torch.tensor([0.0, 0.5, 1.0]).reshape(1, 1, 1, 3), (0.02, 0.9))[0, :, 0]
    torch.testing.assert_close(steps[0], torch.tensor([0.02, (0.02 * 0.9) ** 0.5, 0.9]))
    torch.testing.assert_close(steps[1:], 1.6 * steps[:1].expand(2, 3))
