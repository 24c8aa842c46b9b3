"""Learning rate and weights over time."""

import math

import pytest

from pyiqa_pixelperfect.training.schedule import geometric, warmup_cosine


def test_the_rate_rises_evenly_then_falls_by_half_a_cosine():
    rates = [warmup_cosine(step, 100, 10) for step in range(101)]
    assert rates[:10] == pytest.approx([0.1 * (step + 1) for step in range(10)])
    assert rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0.0, abs=1e-15)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[32] == pytest.approx(0.5 * (1 + math.cos(math.pi * 22 / 90)))


@pytest.mark.parametrize(("steps", "warmup"), [(1, 0), (0, 0), (10, 0), (10, 10), (10, 50), (1, 1)])
def test_the_rate_stays_between_0_and_1_in_odd_cases(steps, warmup):
    assert all(0 <= warmup_cosine(step, steps, warmup) <= 1 for step in range(steps + 3))


def test_without_warm_up_the_first_step_is_at_full_rate():
    assert warmup_cosine(0, 10, 0) == 1.0


def test_geometric_moves_by_a_constant_ratio_from_end_to_end():
    weights = [geometric(step, 5, 16.0, 1.0) for step in range(8)]
    assert weights == pytest.approx([16, 8, 4, 2, 1, 1, 1, 1])
    assert geometric(3, 9, 2.5, 2.5) == 2.5
    assert geometric(0, 1, 10.0, 2.0) == 10.0
