"""Intervals from resampling whole contents: versions of one photograph are not independent of each other.

The bootstrap gives the standard error of a correlation on Fisher's scale (``atanh``), which makes its distribution
nearly normal; the interval takes Student's t with one degree of freedom less than there are contents. In simulation
this covers the truth in 94 to 96 % of cases even with 25 contents, where plain percentile and BCa intervals cover 91
to 92 %.
Fewer than eight contents are too few to resample, and get no interval.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmark.statistics import Values

__all__ = [
    "FEWEST_CONTENTS",
    "ContentBootstrap",
    "RowStatistic",
    "Rows",
    "rows_mean",
    "rows_plcc",
    "rows_srcc",
    "student_interval",
]

Rows: TypeAlias = NDArray[np.int64]

RowStatistic: TypeAlias = Callable[[Rows], Values]
"""Row numbers ``(S, L)`` of S samples to S values."""

FEWEST_CONTENTS = 8
_CHUNK = 2_000_000  # numbers ranked at a time
_EDGE = 1.0 - 1e-6  # a correlation of 1 has no place on Fisher's scale


class ContentBootstrap:
    """Samples of contents, drawn once, so that all metrics of a set meet the same samples.

    Args:
        contents: the content of every row.
        repeats: number of samples.
        seed: of the draw.
    """

    def __init__(self, contents: Sequence[str], repeats: int, seed: int) -> None:
        self.names = sorted(set(contents))
        self.seed = seed
        places = {name: place for place, name in enumerate(self.names)}
        self._content = np.array([places[name] for name in contents], dtype=np.int64)
        generator = np.random.default_rng(seed)
        self.draws = generator.integers(0, len(self.names), size=(repeats, len(self.names)))

    def replicate(self, statistic: RowStatistic, known: NDArray[np.bool_]) -> Values:
        """Return the statistic of every sample, over the known rows only."""
        rows = [np.flatnonzero((self._content == place) & known) for place in range(len(self.names))]
        sizes = np.array([len(part) for part in rows])
        if (sizes == sizes[0]).all() and sizes[0] > 0:  # samples of equal size can be ranked together
            table = np.stack(rows)  # (contents, versions)
            step = max(1, _CHUNK // int(known.sum()))
            parts = [
                table[draw].reshape(len(draw), -1) for draw in np.split(self.draws, range(step, len(self.draws), step))
            ]
            return np.concatenate([statistic(part) for part in parts])
        samples = (np.concatenate([rows[place] for place in draw]) for draw in self.draws)
        return np.array([float(statistic(sample[None])[0]) for sample in samples])

    def replicate_means(self, values: Values) -> Values:
        """Return the mean over contents of every sample, for one value per content; NaN values are left out."""
        drawn = values[self.draws]
        known = ~np.isnan(drawn)
        counts = known.sum(axis=1)
        sums = np.where(known, drawn, 0.0).sum(axis=1)
        means: Values = np.divide(sums, counts, out=np.full(len(drawn), np.nan), where=counts > 0)
        return means

    def contents_of(self, known: NDArray[np.bool_]) -> int:
        """Return how many contents have known rows."""
        return len(np.unique(self._content[known]))


def student_interval(
    value: float, replicates: Values, contents: int, *, fisher: bool = True, coverage: float = 0.95
) -> tuple[float, float, float]:
    """Return the lower and upper end of the interval, and the p-value against zero; NaN for too few contents.

    Args:
        value: of the statistic on the data.
        replicates: of it on bootstrap samples; NaN values are left out.
        contents: how many contents were resampled.
        fisher: whether the statistic is a correlation (``atanh`` is taken) or a difference.
        coverage: of the interval.
    """
    replicates = replicates[~np.isnan(replicates)]
    if np.isnan(value) or replicates.size < 2 or contents < FEWEST_CONTENTS:
        return float("nan"), float("nan"), float("nan")
    if np.ptp(replicates) < 1e-12:  # perfect within every content: nothing to spread
        return value, value, float(value == 0.0)
    forth, back = (_to_fisher, np.tanh) if fisher else (_same, _same)
    middle = float(forth(np.array(value)))
    # Resampling n contents spreads as n - 1 of them would.
    error = float(np.std(forth(replicates), ddof=1)) * np.sqrt(contents / (contents - 1))
    reach = float(stats.t.ppf(0.5 + 0.5 * coverage, contents - 1)) * error
    low, high = (float(back(np.array(end))) for end in (middle - reach, middle + reach))
    return low, high, 2.0 * float(stats.t.sf(abs(middle) / error, contents - 1))


def rows_srcc(scores: Values, ratings: Values) -> RowStatistic:
    """Return Spearman's correlation as a statistic of rows: Pearson's, of ranks with ties averaged."""

    def statistic(rows: Rows) -> Values:
        return _pearson(stats.rankdata(scores[rows], axis=1), stats.rankdata(ratings[rows], axis=1))

    return statistic


def rows_plcc(scores: Values, ratings: Values) -> RowStatistic:
    """Return Pearson's correlation as a statistic of rows."""
    return lambda rows: _pearson(scores[rows], ratings[rows])


def rows_mean(values: Values) -> RowStatistic:
    """Return the mean as a statistic of rows."""
    return lambda rows: values[rows].mean(axis=1)


def _pearson(first: Values, second: Values) -> Values:
    first = first - first.mean(axis=1, keepdims=True)
    second = second - second.mean(axis=1, keepdims=True)
    scale = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    product: Values = (first * second).sum(axis=1)
    # A constant sample has no correlation; what rounding leaves of its deviations is not one either.
    ratio: Values = np.divide(product, scale, out=np.full(len(scale), np.nan), where=scale > 1e-300)
    return ratio


def _to_fisher(values: Values) -> Values:
    return np.arctanh(np.clip(values, -_EDGE, _EDGE))


def _same(values: Values) -> Values:
    return values
