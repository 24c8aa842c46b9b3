"""Versions of photos: the clean one first, every other by its own plan, and the truth between any two of them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pyiqa_pixelperfect.distortions.engine import DistortionEngine
from pyiqa_pixelperfect.distortions.plan import PlanSettings
from pyiqa_pixelperfect.distortions.versions import Versions, distorted_versions, eight_bit
from pyiqa_pixelperfect.errors import ImageError

ENGINE = DistortionEngine(PlanSettings(untouched=0.0))


def photos(count: int, side: int = 64) -> Tensor:
    smooth = torch.rand(count, 3, side // 8, side // 8, generator=torch.Generator().manual_seed(1))
    return eight_bit(torch.nn.functional.interpolate(smooth, size=(side, side), mode="bicubic").clamp(0, 1))


@settings(max_examples=50, derandomize=True, database=None)
@given(st.integers(1, 6), st.integers(2, 5))
def test_pairs_are_all_pairs_of_versions_of_the_same_photo(count, versions):
    stack = torch.zeros(count * versions, 1, 1, 1)
    image, reference = Versions(stack, stack, count).pairs()
    pairs = set(zip(image.tolist(), reference.tolist(), strict=True))
    expected = {
        (late * count + photo, early * count + photo)
        for photo in range(count)
        for late in range(versions)
        for early in range(late)
    }
    assert pairs == expected
    assert len(image) == len(expected)


def test_eight_bit_leaves_bytes_alone_and_rounds_the_rest():
    values = torch.arange(256) / 255.0
    assert torch.equal(eight_bit(values), values)
    assert torch.equal(eight_bit(values[:-1] + 0.4 / 255), values[:-1])


def test_the_clean_photo_comes_first_then_versions_with_their_truth():
    clean = photos(3)
    versions = distorted_versions(ENGINE, clean, np.arange(3), 2, seed=4)
    assert len(versions) == 3
    assert versions.images.shape == (9, 3, 64, 64)
    assert torch.equal(versions.images[:3], clean)
    assert versions.amounts[:3].abs().sum() == 0
    for version in range(2):
        rows = slice(3 + 3 * version, 6 + 3 * version)
        draw = ENGINE.apply(clean, ENGINE.plan(np.arange(3), seed=4, epoch=version))
        assert torch.equal(versions.amounts[rows], draw.amounts)
        assert torch.equal(versions.images[rows], eight_bit(draw.image))
    assert not torch.equal(versions.images[3:6], versions.images[6:9])


def test_the_truth_of_a_two_sided_pair_is_the_difference_of_amounts():
    versions = distorted_versions(ENGINE, photos(3), np.arange(3), 2, seed=4)
    image, reference = versions.rows(2, 1)
    truth = versions.difference(image, reference)
    for photo in range(3):
        expected = np.clip(versions.amounts[6 + photo].numpy() - versions.amounts[3 + photo].numpy(), -1, 1)
        np.testing.assert_array_equal(truth[photo].numpy(), expected)
    assert torch.equal(versions.difference(reference, image), -truth)
    assert (truth > 0).any()
    assert (truth < 0).any()


def test_d1_a_sample_does_not_depend_on_its_batch():
    clean = photos(4)
    whole = distorted_versions(ENGINE, clean, np.arange(10, 14), 2, seed=0)
    single = distorted_versions(ENGINE, clean[2:3], np.array([12]), 2, seed=0)
    for version in range(3):
        assert torch.equal(whole.images[4 * version + 2], single.images[version])
        assert torch.equal(whole.amounts[4 * version + 2], single.amounts[version])


def test_photos_must_be_as_many_as_their_numbers():
    with pytest.raises(ImageError, match="images: expected as many as the plan has"):
        distorted_versions(ENGINE, photos(3), np.arange(2), 2, seed=0)
