"""How well one metric's scores agree with people's ratings of one set, or of one distortion type of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmark.leaderboard.bootstrap import ContentBootstrap, rows_mean, rows_plcc, rows_srcc, student_interval
from benchmark.leaderboard.logistic import fit_logistic
from benchmark.statistics import Values, center_by_group, reference_srccs, srcc

__all__ = ["Figures", "Opinions", "pair_agreement", "pair_credit", "rating_agreement"]

Figures: TypeAlias = dict[str, Any]
"""Name to number, and ``note``, the reason for a missing one."""

_FEWEST = 5  # points below which no figure is worth printing


@dataclass(frozen=True)
class Opinions:
    """Ratings as they enter the statistics.

    Attributes:
        ratings: ``(N,)``, higher is better.
        contents: ``(N,)`` names of contents; references where there are any.
        by_reference: whether contents are references, which have several versions each.
        bootstrap: samples of contents.
    """

    ratings: Values
    contents: Sequence[str]
    by_reference: bool
    bootstrap: ContentBootstrap

    def only(self, rows: NDArray[np.int64]) -> "Opinions":
        """Return the opinions on some rows, with bootstrap samples of their own."""
        contents = [self.contents[int(row)] for row in rows]
        repeats, seed = len(self.bootstrap.draws), 0
        return Opinions(self.ratings[rows], contents, self.by_reference, ContentBootstrap(contents, repeats, seed))


def rating_agreement(scores: Values, opinions: Opinions, *, curves: bool = True) -> Figures:
    """Return every figure of one metric.

    Args:
        scores: ``(N,)``, higher is better, NaN where the metric failed.
        opinions: what people said of the same rows.
        curves: also fit the logistic curves.

    Returns:
        ``n`` scored, ``failed``, ``srcc`` with ``_low`` and ``_high`` of its 95 % interval, ``krcc``, ``plcc`` on raw
        scores with its interval, ``plcc4``, ``rmse4``, ``plcc5``, ``rmse5`` after the logistic curves, with references
        ``within`` and ``centered`` with their intervals, and ``note``, the reason where there is no figure. Signs are
        kept: a metric that disagrees has a negative correlation.
    """
    known = ~np.isnan(scores)
    figures: Figures = {"n": int(known.sum()), "failed": int((~known).sum()), "note": ""}
    x, y = scores[known], opinions.ratings[known]
    if x.size < _FEWEST or (x == x[0]).all() or (y == y[0]).all():
        figures["note"] = f"fewer than {_FEWEST} scores" if x.size < _FEWEST else "constant scores or ratings"
        return figures
    boot, contents = opinions.bootstrap, opinions.bootstrap.contents_of(known)
    figures |= _with_ends("srcc", srcc(x, y), boot.replicate(rows_srcc(scores, opinions.ratings), known), contents)
    figures["krcc"] = float(stats.kendalltau(x, y).statistic)
    plcc = float(stats.pearsonr(x, y).statistic)
    figures |= _with_ends("plcc", plcc, boot.replicate(rows_plcc(scores, opinions.ratings), known), contents)
    if curves:
        figures |= _fitted(x, y)
    if opinions.by_reference:
        figures |= _by_reference(scores, opinions, known, contents)
    return figures


def pair_agreement(credit: Values, bootstrap: ContentBootstrap) -> Figures:
    """Return ``n``, ``failed`` and ``accuracy`` with its interval, for pairs of which people preferred one."""
    known = ~np.isnan(credit)
    figures: Figures = {"n": int(known.sum()), "failed": int((~known).sum()), "note": ""}
    if known.sum() < _FEWEST:
        return figures | {"note": f"fewer than {_FEWEST} pairs"}
    # 2a - 1 lies in [-1, 1] as correlations do, and Fisher's scale is its logit.
    turned = 2.0 * credit - 1.0
    replicates = bootstrap.replicate(rows_mean(turned), known)
    ends = _with_ends("accuracy", float(turned[known].mean()), replicates, bootstrap.contents_of(known))
    return figures | {name: 0.5 * (value + 1.0) for name, value in ends.items()}


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


def _fitted(x: Values, y: Values) -> Figures:
    figures: Figures = {}
    for parameters in (4, 5):
        fit = fit_logistic(x, y, 4 if parameters == 4 else 5)
        if fit is not None and np.ptp(fit.values) > 0.0:
            figures[f"plcc{parameters}"] = float(stats.pearsonr(fit.values, y).statistic)
            figures[f"rmse{parameters}"] = fit.rmse
    return figures


def _by_reference(scores: Values, opinions: Opinions, known: NDArray[np.bool_], contents: int) -> Figures:
    boot, names = opinions.bootstrap, list(opinions.contents)
    each = reference_srccs(scores, opinions.ratings, names)
    values = each.reindex(boot.names).to_numpy()
    figures: Figures = {}
    if np.isnan(values).all():
        return figures
    measured = int((~np.isnan(values)).sum())
    figures |= _with_ends("within", float(np.nanmean(values)), boot.replicate_means(values), measured)
    own, ratings = center_by_group(scores, names), center_by_group(opinions.ratings, names)
    return figures | _with_ends(
        "centered", srcc(own[known], ratings[known]), boot.replicate(rows_srcc(own, ratings), known), contents
    )


def _with_ends(name: str, value: float, replicates: Values, contents: int) -> Figures:
    low, high, _ = student_interval(value, replicates, contents)
    return {name: value, f"{name}_low": low, f"{name}_high": high}
