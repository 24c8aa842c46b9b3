"""The two logistic curves that take scores to ratings before Pearson's correlation and the error are computed.

Four parameters: VQEG, Final report from the Video Quality Experts Group, phase I, 2000,
``b2 + (b1 - b2) / (1 + exp(-(x - b3) / b4))``. Five: H. R. Sheikh, M. F. Sabir, A. C. Bovik, "A statistical evaluation
of recent full reference image quality assessment algorithms", IEEE TIP 15(11), 2006,
``b1 (1/2 - 1 / (1 + exp(b2 (x - b3)))) + b4 x + b5``.

Fitted by least squares from several starts, on standardized scores and ratings, which makes the same starts good for
metrics of any unit. pyiqa fits from one start on raw scores and gives up where that one fails.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from scipy.optimize import least_squares
from scipy.special import expit

from benchmark.statistics import Values

__all__ = ["Fit", "Parameters", "curve", "fit_logistic", "slopes"]

Parameters: TypeAlias = Literal[4, 5]

_DECIMALS = 9  # of standardized data: sums of the same numbers differ in their last bits with where they lie in memory
_STEEPNESS = (1.0, 4.0, 0.25)  # starts: a curve as wide as the scores, a steep one, a nearly straight one


@dataclass(frozen=True)
class Fit:
    """A fitted curve.

    Attributes:
        parameters: ``b1 .. b4`` or ``b1 .. b5`` in the units of the data.
        values: the curve at the scores that were given.
        rmse: root mean squared error against the ratings, in their unit.
    """

    parameters: tuple[float, ...]
    values: Values
    rmse: float


def curve(scores: Values, parameters: Sequence[float] | Values) -> Values:
    """Return the curve with four or five parameters at some scores."""
    if len(parameters) == 4:
        high, low, middle, width = parameters
        values: Values = low + (high - low) * expit((scores - middle) / width)
        return values
    height, rate, middle, slope, shift = parameters
    bent: Values = height * (0.5 - expit(-rate * (scores - middle))) + slope * scores + shift
    return bent


def slopes(scores: Values, parameters: Sequence[float] | Values) -> Values:
    """Return the derivatives of the curve by its parameters, ``(N, 4)`` or ``(N, 5)``."""
    if len(parameters) == 4:
        high, low, middle, width = parameters
        away = (scores - middle) / width
        share = expit(away)
        by_away = (high - low) * share * expit(-away)
        columns = [share, 1.0 - share, -by_away / width, -by_away * away / width]
    else:
        height, rate, middle, _, _ = parameters
        away = scores - middle
        share = expit(-rate * away)
        by_turn = height * share * expit(rate * away)
        columns = [0.5 - share, by_turn * away, -by_turn * rate, scores, np.ones_like(scores)]
    return np.stack(columns, axis=1)


def fit_logistic(scores: Values, ratings: Values, parameters: Parameters) -> Fit | None:
    """Fit a curve.

    Args:
        scores: finite, ``(N,)``.
        ratings: finite, ``(N,)``.
        parameters: 4 or 5.

    Returns:
        The best of all starts; ``None`` with too few points, constant scores or ratings, or no finite curve.
    """
    scores, ratings = np.asarray(scores, dtype=np.float64), np.asarray(ratings, dtype=np.float64)
    if scores.size <= parameters or scores.std() == 0.0 or ratings.std() == 0.0:
        return None
    center, scale = float(scores.mean()), float(scores.std())
    level, spread = float(ratings.mean()), float(ratings.std())
    # A search that may wander would make differences one can see out of last bits.
    x, y = np.round((scores - center) / scale, _DECIMALS), np.round((ratings - level) / spread, _DECIMALS)
    solved = [_solve(x, y, start) for start in _starts(x, y, parameters)]
    found = [item for item in solved if item is not None]
    if not found:
        return None
    best = min(found, key=lambda item: item[0])[1]
    fitted = _in_units(best, center, scale, level, spread)
    values = curve(scores, fitted)
    return Fit(fitted, values, float(np.sqrt(np.mean((values - ratings) ** 2))))


def _starts(x: Values, y: Values, parameters: Parameters) -> list[list[float]]:
    rising = bool(np.corrcoef(x, y)[0, 1] >= 0.0)
    high, low = (float(y.max()), float(y.min())) if rising else (float(y.min()), float(y.max()))
    if parameters == 4:
        return [[high, low, 0.0, 1.0 / steep] for steep in _STEEPNESS]
    return [[high - low, steep, 0.0, slope, 0.0] for steep in _STEEPNESS for slope in (0.0, 0.5 if rising else -0.5)]


def _solve(x: Values, y: Values, start: list[float]) -> tuple[float, Values] | None:
    residuals: Callable[[Values], Values] = lambda parameters: curve(x, parameters) - y  # noqa: E731
    slope: Callable[[Values], Values] = lambda parameters: slopes(x, parameters)  # noqa: E731
    with np.errstate(all="ignore"):
        try:
            answer = least_squares(residuals, start, slope, method="lm", max_nfev=4000)
        except ValueError:  # residuals that are not finite
            return None
    # A start that ran into its limit counts with the curve it has reached: where five parameters describe a curve of
    # four, some wander off for ever while the curve stands still.
    return (float(answer.cost), answer.x) if np.isfinite(answer.cost) else None


def _in_units(fit: Values, center: float, scale: float, level: float, spread: float) -> tuple[float, ...]:
    if len(fit) == 4:
        high, low, middle, width = (float(value) for value in fit)
        if width < 0.0:  # the same curve, told the usual way round
            high, low, width = low, high, -width
        return (level + spread * high, level + spread * low, center + scale * middle, scale * width)
    height, rate, middle, slope, shift = (float(value) for value in fit)
    if rate < 0.0:
        height, rate = -height, -rate
    return (
        spread * height,
        rate / scale,
        center + scale * middle,
        spread * slope / scale,
        level + spread * (shift - slope * center / scale),
    )
