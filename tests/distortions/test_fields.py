"""Amount fields against their twins, and what each shape promises."""

import numpy as np
import pytest
import torch

from pyiqa_pixelperfect.distortions.fields import (
    FIELD_SHAPES,
    FieldSettings,
    amount_fields,
    perlin_field,
    perlin_noise,
)
from pyiqa_pixelperfect.errors import ConfigError
from reference.fields import amount_field_loop, perlin_loop

LOCAL = [shape for shape in FIELD_SHAPES if shape != "global"]


def settings_of(batch: int, seed: int = 0) -> FieldSettings:
    generator = torch.Generator().manual_seed(seed)
    draws = torch.rand(6, batch, generator=generator)
    return FieldSettings(
        shape=torch.arange(batch) % len(FIELD_SHAPES),
        scale=32 + 90 * draws[0],
        persistence=0.7 * draws[1],
        coverage=0.1 + 0.5 * draws[2],
        softness=0.02 + draws[3],
        variation=0.6 * draws[4],
        seeds=(draws[5] * 2**31).long(),
    )


@pytest.mark.parametrize(("seed", "scale", "stream"), [(0, 7.3, 0), (12345, 21.0, 40), (2**31 - 1, 3.1, 50)])
def test_perlin_noise_equals_its_twin(seed, scale, stream):
    noise = perlin_noise(torch.tensor([seed]), torch.tensor([scale]), 33, 40, stream)[0]
    np.testing.assert_allclose(noise, perlin_loop(seed, scale, 33, 40, stream), atol=2e-5)


def test_perlin_noise_is_zero_at_lattice_points_and_smooth_between():
    noise = perlin_noise(torch.arange(5), torch.full((5,), 8.0), 65, 65)
    assert noise[:, ::8, ::8].abs().max() == 0
    assert 0.35 < noise.abs().max() < 0.75
    assert noise.diff(dim=1).abs().max() < 0.4
    assert noise.diff(dim=2).abs().max() < 0.4


@pytest.mark.parametrize("shape", FIELD_SHAPES)
@pytest.mark.parametrize(("seed", "height", "width", "coverage"), [(3, 33, 47, 0.4), (77, 64, 40, 0.4), (5, 33, 40, 1)])
def test_fields_equal_their_twin(shape, seed, height, width, coverage):
    numbers = {"scale": 40.0, "persistence": 0.5, "coverage": coverage, "softness": 0.3, "variation": 0.5}
    field = perlin_field(seed, height, width, shape=shape, **numbers)[0, 0]
    expected = amount_field_loop(shape, seed, height, width, **numbers)
    np.testing.assert_allclose(field, expected, atol=1e-3)


@pytest.mark.parametrize("shape", [s for s in LOCAL if s != "blocks"])
@pytest.mark.parametrize("coverage", [0.08, 0.2, 0.4, 0.6])
def test_share_covered_is_the_share_asked_for(shape, coverage):
    for size in ((64, 64), (80, 121)):
        covered = [(perlin_field(s, *size, shape=shape, coverage=coverage) > 0).float().mean() for s in range(8)]
        assert np.mean(covered) == pytest.approx(coverage, abs=0.012)
        assert max(abs(c - coverage) for c in covered) < 0.035


