"""How well no-reference scores agree with people: heads fitted on training rows, measured on test rows.

Every way to describe a picture gets the same treatment: ridge regression, its ``alpha``, whether features are
standardized and whether ratings are spread normally chosen on content-disjoint splits of the training rows. Test rows
are looked at once, at the end.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from benchmark.report import target
from benchmark.schema import Target
from benchmark.statistics import interval, resample_groups, srcc
from pyiqa_pixelperfect.data.rated import RatedImage, content_splits
from pyiqa_pixelperfect.linear_head import choose_alpha, fit_ridge
from pyiqa_pixelperfect.training.regression import log_spaced

__all__ = ["agreement", "growth", "predict_by_ridge", "quality_targets"]

Values = NDArray[np.float64]
SPLITS, VALIDATION = 10, 0.2
ALPHAS = {False: log_spaced(-5, 3), True: log_spaced(-1, 5)}  # plain features are short, standardized ones are not


def predict_by_ridge(
    train: Values, test: Values, rows: Sequence[RatedImage], seed: int
) -> tuple[Values, dict[str, Any]]:
    """Fit on training features and predict the ratings of test features.

    Args:
        train: (N, D) features of ``rows``.
        test: (M, D).
        rows: training rows.
        seed: of the splits.

    Returns:
        (M,) predictions, and what was chosen: ``alpha``, ``standardize``, ``normal``, mean and spread of the validation
        SRCC.
    """
    mos = np.array([row.mos for row in rows])
    splits = content_splits([row.content for row in rows], SPLITS, VALIDATION, seed)
    tried = [
        (score, standardize, normal)
        for standardize, alphas in ALPHAS.items()
        for normal in (False, True)
        for score in choose_alpha(train, mos, splits, alphas, standardize=standardize, normal=normal)[:1]
    ]
    best, standardize, normal = max(tried, key=lambda choice: choice[0].mean)
    head = fit_ridge(train, mos, best.alpha, standardize=standardize, normal=normal).double()
    chosen = {
        "alpha": best.alpha,
        "standardize": standardize,
        "normal": normal,
        "validation": best.mean,
        "validation_spread": best.spread,
    }
    return head(torch.from_numpy(np.asarray(test, np.float64))).numpy(), chosen


def agreement(scores: Values, rows: Sequence[RatedImage], *, repeats: int, seed: int) -> dict[str, float]:
    """SRCC and PLCC (of the scores as they are) with 95 % bootstrap intervals over contents."""
    mos = np.array([row.mos for row in rows])
    samples = resample_groups([row.content for row in rows], repeats, seed)
    low, high = interval(lambda chosen: srcc(scores[chosen], mos[chosen]), samples)
    plow, phigh = interval(lambda chosen: _plcc(scores[chosen], mos[chosen]), samples)
    return {
        "srcc": srcc(scores, mos),
        "srcc_low": low,
        "srcc_high": high,
        "plcc": _plcc(scores, mos),
        "plcc_low": plow,
        "plcc_high": phigh,
    }


def _plcc(scores: Values, mos: Values) -> float:
    if np.ptp(scores) == 0 or np.ptp(mos) == 0:
        return float("nan")
    return float(np.corrcoef(scores, mos)[0, 1])


def growth(steps: Sequence[float], values: Sequence[float]) -> float | None:
    """Least-squares gain of a figure per doubling of the steps; ``None`` for fewer than two different steps above 0."""
    pairs = [(np.log2(step), value) for step, value in zip(steps, values, strict=True) if step > 0]
    if len({step for step, _ in pairs}) < 2:
        return None
    logs, figures = (np.array(side) for side in zip(*pairs, strict=True))
    return float(np.polyfit(logs, figures, 1)[0])


def quality_targets(table: pd.DataFrame, ours: str, untrained: str) -> list[Target]:
    """What was promised: SRCC of ours, and its gain over the same network untrained."""
    value = {str(row["metric"]): float(row["srcc"]) for _, row in table.iterrows()}
    gain = value[ours] - value[untrained]
    return [
        target("SRCC on test rows", value[ours], 0.65, None, at_least=True),
        target("gain in SRCC over the network untrained", gain, 0.10, None, at_least=True),
    ]
