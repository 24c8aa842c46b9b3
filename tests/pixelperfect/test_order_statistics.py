"""Quantiles and order without sorting, against sorting."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pyiqa_pixelperfect.pixelperfect.order_statistics import ascending, order_statistics


@pytest.fixture
def generator():
    return np.random.default_rng(0)


ROWS = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 60)),
    elements=st.one_of(
        st.floats(-(2.0**99), 2.0**99, width=32, allow_subnormal=False),
        st.floats(0, 1, width=32, allow_subnormal=False),
        st.sampled_from([0.0, -0.0, 1.0, -1.0]),
    ),
)


@given(rows=ROWS, shares=st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_numbers_at_places_are_those_of_sorted_rows(rows, shares):
    places = sorted(int(share * (rows.shape[2] - 1)) for share in shares)
    found = order_statistics(torch.from_numpy(rows), places)
    assert np.array_equal(found.numpy(), np.sort(rows, axis=2)[..., places])


@given(rows=ROWS)
def test_equal_numbers_keep_their_order(rows):
    assert np.array_equal(ascending(torch.from_numpy(rows)).numpy(), np.argsort(rows, axis=2, kind="stable"))


@pytest.mark.parametrize("change", [lambda rows: rows.double(), lambda rows: rows.clone().requires_grad_()])
def test_other_kinds_of_rows_are_sorted(change, generator):
    rows = torch.from_numpy(generator.normal(size=(2, 3, 50)).astype(np.float32))
    other = change(rows)
    found = order_statistics(other, [0, 7, 49])
    assert torch.equal(found.detach().float(), order_statistics(rows, [0, 7, 49]))
    assert (found.dtype, found.requires_grad) == (other.dtype, other.requires_grad)
    assert torch.equal(ascending(other), ascending(rows))


def test_many_equal_numbers_and_views_are_no_hindrance(generator):
    rows = torch.from_numpy(generator.integers(-2, 3, size=(2, 4000, 3)).astype(np.float32)).transpose(1, 2)
    places = [0, 100, 2000, 3999]
    assert torch.equal(order_statistics(rows, places), rows.sort(dim=2).values[..., places])
    assert torch.equal(ascending(rows), rows.sort(dim=2, stable=True).indices)
