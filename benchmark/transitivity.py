"""Do scores of pairs fit together?

Each photo gets several versions by different tools, and the clean photo is one more. For every triple a, b, c of them
the direct score ``S(a, c)`` is compared with the detour ``S(a, b) + S(b, c)``: both should say the same of which is
better, unless one of them calls it a tie. And ranking the versions without the clean photo, as ``PixelPerfect.rank``
does where it gets no reference, should agree with ranking them against the clean photo; if that is among them, it
should be found.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import combinations, permutations

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import stats

from benchmark.photos import Photo, to_tensor
from benchmark.report import target
from benchmark.schema import Target
from benchmark.statistics import interval, resample_groups
from benchmark.tool_versions import some_versions
from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect
from pyiqa_pixelperfect.pixelperfect.ranking import least_beaten
from pyiqa_pixelperfect.summary import TIE

__all__ = ["figures_of", "measure", "photo_row", "transitivity_targets", "triples"]

Matrix = NDArray[np.float64]


def measure(metric: PixelPerfect, photos: Iterable[Photo], *, versions: int, seed: int) -> pd.DataFrame:
    """Rank the versions of every photo, the clean one among them, each against each; a row per photo."""
    rows = []
    for photo in photos:
        made = [to_tensor(version.pixels) for version in some_versions(photo, versions, seed)]
        clean = to_tensor(photo.pixels)
        ranking = metric.rank([clean, *made], clean)
        rows.append({"photo": photo.name} | photo_row(ranking.pairwise.double().cpu().numpy()))
    return pd.DataFrame(rows)


def photo_row(pairwise: Matrix) -> dict[str, float]:
    """Figures of one photo.

    Args:
        pairwise: (1 + N, 1 + N) scores of row against column, the clean photo first.

    Returns:
        ``triples`` outside ties and how many of them are ``consistent``; ``cycles`` among all ``triads`` (a beats b
        beats c beats a); ``gap``, mean of |S(a, c) - S(a, b) - S(b, c)| over mean |S(a, c)|; ``agreement``, Spearman's
        correlation of the two rankings of the N versions; ``best``, 1 if both name the same as best; ``found``, 1 if
        the clean photo, when it is among the versions, stands in for the reference.
    """
    direct, detour = triples(pairwise)
    told = (np.abs(direct) >= TIE) & (np.abs(detour) >= TIE)
    triads = list(combinations(range(len(pairwise)), 3))
    cycles = sum(_is_cycle(pairwise, triad) for triad in triads)
    versions, against = pairwise[1:, 1:], pairwise[1:, 0]
    among = versions[:, least_beaten(torch.from_numpy(versions))]
    return {
        "triples": int(told.sum()),
        "consistent": int((np.sign(direct) == np.sign(detour))[told].sum()),
        "triads": len(triads),
        "cycles": cycles,
        "gap": float(np.abs(direct - detour).mean() / np.abs(direct).mean()),
        "agreement": float(stats.spearmanr(among, against).statistic),
        "best": float(among.argmax() == against.argmax()),
        "found": float(least_beaten(torch.from_numpy(pairwise)) == 0),
    }


def triples(pairwise: Matrix) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``S(a, c)`` and ``S(a, b) + S(b, c)`` of all ordered triples of different versions."""
    places = np.array(list(permutations(range(len(pairwise)), 3)))
    a, b, c = places.T
    return pairwise[a, c], pairwise[a, b] + pairwise[b, c]


def figures_of(rows: pd.DataFrame, *, repeats: int = 1000, seed: int = 0) -> dict[str, dict[str, float]]:
    """Means over photos, or shares over all triples, with 95 % intervals from resampling photos."""
    samples = resample_groups(rows["photo"].tolist(), repeats, seed)
    statistics: dict[str, Callable[[pd.DataFrame], float]] = {
        "consistent": lambda part: part["consistent"].sum() / max(1, part["triples"].sum()),
        "cycles": lambda part: part["cycles"].sum() / part["triads"].sum(),
        "gap": lambda part: part["gap"].mean(),
        "agreement": lambda part: part["agreement"].mean(),
        "best": lambda part: part["best"].mean(),
        "found": lambda part: part["found"].mean(),
    }
    found = {}
    for name, statistic in statistics.items():
        low, high = interval(partial(_of_rows, statistic, rows), samples)
        found[name] = {"mean": float(statistic(rows)), "low": low, "high": high}
    return found


def transitivity_targets(figures: dict[str, dict[str, float]]) -> list[Target]:
    """Return the promised share beside the measured one."""
    return [target("triples in one order, outside ties", figures["consistent"]["mean"], 0.99, None, at_least=True)]


def _of_rows(statistic: Callable[[pd.DataFrame], float], rows: pd.DataFrame, numbers: NDArray[np.int64]) -> float:
    return float(statistic(rows.iloc[numbers]))


def _is_cycle(pairwise: Matrix, triad: Sequence[int]) -> bool:
    a, b, c = triad
    signs = np.sign([pairwise[a, b], pairwise[b, c], pairwise[c, a]])
    return bool(abs(signs.sum()) == 3)
