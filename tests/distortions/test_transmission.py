"""Double JPEG against Pillow, chroma against scikit-image and scipy, lost units against counts and a twin."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from skimage import color, transform

from pyiqa_pixelperfect.distortions import transmission
from pyiqa_pixelperfect.distortions.counter import hashed_uniform
from pyiqa_pixelperfect.distortions.jpeg import align_to_grid, grid_phase
from pyiqa_pixelperfect.distortions.tone import luma
from reference.pipeline import concealed_loop

ON_GRID = [seed for seed in range(60) if grid_phase(torch.tensor([seed])).tolist() == [[0, 0]]]
# Of PSNR to the source, and mean of 8 bit, against Pillow: the second coding rounds what the first left near its edges.
DECIBELS, STEPS = 0.15, 1.5
OFF_GRID = [seed for seed in range(60) if seed not in ON_GRID]


def full(images, amount):
    return torch.full_like(images[:, :1], amount)


def coded_by_pillow(picture, quality, top, left):
    """Code (H, W, 3) in a frame that begins ``top`` and ``left`` px before it."""
    height, width = picture.shape[:2]
    frame = np.pad(picture, ((top, -(height + top) % 16), (left, -(width + left) % 16), (0, 0)), mode="edge")
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    with Image.open(file) as decoded:
        return np.asarray(decoded)[top : top + height, left : left + width]


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


@pytest.mark.parametrize("amount", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("lower_first", [True, False])
def test_double_jpeg_is_jpeg_twice(photographs, amount, lower_first):
    seed = next(s for s in ON_GRID if (hashed_uniform(torch.tensor([s]), (3,), 70)[0, 2] < 0.5) == lower_first)
    top, left = (1 + (hashed_uniform(torch.tensor([seed]), (3,), 70)[0, :2] * 15).long()).tolist()
    assert 1 <= top <= 15
    amounts = (amount, 0.7 * amount) if lower_first else (0.7 * amount, amount)
    first, second = (round(95 * (4 / 95) ** a) for a in amounts)
    for photograph in photographs[:3]:
        picture = np.ascontiguousarray(photograph[:128, 64:224])
        image = torch.from_numpy(picture / np.float32(255)).permute(2, 0, 1)[None]
        done = transmission.double_jpeg(image, full(image, amount), torch.tensor([seed]))
        ours = (done[0].permute(1, 2, 0) * 255).round().numpy()
        theirs = coded_by_pillow(coded_by_pillow(picture, first, top, left), second, 0, 0)
        assert abs(psnr(ours, picture) - psnr(theirs, picture)) < DECIBELS
        assert np.abs(ours - theirs).mean() < STEPS


def test_the_first_grid_is_never_the_second():
    seeds = torch.arange(300)
    phase = grid_phase(seeds)
    before = (phase + 1 + (hashed_uniform(seeds, (3,), 70)[:, :2] * 15).long()) % 16
    assert (before != phase).all()
    assert len(before.unique(dim=0)) > 100


def test_double_jpeg_stays_inside_its_units(crops):
    seeds = torch.arange(4)
    amount = torch.zeros_like(crops[:, :1])
    amount[..., :20, :30] = 0.9
    units = align_to_grid(amount, seeds)
    done = transmission.double_jpeg(crops, units, seeds)
    assert torch.equal(torch.where(units == 0, done, crops), crops)
    assert (units == 0).float().mean() > 0.3


@pytest.mark.parametrize("step", range(1, 5))
def test_chroma_is_reduced_as_by_scikit_image_and_enlarged_as_by_scipy(photographs, step):
    factor = transmission.CHROMA_FACTORS[step - 1]
    for photograph in photographs[:2]:
        picture = photograph[96:160, 160:256] / 255
        image = torch.from_numpy(picture).float().permute(2, 0, 1)[None]
        planes = color.rgb2ycbcr(picture)
        small = transform.downscale_local_mean(planes, (factor, factor, 1))
        for channel in (1, 2):
            planes[..., channel] = ndimage.zoom(small[..., channel], factor, order=1, mode="nearest", grid_mode=True)
        done = transmission.chroma_subsampling(image, full(image, step / 4), torch.tensor([0]))
        np.testing.assert_allclose(done[0].permute(1, 2, 0), color.ycbcr2rgb(planes).clip(0, 1), atol=2e-5)


def test_luma_is_kept_where_nothing_clips_and_cut_off_cells_have_means_of_what_is_there(crops):
    images = 0.3 + 0.3 * crops
    for amount in (0.25, 0.6, 1.0):
        done = transmission.chroma_subsampling(images, full(images, amount), torch.arange(4))
        torch.testing.assert_close(luma(done), luma(images), rtol=0, atol=2e-6)
    # 61 x 79 leaves a cell of 13 x 15 px in the corner, which linear enlargement keeps in its last quarter.
    coarse = transmission.chroma_subsampling(images, full(images, 1.0), torch.arange(4))
    blue = (images - luma(images))[:, 2, 48:, 64:].mean((1, 2))
    torch.testing.assert_close((coarse - luma(coarse))[:, 2, -1, -1], blue, rtol=0, atol=1e-5)


def units_of(lost, seed):
    """(rows, columns) of whole or cut-off units from a field (H, W), and their phase."""
    top, left = grid_phase(torch.tensor([seed]))[0].tolist()
    rows = sorted({max(0, y) for y in range(-top, lost.shape[0], 16) if y + 16 > 0})
    columns = sorted({max(0, x) for x in range(-left, lost.shape[1], 16) if x + 16 > 0})
    return lost[rows][:, columns], (top, left)


@pytest.mark.parametrize("seed", [*ON_GRID[:3], *OFF_GRID[:3]])
def test_lost_units_are_whole_and_lie_on_one_color_of_a_chessboard(seed):
    previous = torch.zeros(96, 112)
    for tenth in range(1, 11):
        amount = torch.full((1, 1, 96, 112), tenth / 10)
        lost = transmission.lost_units(amount, torch.tensor([seed]))[0, 0]
        units, (top, left) = units_of(lost, seed)
        whole = units.repeat_interleave(16, 0).repeat_interleave(16, 1)
        shift = (-top) % 16, (-left) % 16
        start = (16 - shift[0]) % 16, (16 - shift[1]) % 16
        assert torch.equal(whole[start[0] : start[0] + 96, start[1] : start[1] + 112], lost)
        assert set(lost.unique().tolist()) <= {0.0, 1.0}
        assert (units[1:] * units[:-1]).sum() == 0
        assert (units[:, 1:] * units[:, :-1]).sum() == 0
        able = [int(units[y::2, x::2].numel() + units[1 - y :: 2, 1 - x :: 2].numel()) for y, x in ((0, 0), (0, 1))]
        shares = [max(1, int(tenth / 10 * count + 0.5 + 1e-6)) for count in able]
        assert units.sum().item() in shares
        assert (lost >= previous).all()  # nothing comes back as the amount rises
        previous = lost
    assert 0.35 < lost.mean() < 0.65


def test_units_without_amount_are_kept_and_one_of_those_with_any_is_lost():
    seeds = torch.tensor(ON_GRID[:10])
    amount = torch.zeros(10, 1, 96, 96)
    amount[..., 32:64, 16:64] = 0.01
    lost = transmission.lost_units(amount, seeds)
    assert (lost[amount == 0] == 0).all()
    assert (lost.sum((1, 2, 3)) == 256).all()
    assert transmission.lost_units(torch.zeros(10, 1, 96, 96), seeds).abs().max() == 0
    assert torch.equal(transmission.lost_units(lost, seeds), lost)


@pytest.mark.parametrize("seed", [ON_GRID[0], OFF_GRID[0], OFF_GRID[1]])
def test_concealment_equals_its_twin(crops, seed):
    image = crops[:1]
    seeds = torch.tensor([seed])
    lost = transmission.lost_units(full(image, 1.0), seeds)
    done = transmission.block_loss(image, lost, seeds)
    phase = tuple(grid_phase(seeds)[0].tolist())
    expected = concealed_loop(image[0].double().numpy(), lost[0, 0].numpy() > 0, phase)
    np.testing.assert_allclose(done[0], expected, atol=2e-6)
    assert not torch.equal(done, image)


def test_slopes_are_concealed_without_a_trace():
    y, x = torch.arange(96.0).reshape(-1, 1), torch.arange(96.0).reshape(1, -1)
    slope = (0.2 + 0.004 * y + 0.002 * x).expand(1, 3, 96, 96)
    seeds = torch.tensor(ON_GRID[:1])
    done = transmission.block_loss(slope, transmission.lost_units(full(slope, 1.0), seeds), seeds)
    torch.testing.assert_close(done[..., 16:-16, 16:-16], slope[..., 16:-16, 16:-16], rtol=0, atol=1e-5)
