"""Random numbers by counting: equal to their twins in plain integers, and random enough."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pyiqa_pixelperfect.distortions import counter
from pyiqa_pixelperfect.distortions.counter import (
    _splitmix64,
    hashed,
    hashed_normal,
    hashed_row,
    hashed_uniform,
    planned_seeds,
    planned_uniform,
)
from reference.counter import (
    fmix32,
    hashed_normal_loop,
    hashed_one,
    hashed_uniform_loop,
    planned_bits,
    row_hashed_one,
    splitmix64,
)

CASES = settings(max_examples=60, derandomize=True, database=None)
COUNT = 40_000


def test_published_outputs():
    assert splitmix64(1234567) == 6457827717110365317
    assert fmix32(1) == 0x514E28B7
    assert int(_splitmix64(np.array([1234567], np.uint64))[0]) == 6457827717110365317


@CASES
@given(st.integers(-(2**63), 2**64), st.integers(0, 10**6), st.integers(0, 2**63 - 1), st.integers(0, 100))
def test_planned_numbers_equal_their_twin(seed, epoch, index, stream):
    bits = planned_bits(seed, epoch, index, stream, 5)
    rows = np.array([index], np.int64)
    assert planned_uniform(seed, epoch, rows, stream, 5)[0].tolist() == [(b >> 11) / 2**53 for b in bits]
    assert planned_seeds(seed, epoch, rows, stream, 5)[0].tolist() == [b >> 33 for b in bits]


@CASES
@given(st.integers(0, 2**63 - 1), st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=5), st.integers(0, 100))
def test_hashes_equal_their_twin(seed, positions, stream):
    bits = hashed(torch.tensor([seed]), torch.tensor([positions], dtype=torch.int32), stream)
    assert bits.dtype == torch.int32
    assert [b % 2**32 for b in bits[0].tolist()] == [hashed_one(seed, p, stream) for p in positions]


@CASES
@given(st.integers(0, 2**63 - 1), st.integers(1, 40), st.integers(0, 100))
def test_rows_of_hashes_equal_their_twin(seed, count, stream):
    bits = hashed_row(torch.tensor([3, seed]), count, stream)
    assert bits.shape == (2, count)
    assert [b % 2**32 for b in bits[1].tolist()] == [row_hashed_one(seed, p, stream) for p in range(count)]


def test_rows_are_the_same_whether_their_positions_are_kept_or_not(monkeypatch):
    seeds = torch.tensor([5, 6])
    kept = hashed_row(seeds, 1000, 4)
    assert torch.equal(hashed_row(seeds, 1000, 4), kept)  # what is kept was not changed
    monkeypatch.setattr(counter, "_KEPT", 999)
    assert torch.equal(hashed_row(seeds, 1000, 4), kept)


@pytest.mark.parametrize("count", [1, 2, 7, 50])
def test_numbers_of_a_seed_equal_their_twins(count):
    seeds = torch.tensor([0, 3, 2**31 - 1])
    uniform, normal = hashed_uniform(seeds, (count,), 9), hashed_normal(seeds, (count,), 9)
    for row, seed in enumerate(seeds.tolist()):
        np.testing.assert_allclose(uniform[row], hashed_uniform_loop(seed, count, 9), atol=1e-7)
        np.testing.assert_allclose(normal[row], hashed_normal_loop(seed, count, 9), atol=2e-5)


def test_seeds_are_left_alone_and_shapes_hold():
    for dtype in (torch.int64, torch.int32):
        seeds = torch.tensor([5, 6], dtype=dtype)
        assert hashed_normal(seeds, (3, 4, 5), 1).shape == (2, 3, 4, 5)
        assert seeds.tolist() == [5, 6]


def row_uniform(seeds, shape, stream):
    return counter._unit(hashed_row(seeds, int(np.prod(shape)), stream)).reshape(-1, *shape)


def uniform_sets():
    """Named sets of numbers that should be even: along positions, seeds, streams and all of the plan's coordinates."""
    one, many = torch.tensor([7]), torch.arange(COUNT)
    yield "row", row_uniform(one, (COUNT,), 1)[0].numpy()
    yield "row, seeds", row_uniform(many, (1,), 1)[:, 0].numpy()
    yield "row, streams", np.array([row_uniform(one, (1,), stream).item() for stream in range(2000)])
    yield "positions", hashed_uniform(one, (COUNT,), 1)[0].numpy()
    yield "seeds", hashed_uniform(many, (1,), 1)[:, 0].numpy()
    yield "streams", np.array([hashed_uniform(one, (1,), stream).item() for stream in range(2000)])
    rows = np.arange(COUNT)
    yield "samples", planned_uniform(0, 0, rows, 0, 1)[:, 0]
    yield "draws", planned_uniform(0, 0, rows[:1], 0, COUNT)[0]
    yield "epochs", np.array([planned_uniform(0, epoch, rows[:1], 0, 1).item() for epoch in range(2000)])
    yield "plan seeds", np.array([planned_uniform(seed, 0, rows[:1], 0, 1).item() for seed in range(2000)])
    yield "plan streams", np.array([planned_uniform(0, 0, rows[:1], stream, 1).item() for stream in range(2000)])
    yield "seeds of seeds", planned_seeds(0, 0, rows, 3, 1)[:, 0] / 2**31


