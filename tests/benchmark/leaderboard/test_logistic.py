import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import approx_fprime

from benchmark.leaderboard.logistic import curve, fit_logistic, slopes

FOUR = (4.5, 1.2, 30.0, 3.0)
FIVE = (3.0, 0.4, 30.0, 0.02, 2.0)


@pytest.mark.parametrize("planted", [FOUR, FIVE])
def test_planted_parameters_are_recovered(planted):
    scores = np.linspace(15.0, 45.0, 80)
    fit = fit_logistic(scores, curve(scores, planted), len(planted))
    assert fit.parameters == pytest.approx(planted, rel=1e-4)
    assert fit.rmse <= 1e-6


@pytest.mark.parametrize("parameters", [FOUR, FIVE, (1.0, 3.0, 25.0, -2.0), (3.0, -0.4, 25.0, 0.02, 2.0)])
def test_slopes_are_those_of_the_curve(parameters):
    scores = np.linspace(15.0, 45.0, 20)
    found = approx_fprime(parameters, lambda given: curve(scores, given), epsilon=1e-7)
    np.testing.assert_allclose(slopes(scores, parameters), found, atol=1e-6)


@settings(max_examples=40)
@given(
    span=st.floats(0.5, 90), low=st.floats(-5, 50), middle=st.floats(-0.5, 0.5), width=st.floats(0.1, 0.6),
    unit=st.sampled_from([1e-3, 1.0, 1e4]), falling=st.booleans(),
)  # fmt: skip
def test_the_curve_is_found_in_any_unit_and_direction(span, low, middle, width, unit, falling):
    high, low = (low, low + span) if falling else (low + span, low)
    scores = unit * np.linspace(-1.5, 1.5, 60)
    ratings = curve(scores, (high, low, unit * middle, unit * width))
    fit = fit_logistic(scores, ratings, 4)
    assert np.abs(fit.values - ratings).max() <= 1e-4 * span


def test_noise_moves_the_parameters_little(generator):
    scores = generator.uniform(15.0, 45.0, 3000)
    ratings = curve(scores, FOUR) + generator.normal(0.0, 0.2, 3000)
    fit = fit_logistic(scores, ratings, 4)
    assert fit.parameters == pytest.approx(FOUR, rel=0.05)
    assert fit.rmse == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize("parameters", [4, 5])
def test_pyiqas_fit_is_never_better(parameters, generator):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pyiqa.metrics.correlation_coefficient import fit_curve
    scores = generator.uniform(0.0, 1.0, 200)
    ratings = 1.0 + 4.0 * scores**3 + generator.normal(0.0, 0.2, 200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its exponentials overflow
        theirs = fit_curve(scores, ratings, f"logistic_{parameters}params")
    ours = fit_logistic(scores, ratings, parameters)
    assert ours.rmse <= np.sqrt(np.mean((theirs - ratings) ** 2)) + 1e-6
    assert stats.pearsonr(ours.values, ratings).statistic >= stats.pearsonr(theirs, ratings).statistic - 1e-6


@pytest.mark.parametrize("parameters", [4, 5])
@pytest.mark.parametrize("noise", [0.05, 1.0])
def test_last_bits_of_the_scores_change_nothing(parameters, noise, generator):
    for _ in range(4):  # a search without minimum, as with noise alone, would carry them up to the second digit
        scores = generator.normal(size=40)
        ratings = np.tanh(4.0 * scores) + noise * generator.normal(size=40)
        moved = np.nextafter(scores, scores + generator.choice([-1.0, 0.0, 1.0], size=40))
        assert fit_logistic(moved, ratings, parameters).rmse == pytest.approx(
            fit_logistic(scores, ratings, parameters).rmse, rel=1e-11
        )


def test_what_cannot_be_fitted_is_none():
    line = np.arange(10.0)
    assert fit_logistic(np.ones(10), line, 4) is None
    assert fit_logistic(line, np.ones(10), 5) is None
    assert fit_logistic(line[:4], line[:4], 4) is None
