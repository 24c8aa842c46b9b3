"""Severity: nothing for equal pictures, bounded, and rising with every number by construction."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyiqa_pixelperfect.pixelperfect.dissimilarity import DISSIMILARITIES
from pyiqa_pixelperfect.pixelperfect.severity import Severity


def network(seed: int = 0) -> Severity:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        severity = Severity(hidden=6)
        with torch.no_grad():
            severity.usual.uniform_(0.05, 0.5)
            severity.inner.add_(torch.randn(severity.inner.shape))
    return severity


def test_it_equals_its_slow_twin():
    severity, numbers = network(), torch.rand(3, DISSIMILARITIES, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        answers = severity(numbers)
        inner = [[math.log1p(math.exp(w)) for w in row] for row in severity.inner.tolist()]
        outer = [math.log1p(math.exp(w)) for w in severity.outer.tolist()]
    for row, answer in zip(numbers.tolist(), answers.tolist(), strict=True):
        usual = [n / u for n, u in zip(row, severity.usual.tolist(), strict=True)]
        inputs = [math.sqrt(n + 1e-4) - 1e-2 for n in usual] + usual
        units = [sum(w * n for w, n in zip(weights, inputs, strict=True)) for weights in inner]
        units = [math.tanh(unit) for unit in units[:3]] + units[3:]
        total = sum(w * unit for w, unit in zip(outer, units, strict=True))
        assert answer == pytest.approx(total / (1 + total), rel=1e-4)


@settings(max_examples=50, derandomize=True, database=None)
@given(st.integers(0, 10_000), st.integers(0, DISSIMILARITIES - 1), st.floats(0.01, 3))
def test_it_rises_with_every_number_and_stays_below_1(seed, place, more):
    severity = network(seed % 5)
    numbers = torch.rand(DISSIMILARITIES, generator=torch.Generator().manual_seed(seed))
    worse = numbers.clone()
    worse[place] += more
    with torch.no_grad():
        assert 0 < severity(numbers) < severity(worse) < 1


def test_equal_pictures_have_none_and_gradients_are_finite_there():
    numbers = torch.zeros(2, DISSIMILARITIES, requires_grad=True)
    answer = network()(numbers)
    assert torch.equal(answer, torch.zeros(2))
    answer.sum().backward()
    assert numbers.grad.isfinite().all()


def test_numbers_are_measured_by_their_usual_size():
    severity, numbers = network(), torch.rand(100, DISSIMILARITIES, generator=torch.Generator().manual_seed(2))
    severity.standardize(numbers)
    torch.testing.assert_close(severity.usual, numbers.square().mean(0).sqrt() + 1e-6)
