"""How well one metric's scores agree with people's ratings of one set, or of one distortion type of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmark.leaderboard.bootstrap import ContentBootstrap, rows_plcc, rows_srcc, student_interval
from benchmark.leaderboard.logistic import fit_logistic
from benchmark.statistics import Values, center_by_group, reference_srccs, srcc

__all__ = ["FEWEST", "Figures", "Opinions", "rating_agreement", "with_ends"]

Figures: TypeAlias = dict[str, Any]
"""Name to number, and ``note``, the reason for a missing one."""

FEWEST = 5  # points below which no figure is worth printing


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
        bootstrap = ContentBootstrap(contents, len(self.bootstrap.draws), self.bootstrap.seed)
        return Opinions(self.ratings[rows], contents, self.by_reference, bootstrap)


def rating_agreement(scores: Values, opinions: Opinions) -> Figures:
    """Return every figure of one metric.

    Args:
        scores: ``(N,)``, higher is better, NaN where the metric failed.
        opinions: what people said of the same rows.

    Returns:
        ``n`` scored, ``failed``, ``srcc`` with ``_low`` and ``_high`` of its 95 % interval, ``krcc``, ``plcc`` on raw
        scores with its interval, ``plcc4``, ``rmse4``, ``plcc5``, ``rmse5`` after the logistic curves, with references
        ``within`` and ``centered`` with their intervals, and ``note``, the reason where there is no figure. Signs are
        kept: a metric that disagrees has a negative correlation.
    """
    known = ~np.isnan(scores)
    figures: Figures = {"n": int(known.sum()), "failed": int((~known).sum()), "note": ""}
    x, y = scores[known], opinions.ratings[known]
    if x.size < FEWEST or (x == x[0]).all() or (y == y[0]).all():
        figures["note"] = f"fewer than {FEWEST} scores" if x.size < FEWEST else "constant scores or ratings"
        return figures
    boot, contents = opinions.bootstrap, opinions.bootstrap.contents_of(known)
    figures |= with_ends("srcc", srcc(x, y), boot.replicate(rows_srcc(scores, opinions.ratings), known), contents)
    figures["krcc"] = float(stats.kendalltau(x, y).statistic)
    plcc = float(stats.pearsonr(x, y).statistic)
    figures |= with_ends("plcc", plcc, boot.replicate(rows_plcc(scores, opinions.ratings), known), contents)
    figures |= _fitted(x, y)
    if opinions.by_reference:
        figures |= _by_reference(scores, opinions, known, contents)
    return figures


def with_ends(name: str, value: float, replicates: Values, contents: int) -> Figures:
    """Return a figure in ``[-1, 1]`` with the ends of its 95 % interval, as ``name``, ``name_low``, ``name_high``."""
    low, high, _ = student_interval(value, replicates, contents)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


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
    figures |= with_ends("within", float(np.nanmean(values)), boot.replicate_means(values), measured)
    own, ratings = center_by_group(scores, names), center_by_group(opinions.ratings, names)
    return figures | with_ends(
        "centered", srcc(own[known], ratings[known]), boot.replicate(rows_srcc(own, ratings), known), contents
    )
