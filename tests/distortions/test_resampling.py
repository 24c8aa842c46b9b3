"""Reduction and enlargement against Pillow, scipy and a twin."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from pyiqa_pixelperfect.distortions import resampling, spatial
from pyiqa_pixelperfect.distortions.counter import hashed_uniform
from reference.pipeline import interpolated_loop

# Largest allowed difference from Pillow's 32-bit float pictures; its weights are of double precision, torch's single.
TOLERANCE = 3e-5
FILTERS = {"cubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}


def first_seed(stream, low):
    """A seed whose draw of ``stream`` is below one half (or not)."""
    return int(((hashed_uniform(torch.arange(99), (1,), stream)[:, 0] < 0.5) == low).nonzero()[0, 0])


def full(images, amount):
    return torch.full_like(images[:, :1], amount)


def resized_by_pillow(image, width, height, resample):
    """(3, H, W) to (3, height, width), plane by plane."""
    planes = [Image.fromarray(plane.astype(np.float32), "F").resize((width, height), resample) for plane in image]
    return np.stack([np.asarray(plane, np.float64) for plane in planes])


@pytest.mark.parametrize("factor", [*resampling.UPSCALING_FACTORS, 9.7])
def test_reduction_is_that_of_pillow(crops, factor):
    done = resampling.reduce(crops, factor)
    height, width = round(61 / factor), round(79 / factor)
    assert done.shape == (4, 3, height, width)
    for image, result in zip(crops.numpy(), done, strict=True):
        expected = resized_by_pillow(image, width, height, FILTERS["cubic"])
        np.testing.assert_allclose(result, expected, atol=TOLERANCE)


@pytest.mark.parametrize("kernel", FILTERS)
@pytest.mark.parametrize("size", [(61, 79), (64, 150), (200, 83)])
def test_enlargement_is_that_of_pillow(crops, kernel, size):
    small = crops[..., :20, :31]
    for image, result in zip(small.numpy(), resampling.enlarge(small, *size, kernel), strict=True):
        expected = resized_by_pillow(image, size[1], size[0], FILTERS[kernel])
        np.testing.assert_allclose(result, expected, atol=TOLERANCE)


@pytest.mark.parametrize("kernel", FILTERS)
@pytest.mark.parametrize("step", range(1, 7))
def test_upscaling_is_two_resizes_of_pillow(crops, kernel, step):
    factor = resampling.UPSCALING_FACTORS[step - 1]
    seeds = torch.full((4,), first_seed(67, low=kernel == "cubic"))
    done = resampling.upscaling(crops, full(crops, step / 6), seeds)
    for image, result in zip(crops.numpy(), done, strict=True):
        small = resized_by_pillow(image, round(79 / factor), round(61 / factor), FILTERS["cubic"])
        expected = resized_by_pillow(small, 79, 61, FILTERS[kernel]).clip(0, 1)
        np.testing.assert_allclose(result, expected, atol=2 * TOLERANCE)


@pytest.mark.parametrize("step", [1, 3, 6])
def test_sharpened_upscaling_is_that_of_pillow_and_scipy(crops, step):
    factor = resampling.UPSCALING_FACTORS[step - 1]
    seeds = torch.arange(4)
    gains = 1.5 + 1.5 * hashed_uniform(seeds, (1,), 68)[:, 0].double().numpy()
    done = resampling.sharpened_upscaling(crops, full(crops, step / 6), seeds)
    for image, result, gain in zip(crops.numpy(), done, gains, strict=True):
        small = resized_by_pillow(image, round(79 / factor), round(61 / factor), FILTERS["cubic"])
        smooth = ndimage.gaussian_filter(small, 0.7, axes=(1, 2), mode="nearest", radius=math.ceil(2.1))
        sharp = small + gain * (1 / 3 + step / 9) * (small - smooth)
        expected = resized_by_pillow(sharp, 79, 61, FILTERS["lanczos"]).clip(0, 1)
        np.testing.assert_allclose(result, expected, atol=5 * TOLERANCE)


@pytest.mark.parametrize("step", range(1, 7))
def test_nearest_upscaling_is_a_loop_over_blocks_and_scipy(crops, step):
    factor = (2, 3, 4, 6, 8, 12)[step - 1]
    seeds = torch.arange(4)
    gains = 1.5 + 1.5 * hashed_uniform(seeds, (1,), 70)[:, 0].double().numpy()
    done = resampling.nearest_upscaling(crops, full(crops, step / 6), seeds)
    tops, lefts = range(0, 61, factor), range(0, 79, factor)  # the last blocks are cut off
    for image, result, gain in zip(crops.double().numpy(), done, gains, strict=True):
        means = [[image[:, y : y + factor, x : x + factor].mean((1, 2)) for x in lefts] for y in tops]
        small = np.array(means).transpose(2, 0, 1)
        smooth = ndimage.gaussian_filter(small, 0.7, axes=(1, 2), mode="nearest", radius=math.ceil(2.1))
        sharp = (small + gain * (1 / 3 + step / 9) * (small - smooth)).clip(0, 1)
        expected = np.empty_like(image)
        for row, y in enumerate(tops):
            for column, x in enumerate(lefts):
                expected[:, y : y + factor, x : x + factor] = sharp[:, row, column, None, None]
        np.testing.assert_allclose(result, expected, atol=5e-6)


def test_blocks_ring_more_than_those_of_pixelation():
    edge = torch.full((1, 3, 48, 48), 0.3)
    edge[..., 24:] = 0.7
    seeds = torch.zeros(1, dtype=torch.int64)
    for step in range(1, 7):
        plain = spatial.pixelation(edge, full(edge, step / 6), seeds)
        ringing = resampling.nearest_upscaling(edge, full(edge, step / 6), seeds)
        assert (plain.min(), plain.max()) == (edge.min(), edge.max())
        assert ringing.max() > 0.74
        assert ringing.min() < 0.26


def test_sharpened_edges_ring_and_soft_ones_hardly():
    edge = torch.full((1, 3, 48, 48), 0.3)
    edge[..., 24:] = 0.7
    seeds = torch.zeros(1, dtype=torch.int64)
    sharp = resampling.sharpened_upscaling(edge, full(edge, 1.0), seeds)
    soft = resampling.upscaling(edge, full(edge, 1.0), seeds)
    assert sharp.max() > 0.85
    assert sharp.min() < 0.15
    assert soft.max() < 0.76


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("step", range(1, 5))
def test_aliasing_is_decimation_and_enlargement(crops, linear, step):
    factor = resampling.ALIASING_FACTORS[step - 1]
    first = factor // 2
    seeds = torch.full((2,), first_seed(69, low=linear))
    done = resampling.aliasing(crops[:2], full(crops[:2], step / 4), seeds)
    for image, result in zip(crops[:2].double().numpy(), done, strict=True):
        small = image[:, first::factor, first::factor]
        places = [(np.arange(side) - first) / factor for side in image.shape[1:]]
        if linear:
            grid = np.meshgrid(*places, indexing="ij")
            planes = [ndimage.map_coordinates(plane, grid, order=1, mode="nearest") for plane in small]
            expected = np.stack(planes)
        else:
            inside = [np.clip(p, -0.5, n - 0.5) for p, n in zip(places, small.shape[1:], strict=True)]
            rows = interpolated_loop(small.transpose(1, 0, 2), inside[0])
            expected = interpolated_loop(rows.transpose(2, 1, 0), inside[1]).transpose(1, 2, 0)
        np.testing.assert_allclose(result, expected.clip(0, 1), atol=5e-6)
        np.testing.assert_allclose(result[:, first::factor, first::factor], small, atol=1e-6)


def test_fine_patterns_come_back_coarse_without_a_low_pass_and_vanish_with_one():
    x = torch.arange(96, dtype=torch.float32)
    waves = (0.5 + 0.4 * (2 * math.pi * x / 3.2).sin()).expand(1, 3, 96, 96)  # 30 periods in 96 px
    seeds = torch.zeros(1, dtype=torch.int64)
    aliased = resampling.aliasing(waves, full(waves, 0.5), seeds)  # every third pixel: 32 samples
    filtered = resampling.upscaling(waves, full(waves, 4 / 6), seeds)  # reduced by 3
    spectrum = torch.fft.rfft(aliased[0, 0, 48] - aliased[0, 0, 48].mean()).abs()
    assert spectrum[:6].argmax() == 2  # 32 - 30
    assert aliased.std() > 0.15
    assert filtered.std() < 0.05
