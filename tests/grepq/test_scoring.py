"""Fragments, patches, similarities and Gaussians, each against an independent twin or library."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage import data as pictures

from pyiqa_pixelperfect.grepq.fragments import draws_per_view, fragments
from pyiqa_pixelperfect.grepq.gaussians import RIDGE, deviation, deviation_score, fit_gaussian
from pyiqa_pixelperfect.grepq.patches import PATCH, colorfulness, cut_patches, select_pristine, sharpness
from pyiqa_pixelperfect.grepq.similarity import fsim_matrix
from reference.grepq_losses import deviation_loop, fragments_loop

CASES = settings(max_examples=25, derandomize=True, database=None)


def photo(height: int = 200, width: int = 300) -> torch.Tensor:
    return torch.from_numpy(pictures.astronaut()[:height, :width].copy()).permute(2, 0, 1) / 255


@CASES
@given(st.integers(0, 2**31 - 1), st.integers(1, 4), st.integers(1, 9), st.integers(0, 30), st.integers(0, 30))
def test_fragments_equal_their_twin(seed, grid, cell, more_down, more_across):
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (2, 3, grid * cell + more_down, grid * cell + more_across), np.uint8)
    draws = generator.random(draws_per_view(grid))
    ours = fragments(torch.from_numpy(images), draws, grid=grid, cell=cell).numpy()
    np.testing.assert_array_equal(ours, fragments_loop(images, draws, grid, cell))


def test_all_versions_are_cut_at_the_same_places():
    clean = photo()
    versions = torch.stack((clean, 0.5 * clean))
    draws = np.random.default_rng(0).random(draws_per_view(4))
    cut = fragments(versions, draws, grid=4, cell=16)
    assert torch.equal(cut[1], 0.5 * cut[0])


def test_pictures_smaller_than_the_grid_are_enlarged():
    draws = np.zeros(draws_per_view(7))
    assert fragments(photo(100, 150)[None], draws).shape == (1, 3, 224, 224)
    almost_one = np.full(draws_per_view(7), np.nextafter(1.0, 0.0))
    assert fragments(photo(224, 224)[None], almost_one).shape == (1, 3, 224, 224)


@pytest.mark.parametrize("size", [(64, 80), (200, 300), (400, 420)])
def test_the_similarity_of_all_pairs_is_piqs(size):
    piq = pytest.importorskip("piq")
    clean = torch.from_numpy(pictures.astronaut()[: size[0], : size[1]].copy()).permute(2, 0, 1)[None] / 255
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    versions = torch.cat((clean, (clean + 0.1 * noise).clamp(0, 1), clean.roll(2, -1), 0.6 * clean))
    matrix = fsim_matrix(versions)
    assert torch.equal(matrix, matrix.T)
    for row in range(4):
        pairs = piq.fsim(versions[row : row + 1].expand_as(versions).contiguous(), versions, reduction="none")
        np.testing.assert_allclose(matrix[row].numpy(), pairs.numpy(), atol=2e-6)


def test_patches_stand_where_they_should():
    image = torch.arange(150 * 200, dtype=torch.float32).reshape(1, 1, 150, 200)
    patches = cut_patches(image)
    assert patches.shape == (1, 2 * 3, 1, PATCH, PATCH)
    assert torch.equal(patches[0, 4], image[0, :, 48 : 48 + PATCH, 48 : 48 + PATCH])
    assert cut_patches(image, PATCH).shape[1] == 1 * 2


def test_sharpness_is_scipys_local_deviation():
    patches = torch.stack((photo(96, 96), photo(200, 300)[:, 100:196, 100:196])).double()
    for patch, ours in zip(patches, sharpness(patches), strict=True):
        gray = (0.2989 * patch[0] + 0.587 * patch[1] + 0.114 * patch[2]).numpy()

        def window(values):
            return ndimage.gaussian_filter(values, 7 / 6, truncate=3 / (7 / 6), mode="constant")

        expected = np.sqrt(np.abs(window(gray**2) - window(gray) ** 2)).sum()
        assert ours.item() == pytest.approx(expected, rel=1e-6)


def test_colorfulness_is_that_of_hasler_and_suesstrunk_without_its_factor():
    patch = photo(96, 96).double()
    red, green, blue = patch.numpy()
    one, other = np.abs(red - green), np.abs((red + green) / 2 - blue)
    expected = np.hypot(one.std(ddof=1), other.std(ddof=1)) + np.hypot(one.mean(), other.mean())
    assert colorfulness(patch[None]).item() == pytest.approx(expected)
    assert colorfulness(patch.mean(0, keepdim=True).expand(1, 3, -1, -1)).item() == pytest.approx(0.0, abs=1e-7)


def test_pristine_patches_are_the_sharp_and_then_the_colorful_ones():
    flat, sharp = torch.full((3, 96, 96), 0.5), (torch.rand(3, 96, 96) > 0.5).float()
    gray = sharp.mean(0, keepdim=True).expand(3, -1, -1)
    gray = (gray - 0.5) * (sharpness(sharp[None]) / sharpness(gray[None])).item() + 0.5  # as sharp, without color
    chosen = select_pristine(torch.cat((flat, sharp, gray), dim=2))
    assert len(chosen) == 1
    assert torch.equal(chosen[0], sharp)
    assert len(select_pristine(torch.cat((flat, flat), dim=2))) == 2  # nothing sharp anywhere: all alike


@CASES
@given(st.integers(0, 2**31 - 1), st.integers(2, 12), st.integers(1, 5))
def test_the_deviation_equals_its_twin(seed, count, length):
    generator = np.random.default_rng(seed)
    patches, pristine = generator.normal(size=(count, length)), generator.normal(1, 2, size=(9, length))
    fitted = [part[None] for part in fit_gaussian(torch.from_numpy(patches))]
    ours = deviation(*fitted, *fit_gaussian(torch.from_numpy(pristine)))
    assert ours.item() == pytest.approx(deviation_loop(patches, pristine, RIDGE), rel=1e-8)


def test_scores_fall_from_one_half_as_the_deviation_grows():
    distance = torch.tensor([0.0, 1.0, 100.0, 1e4], dtype=torch.float64)
    score = deviation_score(distance)
    assert score[0] == 0.5
    assert score[2].item() == pytest.approx(1 - 1 / (1 + np.exp(-1)))
    assert (score.diff() < 0).all()
    assert score[-1] >= 0
