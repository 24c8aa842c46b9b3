"""Brightness, contrast and banding against twins, Pillow and numpy, and in the direction that their sign says."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps
from scipy import ndimage

from pyiqa_pixelperfect.distortions import tone
from pyiqa_pixelperfect.distortions.counter import hashed_uniform
from reference import pointwise
from reference.pipeline import clipped_loop

# Largest difference from Pillow in steps of 8 bit: its own rounding, plus that of the gray it blends with.
PILLOW_STEPS = {"brightness": 1.01, "contrast": 2.5, "posterize": 1.01}
MEAN_PIVOT = next(s for s in range(99) if hashed_uniform(torch.tensor([s]), (1,), 5).item() < 0.7)
GRAY_PIVOT = next(s for s in range(99) if hashed_uniform(torch.tensor([s]), (1,), 5).item() >= 0.7)
ROUNDS = next(s for s in range(99) if hashed_uniform(torch.tensor([s]), (1,), 6).item() < 0.5)
CASES = settings(max_examples=40, derandomize=True, database=None)
CUTS = next(s for s in range(99) if hashed_uniform(torch.tensor([s]), (1,), 6).item() >= 0.5)


def full(images, amount):
    return torch.full_like(images[:, :1], amount)


def seeds(images, seed=0):
    return torch.full((len(images),), seed)


def small_case(signed=True):
    generator = torch.Generator().manual_seed(5)
    image = torch.rand(1, 3, 11, 13, generator=generator)
    image[..., 0], image[..., 1] = 0.0, 1.0
    amount = torch.rand(1, 1, 11, 13, generator=generator) * (2 if signed else 1) - (1 if signed else 0)
    amount[:, :, 2] = 0
    return image, amount


@pytest.mark.parametrize("name", ["exposure", "gamma_error", "mean_shift", "contrast_curve"])
def test_each_pixel_equals_its_twin(name):
    image, amount = small_case()
    done = getattr(tone, name)(image, amount, seeds(image))[0]
    expected = pointwise.each(image[0].double().numpy(), amount[0, 0].double().numpy(), getattr(pointwise, name))
    np.testing.assert_allclose(done, expected, atol=3e-6 if name != "contrast_curve" else 2e-4)


@pytest.mark.parametrize("seed", [MEAN_PIVOT, GRAY_PIVOT])
def test_contrast_stretch_equals_its_twin(seed):
    image, amount = small_case()
    values = image[0].double().numpy()
    pivot = 0.5 if seed == GRAY_PIVOT else np.mean([pointwise.gray(p) for p in values.reshape(3, -1).T])
    done = tone.contrast_stretch(image, amount, seeds(image, seed))[0]
    expected = pointwise.each(values, amount[0, 0].double().numpy(), pointwise.contrast_stretch(pivot))
    np.testing.assert_allclose(done, expected, atol=3e-6)


@pytest.mark.parametrize("rounds", [True, False])
def test_banding_equals_its_twin(rounds):
    image, amount = small_case(signed=False)
    image = image * 0.999 + 0.0003  # off the edges between levels, where a last bit decides
    done = tone.banding(image, amount, seeds(image, ROUNDS if rounds else CUTS))[0]
    values = image[0].double().numpy()
    expected = pointwise.each(values, amount[0, 0].double().numpy(), pointwise.banding(rounds=rounds))
    assert (np.abs(done.numpy() - expected) > 1e-5).mean() < 0.01


@pytest.mark.parametrize("amount", [0.1, 0.5, 1.0])
def test_contrast_curve_and_its_inverse_undo_each_other(amount):
    image = torch.linspace(0, 1, 363).reshape(1, 3, 11, 11)
    more = tone.contrast_curve(image, full(image, amount), seeds(image))
    back = tone.contrast_curve(more, full(image, -amount), seeds(image))
    torch.testing.assert_close(back, image, rtol=0, atol=2e-4)
    ends = torch.tensor([0.0, 0.5, 1.0]).reshape(1, 3, 1, 1)
    for sign in (amount, -amount):
        torch.testing.assert_close(tone.contrast_curve(ends, full(ends, sign), seeds(ends)), ends, rtol=0, atol=3e-5)


def test_local_contrast_is_a_slope_about_means_of_scipy():
    generator = torch.Generator().manual_seed(4)
    images = torch.rand(3, 3, 40, 52, generator=generator)
    amount = torch.rand(3, 1, 40, 52, generator=generator) * 2 - 1
    draws = torch.tensor([1, 2, 3])
    done = tone.local_contrast(images, amount, draws)
    shares = hashed_uniform(draws, (1,), 8)[:, 0].tolist()
    assert max(shares) - min(shares) > 0.2
    for image, level, share, result in zip(images.double().numpy(), amount.double().numpy(), shares, done, strict=True):
        gray = np.tensordot([0.299, 0.587, 0.114], image, 1)
        near, far = (ndimage.gaussian_filter(gray, sigma, truncate=3.0, mode="nearest") for sigma in (8, 24))
        slope = np.where(level > 0, 1 + 2 * level, 1 + 0.6 * level)
        expected = image + (slope - 1) * (gray - (1 - share) * near - share * far)
        np.testing.assert_allclose(result, expected.clip(0, 1), atol=5e-6)


def test_clipping_equals_its_twin():
    image, amount = small_case()
    done = tone.clipping(image, amount, seeds(image))[0]
    expected = clipped_loop(image[0].double().numpy(), amount[0, 0].double().numpy())
    np.testing.assert_allclose(done, expected, atol=3e-6)


@pytest.mark.parametrize("amount", [0.1, 0.5, 1.0])
def test_clipping_cuts_the_tones_that_numpy_finds(crops, amount):
    held = tone.clipping(crops, full(crops, -amount), seeds(crops))
    driven = tone.clipping(crops, full(crops, amount), seeds(crops))
    for number, image in enumerate(crops):
        gray = tone.luma(image[None]).numpy()
        low = np.quantile(gray, 0.45 * amount, method="lower")
        high = np.quantile(gray, 1 - 0.45 * amount, method="higher")
        np.testing.assert_allclose(held[number], np.clip(image, low, high), atol=1e-6)
        between = (image >= low) & (image <= high)
        assert torch.equal(driven[number][between], image[between])
        assert between.float().mean() < 1 - 0.4 * amount
        beyond = np.where(image > high, high + 3 * (image - high), low + 3 * (image - low))
        np.testing.assert_allclose(driven[number][~between], beyond.clip(0, 1)[~between], atol=2e-6)


def pillow(picture):
    return Image.fromarray((picture.permute(1, 2, 0) * 255).round().byte().numpy())


@pytest.mark.parametrize("amount", [-1.0, -0.4, 0.3, 1.0])
def test_exposure_is_the_gain_of_pillow(crops, amount):
    done = tone.exposure(crops, full(crops, amount), seeds(crops))
    for image, result in zip(crops, done, strict=True):
        expected = np.asarray(ImageEnhance.Brightness(pillow(image)).enhance(2 ** (1.3 * amount)))
        difference = np.abs(result.permute(1, 2, 0).numpy() * 255 - expected).max()
        assert difference <= PILLOW_STEPS["brightness"]


@pytest.mark.parametrize("amount", [-1.0, -0.5, 0.3, 1.0])
def test_contrast_stretch_is_the_contrast_of_pillow(crops, amount):
    factor = 1 + 1.6 * amount if amount > 0 else 1 + 0.88 * amount
    done = tone.contrast_stretch(crops, full(crops, amount), seeds(crops, MEAN_PIVOT))
    for image, result in zip(crops, done, strict=True):
        expected = np.asarray(ImageEnhance.Contrast(pillow(image)).enhance(factor))
        difference = np.abs(result.permute(1, 2, 0).numpy() * 255 - expected).max()
        assert difference <= PILLOW_STEPS["contrast"]


def test_mean_shift_is_an_addition(crops):
    for amount in (-1.0, 0.25, 1.0):
        done = tone.mean_shift(crops, full(crops, amount), seeds(crops))
        np.testing.assert_allclose(done, np.clip(crops.double().numpy() + 0.35 * amount, 0, 1), atol=1e-6)


@pytest.mark.parametrize("bits", [2, 3, 4, 5])
def test_banding_by_cutting_is_the_posterization_of_pillow(crops, bits):
    amount = float(np.log(2**bits / 64) / np.log(3 / 64))
    images = crops.clamp_max(0.99)
    done = tone.banding(images, full(images, amount), seeds(images, CUTS))
    for image, result in zip(images, done, strict=True):
        difference = np.abs(result.permute(1, 2, 0).numpy() * 255 - np.asarray(ImageOps.posterize(pillow(image), bits)))
        assert difference.max() <= PILLOW_STEPS["posterize"]


@pytest.mark.parametrize("levels", [3, 5, 9, 33])
def test_banding_by_rounding_is_that_of_numpy(crops, levels):
    amount = float(np.log(levels / 64) / np.log(3 / 64))
    images = crops * 0.9991 + 0.0003
    done = tone.banding(images, full(images, amount), seeds(images, ROUNDS))
    expected = np.round(images.double().numpy() * (levels - 1)) / (levels - 1)
    np.testing.assert_allclose(done, expected, atol=1e-5)
    assert len(np.unique(done.numpy().round(4))) <= levels


@CASES
@given(seed=st.integers(0, 2**31 - 1), first=st.floats(0.001, 1.0), second=st.floats(0.001, 1.0))
def test_more_banding_brings_no_value_closer(seed, first, second):
    image = torch.rand(1, 3, 50, 60, generator=torch.Generator().manual_seed(seed))
    weak, strong = (
        (tone.banding(image, full(image, amount), seeds(image, seed)) - image).abs()
        for amount in sorted((first, second))
    )
    assert (strong >= weak - 1e-6).all()


@pytest.mark.parametrize("seed", [ROUNDS, CUTS])
def test_banding_has_the_error_of_as_many_even_steps(seed):
    """On evenly spread values, at any amount: also where the number of steps is no whole one."""
    image = torch.linspace(0, 1, 60_000).reshape(1, 3, 100, 200)
    for amount in np.linspace(0.05, 0.9, 18):
        steps = 64 ** (1 - amount) * 3**amount - (seed == ROUNDS)
        done = tone.banding(image, full(image, amount), seeds(image, seed))
        expected = 1 / (12 if seed == ROUNDS else 3) / steps**2
        assert (done - image).square().mean().item() == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("amount", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("kind", [tone.exposure, tone.gamma_error, tone.mean_shift])
def test_positive_brightness_is_brighter(crops, kind, amount):
    before = tone.luma(crops).mean((1, 2, 3))
    assert (tone.luma(kind(crops, full(crops, amount), seeds(crops))).mean((1, 2, 3)) > before + 0.01).all()
    assert (tone.luma(kind(crops, full(crops, -amount), seeds(crops))).mean((1, 2, 3)) < before - 0.01).all()


@pytest.mark.parametrize("amount", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("kind", [tone.contrast_stretch, tone.contrast_curve, tone.local_contrast, tone.clipping])
@pytest.mark.parametrize("seed", [MEAN_PIVOT, GRAY_PIVOT])
def test_positive_contrast_has_more_deviation(crops, kind, amount, seed):
    before = tone.luma(crops).std((1, 2, 3))
    assert (tone.luma(kind(crops, full(crops, amount), seeds(crops, seed))).std((1, 2, 3)) > before).all()
    assert (tone.luma(kind(crops, full(crops, -amount), seeds(crops, seed))).std((1, 2, 3)) < before).all()


def test_small_amounts_change_little(crops):
    for name in ("exposure", "gamma_error", "mean_shift", "contrast_stretch", "contrast_curve", "local_contrast"):
        for amount in (1e-6, -1e-6, 1e-3, -1e-3):
            done = getattr(tone, name)(crops, full(crops, amount), seeds(crops))
            assert (done - crops).abs().max() < 3e-3 * (abs(amount) / 1e-3) + 1e-4, name
