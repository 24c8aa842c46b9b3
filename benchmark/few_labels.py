"""How far do few labels go? Heads on different features, on the same draws of labels and the same test rows."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pyiqa_pixelperfect.data.rated import RatedImage
from pyiqa_pixelperfect.grepq.config import GRepQRegression
from pyiqa_pixelperfect.grepq.regression import fit_draws
from pyiqa_pixelperfect.training.regression import log_spaced

__all__ = ["few_label_table"]

#: Features of different networks differ in size by orders of magnitude: standardized, with a wide choice of alpha.
ALPHAS = log_spaced(-1, 4)


def few_label_table(
    features: Mapping[str, NDArray[np.float64]],
    rows: Sequence[RatedImage],
    train: int,
    counts: Sequence[int | None],
    *,
    draws: int,
    seed: int,
) -> pd.DataFrame:
    """SRCC on test rows for each set of features and each number of labels.

    Args:
        features: (N, D) by name, the training rows first.
        rows: N rated pictures.
        train: how many of them are training rows.
        counts: numbers of labels; ``None`` = all.
        draws: of labels for each number; all labels are drawn once.
        seed: of the draws.

    Returns:
        Rows with ``features``, ``labels``, ``srcc`` (mean), ``spread`` (standard deviation over draws) and ``draws``.
    """
    mos = np.array([row.mos for row in rows])
    contents = [row.content for row in rows]
    fitted, tests = np.arange(train), np.arange(train, len(rows))
    found = []
    for name, values in features.items():
        for count in counts:
            config = GRepQRegression(
                system="grepq", output=Path(), ratings=Path("ratings.csv"), n_labels=count, draws=draws, seed=seed,
                alphas=ALPHAS, standardize=True,
            )  # fmt: skip
            result = fit_draws(values.astype(np.float32), mos, contents, fitted, tests, config)
            found.append(
                {"features": name, "labels": count or train, "srcc": result.mean, "spread": result.spread,
                 "draws": len(result.srcc)}
            )  # fmt: skip
    return pd.DataFrame(found)
