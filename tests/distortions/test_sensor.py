"""Sensor noise against numpy's Poisson and normal numbers, demosaicing against OpenCV and scipy."""

import math

import cv2
import numpy as np
import pytest
import torch
from scipy import ndimage

from pyiqa_pixelperfect.distortions import sensor
from pyiqa_pixelperfect.distortions.counter import hashed_uniform
from reference.pipeline import light_of, value_of

STEP = 1.5 / 65535  # of [0, 1] values: OpenCV works on 16 bit
PATTERNS = {
    (0, 0): cv2.COLOR_BayerRGGB2RGB,
    (0, 1): cv2.COLOR_BayerGRBG2RGB,
    (1, 0): cv2.COLOR_BayerGBRG2RGB,
    (1, 1): cv2.COLOR_BayerBGGR2RGB,
}


def phase_of(seed):
    return tuple(int(draw * 2) for draw in hashed_uniform(torch.tensor([seed]), (2,), 66)[0].tolist())


SEED_OF = {phase_of(seed): seed for seed in range(40)}


def full(images, amount):
    return torch.full_like(images[:, :1], amount)


@pytest.mark.parametrize("value", [0.45, 0.6, 0.75])
@pytest.mark.parametrize("amount", [0.3, 0.7, 1.0])
def test_sensor_noise_is_that_of_numpy_in_light(value, amount):
    image = torch.full((1, 3, 120, 120), value)
    done = sensor.sensor_noise(image, full(image, amount), torch.tensor([5]))[0].double().numpy()
    generator = np.random.default_rng(1)
    light = light_of(value)
    gain = 0.06 * amount**3  # light of one photon: a variance of gain * light
    readout = generator.normal(0, 0.03 * amount**1.5, 60000)
    # Ours is the normal law of the same variance; with a handful of photons theirs is a little lopsided.
    photons = generator.poisson(light / gain, 60000) * gain
    alike = light + generator.normal(0, math.sqrt(gain * light), 60000)
    for expected, mean, deviation in ((photons, 0.01, 0.1), (alike, 0.004, 0.03)):
        values = np.vectorize(value_of)(expected + readout)
        assert done.mean() == pytest.approx(values.mean(), abs=mean)
        assert done.std() == pytest.approx(values.std(), rel=deviation)


def test_sensor_noise_is_independent_and_strongest_in_shadows():
    image = torch.full((1, 3, 150, 150), 0.5)
    noise = sensor.sensor_noise(image, full(image, 0.5), torch.tensor([8]))[0] - 0.5
    flat = noise.flatten(1)
    assert (torch.corrcoef(flat) - torch.eye(3)).abs().max() < 0.03
    for shift in ((0, 1), (1, 0)):
        assert abs(float((noise * noise.roll(shift, (1, 2))).mean() / noise.square().mean())) < 0.02
    dark, bright = (torch.full((1, 3, 90, 90), value) for value in (0.25, 0.85))
    deviations = [sensor.sensor_noise(i, full(i, 0.3), torch.tensor([8])).std() for i in (dark, bright)]
    assert deviations[0] > 1.3 * deviations[1]


@pytest.mark.parametrize("phase", PATTERNS)
def test_masks_are_a_bayer_pattern(phase):
    masks = sensor.bayer_masks(torch.tensor([SEED_OF[phase]]), 7, 9)[0]
    for row in range(7):
        for column in range(9):
            odd = (row + phase[0]) % 2, (column + phase[1]) % 2
            color = {(0, 0): 0, (1, 1): 2}.get(odd, 1)
            assert masks[:, row, column].tolist() == [float(channel == color) for channel in range(3)]


def mosaic_of(image, phase):
    """(3, H, W) to 16-bit (H, W)."""
    raw = np.empty(image.shape[1:])
    for row in (0, 1):
        for column in (0, 1):
            odd = (row + phase[0]) % 2, (column + phase[1]) % 2
            raw[row::2, column::2] = image[{(0, 0): 0, (1, 1): 2}.get(odd, 1), row::2, column::2]
    return raw


def demosaiced_by_opencv(raw, phase):
    rgb = cv2.demosaicing((raw * 65535).round().astype(np.uint16), PATTERNS[phase])
    return rgb.transpose(2, 0, 1) / 65535


@pytest.mark.parametrize("phase", PATTERNS)
def test_demosaicing_is_that_of_opencv(crops, phase):
    images = crops[..., :60, :78]
    done = sensor.demosaic_residue(images, full(images, 0.25), torch.full((4,), SEED_OF[phase]))
    for image, result in zip(images.double().numpy(), done.numpy(), strict=True):
        expected = demosaiced_by_opencv(mosaic_of(image, phase), phase)
        assert np.abs(result - expected)[:, 1:-1, 1:-1].max() <= STEP  # at its edges OpenCV copies


@pytest.mark.parametrize("step", [2, 3, 4])
def test_raw_planes_are_smoothed_each_on_its_own(crops, step):
    sigma = sensor.RAW_SIGMAS[step - 1]
    images = crops[:2, :, :60, :78]
    done = sensor.demosaic_residue(images, full(images, step / 4), torch.full((2,), SEED_OF[0, 1]))
    for image, result in zip(images.double().numpy(), done.numpy(), strict=True):
        raw = mosaic_of(image, (0, 1))
        for row in (0, 1):
            for column in (0, 1):
                plane = np.s_[row::2, column::2]
                raw[plane] = ndimage.gaussian_filter(raw[plane], sigma, mode="nearest", radius=math.ceil(3 * sigma))
        expected = demosaiced_by_opencv(raw, (0, 1))
        assert np.abs(result - expected)[:, 1:-1, 1:-1].max() <= STEP


def test_pictures_of_odd_sides_are_mosaicked_to_their_edges(crops):
    odd = crops  # 61 x 79
    seeds = torch.arange(4)
    for amount in (0.25, 1.0):
        done = sensor.demosaic_residue(odd, full(odd, amount), seeds)
        even = sensor.demosaic_residue(odd[..., :60, :78], full(odd[..., :60, :78], amount), seeds)
        torch.testing.assert_close(done[..., :40, :60], even[..., :40, :60], rtol=0, atol=1e-6)
        assert (done - odd)[..., -2:].abs().mean() < 3 * (done - odd).abs().mean()
    flat = torch.tensor([0.2, 0.5, 0.7]).reshape(1, 3, 1, 1).expand(1, 3, 33, 35)
    done = sensor.demosaic_residue(flat, full(flat, 0.6), seeds[:1])
    torch.testing.assert_close(done, flat, rtol=0, atol=2e-6)


def test_gray_edges_get_false_color():
    stripes = torch.zeros(1, 3, 40, 40)
    stripes[..., ::3] = 1.0
    done = sensor.demosaic_residue(stripes, full(stripes, 0.25), torch.tensor([1]))
    assert (done.amax(1) - done.amin(1)).mean() > 0.2
