"""Statistics of texture: by a slow twin, pixel by pixel, and on pictures whose texture is known."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage import data

from pyiqa_pixelperfect.pixelperfect.color_planes import OPPONENT
from pyiqa_pixelperfect.pixelperfect.texture_statistics import (
    BAND,
    FAINT,
    FLAT,
    HUES,
    LAGS,
    QUANTILES,
    RANKS,
    TEXTURE,
    texture_statistics,
)

PAIRS = ((0, 1), (0, 2), (1, 2))


def bands(count: int, width: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    smooth = gaussian_filter(generator.random((3, count, BAND, width)), (0, 0, 2, 2))
    return np.clip(4 * (smooth - 0.5) + 0.5 + 0.05 * generator.random((3, count, BAND, width)), 0, 1)


def pooled(plane: np.ndarray, side: int) -> np.ndarray:
    rows, columns = (length // side for length in plane.shape)
    means = [
        [plane[y * side : (y + 1) * side, x * side : (x + 1) * side].mean() for x in range(columns)]
        for y in range(rows)
    ]
    return np.array(means)


def across(plane: np.ndarray) -> np.ndarray:
    steps = plane[:, 1:] - plane[:, :-1]
    return np.concatenate((steps, steps[:, -1:]), axis=1)


def down(plane: np.ndarray) -> np.ndarray:
    return across(plane.T).T


def bend(plane: np.ndarray) -> np.ndarray:
    """How much a pixel bends off the line through the two before it and after it, in both directions together."""
    total = np.zeros_like(plane)
    for steps, out in ((across(plane), total), (down(plane).T, total.T)):
        out[:, 1:] += steps[:, 1:] - steps[:, :-1]
    return np.abs(total)


def logarithm(value: float | np.ndarray) -> float | np.ndarray:
    return 0.2 * np.log(value + 1e-3)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one - one.mean(), other - other.mean()
    return (one * other).mean() / np.sqrt((one**2).mean() * (other**2).mean() + 1e-9)


def joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([part.ravel() for part in parts])


def by_activity(pyramids: list) -> list[float]:
    columns = [[] for _ in range(9)]
    for fine, half, quarter, _ in pyramids:
        steps = [[(np.abs(across(p)) + np.abs(down(p))) / 2 for p in planes] for planes in (fine, half, quarter)]
        bent = bend(fine[0])
        cells = [pooled(step, 8) for step in steps[0]] + [pooled(bent, 8), pooled(np.maximum(FLAT - bent, 0), 8)]
        cells += [pooled(step, 4) for step in steps[1]] + [pooled(steps[2][0], 2)]
        for column, cell in zip(columns, cells, strict=True):
            column.append(cell)
    columns = [joined(column) for column in columns]
    order = np.argsort(columns[-1], kind="stable")
    numbers = []
    for place, column in enumerate(columns):
        means = [part.mean() for part in np.array_split(column[order], RANKS)]
        numbers += [mean / FLAT if place == 4 else logarithm(mean) for mean in means]
    return numbers


def by_contrast(pyramids: list, scale: int, planes: int, side: int) -> list[float]:
    """Look by look over all planes, then the quantiles of each plane."""
    looks, spreads = [], []
    for plane in range(planes):
        gathered, contrasts = [[] for _ in range(2 + len(LAGS))], []
        for pyramid in pyramids:
            picture = pyramid[scale][plane]
            for y in range(0, picture.shape[0], side):
                for x in range(0, picture.shape[1], side):
                    cell = picture[y : y + side, x : x + side]
                    contrasts.append(np.sqrt(cell.var() + 1e-8))
                    pixels = (cell - cell.mean()) / (contrasts[-1] + FAINT)
                    gathered[0].append(np.abs(pixels))
                    gathered[1].append(pixels**2)
                    for place, (rows, columns) in enumerate(LAGS):
                        product = pixels[rows:, columns:] * pixels[: side - rows, : side - columns]
                        gathered[2 + place].append(product)
        numbers = [joined(part).mean() for part in gathered]
        looks.append(numbers + [np.abs(joined(part)).mean() for part in gathered[2:]])
        ordered = np.sort(contrasts)
        spreads += [logarithm(ordered[int(share * (len(ordered) - 1) + 0.5)]) for share in QUANTILES]
    return [look for same in zip(*looks, strict=True) for look in same] + spreads


def by_scale(pyramids: list) -> list[float]:
    numbers = []
    added = [[added_by(pyramids, scale, plane) for plane in range(3)] for scale in range(3)]
    for scale in range(2):
        for plane in range(3):
            halves = [np.stack([pooled(band, 2) for band in added[scale][plane]]), added[scale + 1][plane]]
            numbers.append(correlation(*halves))
    for scale in range(3):
        numbers += [logarithm(detail.mean()) for detail in added[scale]]
        for detail in added[scale]:
            numbers.append(0.2 * np.log(np.sqrt((detail**2).mean() + 1e-8) / (detail.mean() + 1e-4) + 1e-3))
    return numbers


def slow(picture: np.ndarray) -> list[float]:
    """What bands (3, N, 32, W) give, number by number."""
    pyramids = []
    for number in range(picture.shape[1]):
        planes = list(np.einsum("kc,cyx->kyx", np.array(OPPONENT), picture[:, number]))
        pyramids.append([[pooled(plane, side) for plane in planes] for side in (1, 2, 4, 8)])
    numbers = by_activity(pyramids)
    for scale, planes, side in ((0, 3, 8), (1, 3, 4), (2, 1, 4)):
        numbers += by_contrast(pyramids, scale, planes, side)
    numbers += by_scale(pyramids)
    for scale in range(3):
        steps = [joined([across(pyramid[scale][plane]) for pyramid in pyramids]) for plane in range(3)]
        numbers += [correlation(steps[one], steps[other]) for one, other in PAIRS]
        numbers += [correlation(np.abs(steps[one]), np.abs(steps[other])) for one, other in PAIRS]
    luma, red, blue = (joined([pyramid[2][plane] for pyramid in pyramids]) for plane in range(3))
    numbers += [correlation(luma, red), correlation(luma, blue), correlation(red, blue)]
    numbers.append(correlation(luma, np.sqrt(red**2 + blue**2 + 1e-6)))
    for hue in range(HUES):
        angle = 2 * np.pi * hue / HUES
        numbers.append(logarithm(np.maximum(red * np.cos(angle) + blue * np.sin(angle), 0).mean()))
    for scale in range(2):
        for plane in range(3):
            numbers.append(logarithm(np.abs(joined([down(pyramid[scale][plane]) for pyramid in pyramids])).mean()))
    return numbers


def added_by(pyramids: list, scale: int, plane: int) -> np.ndarray:
    """What a scale adds to the next coarser one, (N, h, w)."""
    return np.stack(
        [np.abs(pyramid[scale][plane] - np.kron(pyramid[scale + 1][plane], np.ones((2, 2)))) for pyramid in pyramids]
    )


@pytest.mark.parametrize(("count", "width"), [(1, 32), (2, 64), (3, 96)])
def test_every_number_equals_its_slow_twin(count, width):
    picture = bands(count, width, seed=count)
    expected = torch.tensor(slow(picture), dtype=torch.float64)
    assert expected.shape == (TEXTURE,)
    torch.testing.assert_close(texture_statistics(torch.from_numpy(picture)[None])[0], expected, rtol=1e-8, atol=1e-8)


def photo_bands(picture: np.ndarray) -> torch.Tensor:
    height, width = (side // BAND * BAND for side in picture.shape[:2])
    pixels = torch.from_numpy(picture[:height, :width].astype(np.float32)).movedim(-1, 0)
    return pixels.unflatten(1, (-1, BAND))[None]


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return data.astronaut() / 255.0


def test_pictures_are_described_each_by_itself(photo):
    generator = torch.Generator().manual_seed(0)
    pictures = torch.cat((photo_bands(photo), torch.rand(2, 3, 16, BAND, 512, generator=generator)))
    together = texture_statistics(pictures)
    assert all(torch.equal(texture_statistics(pictures[i : i + 1])[0], together[i]) for i in range(3))


def steps(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Steps of luma between pixels and between means of 2x2, from where least happens to where most does."""
    by_rank = texture_statistics(photo_bands(picture))[0, : 9 * RANKS].reshape(9, RANKS).numpy()
    return by_rank[0], by_rank[5]


def test_noise_shows_where_little_happens(photo):
    noisy = photo + 0.02 * np.random.default_rng(0).standard_normal(photo.shape)
    more = steps(noisy.clip(0, 1))[0] - steps(photo)[0]
    assert more[0] > 4 * abs(more[-1])


def test_blur_takes_more_of_the_finest_steps_than_of_those_twice_as_coarse(photo):
    blurred = steps(gaussian_filter(photo, (1, 1, 0)))
    finest, coarser = (before - after for before, after in zip(steps(photo), blurred, strict=True))
    assert (finest > 0).all()
    assert (finest[1:] > 1.5 * coarser[1:]).all()


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_gradients_are_finite_on_flat_pictures(value):
    flat = torch.full((1, 3, 2, BAND, 64), value, requires_grad=True)
    texture_statistics(flat).sum().backward()
    assert flat.grad.isfinite().all()