def test_numbers_are_even():
    for name, values in uniform_sets():
        assert values.min() >= 0, name
        assert values.max() < 1, name
        bins = np.histogram(values, 64, (0, 1))[0]
        assert stats.chisquare(bins).pvalue > 1e-4, name
        assert stats.kstest(values, "uniform").pvalue > 1e-4, name
        low_bits = np.histogram(np.mod(values * 2**18, 1.0), 32, (0, 1))[0]
        assert stats.chisquare(low_bits).pvalue > 1e-4, name
        assert abs(np.corrcoef(values[1:], values[:-1])[0, 1]) < 4.5 / len(values) ** 0.5, name


def test_normal_numbers_are_normal():
    for values in (hashed_normal(torch.tensor([3]), (COUNT,), 2)[0], hashed_normal(torch.arange(COUNT), (1,), 2)[:, 0]):
        assert stats.kstest(values.numpy(), "norm").pvalue > 1e-4
        assert abs(stats.kurtosis(values.numpy())) < 0.12


@pytest.mark.parametrize("draw", [hashed_uniform, hashed_normal, row_uniform])
def test_neighbors_are_unrelated(draw):
    planes = draw(torch.arange(40, 48), (160, 160), 2).double().numpy()
    other = draw(torch.arange(40, 48), (160, 160), 3).double().numpy()
    plane = planes[0]
    pairs = {
        "pixels across": (plane[:, 1:], plane[:, :-1]),
        "pixels down": (plane[1:], plane[:-1]),
        "halves": (plane[:80], plane[80:]),
        "streams": (plane, other[0]),
        **{f"seed {k}": (plane, planes[k]) for k in range(1, 8)},
        # One row on: where hashing is too linear, the plane of a neighboring seed is the same plane moved.
        **{f"moved seed {k}": (plane[:, 1:], planes[k][:, :-1]) for k in range(1, 8)},
    }
    for name, (a, b) in pairs.items():
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4.5 / a.size**0.5, name
        squares = np.corrcoef((a - a.mean()).ravel() ** 2, (b - b.mean()).ravel() ** 2)[0, 1]
        assert abs(squares) < 4.5 / a.size**0.5, f"{name}, squared"


def test_a_row_does_not_depend_on_the_others():
    rows = np.array([9, 2, 5])
    together = planned_uniform(1, 2, rows, 3, 4)
    for row in range(3):
        assert (planned_uniform(1, 2, rows[row : row + 1], 3, 4)[0] == together[row]).all()
    seeds = torch.tensor([9, 2, 5])
    normal = hashed_normal(seeds, (3, 33, 7), 4)
    for row in range(3):
        assert torch.equal(hashed_normal(seeds[row : row + 1], (3, 33, 7), 4)[0], normal[row])
