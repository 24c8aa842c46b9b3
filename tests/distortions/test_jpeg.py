"""JPEG against Pillow (promise D3), its transform against scipy, its blocks against a twin."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import fft

from pyiqa_pixelperfect.distortions import jpeg
from reference.transforms import align_loop, code_plane_loop, quantization_steps

# dB of PSNR to the source, and mean absolute difference of pixels in steps of 8 bit, against Pillow.
TOLERANCE = {5: (0.05, 0.5), 10: (0.03, 0.5), 30: (0.03, 0.6), 50: (0.03, 0.6), 75: (0.03, 0.6), 95: (0.06, 0.8)}


def coded_by_pillow(picture, quality, subsampling="4:2:0"):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling=subsampling)
    with Image.open(file) as decoded:
        return np.asarray(decoded), decoded.quantization


def coded_by_us(picture, quality, **options):
    image = torch.from_numpy(picture / np.float32(255)).permute(2, 0, 1)[None]
    grid = torch.full((1, 1, picture.shape[0] // 16, picture.shape[1] // 16), float(quality))
    return (jpeg.jpeg_at_quality(image, grid, **options)[0].permute(1, 2, 0) * 255).round().numpy()


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


@pytest.mark.parametrize("quality", TOLERANCE)
def test_d3_jpeg_is_jpeg(photographs, quality):
    decibels, steps = TOLERANCE[quality]
    for photograph in photographs:
        picture = np.ascontiguousarray(photograph[:256, 64:384])
        theirs, ours = coded_by_pillow(picture, quality)[0], coded_by_us(picture, quality)
        assert abs(psnr(ours, picture) - psnr(theirs, picture)) < decibels
        assert np.abs(ours - theirs).mean() < steps


def test_full_chroma_is_jpeg_too(photographs):
    picture = np.ascontiguousarray(photographs[1][:192, :192])
    for quality in (20, 80):
        theirs = coded_by_pillow(picture, quality, "4:4:4")[0]
        ours = coded_by_us(picture, quality, subsample=False)
        assert abs(psnr(ours, picture) - psnr(theirs, picture)) < 0.05
        assert np.abs(ours - theirs).mean() < 0.6


@pytest.mark.parametrize("quality", [1, 4, 5, 13, 30, 37, 49, 50, 51, 77, 95, 100])
def test_tables_are_those_of_libjpeg(quality):
    tables = coded_by_pillow(np.zeros((16, 16, 3), np.uint8), quality)[1]
    for number, table in enumerate((jpeg.LUMA_TABLE, jpeg.CHROMA_TABLE)):
        assert sorted(tables[number]) == sorted(quantization_steps(table, quality).ravel())
        # A block of one coefficient that is half a step comes back as a whole step or none.
        steps = np.array(tables[number], float).reshape(8, 8)
        coefficients = np.zeros((1, 1, 8, 8))
        for u, v in ((0, 0), (0, 3), (5, 2), (7, 7)):
            for factor, expected in ((0.49, 0.0), (0.51, 1.0)):
                coefficients[..., u, v] = factor * steps[u, v]
                plane = torch.from_numpy(fft.idctn(coefficients[0, 0], norm="ortho") + 128).float()[None, None]
                coded = jpeg._quantize(plane, torch.full((1, 1, 1, 1), float(quality)), table)
                back = fft.dctn(coded[0, 0].double().numpy() - 128, norm="ortho")[u, v]
                assert back == pytest.approx(expected * steps[u, v], abs=1e-3)
                coefficients[..., u, v] = 0


@pytest.mark.parametrize("size", [8, 16, 32])
def test_transform_is_that_of_scipy(size):
    blocks = torch.rand(3, size, size, generator=torch.Generator().manual_seed(0))
    matrix = jpeg.dct_matrix(size)
    expected = fft.dctn(blocks.double().numpy(), axes=(1, 2), norm="ortho")
    np.testing.assert_allclose(matrix @ blocks @ matrix.T, expected, atol=5e-6)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(size), rtol=0, atol=1e-6)


def test_blocks_come_apart_and_together():
    planes = torch.arange(2 * 3 * 16 * 24.0).reshape(2, 3, 16, 24)
    blocks = jpeg.to_blocks(planes, 8)
    assert blocks.shape == (2, 3, 2, 3, 8, 8)
    assert torch.equal(blocks[1, 2, 1, 2], planes[1, 2, 8:16, 16:24])
    assert torch.equal(jpeg.from_blocks(blocks), planes)


@pytest.mark.parametrize("table", [jpeg.LUMA_TABLE, jpeg.CHROMA_TABLE])
def test_quality_may_change_from_block_to_block(photographs, table):
    plane = photographs[0][96:144, 200:264, 1].astype(float)
    quality = np.random.default_rng(0).integers(3, 96, (6, 8))
    done = jpeg._quantize(
        torch.from_numpy(plane).float()[None, None], torch.from_numpy(quality).float()[None, None], table
    )
    expected = code_plane_loop(plane, quality, table)
    assert (np.abs(done[0, 0].numpy() - expected) > 1e-2).reshape(6, 8, 8, 8).any((1, 3)).sum() <= 1  # ties may differ


def test_quality_of_a_unit_stays_in_the_unit(photographs):
    picture = torch.from_numpy(photographs[0][96:160, 200:264] / np.float32(255)).permute(2, 0, 1)[None]
    even = torch.full((1, 1, 4, 4), 60.0)
    other = even.clone()
    other[..., 1, 2] = 5.0
    changed = (jpeg.jpeg_at_quality(picture, even) != jpeg.jpeg_at_quality(picture, other)).any(1)[0]
    assert changed[16:32, 32:48].float().mean() > 0.8
    changed[15:33, 31:49] = False  # upsampled chroma reaches one pixel beyond
    assert not changed.any()


def test_amount_sets_the_quality(photographs):
    picture = torch.from_numpy(photographs[2][96:160, 200:264] / np.float32(255)).permute(2, 0, 1)[None]
    still = int(jpeg.grid_phase(torch.arange(50)).sum(1).eq(0).nonzero()[0, 0])
    for amount, quality in ((1e-6, 95), (0.5, 19), (1.0, 4)):
        done = jpeg.jpeg(picture, torch.full((1, 1, 64, 64), amount), torch.tensor([still]))
        options = [jpeg.jpeg_at_quality(picture, torch.full((1, 1, 4, 4), float(quality)), subsample=s) for s in (0, 1)]
        assert any(torch.equal(done, option) for option in options)


def test_grid_phase_moves_half_of_the_grids():
    phase = jpeg.grid_phase(torch.arange(4000))
    still = (phase == 0).all(1)
    assert still.float().mean().item() == pytest.approx(0.5, abs=0.03)
    assert phase[~still].unique().tolist() == list(range(16))


@pytest.mark.parametrize(("height", "width"), [(33, 47), (64, 64), (80, 35)])
def test_frames_are_put_on_and_taken_off(height, width):
    images = torch.rand(3, 3, height, width)
    phase = torch.tensor([[0, 0], [15, 1], [7, 12]])
    for unit in (16, 32):
        framed = jpeg.shift_in(images, phase, unit)
        assert framed.shape[2] % unit == 0
        assert framed.shape[3] % unit == 0
        assert torch.equal(framed[1, :, 15:, 1:][:, :height, :width], images[1])
        assert torch.equal(jpeg.shift_out(framed, phase, height, width), images)


@pytest.mark.parametrize("seed", range(4))
def test_aligned_fields_equal_their_twin(seed):
    amount = torch.rand(1, 1, 37, 53, generator=torch.Generator().manual_seed(seed))
    amount[..., :20, :] = 0
    seeds = torch.tensor([seed])
    phase = tuple(jpeg.grid_phase(seeds)[0].tolist())
    aligned = jpeg.align_to_grid(amount, seeds)
    np.testing.assert_allclose(aligned[0, 0], align_loop(amount[0, 0].double().numpy(), phase), atol=3e-6)
    torch.testing.assert_close(jpeg.align_to_grid(aligned, seeds), aligned, rtol=0, atol=3e-6)
    assert (aligned == 0).any()


@pytest.mark.parametrize("size", [(8, 8), (24, 40), (56, 16)])
def test_chroma_is_halved_and_doubled_as_by_torch(size):
    planes = torch.rand(3, 2, *size, generator=torch.Generator().manual_seed(1)).mul(255).round()
    assert torch.equal(jpeg.halve(planes), torch.nn.functional.avg_pool2d(planes, 2))
    expected = torch.nn.functional.interpolate(planes, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(jpeg.double(planes), expected, rtol=0, atol=1e-4)


def test_what_is_kept_serves_where_gradients_are_taken(crops):
    jpeg._dct_matrices.cache_clear()
    grid = torch.full((1, 1, 2, 2), 30.0)
    with torch.inference_mode():
        expected = jpeg.jpeg_at_quality(crops[..., :32, :32], grid)
    image = crops[..., :32, :32].clone().requires_grad_()
    assert torch.equal(jpeg.jpeg_at_quality(image, grid), expected)
