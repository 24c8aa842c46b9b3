"""No silent NaN (promise T3)."""

import math

import pytest
import torch

from pyiqa_pixelperfect.errors import TrainingDivergedError
from pyiqa_pixelperfect.training.guards import FiniteGuard, check_finite

BAD = [(math.nan, 1.0), (math.inf, 1.0), (1.0, math.nan), (1.0, -math.inf)]


@pytest.mark.parametrize(("loss", "norm"), BAD)
def test_t3_three_bad_steps_in_a_row_end_the_run(loss, norm):
    guard = FiniteGuard()
    assert guard.accept(0, 1.0, 1e30)
    assert not guard.accept(1, loss, norm)
    assert not guard.accept(2, loss, norm)
    with pytest.raises(
        TrainingDivergedError, match=r"training: expected finite losses and gradients, got .* at step 3, 3"
    ):
        guard.accept(3, loss, norm)
    assert guard.skipped == 3


def test_t3_single_bad_steps_are_skipped_and_counted():
    guard = FiniteGuard(patience=2)
    accepted = [guard.accept(step, math.nan if step % 2 else 0.1, 1.0) for step in range(10)]
    assert accepted == [True, False] * 5
    assert guard.skipped == 5


def test_a_resumed_run_goes_on_counting():
    guard = FiniteGuard()
    guard.accept(0, math.nan, 1.0)
    guard.accept(1, math.nan, 1.0)
    resumed = FiniteGuard()
    resumed.load_state_dict(guard.state_dict())
    assert resumed.skipped == 2
    with pytest.raises(TrainingDivergedError):
        resumed.accept(2, math.nan, 1.0)
    old = FiniteGuard()
    old.load_state_dict({})  # from a checkpoint of before
    assert (old.skipped, old.in_a_row) == (0, 0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_t3_weights_that_are_no_numbers_are_named(value):
    good = {"a": torch.ones(3), "count": torch.tensor(2), "none": torch.zeros(0)}
    check_finite(4, good)
    with pytest.raises(
        TrainingDivergedError, match=r"expected finite weights, got 1 of 2 values of bad NaN .* at step 4"
    ):
        check_finite(4, {**good, "bad": torch.tensor([0.0, value])})
