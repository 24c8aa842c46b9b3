"""The parts of KADIS operations, and what a whole one is worth beside that of another library."""

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from skimage import color, filters

from pyiqa_pixelperfect.distortions import (
    jpeg,
    kadis_color,
    kadis_filters,
    kadis_jpeg,
    kadis_noise,
    kadis_places,
    kadis_quantization,
)
from pyiqa_pixelperfect.distortions.kadis import KADIS
from pyiqa_pixelperfect.distortions.kadis_color import from_roots, to_lab, to_roots
from pyiqa_pixelperfect.distortions.kadis_plan import apply_kadis

SEEDS = torch.tensor([3, 14, 15, 92])


def psnr(done, source):
    return 10 * np.log10(1 / np.mean((np.asarray(done) - np.asarray(source)) ** 2))


@pytest.mark.parametrize("level", range(1, 6))
def test_jpeg2000_is_as_good_as_that_of_opencv(photographs, level):
    # Both code with OpenJPEG; the one of OpenCV without the irreversible transform.
    ratio = KADIS["jpeg2000"].levels[level - 1]
    for photograph in photographs:
        picture = np.ascontiguousarray(photograph[:256, 64:320])
        file = cv2.imencode(".jp2", picture, [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, round(1000 / ratio)])[1]
        theirs = cv2.imdecode(file, cv2.IMREAD_COLOR) / 255
        image = torch.from_numpy(picture).permute(2, 0, 1)[None] / 255
        ours = apply_kadis(image, "jpeg2000", level, SEEDS[:1])[0].permute(1, 2, 0).numpy()
        assert -0.1 < psnr(ours, picture / 255) - psnr(theirs, picture / 255) < 2.0


def test_lab_is_that_of_scikit_image():
    images = torch.rand(2, 3, 40, 41, generator=torch.Generator().manual_seed(2))
    images[..., 0], images[..., 1], images[..., 2] = 0.0, 1.0, 0.02
    lab = to_lab(images)
    expected = color.rgb2lab(images.double().numpy(), channel_axis=1)[:, [1, 0, 2]]
    scale, offset = np.array([500, 116, 200]).reshape(1, 3, 1, 1), np.array([0, 16, 0]).reshape(1, 3, 1, 1)
    np.testing.assert_allclose(lab.double().numpy() * scale - offset, expected, atol=2e-3)
    # Half a step of the table, 1.45 times as steep.
    np.testing.assert_allclose(from_roots(to_roots(images)), images, atol=1.5e-5)


def test_noise_is_normal_and_even():
    seeds = torch.arange(8)
    normal = kadis_noise.short_normal(seeds, (3, 100, 101), 111).double()
    assert stats.kstest(normal.flatten(), "norm").statistic < 0.003  # 1.6 / sqrt(242,400): 1 in 100 by chance
    assert normal.abs().max() < 4.33
    assert normal.std().item() == pytest.approx(1, abs=0.005)
    planes = normal.flatten(2).reshape(24, -1)
    assert (torch.corrcoef(planes) - torch.eye(24)).abs().max() < 0.05
    assert abs(np.corrcoef(normal[..., 1:].flatten(), normal[..., :-1].flatten())[0, 1]) < 0.008
    uniform = kadis_noise.short_uniform(seeds, (99, 101), 111).double()
    assert stats.kstest(uniform.flatten(), "uniform").statistic < 0.006
    assert 0 < uniform.min() < 1e-4 < 1 - 1e-4 < uniform.max() < 1


@pytest.mark.parametrize("level", range(1, 6))
def test_noises_have_the_variance_of_their_level(level):
    gray = torch.full((4, 3, 150, 150), 0.5)
    for name, share in (("white_noise", 1.0), ("multiplicative_noise", 0.25)):
        noise = apply_kadis(gray, name, level, SEEDS) - gray
        assert noise.var().item() == pytest.approx(KADIS[name].levels[level - 1] * share, rel=0.02)
    changed = apply_kadis(gray, "impulse_noise", level, SEEDS)
    expected = KADIS["impulse_noise"].levels[level - 1] / 2 * gray.numel()
    for value in (0.0, 1.0):
        assert (changed == value).sum().item() == pytest.approx(expected, abs=4 * expected**0.5)


@pytest.mark.parametrize("level", range(1, 6))
def test_palettes_are_as_good_as_those_of_pillow(photographs, level):
    colors = KADIS["color_quantization"].levels[level - 1]
    errors = []
    for photograph in photographs:
        for y, x in ((0, 0), (0, 64), (45, 130), (90, 220)):
            picture = np.ascontiguousarray(photograph[y : y + 192, x : x + 224])
            theirs = np.asarray(Image.fromarray(picture).quantize(colors, dither=Image.Dither.NONE).convert("RGB"))
            image = torch.from_numpy(picture).permute(2, 0, 1)[None] / 255
            ours = apply_kadis(image, "color_quantization", level, SEEDS[:1])[0].permute(1, 2, 0).numpy()
            assert len(np.unique(ours.reshape(-1, 3), axis=0)) <= colors
            errors.append([np.mean((done - picture / 255) ** 2) for done in (ours, theirs / 255)])
            assert psnr(ours, picture / 255) > psnr(theirs / 255, picture / 255) - 1.0
    ours, theirs = np.mean(errors, 0)
    assert ours <= theirs


