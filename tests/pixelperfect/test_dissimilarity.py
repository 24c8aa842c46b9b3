"""How unlike two pictures are: every number by a slow twin, and what holds of all of them."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pyiqa_pixelperfect import pictures as pictures_module
from pyiqa_pixelperfect.pictures import Picture
from pyiqa_pixelperfect.pixelperfect import dissimilarity as dissimilarity_module
from pyiqa_pixelperfect.pixelperfect.color_planes import OPPONENT
from pyiqa_pixelperfect.pixelperfect.dissimilarity import DISSIMILARITIES, LEVELS, dissimilarity, view_of

Array = NDArray[np.float64]


def scene(seed: int, height: int, width: int) -> torch.Tensor:
    smooth = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(smooth, size=(height, width), mode="bicubic").clamp(0, 1)


def apart(image: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    return dissimilarity(view_of(image), view_of(reference))


def at(plane: Array, y: int, x: int) -> float:
    """A pixel, or the nearest one of the picture."""
    return float(plane[min(max(y, 0), plane.shape[0] - 1), min(max(x, 0), plane.shape[1] - 1)])


def energy(plane: Array, y: int, x: int) -> float:
    """Scharr's gradient, squared."""
    weights = ((-1, 3), (0, 10), (1, 3))
    across = sum(w * (at(plane, y + dy, x + 1) - at(plane, y + dy, x - 1)) for dy, w in weights) / 16
    down = sum(w * (at(plane, y + 1, x + dx) - at(plane, y - 1, x + dx)) for dx, w in weights) / 16
    return across**2 + down**2


def around(plane: Array, y: int, x: int) -> list[float]:
    return [at(plane, y + dy, x + dx) for dy in range(-2, 3) for dx in range(-2, 3)]


def slow(image: Array, reference: Array) -> list[float]:
    """Two pictures (3, H, W) that are not averaged down at first, number by number."""
    one, other = (np.einsum("kc,cyx->kyx", np.array(OPPONENT), picture) for picture in (image, reference))
    numbers: list[float] = []
    for level in range(LEVELS):
        if level:
            one, other = (
                np.array([[[p[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].mean() for x in range(p.shape[1] // 2)]
                           for y in range(p.shape[0] // 2)] for p in planes])
                for planes in (one, other)
            )  # fmt: skip
        ratios: list[list[float]] = []
        weights: list[float] = []
        for y in range(one.shape[1]):
            for x in range(one.shape[2]):
                a, b = (math.sqrt(energy(planes[0], y, x) + 1e-12) for planes in (one, other))
                c, d = (math.sqrt(energy(p[1], y, x) + energy(p[2], y, x) + 1e-12) for p in (one, other))
                colors = [(float(one[k, y, x]), float(other[k, y, x])) for k in (1, 2)]
                first, second = around(one[0], y, x), around(other[0], y, x)
                mean, other_mean = math.fsum(first) / 25, math.fsum(second) / 25
                covariance = math.fsum(p * q for p, q in zip(first, second, strict=True)) / 25 - mean * other_mean
                variances = math.fsum(p * p + q * q for p, q in zip(first, second, strict=True)) / 25
                variances -= mean**2 + other_mean**2
                ratios.append(
                    [
                        1 - (2 * a * b + 0.0026) / (a * a + b * b + 0.0026),
                        1 - (2 * c * d + 0.006) / (c * c + d * d + 0.006),
                        1 - (2 * sum(p * q for p, q in colors) + 0.03) / (sum(p * p + q * q for p, q in colors) + 0.03),
                        1 - (2 * covariance + 0.0009) / (variances + 0.0009),
                        1 - (2 * mean * other_mean + 0.01) / (mean**2 + other_mean**2 + 0.01),
                    ]
                )
                weights.append(max(a, b) + 1e-3)
        columns = list(zip(*ratios, strict=True))
        numbers += [math.fsum(column) / len(column) for column in columns]
        numbers += [math.sqrt(math.fsum(r * r for r in column) / len(column)) for column in columns]
        numbers += [
            math.fsum(w * r for w, r in zip(weights, column, strict=True)) / math.fsum(weights) for column in columns
        ]
        numbers += [float(np.abs(one[k] - other[k]).mean()) for k in range(3)]
    return numbers


@pytest.mark.parametrize(("height", "width"), [(32, 32), (37, 45)])
def test_every_number_equals_its_slow_twin(height, width):
    generator = torch.Generator().manual_seed(height)
    image = scene(1, height, width).double()
    reference = (0.8 * image + 0.15 * torch.rand(image.shape, generator=generator, dtype=torch.float64)).clamp(0, 1)
    expected = torch.tensor(slow(image[0].numpy(), reference[0].numpy()), dtype=torch.float64)
    assert expected.shape == (DISSIMILARITIES,)
    torch.testing.assert_close(apart(image, reference)[0], expected, rtol=1e-6, atol=2e-6)


@settings(max_examples=40, derandomize=True, database=None)
@given(st.integers(0, 10_000), st.integers(32, 90), st.integers(32, 90))
def test_it_knows_no_order_and_equal_pictures_are_alike(seed, height, width):
    image, reference = torch.rand(2, 2, 3, height, width, generator=torch.Generator().manual_seed(seed))
    numbers = apart(image, reference)
    assert torch.equal(numbers, apart(reference, image))
    assert torch.equal(apart(image, image), torch.zeros(2, DISSIMILARITIES))
    assert numbers.isfinite().all()
    assert (numbers >= 0).all()
    assert (numbers <= 2.0).all()


def test_every_number_rises_with_noise():
    image = scene(2, 80, 96)
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    steps = [apart(image + amount * noise, image)[0] for amount in (0.01, 0.03, 0.1, 0.3)]
    for less, more in pairwise(steps):
        assert (more > less).all()


def test_pictures_twice_as_large_are_as_unlike():
    image = scene(3, 256, 300)
    reference = (image + 0.05 * scene(4, 256, 300)).clamp(0, 1)
    large = [picture.repeat_interleave(2, 2).repeat_interleave(2, 3) for picture in (image, reference)]
    torch.testing.assert_close(apart(*large), apart(image, reference), rtol=1e-4, atol=1e-6)


def test_one_picture_may_stand_beside_many():
    images, reference = torch.cat([scene(seed, 40, 50) for seed in range(3)]), scene(9, 40, 50)
    expected = torch.cat([apart(image[None], reference) for image in images])
    torch.testing.assert_close(apart(images, reference), expected, rtol=0, atol=1e-6)


def test_large_pictures_are_averaged_down_part_by_part(monkeypatch):
    pixels = torch.randint(0, 256, (1, 3, 700, 523), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    expected = torch.nn.functional.avg_pool2d(pixels / 255, 2, ceil_mode=True)
    monkeypatch.setattr(pictures_module, "STRIP_PIXELS", 523 * 40)
    torch.testing.assert_close(Picture(pixels).pooled(2), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(view_of(Picture(pixels)), view_of(pixels / 255), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_gradients_are_finite_on_flat_and_on_equal_pictures(value):
    image = torch.full((1, 3, 40, 40), value, requires_grad=True)
    (apart(image, scene(5, 40, 40)).sum() + apart(image, image.detach()).sum()).backward()
    assert image.grad.isfinite().all()


@pytest.mark.parametrize(("height", "width"), [(40, 61), (383, 500), (384, 700), (1000, 701)])
def test_exporters_average_down_alike(height, width):
    images = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    factor = max(1, round(min(height, width) / 256))
    expected = Picture(images).pooled(factor)
    torch.testing.assert_close(dissimilarity_module._pooled_by_symbols(images), expected, rtol=0, atol=1e-5)
