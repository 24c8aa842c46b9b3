"""Tile by tile or all at once: the same answers, to rounding, on any size."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from pyiqa_pixelperfect import pictures as pictures_module
from pyiqa_pixelperfect.errors import ImageError
from pyiqa_pixelperfect.pictures import Picture
from pyiqa_pixelperfect.pixelperfect import metric as metric_module
from pyiqa_pixelperfect.pixelperfect import tiling
from pyiqa_pixelperfect.pixelperfect.conv_encoder import CONTEXT, STRIDE
from pyiqa_pixelperfect.pixelperfect.map_cells import MAP_STRIDE
from pyiqa_pixelperfect.pixelperfect.picture_statistics import picture_statistics
from pyiqa_pixelperfect.pixelperfect.tiling import tiles_of

SEAM = 1e-6  # of maps: a thousandth of what was promised


def pair(seed: int, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """8-bit pictures: a smooth one with noise that grows from left to right, and without."""
    generator = torch.Generator().manual_seed(seed)
    smooth = torch.rand(1, 3, height // 16 + 2, width // 16 + 2, generator=generator)
    clean = F.interpolate(smooth, size=(height, width), mode="bicubic").clamp(0, 1)
    noise = torch.randn(clean.shape, generator=generator) * torch.linspace(0, 0.2, width)
    return tuple((picture * 255).round().to(torch.uint8) for picture in ((clean + noise).clamp(0, 1), clean))


@pytest.mark.parametrize(("height", "width", "tile"), [(263, 231, 64), (601, 70, 256), (33, 777, 96)])
def test_n2_tiles_give_the_answers_of_the_whole_picture(small, height, width, tile):
    image, reference = (Picture(pixels) for pixels in pair(height, height, width))
    whole, tiled = (small.compare(image, reference, tile=side) for side in (None, tile))
    assert len(tiles_of(height, width, small.map_network, tile)) >= 3
    assert (whole.maps - tiled.maps).abs().max() <= SEAM
    assert abs(whole.score - tiled.score).item() <= 1e-5 * max(1, abs(whole.score.item()))
    assert whole.maps.std() > 0.01


def test_a_cell_sees_as_far_as_its_context_and_no_farther(small):
    """In double precision, and with every ReLU open: what does not change the cells then never does."""
    network = small.map_network.double()
    for parameter in network.parameters():
        parameter.data.abs_()
    for name, buffer in network.named_buffers():
        buffer.zero_() if name.endswith("running_mean") else None
    side = 2 * CONTEXT + 8 * STRIDE
    first, last = (side // 2 // STRIDE * STRIDE, side // 2 // STRIDE * STRIDE + STRIDE)  # px of the cells looked at
    cells = slice(first // MAP_STRIDE, last // MAP_STRIDE)
    image = (0.7 + 0.3 * torch.rand(1, 3, 64, side, dtype=torch.float64)).requires_grad_()
    pyramid, black = network.encode(image), network.encode(torch.zeros_like(image))
    network.fuse(pyramid, black)[..., cells].sum().backward()
    seen = image.grad.abs().sum((0, 1, 2)).nonzero().flatten()
    assert first - CONTEXT == int(seen.min())
    assert int(seen.max()) < last + CONTEXT


@given(height=st.integers(32, 3000), width=st.integers(32, 3000), tile=st.integers(64, 1500))
@settings(max_examples=60)
def test_tiles_cover_every_cell_once(height, width, tile):
    class Network:
        context, alignment = 184, 32

    covered = torch.zeros(-(-height // MAP_STRIDE), -(-width // MAP_STRIDE), dtype=torch.int64)
    for part in tiles_of(height, width, Network(), tile):
        covered[part.cells] += 1
        for pixels, outer, length in (
            (part.rows, part.outer_rows, height),
            (part.columns, part.outer_columns, width),
        ):
            assert pixels.stop - pixels.start <= max(tile, 64) + 31
            assert pixels.start % 32 == outer.start % 32 == 0
            assert outer.start == 0 or pixels.start - outer.start >= 184
            assert outer.stop == length or outer.stop - pixels.stop >= 184
            assert outer.stop - outer.start >= 32
    assert bool((covered == 1).all())


def test_large_pictures_are_tiled_by_themselves_and_their_maps_stay_small(small, monkeypatch):
    image, reference = pair(1, 500, 811)
    whole = small.compare(Picture(image), Picture(reference))
    monkeypatch.setattr(tiling, "WHOLE", 100_000)
    monkeypatch.setattr(tiling, "LONG_UP_TO", 200_000)
    monkeypatch.setattr(tiling, "TILE", 384)
    monkeypatch.setattr(metric_module, "_FULL_MAPS", 100_000)
    sizes, encode = [], small.map_network.encode
    monkeypatch.setattr(small.map_network, "encode", lambda images: sizes.append(images.shape) or encode(images))
    large = small.compare(Picture(image), Picture(reference))
    assert len(sizes) == 6
    assert large.stride == 4
    assert large.size == (500, 811)
    assert tuple(large.maps.shape[2:]) == (125, 203)
    assert large.score.item() == pytest.approx(whole.score.item(), abs=1e-5)
    for rows, columns in itertools.product(
        (slice(None), slice(37, 90), slice(496, 500)), (slice(None), slice(2, -7), slice(400, 999))
    ):
        assert (large.region(rows, columns) - whole.maps[..., rows, columns]).abs().max() <= 1e-5
    assert torch.equal(whole.region(slice(3, 9), slice(4, 7)), whole.maps[..., 3:9, 4:7])
    for row, other in zip(whole.summary().rows, large.summary().rows, strict=True):
        assert row.amount == pytest.approx(other.amount, abs=0.01)
    with torch.no_grad():
        floats = Picture(image).whole(), Picture(reference).whole()
        assert small(*floats).item() == pytest.approx(whole.score.item(), abs=1e-5)
        assert len(sizes) == 12
    small(*floats)
    assert len(sizes) == 13  # gradients need all of it at once


@pytest.mark.parametrize(
    ("sides", "tile"), [((2048, 2048), None), ((2048, 2080), 1536), ((4096, 4096), 1536), ((4096, 4128), 768)]
)
def test_tiles_are_long_where_there_is_room_for_them(sides, tile):
    assert tiling.tile_side(*sides, context=184) == tile
    assert tiling.tile_side(*sides, context=184, pictures=3) == (tile and 768)  # all of them are in memory at once
    assert tiling.tile_side(*sides, context=1000) is None  # surroundings would be most of it


def test_ranking_tile_by_tile_is_ranking(small):
    image, reference = (Picture(pixels) for pixels in pair(2, 200, 333))
    half = Picture(((image.whole() + reference.whole()) * 127.5).round().to(torch.uint8))
    whole, tiled = (small.rank([half, image, reference], reference, tile=tile) for tile in (None, 96))
    assert tiled.order == whole.order
    assert (tiled.pairwise - whole.pairwise).abs().max() <= 1e-5
    for position, candidate in enumerate((half, image, reference)):
        expected = small.compare(candidate, reference).summary()
        for ranking in (whole, tiled):
            assert ranking.summaries[position].verdict == expected.verdict
            assert ranking.summaries[position].score == pytest.approx(expected.score, abs=1e-5)


def test_tiles_that_are_too_small_are_refused(small):
    picture = torch.rand(1, 3, 64, 64)
    with pytest.raises(ImageError, match="tile: expected at least 64 pixels, got 40"):
        small.compare(picture, picture, tile=40)


def test_one_reference_of_many_images_is_encoded_once(small, monkeypatch):
    image, reference = (Picture(pixels).whole() for pixels in pair(3, 64, 96))
    images = torch.cat([image, reference, image * 0.5])
    expected = [small.compare(one[None], reference) for one in images]
    counts, encode = [], small.map_network.encode
    monkeypatch.setattr(small.map_network, "encode", lambda batch: counts.append(len(batch)) or encode(batch))
    together = small.compare(images, reference)
    assert counts == [4]
    assert torch.allclose(together.score, torch.cat([one.score for one in expected]), atol=1e-5)
    assert torch.allclose(together.maps, torch.cat([one.maps for one in expected]), atol=1e-6)


# Of the last one only bands of the first strip are looked at, so the second one has nothing to add to them.
@pytest.mark.parametrize(
    ("height", "width", "rows"), [(161, 77, 32), (96, 64, 32), (200, 90, 32), (416, 640, 64), (224, 1024, 192)]
)
def test_statistics_add_up_over_strips(height, width, rows, monkeypatch):
    image, _ = pair(4, height, width)
    floats = Picture(image).whole()
    statistics = picture_statistics(floats)
    monkeypatch.setattr(pictures_module, "STRIP_PIXELS", rows * width)
    assert len(list(Picture(image).strips())) == -(-(height // 32 * 32) // rows)
    assert (picture_statistics(Picture(image)) - statistics).abs().max() <= 1e-5


@given(height=st.integers(1, 400), side=st.integers(1, 500))
@settings(max_examples=40)
def test_strips_and_smaller_versions_are_the_picture(height, side):
    pixels = torch.randint(0, 256, (2, 3, height, 23), dtype=torch.uint8)
    picture, strips = Picture(pixels), pictures_module.STRIP_PIXELS
    try:
        pictures_module.STRIP_PIXELS = 23 * 40
        assert torch.equal(torch.cat(list(picture.strips()), dim=2), pixels / 255)
        smaller = picture.smaller(side)
    finally:
        pictures_module.STRIP_PIXELS = strips
    factor = -(-max(height, 23) // side)
    assert max(smaller.shape[-2:]) <= side
    assert torch.allclose(smaller, F.avg_pool2d(pixels / 255, factor, ceil_mode=True), atol=1e-6)
