"""Gaps and peaks of histograms: by a slow twin, and on pictures that arithmetic went over."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pyiqa_pixelperfect.pixelperfect.histogram_gaps import GAPS, SAMPLES, HistogramGaps


def values_of(picture: torch.Tensor, strips: int = 1) -> torch.Tensor:
    gaps = HistogramGaps(*picture.shape[-2:])
    for strip in picture.chunk(strips, dim=2):
        gaps.add(strip)
    return gaps.value()


def slow(picture: NDArray[np.uint8]) -> list[float]:
    """One picture (3, H, W) of which every pixel is counted."""
    red, green, blue = picture.astype(int)
    numbers = []
    for plane in (red, green, blue, red - green + 255, green - blue + 255, np.ptp(picture, axis=0).astype(int) + 255):
        shares = np.bincount(plane.ravel(), minlength=511) / plane.size
        gaps = peaks = total = 0.0
        for value in range(1, 510):
            around = shares[value - 1] + 2 * shares[value] + shares[value + 1]
            bend = (shares[value - 1] - 2 * shares[value] + shares[value + 1]) / (around + 2e-4)
            weight = around / (around + 2e-4)
            gaps, peaks, total = gaps + weight * max(bend, 0), peaks + weight * max(-bend, 0), total + weight
        numbers += [gaps / total, peaks / total]
    return numbers


def photo(seed: int, side: int = 192) -> torch.Tensor:
    """Smooth, with a little noise, in 8 bit."""
    generator = torch.Generator().manual_seed(seed)
    smooth = torch.rand(1, 3, 6, 6, generator=generator)
    picture = torch.nn.functional.interpolate(smooth, size=(side, side), mode="bicubic")
    noise = 0.01 * torch.randn(picture.shape, generator=generator)
    return rounded((0.15 + 0.7 * picture + noise).clamp(0, 1))


def rounded(picture: torch.Tensor) -> torch.Tensor:
    return (picture * 255).round() / 255


def test_every_number_equals_its_slow_twin():
    picture = torch.randint(40, 90, (3, 33, 50), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    expected = torch.tensor(slow(picture.numpy()))
    assert expected.shape == (GAPS,)
    torch.testing.assert_close(values_of(picture[None] / 255)[0].double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("factor", [1.12, 0.88])
def test_stretching_leaves_gaps_and_pressing_together_leaves_peaks(seed, factor):
    picture = photo(seed)
    change = values_of(rounded((picture * factor).clamp(0, 1))) - values_of(picture)
    assert (change[0, :6] > 0.03).all()
    assert (change[0, :6] < 1.0).all()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("factor", "least"), [(1.2, 0.05), (0.8, 0.01)])  # of more colors than before, and of fewer
def test_changes_of_saturation_show_in_differences_of_colors(seed, factor, least):
    picture = photo(seed)
    gray = picture.mean(1, keepdim=True)
    change = values_of(rounded((gray + factor * (picture - gray)).clamp(0, 1))) - values_of(picture)
    assert change[0, 6:].sum() > least


def test_noise_fills_gaps_again():
    stretched = rounded((photo(1) * 1.12).clamp(0, 1))
    noise = 0.01 * torch.randn(stretched.shape, generator=torch.Generator().manual_seed(2))
    assert values_of(rounded((stretched + noise).clamp(0, 1)))[0, :6].sum() < 0.5 * values_of(stretched)[0, :6].sum()


def test_counts_add_up_over_strips_and_pictures():
    pictures = torch.cat([photo(seed, 96) for seed in range(3)])
    together = values_of(pictures)
    torch.testing.assert_close(values_of(pictures, strips=4), together, rtol=0, atol=1e-6)
    torch.testing.assert_close(torch.cat([values_of(one[None]) for one in pictures]), together, rtol=0, atol=1e-6)


def test_of_a_large_picture_some_rows_are_counted():
    picture = photo(3, 128).repeat(1, 1, 10, 10)
    assert picture.shape[2] * picture.shape[3] > 10 * SAMPLES
    assert (values_of(picture, strips=7) - values_of(photo(3, 128))).abs().max() < 0.05


def test_values_outside_the_range_and_unrounded_ones_are_counted_as_files_would_hold_them():
    picture = photo(4, 64)
    torch.testing.assert_close(values_of(picture + 0.3 / 255), values_of(picture), rtol=0, atol=1e-6)
    assert values_of(picture * 3 - 1).isfinite().all()


def test_nothing_counted_is_an_error():
    with pytest.raises(ValueError, match="at least one strip"):
        HistogramGaps(32, 32).value()
