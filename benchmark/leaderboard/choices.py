"""How well scores agree with choices: which of two images people prefer, and whether they see a difference at all.

Both figures are those of R. Zhang, P. Isola, A. A. Efros, E. Shechtman, O. Wang, "The unreasonable effectiveness of
deep features as a perceptual metric", CVPR 2018: the share of people who agree with the metric (2AFC), and the average
precision of finding the pairs that look the same (JND), with precision made monotone as in PASCAL VOC and every pair
counted as the share of people that called it the same.
"""

from collections.abc import Callable

import numpy as np

from benchmark.leaderboard.agreement import FEWEST, Figures, with_ends
from benchmark.leaderboard.bootstrap import ContentBootstrap, Rows, RowStatistic
from benchmark.statistics import Values

__all__ = ["average_precision", "choice_agreement", "pair_credit", "rows_average_precision"]


def choice_agreement(
    name: str, scores: Values, statistic: Callable[[Values], RowStatistic], bootstrap: ContentBootstrap
) -> Figures:
    """Return one metric's figure on choices.

    Args:
        name: of the figure.
        scores: per row what the statistic takes, NaN where the metric failed.
        statistic: scores to a statistic of rows, in ``[0, 1]``.
        bootstrap: samples of contents.

    Returns:
        ``n``, ``failed``, ``name`` with ``_low`` and ``_high`` of its 95 % interval, and ``note``, the reason where
        there is no figure.
    """
    known = ~np.isnan(scores)
    figures: Figures = {"n": int(known.sum()), "failed": int((~known).sum()), "note": ""}
    if known.sum() < FEWEST:
        return figures | {"note": f"fewer than {FEWEST} pairs"}
    function = statistic(scores)
    value = float(function(np.flatnonzero(known)[None])[0])
    if np.isnan(value):
        return figures | {"note": "nobody took any pair for the same"}
    # 2a - 1 lies in [-1, 1] as correlations do, and Fisher's scale is its logit.
    replicates = 2.0 * bootstrap.replicate(function, known) - 1.0
    ends = with_ends(name, 2.0 * value - 1.0, replicates, bootstrap.contents_of(known))
    return figures | {key: 0.5 * (end + 1.0) for key, end in ends.items()}


def pair_credit(first: Values, second: Values, second_preferred: Values) -> Values:
    """Return two-alternative credit per pair: the share of people who agree with the metric, half of all at a tie.

    Args:
        first: scores, higher is better; NaN where the metric failed.
        second: likewise.
        second_preferred: share of people who prefer the second, in ``[0, 1]``.
    """
    chosen = np.where(second > first, second_preferred, np.where(second < first, 1.0 - second_preferred, 0.5))
    credit: Values = np.where(np.isnan(first) | np.isnan(second), np.nan, chosen)
    return credit


def average_precision(scores: Values, same: Values) -> float:
    """Return the area under precision over recall of the pairs that look the same, ranked by score.

    Args:
        scores: ``(N,)``, higher for more alike; finite.
        same: share of people who saw no difference, in ``[0, 1]``.

    Returns:
        The area in ``[0, 1]``; for scores that tell nothing, the mean of ``same``; NaN when that is zero.
    """
    return float(rows_average_precision(same)(scores)(np.arange(len(scores))[None])[0])


def rows_average_precision(same: Values) -> Callable[[Values], RowStatistic]:
    """Return what turns scores into ``average_precision`` as a statistic of rows."""

    def of_scores(scores: Values) -> RowStatistic:
        def statistic(rows: Rows) -> Values:
            ranked = np.take_along_axis(rows, np.argsort(-scores[rows], axis=1), axis=1)
            score, hits = scores[ranked], same[ranked]
            # A pair that a third of the people called the same is a third of a hit and two thirds of a miss.
            precision = hits.cumsum(axis=1) / np.arange(1, rows.shape[1] + 1)
            precision[:, :-1][score[:, :-1] == score[:, 1:]] = 0.0  # no threshold parts what is tied
            reached = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]  # at this recall or a higher one
            area, total = (hits * reached).sum(axis=1), hits.sum(axis=1)
            values: Values = np.divide(area, total, out=np.full(len(rows), np.nan), where=total > 0.0)
            return values

        return statistic

    return of_scores
