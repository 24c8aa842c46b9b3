"""The noise family: deviations, colors and correlation, each value recomputed from the drawn numbers."""

import numpy as np
import pytest
import torch
from scipy import ndimage, stats

from pyiqa_pixelperfect.distortions import noise
from pyiqa_pixelperfect.distortions.counter import hashed_normal, hashed_uniform

SIDE = 96
SEEDS = torch.tensor([3, 99])


def gray(level: float = 0.5) -> torch.Tensor:
    return torch.full((2, 3, SIDE, SIDE), level)


def full(amount: float) -> torch.Tensor:
    return torch.full((2, 1, SIDE, SIDE), amount)


def normal(channels: int) -> np.ndarray:
    return hashed_normal(SEEDS, (channels, SIDE, SIDE), 2).double().numpy()


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("amount", [0.2, 0.7, 1.0])
def test_values_are_recomputed(level, amount):
    strength = amount**1.5
    expected = {
        noise.white_noise: level + normal(3) * 0.2 * strength,
        noise.luma_noise: level + np.repeat(normal(1), 3, 1) * 0.18 * strength,
        noise.poisson_noise: level + normal(3) * level**0.5 * 0.3 * strength,
        noise.speckle_noise: level + normal(3) * level * 0.45 * strength,
        noise.grain: level
        + ndimage.gaussian_filter(normal(3), 0.8, axes=(2, 3), mode="nearest", radius=3) * 2.8 * 0.15 * strength,
    }
    for kind, values in expected.items():
        done = kind(gray(level), full(amount), SEEDS)
        np.testing.assert_allclose(done, values.clip(0, 1), atol=3e-6, err_msg=kind.__name__)


def test_strength_follows_the_amount_of_each_pixel():
    amount = torch.rand(2, 1, SIDE, SIDE)
    done = noise.white_noise(gray(), amount, SEEDS).numpy()
    np.testing.assert_allclose(done, (0.5 + normal(3) * 0.2 * amount.numpy() ** 1.5).clip(0, 1), atol=3e-6)


@pytest.mark.parametrize(
    ("kind", "deviation"),
    [
        (noise.white_noise, 0.2 * 0.125),
        (noise.luma_noise, 0.18 * 0.125),
        (noise.grain, 0.15 * 0.125),
        (noise.poisson_noise, 0.3 * 0.125 * 0.5**0.5),
        (noise.speckle_noise, 0.45 * 0.125 * 0.5),
    ],
)
def test_deviation_is_as_documented(kind, deviation):
    done = kind(gray(), full(0.25), SEEDS) - 0.5
    assert done.std().item() == pytest.approx(deviation, rel=0.05)
    assert abs(done.mean().item()) < deviation / 20
    assert stats.kstest((done[0, 0].flatten() / done[0, 0].std()).numpy()[::7], "norm").pvalue > 1e-3


def test_chroma_noise_leaves_luma_and_is_blotched():
    done = (noise.chroma_noise(gray(), full(0.25), SEEDS) - 0.5).double()
    luma = 0.299 * done[:, 0] + 0.587 * done[:, 1] + 0.114 * done[:, 2]
    assert luma.abs().max() < 1e-5
    for plane, gain in ((done[:, 0], 1.402), (done[:, 2], 1.772)):
        assert (plane / gain).std().item() == pytest.approx(0.11 * 0.125, rel=0.06)


def lag_correlation(plane: torch.Tensor) -> float:
    return float(np.corrcoef(plane[:, 1:].flatten(), plane[:, :-1].flatten())[0, 1])