@pytest.mark.parametrize("coverage", [0.005, 0.02, 0.1, 0.2, 0.4, 0.6, 1.0])
@pytest.mark.parametrize("size", [(33, 47), (96, 96), (32, 32)])
def test_blocks_cover_the_number_of_whole_blocks_next_to_the_share(coverage, size):
    rows, columns = -(-size[0] // 16), -(-size[1] // 16)
    for seed in range(8):
        field = perlin_field(seed, *size, shape="blocks", coverage=coverage, variation=0.5)[0, 0]
        covered = field[::16, ::16] > 0
        assert covered.sum() == max(1, round(coverage * rows * columns))
        whole = covered.repeat_interleave(16, 0).repeat_interleave(16, 1)[: size[0], : size[1]]
        assert torch.equal(field > 0, whole)


def test_blocks_are_whole_blocks():
    field = perlin_field(4, 96, 96, shape="blocks", coverage=0.5)[0, 0]
    blocks = field.reshape(6, 16, 6, 16).transpose(1, 2).flatten(2)
    assert (blocks == blocks[..., :1]).all()
    assert 0 < (blocks[..., 0] > 0).sum() < 36


def test_gradients_rise_along_one_direction_only():
    for seed in range(6):
        field = perlin_field(seed, 64, 64, shape="gradient", coverage=0.6)[0, 0]
        inside = field[1:-1, 1:-1] > 0
        down, across = field.diff(dim=0)[:-1, 1:-1], field.diff(dim=1)[1:-1, :-1]
        for step in (down, across):
            signs = step[inside & (step.abs() > 1e-5)].sign()
            assert len(signs) == 0 or (signs == signs[0]).all()


def test_softness_widens_the_border_and_variation_lowers_the_inside():
    hard = perlin_field(1, 96, 96, softness=0.02)
    soft = perlin_field(1, 96, 96, softness=1.0)
    assert ((hard > 0) == (soft > 0)).all()
    assert (soft <= hard).all()
    assert ((hard > 0) & (hard < 1)).sum() < 0.3 * ((soft > 0) & (soft < 1)).sum()
    varied = perlin_field(1, 96, 96, softness=0.02, variation=0.6)
    assert ((varied > 0) == (hard > 0)).all()
    assert (varied <= hard).all()
    assert varied[hard == 1].std() > 0.02
    assert varied[hard == 1].min() >= 0.4


def test_scale_sets_the_size_of_islands():
    def changes(scale: float) -> float:
        fields = [perlin_field(s, 128, 128, scale=scale, persistence=0.0, softness=0.02) > 0 for s in range(6)]
        return float(np.mean([f[..., 1:].ne(f[..., :-1]).float().mean() for f in fields]))

    assert changes(24) > 1.5 * changes(48) > 2 * changes(128)


def test_fields_stay_in_range_and_do_not_depend_on_the_batch():
    settings = settings_of(12)
    fields = amount_fields(settings, 37, 53)
    assert fields.shape == (12, 1, 37, 53)
    assert fields.dtype == torch.float32
    assert fields.isfinite().all()
    assert fields.min() >= 0
    assert fields.max() <= 1
    assert torch.equal(fields, amount_fields(settings.to(torch.device("cpu")), 37, 53))
    for row in range(12):
        assert torch.equal(amount_fields(settings.select(torch.tensor([row])), 37, 53)[0], fields[row])
    order = torch.tensor([7, 0, 11])
    assert torch.equal(amount_fields(settings.select(order), 37, 53), fields[order])


@pytest.mark.parametrize("shape", LOCAL)
def test_seeds_matter_and_repeat(shape):
    first, again, other = (perlin_field(seed, 64, 64, shape=shape) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_unknown_shapes_are_refused():
    with pytest.raises(ConfigError, match=r"shape: expected one of perlin, .*, got 'star'"):
        perlin_field(0, 64, 64, shape="star")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seed": -1}, r"seed: expected a whole number in \[0, 2\^32\), got -1"),
        ({"seed": 2**32}, "seed: expected a whole number"),
        ({"seed": 0.5}, "seed: expected a whole number"),
        ({"height": 7}, "height: expected at least 8 pixels, got 7"),
        ({"width": 0}, "width: expected at least 8 pixels, got 0"),
        ({"scale": 4.0}, r"scale: expected a number of pixels above 4, got 4\.0"),
        ({"scale": float("inf")}, "scale: .* got inf"),
        ({"persistence": -0.1}, r"persistence: expected a number in \[0, 1\]"),
        ({"persistence": 1.1}, "persistence: "),
        ({"coverage": 0.0}, r"coverage: expected a share of the picture in \(0, 1\]"),
        ({"coverage": 1.01}, "coverage: "),
        ({"coverage": float("nan")}, "coverage: .* got nan"),
        ({"softness": 0.0}, "softness: expected a number above 0"),
        ({"variation": 1.0}, r"variation: expected a number in \[0, 1\)"),
        ({"variation": -0.1}, "variation: "),
    ],
)
def test_numbers_out_of_range_are_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        perlin_field(**({"seed": 0, "height": 64, "width": 64} | wrong))


@pytest.mark.parametrize("shape", FIELD_SHAPES)
def test_numbers_at_the_ends_of_their_ranges_make_fields(shape):
    for numbers in (
        {"seed": 0, "height": 8, "width": 8, "coverage": 1.0},
        {"seed": 2**32 - 1, "height": 9, "width": 41, "scale": 4.001, "persistence": 1.0},
        {"seed": 7, "height": 64, "width": 64, "coverage": 1e-6, "softness": 1e-6, "variation": 0.999},
    ):
        field = perlin_field(shape=shape, **numbers)
        assert field.isfinite().all()
        assert field.min() >= 0
        assert field.max() <= 1
