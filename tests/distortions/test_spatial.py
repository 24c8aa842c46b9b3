"""Faults of place against Pillow, scipy and a cubic sampler written out."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from pyiqa_pixelperfect.distortions import spatial
from pyiqa_pixelperfect.distortions.counter import hashed_uniform
from reference.transforms import cubic_sample_loop


def first_seed(stream, row, low):
    """A seed whose draw ``row`` of ``stream`` is below one half (or not)."""
    draws = hashed_uniform(torch.arange(99), (3,), stream)[:, row]
    return int(((draws < 0.5) == low).nonzero()[0, 0])


def full(images, amount):
    return torch.full_like(images[:, :1], amount)


def seeds(images, seed=0):
    return torch.full((len(images),), seed)


@pytest.mark.parametrize("averaged", [True, False])
@pytest.mark.parametrize("step", range(1, 7))
def test_pixelation_is_that_of_pillow(photographs, averaged, step):
    factor = spatial.PIXELATION_FACTORS[step - 1]
    picture = photographs[0][100 : 100 + 6 * factor, 180 : 180 + 7 * factor]
    image = torch.from_numpy(picture / np.float32(255)).permute(2, 0, 1)[None]
    done = spatial.pixelation(image, full(image, step / 6), seeds(image, first_seed(7, 0, averaged)))
    small = Image.fromarray(picture).resize((7, 6), Image.Resampling.BOX if averaged else Image.Resampling.NEAREST)
    expected = np.asarray(small.resize((7 * factor, 6 * factor), Image.Resampling.NEAREST))
    difference = np.abs(done[0].permute(1, 2, 0).numpy() * 255 - expected).max()
    assert difference <= (1.01 if averaged else 1e-3)  # Pillow averages rows, rounds, then columns


@pytest.mark.parametrize("averaged", [True, False])
def test_pixelation_of_cut_off_blocks(averaged):
    image = torch.rand(1, 3, 33, 37)
    done = spatial.pixelation(image, full(image, 1.0), seeds(image, first_seed(7, 0, averaged)))[0]
    for top in range(0, 33, 12):
        for left in range(0, 37, 12):
            block = image[0, :, top : top + 12, left : left + 12]
            middle = image[0, :, min(top + 6, 32), min(left + 6, 36)]
            expected = block.mean((1, 2)) if averaged else middle
            place = done[:, top : top + 12, left : left + 12]
            torch.testing.assert_close(place, expected[:, None, None].expand_as(place), rtol=0, atol=2e-6)


@pytest.mark.parametrize("amount", [0.1, 0.5, 1.0])
def test_unsharp_mask_is_that_of_scipy(crops, amount):
    for seed in (0, 1):
        wide = float(hashed_uniform(torch.tensor([seed]), (1,), 8))
        values = crops.double().numpy()
        blurred = [
            ndimage.gaussian_filter(values, s, axes=(2, 3), mode="nearest", radius=r) for s, r in ((0.8, 3), (2.0, 6))
        ]
        expected = values + 6 * amount**1.5 * (values - (1 - wide) * blurred[0] - wide * blurred[1])
        done = spatial.unsharp_mask(crops, full(crops, amount), seeds(crops, seed))
        np.testing.assert_allclose(done, expected.clip(0, 1), atol=2e-5)


@pytest.mark.parametrize(("dy", "dx"), [(0, 0), (3, -2), (-7, 5), (1, 40)])
def test_sampling_at_a_whole_shift_is_that_of_scipy(crops, dy, dx):
    shift = torch.ones_like(crops[:, 0])
    done = spatial._sample(crops, shift * dy, shift * dx)
    expected = ndimage.shift(crops.double().numpy(), (0, 0, -dy, -dx), order=0, mode="nearest")
    np.testing.assert_allclose(done, expected, atol=1e-4)


def test_sampling_at_a_part_of_a_pixel_is_near_the_spline_of_scipy():
    y, x = np.mgrid[:50, :60]
    smooth = (0.5 + 0.2 * np.sin(x / 5) + 0.2 * np.cos(y / 6))[None, None]
    image = torch.from_numpy(smooth).float().expand(1, 3, 50, 60)
    shift = torch.ones(1, 50, 60)
    done = spatial._sample(image, 0.3 * shift, -1.6 * shift)[..., 5:-5, 5:-5]
    expected = ndimage.shift(smooth, (0, 0, -0.3, 1.6), order=3, mode="nearest")[..., 5:-5, 5:-5]
    np.testing.assert_allclose(done, np.broadcast_to(expected, done.shape), atol=4e-3)


def test_sampling_equals_its_twin():
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(1, 3, 9, 12, generator=generator)
    shift = torch.rand(2, 1, 9, 12, generator=generator) * 8 - 4
    done = spatial._sample(image, shift[0], shift[1])[0]
    expected = cubic_sample_loop(image[0].double().numpy(), *shift[:, 0].double().numpy())
    np.testing.assert_allclose(done, expected, atol=5e-5)


def coordinates(height=64, width=72):
    """A picture whose first two channels are its own coordinates / 100, so that it tells where a pixel came from."""
    y, x = torch.meshgrid(torch.arange(height) / 100.0, torch.arange(width) / 100.0, indexing="ij")
    return torch.stack((y, x, torch.zeros_like(y)))[None]


def displacement(kind, amount, seed):
    image = coordinates()
    done = kind(image, full(image, amount), seeds(image, seed))
    return ((done - image)[0, :2] * 100)[:, 10:-10, 10:-10]


@pytest.mark.parametrize("amount", [0.2, 1.0])
def test_displacements_reach_as_far_as_documented(amount):
    warped = torch.stack([displacement(spatial.warp, amount, seed) for seed in range(6)])
    assert 3.5 * amount < warped.abs().max() < 9 * amount
    assert warped.diff(dim=-1).abs().max() < 3.5 * amount  # smooth
    jittered = displacement(spatial.jitter, amount, 3)
    assert jittered.abs().max() < 4 * amount + 0.1
    assert jittered.std().item() == pytest.approx(4 * amount / 3**0.5, rel=0.1)  # even between -4 and 4
    assert abs(np.corrcoef(jittered[:, :, 1:].flatten(), jittered[:, :, :-1].flatten())[0, 1]) < 0.1
    shifted = torch.stack([displacement(spatial.patch_shift, amount, seed) for seed in range(6)])
    assert shifted.square().sum(1).sqrt().max() <= np.ceil(8 * amount) + 0.75
    torch.testing.assert_close(shifted, shifted.round(), rtol=0, atol=2e-3)


def test_patches_move_as_a_whole():
    image = coordinates()
    done = spatial.patch_shift(image, full(image, 0.5), seeds(image, 2))
    moved = ((done - image)[0, :2] * 100).round()
    directions = set()
    for top in (16, 32):
        for left in (16, 32, 48):
            patch = moved[:, top : top + 16, left : left + 16].flatten(1)
            assert (patch == patch[:, :1]).all()
            assert patch[:, 0].abs().max() > 0
            directions.add(tuple(patch[:, 0].tolist()))
    assert len(directions) > 3


@pytest.mark.parametrize("radial", [True, False])
@pytest.mark.parametrize("amount", [0.3, 1.0])
def test_fringing_pulls_red_and_blue_apart(radial, amount):
    y, x = torch.meshgrid(torch.arange(61) / 100.0, torch.arange(61) / 100.0, indexing="ij")
    down, across = (torch.stack((v, v, v))[None] for v in (y, x))
    seed = first_seed(14, 1, radial)
    moved = [
        ((spatial.fringing(v, full(v, amount), seeds(v, seed)) - v)[0] * 100)[:, 6:-6, 6:-6] for v in (down, across)
    ]
    for shift in moved:
        assert shift[1].abs().max() == 0
        torch.testing.assert_close(shift[0], -shift[2], rtol=0, atol=2e-3)
    apart = (moved[0][0] - moved[0][2]).hypot(moved[1][0] - moved[1][2])
    assert apart.max().item() == pytest.approx(6 * amount, abs=0.15)
    if radial:
        apart[24, 24] = 6 * amount  # the center itself has no direction to go
    assert apart.min().item() == pytest.approx(6 * amount, abs=0.15)  # torch's cubic kernel bends a ramp by 0.06 px
    if radial:
        outward_y = moved[0][0] * torch.arange(-24, 25)[:, None]
        assert (outward_y >= -2e-2).all()


@pytest.mark.parametrize("kind", [spatial.color_patch, spatial.texture_patch, spatial.veil])
def test_occlusion_is_a_mixture_by_opacity(crops, kind):
    cover = (kind(crops, full(crops, 1.0), seeds(crops, 4)) - (0.1 * crops if kind is spatial.veil else 0)).double()
    share = 0.9 if kind is spatial.veil else 1.0
    cover = cover / share
    for amount in (0.1, 0.6):
        done = kind(crops, full(crops, amount), seeds(crops, 4)).double()
        expected = crops.double() * (1 - share * amount) + cover * share * amount
        torch.testing.assert_close(done, expected, rtol=0, atol=2e-6)
    if kind is spatial.color_patch:
        assert (cover == cover[:, :, :1, :1]).all()
    if kind is spatial.texture_patch:  # the same structure, turned and moved
        turned = crops.flip(-1, -2).roll((61 // 3, 79 // 3), (-2, -1)).double()
        ratio = cover.sum((2, 3)) / turned.sum((2, 3))
        torch.testing.assert_close(cover, turned * ratio[..., None, None], rtol=0, atol=1e-5)
        assert ratio.min() >= 0.2
        assert ratio.max() <= 1
    if kind is spatial.veil:
        assert cover.diff(dim=3).abs().max() < 0.05