@pytest.mark.parametrize("colors", [2, 7, 48, 64])
def test_boxes_end_where_their_pixels_do(colors):
    generator = torch.Generator().manual_seed(colors)
    # Edges are many along one axis, and fall together along another.
    spread = torch.tensor([255.0, 40.0, 3.0]).reshape(3, 1, 1)
    samples = (torch.rand(3, 3, 900, generator=generator) * spread).round_()
    rounds, means = kadis_quantization.palette_tree(samples.double(), colors)
    parts, place = kadis_quantization._boxes(rounds, colors)
    levels = torch.arange(256.0).repeat(3, 1)
    pixels = torch.stack([levels[:, torch.randperm(256, generator=generator)] for _ in range(3)], dim=1)
    pixels = torch.cat((pixels, samples), dim=2)
    boxes = parts.gather(2, pixels.long()).sum(1)
    expected = torch.zeros(3, pixels.shape[2], dtype=torch.int32)
    for axis, edge in rounds:
        kadis_quantization._descend(pixels, expected, axis, edge)
    assert torch.equal(place.gather(1, boxes), expected)
    assert boxes.max() < place.shape[1]
    assert means.shape[1] >= colors


@pytest.mark.parametrize("quality", [1.0, 43.0, 50.0, 95.0])
def test_jpeg_at_one_quality_is_that_of_the_engine(crops, quality):
    images = crops[..., :48, :64]
    grid = torch.full((1, 1, 3, 4), quality)
    assert torch.equal(kadis_jpeg.jpeg(images, quality, SEEDS), jpeg.jpeg_at_quality(images, grid))


@pytest.mark.parametrize("wide", [False, True])
def test_roots_by_any_processor(wide, monkeypatch):
    monkeypatch.setattr(kadis_color, "_wide", lambda: wide)
    values = torch.linspace(0.0, 1.0, 999)[1:]
    for root, power in ((kadis_color._cube_root, 1 / 3), (kadis_color._square_root, 1 / 2)):
        torch.testing.assert_close(root(values.clone()), values.double().pow(power).float(), rtol=5e-7, atol=0)
    torch.testing.assert_close(
        kadis_color._power(values.clone(), 2.4), values.double().pow(2.4).float(), rtol=2e-6, atol=0
    )


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_multi_otsu_is_that_of_scikit_image(classes):
    generator = np.random.default_rng(classes)
    counts = generator.integers(0, 500, (5, 40)).astype(float)
    counts[1, ::3] = 0
    edges = kadis_quantization.otsu_edges(torch.from_numpy(counts), classes).numpy()
    for row, found in zip(counts, edges, strict=True):
        expected = filters.threshold_multiotsu(classes=classes, hist=(row, np.arange(40)))
        assert found.tolist() == expected.tolist()


def test_the_denoiser_denoises(photographs):
    picture = np.stack([photograph[:192, 64:256] for photograph in photographs])
    images = torch.from_numpy(picture).permute(0, 3, 1, 2) / 255
    for level, variance in enumerate(KADIS["denoise"].levels, start=1):
        noisy = (images + kadis_noise.short_normal(SEEDS, images.shape[1:], 115) * variance**0.5).clamp(0, 1)
        done = apply_kadis(images, "denoise", level, SEEDS)
        for clean, before, after in zip(images, noisy, done, strict=True):
            assert psnr(after, clean) > psnr(before, clean) + 4


def test_planes_of_noise_have_their_deviations():
    smooth = torch.randn(1, 3, 600, 600, generator=torch.Generator().manual_seed(0))
    for plane, deviation in enumerate(kadis_filters.STARLET_DEVIATIONS):
        smoother = kadis_filters.separable(smooth, kadis_filters._spread_taps(2**plane))
        assert (smooth - smoother).std().item() == pytest.approx(deviation, rel=0.02)
        smooth = smoother


def test_tiles_make_no_difference(crops, monkeypatch):
    taps = kadis_filters.gaussian_taps(5.0)
    small = kadis_filters.separable(crops, taps)
    monkeypatch.setattr(kadis_filters, "_TILE", {})
    torch.testing.assert_close(kadis_filters.separable(crops, taps), small, rtol=0, atol=3e-7)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 5.0])
def test_d1_sides_just_longer_than_a_tile_are_filtered_alike_in_any_batch(sigma):
    taps = kadis_filters.gaussian_taps(sigma)
    for height, width in ((33, 70), (64, 65), (34, 33)):  # what is left beside whole tiles would be thin
        images = torch.rand(5, 3, height, width, generator=torch.Generator().manual_seed(0))
        together = kadis_filters.separable(images, taps)
        for rows in ([0], [3, 1]):
            assert torch.equal(kadis_filters.separable(images[rows], taps), together[rows])


def test_few_taps_are_worth_a_band(crops, monkeypatch):
    taps = [kadis_filters.gaussian_taps(1.0), kadis_filters._spread_taps(8)]
    few = [kadis_filters.separable(crops, some) for some in taps]
    monkeypatch.setattr(kadis_filters, "_FEW", 0)
    for some, done in zip(taps, few, strict=True):
        torch.testing.assert_close(kadis_filters.separable(crops, some), done, rtol=0, atol=5e-7)


def test_the_last_square_lies_on_top():
    owner = kadis_places.owners(torch.tensor([[0, 2]]), torch.tensor([[0, 1]]), 3, 5, 6)
    expected = [[1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0], [1, 2, 2, 2, 0, 0], [0, 2, 2, 2, 0, 0], [0, 2, 2, 2, 0, 0]]
    assert owner.reshape(5, 6).tolist() == expected
