"""Filters that ring, against the cosine transform of scipy and the constant of Gibbs."""

import numpy as np
import pytest
import torch
from scipy import fft, special

from pyiqa_pixelperfect.distortions import blur, ringing
from pyiqa_pixelperfect.distortions.counter import hashed_uniform

SIDES = ((61, 79), (32, 45))


def full(images, amount):
    return torch.full_like(images[:, :1], amount)


def by_cosines(values, response):
    """(B, 3, H, W) by a filter of frequency, in cycles/px."""
    rows, columns = (np.arange(side) / (2 * side) for side in values.shape[-2:])
    waves = fft.dctn(values, axes=(2, 3))
    return fft.idctn(waves * response(np.hypot(rows[:, None], columns)), axes=(2, 3))


@pytest.mark.parametrize(("height", "width"), SIDES)
@pytest.mark.parametrize("step", [1, 3, 6])
def test_sinc_filter_cuts_off_the_cosines_of_scipy(height, width, step):
    images = torch.rand(2, 3, height, width)
    expected = by_cosines(images.double().numpy(), lambda frequency: frequency <= ringing.CUT_OFFS[step - 1])
    done = ringing.sinc_filter(images, full(images, step / 6), torch.zeros(2).long())
    np.testing.assert_allclose(done, expected.clip(0, 1), atol=5e-6)


@pytest.mark.parametrize(("height", "width"), SIDES)
@pytest.mark.parametrize("amount", [0.1, 0.6, 1.0])
def test_deconvolution_is_the_wiener_filter_on_the_cosines_of_scipy(height, width, amount):
    images, seeds = 0.4 + 0.2 * torch.rand(3, 3, height, width), torch.tensor([5, 6, 7])
    done = ringing.deconvolution(images, full(images, amount), seeds)
    for row, draw in enumerate(hashed_uniform(seeds, (1,), 21)[:, 0].tolist()):
        sigma = 0.7 * (2.5 / 0.7) ** draw

        def added(frequency, sigma=sigma):
            passed = np.exp(-2 * (np.pi * sigma * frequency) ** 2)
            return 1 + amount**1.5 * (1.004 * passed / (passed**2 + 0.004) - 1)

        expected = by_cosines(images[row : row + 1].double().numpy(), added)[0]
        np.testing.assert_allclose(done[row], expected.clip(0, 1), atol=3e-5)


def test_edges_ring_as_gibbs_says_and_not_by_a_gaussian():
    """Behind an edge a low-pass without a transition goes too far by Si(pi) / pi - 1/2 of its height: 9 %."""
    image = torch.full((1, 3, 64, 256), 0.3)
    image[..., 128:] = 0.7
    gibbs = special.sici(np.pi)[0] / np.pi - 0.5
    rung = ringing.sinc_filter(image, full(image, 5 / 6), torch.zeros(1).long())
    assert (rung.max().item() - 0.7) / 0.4 == pytest.approx(gibbs, rel=0.03)
    assert (0.3 - rung.min().item()) / 0.4 == pytest.approx(gibbs, rel=0.03)
    assert blur.gaussian_blur(image, full(image, 5 / 6), torch.zeros(1).long()).max() <= 0.7 + 1e-6
    crossings = ((rung[0, 0, 0, 128:] > 0.7).int().diff() != 0).sum()  # waves go on, they do not end with a halo
    assert crossings > 10


def test_what_has_no_edges_does_not_ring():
    """Borders of the picture are none: it is mirrored there."""
    image = torch.full((1, 3, 40, 50), 0.37)
    slope = torch.linspace(0.2, 0.8, 50).expand(1, 3, 40, 50)
    for kind in (ringing.sinc_filter, ringing.deconvolution):
        torch.testing.assert_close(kind(image, full(image, 1.0), torch.zeros(1).long()), image, rtol=0, atol=1e-6)
        assert (kind(slope, full(slope, 0.5), torch.zeros(1).long()) - slope).abs().max() < 0.03


@pytest.mark.parametrize("sigma", [1.0, 2.0])
def test_what_deconvolution_undoes_is_a_gaussian_blur(crops, sigma, monkeypatch):
    """On pictures that were blurred so before, it comes nearer to what they were."""
    monkeypatch.setattr(ringing, "DEBLURRED_SIGMAS", (sigma, sigma))
    blurred = blur.gaussian_filter(crops, sigma)
    done = ringing.deconvolution(blurred, full(blurred, 1.0), torch.zeros(len(crops)).long())
    assert ((done - crops).square().mean((1, 2, 3)) < 0.9 * (blurred - crops).square().mean((1, 2, 3))).all()