def test_grain_is_correlated_and_white_noise_is_not():
    flat = {kind: kind(gray(), full(0.3), SEEDS)[0] - 0.5 for kind in (noise.white_noise, noise.grain)}
    assert abs(lag_correlation(flat[noise.white_noise][0])) < 0.05
    assert lag_correlation(flat[noise.grain][0]) > 0.5
    assert lag_correlation(noise.chroma_noise(gray(), full(0.3), SEEDS)[0, 0] - 0.5) > 0.4
    channels = np.corrcoef(flat[noise.white_noise].flatten(1))
    assert np.abs(channels - np.eye(3)).max() < 0.05
    luma = noise.luma_noise(gray(), full(0.3), SEEDS)
    assert (luma[:, :1] == luma).all()


def pink_loop(white: np.ndarray) -> np.ndarray:
    """One plane, frequency by frequency: the whole spectrum of numpy, where the tested code has half of it."""
    height, width = white.shape
    spectrum, power = np.fft.fft2(white), 0.0
    for row, down in enumerate(np.fft.fftfreq(height)):
        for column, across in enumerate(np.fft.fftfreq(width)):
            fall = 1 / np.hypot(down, across) if row or column else 0.0
            spectrum[row, column] *= fall
            power += fall**2
    return np.fft.ifft2(spectrum).real / np.sqrt(power / white.size)


@pytest.mark.parametrize(("height", "width"), [(24, 30), (31, 17)])
def test_pink_noise_equals_its_twin(height, width):
    seeds = torch.arange(6)
    together = (hashed_uniform(seeds, (1,), 7)[:, 0] < 0.5).tolist()
    assert set(together) == {True, False}
    amount = torch.rand(6, 1, height, width, generator=torch.Generator().manual_seed(1))
    done = noise.pink_noise(torch.full((6, 3, height, width), 0.5), amount, seeds)
    white = hashed_normal(seeds, (3, height, width), 2).double().numpy()
    for image in range(6):
        planes = np.stack([pink_loop(white[image, 0 if together[image] else channel]) for channel in range(3)])
        expected = (0.5 + 0.15 * amount[image].double().numpy() ** 1.5 * planes).clip(0, 1)
        np.testing.assert_allclose(done[image], expected, atol=3e-6)


def test_pink_noise_has_as_much_in_every_octave_and_no_mean():
    seeds = torch.arange(40)
    done = noise.pink_noise(torch.full((40, 3, SIDE, SIDE), 0.5), torch.full((40, 1, SIDE, SIDE), 0.3), seeds) - 0.5
    assert done.std().item() == pytest.approx(0.15 * 0.3**1.5, rel=0.03)
    assert done.mean((2, 3)).abs().max() < 1e-6
    power = np.abs(np.fft.fft2(done.double().numpy())) ** 2
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE))
    octaves = [power[..., (frequency >= low) & (frequency < 2 * low)].sum() for low in (1 / 32, 1 / 16, 1 / 8, 1 / 4)]
    np.testing.assert_allclose(octaves / np.mean(octaves), 1.0, atol=0.1)


def test_dark_pictures_have_no_photon_or_speckle_noise():
    for kind in (noise.poisson_noise, noise.speckle_noise):
        assert kind(gray(0.0), full(1.0), SEEDS).abs().max() == 0


@pytest.mark.parametrize("amount", [0.3, 1.0])
def test_impulse_noise_has_its_density_and_only_black_and_white(amount):
    seeds = torch.arange(12)
    images = torch.full((12, 3, SIDE, SIDE), 0.5)
    done = noise.impulse_noise(images, torch.full((12, 1, SIDE, SIDE), amount), seeds)
    density = 0.12 * amount**1.5
    share = {value: (done == value).float().mean((1, 2, 3)) for value in (0.0, 0.5, 1.0)}
    assert ((done == 0) | (done == 0.5) | (done == 1)).all()
    for value in (0.0, 1.0):
        assert share[value].mean().item() == pytest.approx(density / 2, rel=0.1)
    together = (done == done[:, :1]).all(dim=3).all(dim=2).all(dim=1)
    assert together.tolist() == (hashed_uniform(seeds, (1,), 4)[:, 0] < 0.5).tolist()
    assert 0 < together.sum() < 12
