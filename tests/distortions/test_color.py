"""Saturation, temperature and tint against twins, colorsys and Pillow, and in the direction that their sign says."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from pyiqa_pixelperfect.distortions import color
from pyiqa_pixelperfect.distortions.tone import luma
from reference import pointwise

PILLOW_STEPS = 2.6  # of 8 bit: Pillow rounds the gray, and a factor of 3.5 stretches that rounding
NO_SEEDS = torch.zeros(4, dtype=torch.int64)


def full(images, amount):
    return torch.full_like(images[:, :1], amount)


@pytest.mark.parametrize("name", ["chroma_scale", "hsv_saturation", "temperature", "tint"])
def test_each_pixel_equals_its_twin(name):
    generator = torch.Generator().manual_seed(8)
    image = torch.rand(1, 3, 12, 13, generator=generator)
    image[..., 0], image[..., 1] = 0.0, 1.0
    image[..., 2] = torch.tensor([0.0, 0.0, 1.0])[None, :, None]
    image[..., 3] = 0.4
    amount = torch.rand(1, 1, 12, 13, generator=generator) * 2 - 1
    amount[:, :, 2] = 0
    done = getattr(color, name)(image, amount, NO_SEEDS[:1])[0]
    expected = pointwise.each(image[0].double().numpy(), amount[0, 0].double().numpy(), getattr(pointwise, name))
    np.testing.assert_allclose(done, expected, atol=4e-6)


@pytest.mark.parametrize("amount", [-1.0, -0.5, 0.2, 1.0])
def test_chroma_scale_is_the_color_of_pillow(crops, amount):
    factor = 1 + 2.5 * amount if amount > 0 else 1 + amount
    for image, done in zip(crops, color.chroma_scale(crops, full(crops, amount), NO_SEEDS), strict=True):
        source = Image.fromarray((image.permute(1, 2, 0) * 255).round().byte().numpy())
        expected = np.asarray(ImageEnhance.Color(source).enhance(factor))
        assert np.abs(done.permute(1, 2, 0).numpy() * 255 - expected).max() <= PILLOW_STEPS


def chroma(images):
    return (images.amax(1) - images.amin(1)).mean((1, 2))


@pytest.mark.parametrize("amount", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("kind", [color.chroma_scale, color.hsv_saturation])
def test_positive_saturation_has_more_chroma(crops, kind, amount):
    assert (chroma(kind(crops, full(crops, amount), NO_SEEDS)) > chroma(crops) * (1 + 0.15 * amount)).all()
    assert (chroma(kind(crops, full(crops, -amount), NO_SEEDS)) < chroma(crops) * (1 - 0.9 * amount)).all()


def test_full_desaturation_is_gray(crops):
    for kind in (color.chroma_scale, color.hsv_saturation):
        done = kind(crops, full(crops, -1.0), NO_SEEDS)
        assert (done.amax(1) - done.amin(1)).max() < 1e-6


@pytest.mark.parametrize("amount", [0.1, 0.5, 1.0])
def test_positive_temperature_is_warmer_and_positive_tint_more_magenta(crops, amount):
    def means(images):
        return images.mean((2, 3)).unbind(1)

    red, green, blue = means(crops)
    for sign in (1, -1):
        r, _, b = means(color.temperature(crops, full(crops, sign * amount), NO_SEEDS))
        assert (sign * ((r - b) - (red - blue)) > 0.02 * amount).all()
        r, g, b = means(color.tint(crops, full(crops, sign * amount), NO_SEEDS))
        assert (sign * (green - g) > 0.02 * amount).all()
        assert (sign * ((r + b) - (red + blue)) > 0.02 * amount).all()


@pytest.mark.parametrize("kind", [color.chroma_scale, color.temperature, color.tint])
def test_luma_stays_where_nothing_clips(crops, kind):
    images = crops * 0.4 + 0.05
    for amount in (-1.0, 0.1):
        torch.testing.assert_close(luma(kind(images, full(images, amount), NO_SEEDS)), luma(images), rtol=0, atol=2e-6)


def test_gray_pictures_have_no_saturation_to_change():
    gray = torch.rand(1, 1, 33, 33).expand(1, 3, 33, 33)
    for kind in (color.chroma_scale, color.hsv_saturation):
        torch.testing.assert_close(kind(gray, full(gray, 1.0), NO_SEEDS[:1]), gray, rtol=0, atol=2e-6)
