"""The blur family against scipy and against areas counted on a fine grid."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from pyiqa_pixelperfect.distortions.blur import (
    DISK_RADII,
    GAUSSIAN_SIGMAS,
    MOTION_LENGTHS,
    box_filter,
    disk_kernel,
    gaussian_blur,
    gaussian_filter,
    lens_blur,
    motion_blur,
    motion_kernels,
    smear,
)

# Largest allowed difference from the oracle, of [0, 1] values.
TOLERANCE = {"gaussian": 2e-6, "box": 2e-6, "disk": 2e-3, "lens": 5e-6, "smear": 2e-4}
SEEDS = torch.arange(4)


@pytest.mark.parametrize("sigma", [*GAUSSIAN_SIGMAS, 0.7, 1.0])
def test_gaussian_filter_equals_scipy(crops, sigma):
    expected = ndimage.gaussian_filter(
        crops.double().numpy(), sigma, axes=(2, 3), mode="nearest", radius=math.ceil(3 * sigma)
    )
    np.testing.assert_allclose(gaussian_filter(crops, sigma), expected, atol=TOLERANCE["gaussian"])


@pytest.mark.parametrize("sigma", [0.5, 1.2, 2.0, 3.2, 5.0])
def test_gaussian_filter_is_cut_at_three_deviations(crops, sigma):
    expected = ndimage.gaussian_filter(crops.double().numpy(), sigma, axes=(2, 3), mode="nearest", truncate=3.0)
    assert np.abs(gaussian_filter(crops, sigma).numpy() - expected).max() < 2e-3


@pytest.mark.parametrize("radius", [1, 4])
def test_box_filter_equals_scipy(crops, radius):
    expected = ndimage.uniform_filter(crops.double().numpy(), (1, 1, 2 * radius + 1, 2 * radius + 1), mode="nearest")
    np.testing.assert_allclose(box_filter(crops, radius), expected, atol=TOLERANCE["box"])


@pytest.mark.parametrize("radius", DISK_RADII)
def test_disk_kernel_is_the_area_covered(radius):
    kernel = disk_kernel(radius).double().numpy()
    reach = kernel.shape[0] // 2
    grid = (np.arange(kernel.shape[0] * 101) + 0.5) / 101 - reach - 0.5
    inside = grid[:, None] ** 2 + grid[None, :] ** 2 <= radius**2
    area = inside.reshape(kernel.shape[0], 101, -1, 101).mean((1, 3))
    assert area.sum() == pytest.approx(math.pi * radius**2, rel=2e-3)  # no part of the disk is cut off
    np.testing.assert_allclose(kernel * math.pi * radius**2, area, atol=0.02)
    assert kernel.sum() == pytest.approx(1, abs=1e-6)
    assert kernel.min() >= 0
    assert np.abs(kernel - kernel.T).max() < 1e-7
    assert np.abs(kernel - kernel[::-1, ::-1]).max() < 1e-7


@pytest.mark.parametrize("length", MOTION_LENGTHS)
def test_motion_kernels_are_lines_of_their_length(length):
    angles = torch.linspace(0, math.pi, 13)[:-1]
    reach = math.ceil((length + 1) / 2)
    kernels = motion_kernels(torch.full_like(angles, length), angles, reach).double().numpy()
    offsets = np.arange(-reach, reach + 1)
    for kernel, angle in zip(kernels, angles.tolist(), strict=True):
        assert kernel.min() >= 0
        assert kernel.sum() == pytest.approx(1, abs=1e-6)
        y, x = (kernel.sum(1) * offsets).sum(), (kernel.sum(0) * offsets).sum()
        assert (y, x) == pytest.approx((0, 0), abs=1e-6)
        along = offsets[None, :] * math.cos(angle) + offsets[:, None] * math.sin(angle)
        across = offsets[:, None] * math.cos(angle) - offsets[None, :] * math.sin(angle)
        # A line of length L that is spread evenly has a variance of L^2 / 12; pixels add up to 1/6 of their own.
        assert (kernel * along**2).sum() == pytest.approx(length**2 / 12, rel=0.03, abs=0.35)
        assert (kernel * across**2).sum() < 0.25
    flat = kernels[0][reach]
    assert flat.sum() == pytest.approx(1, abs=1e-6)  # angle 0 is a row
    assert 1 / flat.max() == pytest.approx(length, rel=1e-4)


def nodes(count: int) -> list[float]:
    return [step / count for step in range(1, count + 1)]


def test_gaussian_blur_takes_its_strengths_at_the_nodes(crops):
    for amount, sigma in zip(nodes(6), GAUSSIAN_SIGMAS, strict=True):
        done = gaussian_blur(crops, torch.full_like(crops[:, :1], amount), SEEDS)
        torch.testing.assert_close(done, gaussian_filter(crops, sigma), rtol=0, atol=5e-6)


def test_lens_blur_is_a_convolution_with_the_disk(crops):
    for amount, radius in zip(nodes(6), DISK_RADII, strict=True):
        done = lens_blur(crops, torch.full_like(crops[:, :1], amount), SEEDS)
        kernel = disk_kernel(radius).double().numpy()[None, None]
        expected = ndimage.correlate(crops.double().numpy(), kernel, mode="nearest")
        np.testing.assert_allclose(done, expected, atol=TOLERANCE["lens"])


def test_motion_blur_spreads_a_point_along_a_line():
    image = torch.zeros(8, 3, 49, 49)
    image[:, :, 24, 24] = 1.0
    done = motion_blur(image, torch.ones(8, 1, 49, 49), torch.arange(8)).double().numpy()
    offsets = np.arange(49) - 24
    angles = set()
    for point in done:
        assert np.abs(point - point[:1]).max() == 0
        assert point[0].sum() == pytest.approx(1, abs=1e-5)
        yy, xx = ((point[0] * offsets[:, None] ** 2).sum(), (point[0] * offsets[None, :] ** 2).sum())
        xy = (point[0] * offsets[:, None] * offsets[None, :]).sum()
        small, large = np.linalg.eigvalsh([[yy, xy], [xy, xx]])
        assert large == pytest.approx(MOTION_LENGTHS[-1] ** 2 / 12, rel=0.03)
        assert small < 0.25
        angles.add(round(0.5 * math.atan2(2 * xy, xx - yy), 2))
    assert len(angles) == 8


def guided(image: np.ndarray, removed: float) -> np.ndarray:
    """He, Sun and Tang 2013, equations 4 to 6 and 8, guide = input, radius 4."""
    mean = ndimage.uniform_filter(image, 9, mode="nearest")
    variance = ndimage.uniform_filter(image * image, 9, mode="nearest") - mean * mean
    a = variance / (variance + removed)
    b = (1 - a) * mean
    return ndimage.uniform_filter(a, 9, mode="nearest") * image + ndimage.uniform_filter(b, 9, mode="nearest")


def test_smear_is_the_guided_filter(crops):
    done = smear(crops, torch.ones_like(crops[:, :1]), SEEDS)
    for image, smeared in zip(crops.double().numpy(), done.numpy(), strict=True):
        for channel in range(3):
            np.testing.assert_allclose(smeared[channel], guided(image[channel], 0.05), atol=TOLERANCE["smear"])


def test_blur_keeps_flat_pictures_and_means(crops):
    flat = torch.full((1, 3, 41, 41), 0.37)
    for kind in (gaussian_blur, lens_blur, motion_blur, smear):
        torch.testing.assert_close(kind(flat, torch.ones(1, 1, 41, 41), SEEDS[:1]), flat, rtol=0, atol=2e-6)
        done = kind(crops, torch.ones_like(crops[:, :1]), SEEDS)
        assert (done.mean((2, 3)) - crops.mean((2, 3))).abs().max() < 0.02
        assert (done.diff(dim=3).abs().mean() / crops.diff(dim=3).abs().mean()) < 0.75


def test_a_single_small_plane_is_filtered_like_many():
    planes = torch.rand(5, 1, 40, 40)
    together = gaussian_filter(planes, 1.0)
    for row in range(5):
        assert torch.equal(gaussian_filter(planes[row : row + 1], 1.0)[0], together[row])
