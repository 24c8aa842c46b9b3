"""The wavelet and the transform codec: lifting against filters, dead zones against numbers, errors against steps."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft

from pyiqa_pixelperfect.distortions import codec
from reference.transforms import filter_bank


@settings(max_examples=20, derandomize=True, database=None)
@given(st.integers(0, 2**31), st.integers(4, 40))
def test_lifting_equals_the_filter_bank(seed, half):
    signal = torch.rand(2, 2 * half, generator=torch.Generator().manual_seed(seed))
    low, high = codec.forward_lifting(signal)
    for row in range(2):
        expected = filter_bank(signal[row].double().numpy())
        np.testing.assert_allclose(low[row], expected[0], atol=2e-6)
        np.testing.assert_allclose(high[row], expected[1], atol=2e-6)


@settings(max_examples=20, derandomize=True, database=None)
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


def test_blocks_of_all_sizes_are_drawn(crops, monkeypatch):
    coded = []
    quantize = codec._quantize_transform

    def noted(planes, steps, slopes, size):
        coded.append((size, len(planes)))
        return quantize(planes, steps, slopes, size)

    monkeypatch.setattr(codec, "_quantize_transform", noted)
    same = crops[:1].expand(60, 3, 61, 79)
    codec.transform_codec(same, torch.ones(60, 1, 61, 79), torch.arange(60))
    *luma, chroma = coded
    assert chroma == (8, 60)
    assert [size for size, _ in luma] == [8, 16, 32]
    assert sum(count for _, count in luma) == 60  # each picture is coded once, in blocks of one size
    assert min(count for _, count in luma) > 10


@pytest.mark.parametrize("kind", [codec.wavelet_codec, codec.transform_codec])
def test_a_picture_is_coded_alike_alone_and_in_a_large_batch(crops, kind):
    # Large enough for the vectorized loops of torch, whose last elements take another path.
    images, seeds = crops.repeat(9, 1, 1, 1)[:33], torch.arange(33)
    amount = torch.full_like(images[:, :1], 0.6)
    together = kind(images, amount, seeds)
    for row in range(33):
        one = slice(row, row + 1)
        assert torch.equal(kind(images[one], amount[one], seeds[one]), together[one])


@settings(max_examples=30, derandomize=True, database=None)
@given(st.floats(-4.0, 4.0), st.floats(0.05, 1.0))
def test_bit_planes_keep_what_lies_above_the_step(value, step):
    done = codec.bit_planes(torch.tensor([value]), torch.tensor(step)).item()
    whole = int(abs(value) / step)
    if abs(abs(value) / step - round(abs(value) / step)) > 1e-4:  # on the border itself rounding decides
        expected = 0.0 if whole == 0 else float(np.sign(value)) * (whole + 0.5) * step
        assert done == pytest.approx(expected, abs=1e-5)


def test_pyramid_is_quantized_level_by_level_as_the_slope_says():
    plane = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(3)) - 0.5
    step, slope = 0.05, 0.8
    done = codec._quantize_wavelet(plane, torch.full_like(plane, step), torch.full((1, 1, 1, 1), slope))
    bands, rest = [], plane
    for level in range(codec.LEVELS):
        rest, *details = codec._split(rest)
        own = step * 2 ** (slope * (1.5 - level))
        quantized = []
        for detail, coarseness in zip(details, (1.0, 1.0, 1.4), strict=True):
            whole = np.floor(np.abs(detail.double().numpy()) / (own * coarseness))
            values = np.sign(detail.numpy()) * np.where(whole > 0, whole + 0.5, 0.0) * own * coarseness
            quantized.append(torch.from_numpy(values).float())
        bands.append(quantized)
    expected = rest
    for quantized in reversed(bands):
        expected = codec._join(expected, *quantized)
    assert ((done - expected).abs() > 1e-4).float().mean() < 0.01  # values on a border may fall to either side


def test_steps_are_geometric_and_coarser_for_color():
    amounts = torch.tensor([0.0, 0.5, 1.0]).reshape(1, 1, 1, 3).expand(64, -1, -1, -1)
    steps = codec._steps(amounts, (0.02, 0.9), torch.arange(64))[:, :, 0]
    torch.testing.assert_close(steps[0, 0], torch.tensor([0.02, (0.02 * 0.9) ** 0.5, 0.9]))
    coarseness = steps[:, 1:] / steps[:, :1]
    torch.testing.assert_close(coarseness, coarseness[:, :1, :1].expand(64, 2, 3))  # one draw for a picture
    assert 1.0 <= coarseness.min() < 1.1
    assert 1.6 < coarseness.max() <= 1.7


@pytest.mark.parametrize("size", codec.TRANSFORM_SIZES)
def test_blocks_are_quantized_as_by_a_loop_over_them(size):
    plane = np.random.default_rng(size).normal(0, 0.2, (64, 96)).astype(np.float32)
    steps = np.random.default_rng(1).uniform(0.02, 0.2, (64, 96)).astype(np.float32)
    slope = 1.3
    expected = np.empty((64, 96))
    for top in range(0, 64, size):
        for left in range(0, 96, size):
            place = np.s_[top : top + size, left : left + size]
            coefficients = fft.dctn(plane[place].astype(float), norm="ortho")
            for row in range(size):
                for column in range(size):
                    step = steps[place].mean() * (1 + slope * ((row + column) / size - 0.5)) * (size / 8) ** 0.5
                    value = coefficients[row, column]
                    coefficients[row, column] = np.sign(value) * np.floor(abs(value) / step + 0.33) * step
            expected[place] = fft.idctn(coefficients, norm="ortho")
    planes, local = (torch.from_numpy(array)[None, None] for array in (plane, steps))
    done = codec._quantize_transform(planes, local, torch.full((1, 1, 1, 1), slope), size)[0, 0].numpy()
    # Away from block borders, where nothing is deblocked; a value on the border of a step spoils its block.
    row, column = np.mgrid[0:64, 0:96]
    inner = ((row + 2) % size >= 4) & ((column + 2) % size >= 4)
    assert (np.abs(done - expected)[inner] < 1e-4).mean() > 0.97
