"""Is one metric ahead of another on the same images, or is it chance?

Two answers, named in every table. ``bootstrap``: contents are resampled, both metrics meet the same samples, and the
standard error of the difference of their correlations gives Student's t. ``williams``: the t of E. J. Williams, "The
comparison of regression variables", JRSS B 21, 1959, in the form of J. H. Steiger, "Tests for comparing elements of a
correlation matrix", Psychological Bulletin 87, 1980, equation 7, for two correlations that share the ratings; it takes
images for independent, so with several versions of a photograph it sees differences too easily. Choices between images
have no correlation with ratings, so there ``bootstrap`` stands alone.
"""

from collections.abc import Callable, Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from benchmark.leaderboard.bootstrap import ContentBootstrap, RowStatistic, rows_srcc, student_interval
from benchmark.statistics import Values, srcc

__all__ = ["compare_choices", "compare_metrics", "williams"]


def williams(first: float, second: float, between: float, count: int) -> tuple[float, float]:
    """Compare the correlations of two metrics with the same ratings.

    Args:
        first: correlation of the first metric with the ratings.
        second: of the second.
        between: correlation of the two metrics.
        count: number of images.

    Returns:
        t (positive where the first is ahead) and the two-sided p with ``count - 3`` degrees of freedom; NaN for fewer
        than four images.
    """
    if count < 4 or np.isnan([first, second, between]).any():
        return float("nan"), float("nan")
    determinant = 1.0 - first**2 - second**2 - between**2 + 2.0 * first * second * between
    mean = 0.5 * (first + second)
    scale = 2.0 * (count - 1) / (count - 3) * determinant + mean**2 * (1.0 - between) ** 3
    if scale <= 0.0 or between >= 1.0:  # the same metric twice
        return 0.0, 1.0
    value = (first - second) * np.sqrt((count - 1) * (1.0 + between) / scale)
    return float(value), float(2.0 * stats.t.sf(abs(value), count - 3))


def compare_metrics(
    scores: Mapping[str, Values], ratings: Values, bootstrap: ContentBootstrap, per_content: Mapping[str, Values] | None
) -> pd.DataFrame:
    """Compare every two metrics on the images that both scored.

    Args:
        scores: per metric ``(N,)``, higher is better, NaN where it failed.
        ratings: ``(N,)``.
        bootstrap: samples of contents.
        per_content: per metric one correlation per content, in the order of ``bootstrap.names``, when metrics are
            ranked by the mean within references; ``None`` when by the correlation over the set.

    Returns:
        One row per pair: ``first``, ``second``, ``n``, ``difference`` of the correlations (positive: the first is
        ahead) with ``low``, ``high`` and ``p`` (bootstrap), ``williams_t`` and ``williams_p`` (Spearman's correlations
        over the set). No p is corrected for the number of pairs.
    """
    rows = []
    replicates: dict[tuple[str, bytes], Values] = {}
    spread: Values
    for first, second in combinations(scores, 2):
        known = ~(np.isnan(scores[first]) | np.isnan(scores[second]))
        if known.sum() < 4:
            continue
        one, other = srcc(scores[first][known], ratings[known]), srcc(scores[second][known], ratings[known])
        if per_content is None:
            difference = one - other
            for name in (first, second):
                if (name, known.tobytes()) not in replicates:
                    statistic = rows_srcc(scores[name], ratings)
                    replicates[name, known.tobytes()] = bootstrap.replicate(statistic, known)
            spread = replicates[first, known.tobytes()] - replicates[second, known.tobytes()]
            contents = bootstrap.contents_of(known)
        else:
            gaps = per_content[first] - per_content[second]
            contents = int((~np.isnan(gaps)).sum())
            difference = float(np.nanmean(gaps)) if contents else float("nan")
            spread = bootstrap.replicate_means(gaps)
        low, high, chance = student_interval(difference, spread, contents, fisher=False)
        between = srcc(scores[first][known], scores[second][known])
        value, williams_p = williams(one, other, between, int(known.sum()))
        rows.append(
            {"first": first, "second": second, "n": int(known.sum()), "difference": difference, "low": low,
             "high": high, "p": chance, "williams_t": value, "williams_p": williams_p}
        )  # fmt: skip
    return pd.DataFrame(rows)


def compare_choices(
    scores: Mapping[str, Values], statistic: Callable[[Values], RowStatistic], bootstrap: ContentBootstrap
) -> pd.DataFrame:
    """Compare every two metrics on the choices that both scored.

    Args:
        scores: per metric ``(N,)`` what the statistic takes, NaN where it failed.
        statistic: scores to a statistic of rows, higher is better.
        bootstrap: samples of contents.

    Returns:
        As ``compare_metrics``, with NaN for Williams' test.
    """
    rows = []
    replicates: dict[tuple[str, bytes], Values] = {}
    for first, second in combinations(scores, 2):
        known = ~(np.isnan(scores[first]) | np.isnan(scores[second]))
        if known.sum() < 4:
            continue
        values = []
        for name in (first, second):
            function = statistic(scores[name])
            values.append(float(function(np.flatnonzero(known)[None])[0]))
            if (name, known.tobytes()) not in replicates:
                replicates[name, known.tobytes()] = bootstrap.replicate(function, known)
        difference = values[0] - values[1]
        spread = replicates[first, known.tobytes()] - replicates[second, known.tobytes()]
        low, high, chance = student_interval(difference, spread, bootstrap.contents_of(known), fisher=False)
        rows.append(
            {"first": first, "second": second, "n": int(known.sum()), "difference": difference, "low": low,
             "high": high, "p": chance, "williams_t": float("nan"), "williams_p": float("nan")}
        )  # fmt: skip
    return pd.DataFrame(rows)
