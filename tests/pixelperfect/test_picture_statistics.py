"""Statistics of whole pictures: what each number says, by a slow twin and on pictures where the answer is known."""

import numpy as np
import pytest
import torch

from pyiqa_pixelperfect.pixelperfect.color_planes import OPPONENT
from pyiqa_pixelperfect.pixelperfect.histogram_gaps import HistogramGaps
from pyiqa_pixelperfect.pixelperfect.picture_statistics import (
    FLAT,
    NEAR_END,
    RINGS,
    SCALES,
    STATISTICS,
    STEP_QUANTILES,
    TONE_PARTS,
    TONE_QUANTILES,
    picture_statistics,
)
from pyiqa_pixelperfect.pixelperfect.texture_statistics import BAND, TEXTURE, texture_statistics


def picture(seed: int, height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (1.2 * torch.rand(1, 3, height, width, generator=generator) - 0.1).clamp(0, 1)


def pooled(plane: np.ndarray, side: int) -> np.ndarray:
    rows, columns = plane.shape[0] // side, plane.shape[1] // side
    return np.array(
        [
            [plane[y * side : (y + 1) * side, x * side : (x + 1) * side].mean() for x in range(columns)]
            for y in range(rows)
        ]
    )


def quantiles(values: np.ndarray, shares: tuple[float, ...]) -> list[float]:
    ordered = np.sort(values.ravel())
    return [ordered[int(share * (len(ordered) - 1) + 0.5)] for share in shares]


def to_next(plane: np.ndarray) -> np.ndarray:
    steps = np.abs(plane[:, 1:] - plane[:, :-1])
    return np.concatenate((steps, steps[:, -1:]), axis=1)


def by_ring(plane: np.ndarray) -> list[float]:
    """Means over the rings; how far out a cell lies is 0 in the middle and 1 in the corners."""
    rows, columns = plane.shape
    rings = [[] for _ in range(RINGS)]
    for y in range(rows):
        for x in range(columns):
            out = np.hypot(2 * y / (rows - 1) - 1, 2 * x / (columns - 1) - 1) / np.sqrt(2)
            rings[min(int(out * RINGS), RINGS - 1)].append(plane[y, x])
    return [np.mean(ring) for ring in rings]


def slow(image: np.ndarray) -> list[float]:
    """One picture (3, H, W), small enough that nothing is left out, number by number."""
    coarse = np.stack([pooled(channel, 4) for channel in image])
    planes = np.einsum("kc,cyx->kyx", np.array(OPPONENT), coarse)
    saturation = (coarse.max(0) - coarse.min(0)) / np.maximum(coarse.max(0), 0.01)
    chroma = np.sqrt(planes[1] ** 2 + planes[2] ** 2 + 1e-6)
    numbers = [q for plane in (*coarse, *planes, saturation, chroma) for q in quantiles(plane, TONE_QUANTILES)]
    fine = np.einsum("kc,cyx->kyx", np.array(OPPONENT), image)
    detail = [pooled(to_next(plane), 4) for plane in fine]
    order = np.argsort(planes[0].ravel(), kind="stable")
    for plane in (*planes[1:], chroma):
        numbers += [part.mean() for part in np.array_split(plane.ravel()[order], TONE_PARTS)]
    for plane in (*detail, to_next(planes[0])):
        numbers += [0.2 * np.log(part.mean() + 1e-3) for part in np.array_split(plane.ravel()[order], TONE_PARTS)]
    numbers += by_ring(planes[0]) + by_ring(chroma) + [0.2 * np.log(mean + 1e-3) for mean in by_ring(detail[0])]
    numbers += [np.sqrt(plane.var() + 1e-6) for plane in planes]
    for end in (0.0, 1.0):
        for channel in image:
            share = np.maximum(0, 1 - np.abs(channel - end) / NEAR_END).mean()
            numbers.append(share / (share + 0.02))
    for scale in range(SCALES):
        steps = np.abs(fine[:, :, 1:] - fine[:, :, :-1])
        numbers += [0.2 * np.log(s.mean() + 1e-3) for s in steps]
        if scale < 2:
            numbers += [0.2 * np.log(q + 1e-3) for s in steps for q in quantiles(s, STEP_QUANTILES)]
            numbers += [np.maximum(0, 1 - s / FLAT).mean() for s in steps]
        fine = np.stack([pooled(plane, 2) for plane in fine])
    gaps = HistogramGaps(*image.shape[1:])  # which has a twin of its own
    gaps.add(torch.from_numpy(image)[None])
    height, width = (side // BAND * BAND for side in image.shape[1:])
    bands = torch.from_numpy(image)[:, :height, :width].unflatten(1, (-1, BAND))
    texture = texture_statistics(bands[None])  # likewise
    return numbers + gaps.value()[0].tolist() + texture[0].tolist()


@pytest.mark.parametrize(("height", "width"), [(32, 32), (37, 50), (96, 64)])
def test_every_number_equals_its_slow_twin(height, width):
    image = picture(height, height, width).double()
    expected = torch.tensor(slow(image[0].numpy()), dtype=torch.float64)
    assert expected.shape == (STATISTICS,)
    torch.testing.assert_close(picture_statistics(image)[0], expected, rtol=1e-9, atol=1e-9)


def test_large_pictures_are_sampled_without_a_visible_difference():
    small, large = picture(1, 64, 64), picture(1, 64, 64).repeat(1, 1, 9, 11)
    assert (picture_statistics(small) - picture_statistics(large)).abs().max() < 0.03


def test_each_picture_is_described_by_itself():
    images = torch.cat([picture(seed, 48, 64) for seed in range(3)])
    together = picture_statistics(images)
    for i in range(3):
        assert (picture_statistics(images[i : i + 1]) - together[i]).abs().max() <= 1e-6


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0, -0.02, 1.02])
def test_gradients_are_finite_on_flat_pictures(value):
    image = torch.full((1, 3, 40, 40), value, requires_grad=True)
    picture_statistics(image).sum().backward()
    assert image.grad.isfinite().all()


def test_enlarged_pixels_are_met_at_every_phase():
    """A stride over columns that is the size of the pixels, or its multiple, would see all edges or none."""
    generator = torch.Generator().manual_seed(0)
    small = torch.rand(1, 3, 86, 86, generator=generator)
    enlarged = small.repeat_interleave(3, 2).repeat_interleave(3, 3)[..., :256, :256]
    moved = enlarged.roll(1, 3)
    assert (picture_statistics(enlarged) - picture_statistics(moved)).abs().max() < 0.05


@pytest.mark.parametrize(("height", "width"), [(768, 1024), (2160, 3840), (96, 8192)])
def test_texture_is_looked_at_in_all_parts_of_a_picture(height, width):
    """Noise in any third of a large picture is noticed, so no third is left out."""
    clean = torch.full((1, 3, height, width), 0.5)
    expected = picture_statistics(clean)[:, -TEXTURE:]
    for rows in torch.arange(height).tensor_split(3):
        noisy = clean.clone()
        noisy[:, :, rows] += 0.05 * torch.randn(len(rows), width, generator=torch.Generator().manual_seed(0))
        assert (picture_statistics(noisy)[:, -TEXTURE:] - expected).abs().max() > 0.1
