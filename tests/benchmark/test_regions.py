import numpy as np
import pytest

from benchmark.regions import AREA_RANGE, FEATHER_PIXELS, Region, paste, random_region


@pytest.mark.parametrize("area", [0.1, 0.25, 0.45])
@pytest.mark.parametrize(("height", "width"), [(512, 512), (161, 303), (64, 48)])
def test_area_is_what_was_asked_for(area, height, width, generator):
    region = random_region(height, width, generator, area)
    assert region.alpha.shape == (height, width)
    assert region.area == pytest.approx(area, abs=0.01)


def test_drawn_areas_stay_in_range():
    areas = [random_region(128, 128, np.random.default_rng(seed)).area for seed in range(40)]
    assert min(areas) >= AREA_RANGE[0] - 0.01
    assert max(areas) <= AREA_RANGE[1] + 0.01
    assert max(areas) - min(areas) > 0.2


def test_same_seed_same_region():
    first, second = (random_region(96, 96, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first.alpha, second.alpha)


def test_edge_is_soft_and_narrow(generator):
    region = random_region(512, 512, generator, 0.3)
    edge = ~region.inside & ~region.outside
    assert not (region.inside & region.outside).any()
    assert 0.0 < edge.mean() < 0.15
    steps = np.abs(np.diff(region.alpha, axis=1))
    # Opposite sides of a thin neck can meet within one pixel; everywhere else the ramp has its slope.
    assert np.quantile(steps[steps > 0], 0.99) <= 1.0 / FEATHER_PIXELS + 0.01


def test_regions_are_blobs_and_not_noise(generator):
    region = random_region(256, 256, generator, 0.3)
    crossings = np.count_nonzero(np.diff((region.alpha >= 0.5).astype(int), axis=1), axis=1)
    assert crossings.mean() < 8


@pytest.mark.parametrize("area", [0.0, 1.0, -0.1])
def test_impossible_areas_are_refused(area, generator):
    with pytest.raises(ValueError, match="area"):
        random_region(64, 64, generator, area)


def test_paste_changes_only_the_region(generator):
    clean = generator.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    distorted = 255 - clean
    region = random_region(64, 64, generator, 0.3)
    mixed = paste(clean, distorted, region)
    assert np.array_equal(mixed[region.outside], clean[region.outside])
    assert np.array_equal(mixed[region.inside], distorted[region.inside])


def test_paste_mixes_in_proportion():
    clean, distorted = np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 200, np.uint8)
    assert (paste(clean, distorted, Region(np.full((1, 1), 0.25, np.float32))) == 50).all()
