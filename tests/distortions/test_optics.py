"""Vignetting, haze, shaken and depth-dependent blur against Pillow, scipy and twins."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from pyiqa_pixelperfect.distortions import optics
from pyiqa_pixelperfect.distortions.blur import DISK_RADII, disk_kernel
from pyiqa_pixelperfect.distortions.counter import hashed_normal, hashed_uniform
from reference.pipeline import light_of, radial_loop, trajectory_loop, value_of

# Largest allowed difference from the oracle, of [0, 1] values; Pillow rounds to 8 bit, and so does our source there.
TOLERANCE = {"radial": 2e-6, "vignetting": 5e-6, "haze": 1.01 / 255, "kernel": 3e-6, "blur": 5e-6}
SEEDS = torch.arange(4)


def full(images, amount):
    return torch.full_like(images[:, :1], amount)


@pytest.mark.parametrize("size", [(33, 47), (64, 40)])
def test_radial_pattern_equals_its_twin(size):
    pattern = optics.radial_pattern(SEEDS, *size)
    for seed in range(4):
        draws = hashed_uniform(SEEDS[seed : seed + 1], (3,), 60)[0].tolist()
        np.testing.assert_allclose(pattern[seed, 0], radial_loop(draws, *size), atol=TOLERANCE["radial"])


def test_radial_pattern_is_whole_in_one_corner_and_none_near_the_middle():
    pattern = optics.radial_pattern(torch.arange(32), 61, 79)[:, 0]
    corners = pattern[:, ::60, ::78].flatten(1)
    assert (corners.amax(1) == pattern.amax((1, 2))).all()
    torch.testing.assert_close(corners.amax(1), torch.ones(32), rtol=0, atol=1e-6)
    assert pattern[:, 20:41, 26:53].amin((1, 2)).max() < 2e-3
    assert corners.amin(1).min() > 0.2
    amount = torch.linspace(-1, 1, 79).expand(32, 1, 61, 79)
    assert torch.equal(optics.radial(amount, torch.arange(32))[:, 0], amount[:, 0] * pattern)


@pytest.mark.parametrize("sign", [1, -1])
def test_vignetting_is_a_gain_of_light(crops, sign):
    amount = optics.radial(full(crops, 0.8 * sign), SEEDS)
    done = optics.vignetting(crops, amount, SEEDS)
    light = np.vectorize(light_of)(crops.double().numpy()) * 2 ** (2.5 * amount.double().numpy())
    np.testing.assert_allclose(done, np.vectorize(value_of)(light), atol=TOLERANCE["vignetting"])
    assert (sign * (done - crops)).min() >= -1e-6


def test_vignetting_changes_gray_about_as_exposure_of_the_same_amount_does():
    gray = torch.linspace(0.25, 0.55, 363).reshape(1, 3, 11, 11)
    for amount in (-1.0, -0.5, 0.5):
        done = optics.vignetting(gray, full(gray, amount), SEEDS[:1])
        assert ((done / gray).log2() / (1.3 * amount) - 1).abs().max() < 0.25


@pytest.mark.parametrize("amount", [-1.0, -0.4, 0.3, 1.0])
def test_haze_is_a_blend_of_pillow_with_a_gray(crops, amount):
    done = optics.haze(crops, full(crops, amount), SEEDS)
    air = 0.7 + 0.25 * hashed_uniform(SEEDS, (1,), 61)[:, 0]
    for image, result, gray in zip(crops, done, air.tolist(), strict=True):
        source = Image.fromarray((image.permute(1, 2, 0) * 255).round().byte().numpy())
        pivot = gray if amount < 0 else 0.75 * gray + 0.25 * 0.5
        veil = Image.new("RGB", source.size, (round(pivot * 255),) * 3)
        share = 0.88 * -amount if amount < 0 else -1.6 * amount  # Pillow extrapolates below zero
        expected = np.asarray(Image.blend(source, veil, share)) / 255
        rounded = abs(round(pivot * 255) / 255 - pivot) * abs(share)
        assert np.abs(result.permute(1, 2, 0).numpy() - expected).max() <= TOLERANCE["haze"] + rounded


def test_haze_lightens_and_takes_contrast_and_its_opposite_does_the_opposite(crops):
    images = 0.4 + 0.35 * crops  # so that little is clipped, which takes contrast, too
    for amount in (-1.0, -0.3, 0.3, 1.0):
        done = optics.haze(images, full(images, amount), SEEDS)
        sign = math.copysign(1, amount)
        assert (sign * (done.mean((1, 2, 3)) - images.mean((1, 2, 3))) < -0.01).all()
        assert (sign * (done.std((1, 2, 3)) - images.std((1, 2, 3))) > 0.005).all()


def test_trajectory_kernels_equal_their_twins():
    waves = hashed_normal(SEEDS, (2, 3), 62).double().numpy()
    for length, kernels in zip(optics.TRAJECTORY_LENGTHS, optics.trajectory_kernels(SEEDS), strict=True):
        for kernel, wave in zip(kernels, waves, strict=True):
            expected = trajectory_loop(wave, length, kernel.shape[0] // 2)
            np.testing.assert_allclose(kernel, expected, atol=TOLERANCE["kernel"])


def test_trajectories_spread_a_point_as_straight_paths_of_their_length():
    seeds = torch.arange(50)
    for length, kernels in zip(optics.TRAJECTORY_LENGTHS, optics.trajectory_kernels(seeds), strict=True):
        offsets = torch.arange(kernels.shape[-1], dtype=torch.float64) - kernels.shape[-1] // 2
        down, across = kernels.double().sum(2), kernels.double().sum(1)
        torch.testing.assert_close(down.sum(1), torch.ones(50, dtype=torch.float64), rtol=0, atol=1e-5)
        assert (down @ offsets).abs().max() < 1e-3
        assert (across @ offsets).abs().max() < 1e-3
        variance = (down + across) @ offsets.square()
        # Sharing a point among the pixels around it adds at most a quarter of a pixel in each direction.
        assert (variance >= length**2 / 12 - 1e-3).all()
        assert (variance <= length**2 / 12 + 0.5).all()
    longest = optics.trajectory_kernels(seeds)[-1]
    assert len({tuple(kernel.flatten().tolist()) for kernel in longest}) == 50


def test_trajectory_blur_is_a_convolution_with_its_kernels(crops):
    kernels = optics.trajectory_kernels(SEEDS)
    for step in (0, 3, 5):
        done = optics.trajectory_blur(crops, full(crops, (step + 1) / 6), SEEDS)
        for image, kernel, result in zip(crops.double().numpy(), kernels[step].double().numpy(), done, strict=True):
            expected = ndimage.correlate(image, kernel[None], mode="nearest")
            np.testing.assert_allclose(result, expected, atol=TOLERANCE["blur"])


def test_depth_goes_from_zero_to_one_without_a_break():
    depth = optics.depth_map(torch.arange(16), 61, 79)
    assert depth.shape == (16, 1, 61, 79)
    assert (depth.amin((1, 2, 3)) == 0).all()
    assert (depth.amax((1, 2, 3)) == 1).all()
    assert depth.diff(dim=2).abs().max() < 0.12
    assert depth.diff(dim=3).abs().max() < 0.12
    assert depth.std((1, 2, 3)).min() > 0.15
    amount = torch.full((16, 1, 61, 79), 0.7)
    assert torch.equal(optics.at_depth(amount, torch.arange(16)), amount * depth)


def test_depth_blur_at_one_depth_is_a_convolution_with_a_disk(crops):
    for step in (1, 5):
        done = optics.depth_blur(crops, full(crops, (step + 1) / 6), SEEDS)
        kernel = disk_kernel(DISK_RADII[step]).double().numpy()[None, None]
        expected = ndimage.correlate(crops.double().numpy(), kernel, mode="nearest")
        np.testing.assert_allclose(done, expected, atol=TOLERANCE["blur"])


def test_depth_blur_between_depths_is_that_of_scipy_over_what_is_as_blurred(crops):
    amount = optics.at_depth(full(crops, 0.5), SEEDS)  # up to the third radius
    done = optics.depth_blur(crops, amount, SEEDS).double().numpy()
    position = 6 * amount.double().numpy()
    ladder = [crops.double().numpy()]
    for step in range(3):
        share = np.clip(position - step, 0, 1)
        kernel = disk_kernel(DISK_RADII[step]).double().numpy()[None, None]
        weights = ndimage.correlate(share, kernel, mode="nearest")
        ladder.append(ndimage.correlate(ladder[0] * share, kernel, mode="nearest") / np.maximum(weights, 1e-9))
    lower = np.minimum(position.astype(int), 2)
    below = np.take_along_axis(np.stack(ladder), lower[None].repeat(3, 2), 0)[0]
    above = np.take_along_axis(np.stack(ladder), lower[None].repeat(3, 2) + 1, 0)[0]
    np.testing.assert_allclose(done, below + (position - lower) * (above - below), atol=2e-4)


def test_what_is_sharp_does_not_bleed_into_what_is_blurred():
    image = torch.zeros(1, 3, 40, 60)
    image[..., 30:] = 1.0
    amount = torch.zeros(1, 1, 40, 60)
    amount[..., 30:] = 1.0
    torch.testing.assert_close(optics.depth_blur(image, amount, SEEDS[:1]), image, rtol=0, atol=1e-5)
