"""The five color treatments against the libraries that the reference used."""

import numpy as np
import pytest
import torch
from matplotlib.colors import rgb_to_hsv
from scipy import ndimage
from skimage import color, data

from pyiqa_pixelperfect.contrique.color_treatments import TREATMENTS, gray, hsv, lab, local_contrast, treat


@pytest.fixture(scope="module")
def photos() -> torch.Tensor:
    pixels = np.stack([data.astronaut()[:64, 200:272], data.coffee()[100:164, 200:272]])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255


def as_pixels(images: torch.Tensor) -> np.ndarray:
    return images.permute(0, 2, 3, 1).double().numpy()


def test_lab_is_that_of_scikit_image_in_eight_bit(photos):
    expected = (color.rgb2lab(as_pixels(photos)) + np.array([0, 128, 128])) / [100, 255, 255]
    assert np.abs(as_pixels(lab(photos)) - expected).max() < 2e-3


def test_hsv_is_that_of_matplotlib(photos):
    cases = torch.cat((photos, torch.eye(3)[:, :, None, None].expand(3, 3, 64, 72)[:2], torch.zeros(1, 3, 64, 72)))
    got, expected = as_pixels(hsv(cases)), rgb_to_hsv(as_pixels(cases))
    turn = np.abs(got[..., 0] - expected[..., 0])
    assert np.minimum(turn, 1 - turn).max() < 1e-5  # hue is a circle
    assert np.abs(got[..., 1:] - expected[..., 1:]).max() < 1e-5


def test_local_contrast_is_that_of_scipy(photos):
    for plane, got in zip(photos.double().flatten(0, 1), local_contrast(photos).flatten(0, 1), strict=True):
        mean = ndimage.gaussian_filter(plane.numpy(), 7 / 6, mode="mirror", radius=3)
        detail = plane.numpy() - mean
        expected = (detail - detail.min()) / (np.ptp(detail) + 1e-3)
        assert np.abs(got.numpy() - expected).max() < 1e-5


def test_gray_has_equal_planes(photos):
    planes = gray(photos)
    assert torch.equal(planes[:, 0], planes[:, 2])
    weights = torch.tensor([0.299, 0.587, 0.114])
    assert torch.allclose(planes[:, 0], (photos * weights[:, None, None]).sum(1), atol=1e-6)


def test_each_picture_gets_its_own_treatment_whatever_its_neighbors(photos):
    images = photos[:1].expand(5, -1, -1, -1)
    numbers = torch.tensor([3, 0, 4, 1, 2])
    done = treat(images, numbers)
    for row, number in enumerate(numbers.tolist()):
        alone = treat(photos[:1], torch.tensor([number]))
        assert torch.equal(done[row : row + 1], alone)
        assert (alone - TREATMENTS[number](photos[:1])).abs().max() <= 0.5 / 255 + 1e-6
        assert (
            torch.equal((alone * 255).round(), alone * 255) or ((alone * 255).round() - alone * 255).abs().max() < 1e-4
        )
    assert torch.equal(done[2:3], treat(photos[:1], torch.tensor([4])))
    assert done.min() >= 0
    assert done.max() <= 1
