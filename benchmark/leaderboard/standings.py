"""From scores to the figures of all sets, and from those to one order of metrics."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.leaderboard.agreement import Opinions, rating_agreement
from benchmark.leaderboard.bootstrap import ContentBootstrap, RowStatistic, rows_mean
from benchmark.leaderboard.choices import choice_agreement, pair_credit, rows_average_precision
from benchmark.leaderboard.runner import Scored
from benchmark.leaderboard.significance import compare_choices, compare_metrics
from benchmark.statistics import Values, center_by_group, reference_srccs

__all__ = ["ALL", "MOST_FAILURES", "Standing", "evaluate_set", "headline_of", "rank_metrics"]

ALL = "all"  # distortion type of figures over a whole set
MOST_FAILURES = 0.001  # share of failed scores above which a metric gets no rank


@dataclass(frozen=True)
class Standing:
    """All figures of one set.

    Attributes:
        figures: one row per metric and distortion type (``ALL`` first).
        differences: one row per pair of metrics.
    """

    figures: pd.DataFrame
    differences: pd.DataFrame


def evaluate_set(scored: Scored, repeats: int, seed: int) -> Standing:
    """Compute every figure of a set: over all of it, for each distortion type, and between metrics."""
    if scored.rated.kind == "ratings":
        return _evaluate_ratings(scored, repeats, seed)
    if scored.rated.kind == "pairs":
        return _evaluate_choices(scored, _credits(scored), lambda _: rows_mean, repeats, seed)
    keys = pd.MultiIndex.from_frame(scored.rated.rows[["image", "reference"]])
    columns: dict[str, Values] = {str(name): scored.scores[name].reindex(keys).to_numpy() for name in scored.scores}
    same = scored.rated.rows["same"].to_numpy(dtype=np.float64)
    return _evaluate_choices(scored, columns, lambda rows: rows_average_precision(same[rows]), repeats, seed)


def headline_of(scored: Scored) -> str:
    """Return the figure that orders metrics on a set."""
    return {"pairs": "accuracy", "same": "ap"}.get(scored.rated.kind, scored.rated.rank_by)


def rank_metrics(sets: Mapping[str, tuple[str, pd.DataFrame]], metrics: Sequence[str]) -> pd.DataFrame:
    """Order metrics by the average of their headline figures, each set weighted by its number of scores.

    Args:
        sets: per set its headline and its ``figures``.
        metrics: names in the order of the configuration.

    Returns:
        One row per metric, best first: the headline on every set, their weighted ``average``, ``rank``, and ``note``.
        A metric that some set has no figure of, or that failed on more than ``MOST_FAILURES`` of its images, has an
        average over what there is but no rank, and its note says why.
    """
    rows = []
    for metric in metrics:
        values, weights, notes = {}, [], []
        for name, (headline, figures) in sets.items():
            found = figures[(figures["metric"] == metric) & (figures["distortion"] == ALL)]
            value = float(found[headline].iloc[0]) if len(found) and headline in found else float("nan")
            values[name] = value
            weights.append(0 if np.isnan(value) else int(found["n"].iloc[0]))
            if np.isnan(value):
                notes.append(f"{name}: {found['note'].iloc[0] if len(found) else 'not scored'}")
            elif found["failed"].iloc[0] > MOST_FAILURES * (found["n"].iloc[0] + found["failed"].iloc[0]):
                notes.append(f"{name}: {int(found['failed'].iloc[0])} scores failed")
        total = sum(weights)
        weighted = sum(w * v for w, v in zip(weights, values.values(), strict=True) if w)
        average = weighted / total if total else float("nan")
        rows.append({"metric": metric, **values, "average": average, "note": "; ".join(notes)})
    table = pd.DataFrame(rows)
    complete = (table["note"] == "") & table["average"].notna()
    # Equal averages share the better rank; which of them comes first is the order of the configuration.
    table.insert(1, "rank", table["average"].where(complete).rank(ascending=False, method="min").astype("Int64"))
    table["_complete"] = complete
    table = table.sort_values(["_complete", "average"], ascending=False, kind="stable", ignore_index=True)
    return table.drop(columns="_complete")


def _evaluate_ratings(scored: Scored, repeats: int, seed: int) -> Standing:
    rated = scored.rated
    rows, contents = rated.rows, rated.rows["content"].tolist()
    ratings = rows["rating"].to_numpy(dtype=np.float64)
    if rated.rank_by != "srcc":  # how much people like a photograph would drown how they rank its versions
        ratings = center_by_group(ratings, contents)
    # By its picture, not by its place: a table may rate the same pair twice.
    keys = pd.MultiIndex.from_frame(rows[["image", "reference"]])
    columns: dict[str, Values] = {str(name): scored.scores[name].reindex(keys).to_numpy() for name in scored.scores}
    opinions = Opinions(ratings, contents, rated.has_references, ContentBootstrap(contents, repeats, seed))
    table = []
    types = sorted(set(rows["distortion"]))
    for name, scores in columns.items():
        table.append({"metric": name, "distortion": ALL, **rating_agreement(scores, opinions)})
        for kind in types if len(types) > 1 else ():
            chosen = np.flatnonzero((rows["distortion"] == kind).to_numpy())
            figures = rating_agreement(scores[chosen], opinions.only(chosen))
            table.append({"metric": name, "distortion": kind, **figures})
    each = None
    if rated.rank_by == "within":
        names = opinions.bootstrap.names
        each = {name: reference_srccs(scores, ratings, contents).reindex(names).to_numpy()
                for name, scores in columns.items()}  # fmt: skip
        compared = compare_metrics(columns, ratings, opinions.bootstrap, each)
    else:
        basis = columns
        if rated.rank_by == "centered":
            basis = {name: center_by_group(scores, contents) for name, scores in columns.items()}
        compared = compare_metrics(basis, ratings, opinions.bootstrap, None)
    return Standing(_sorted(pd.DataFrame(table), headline_of(scored)), compared)


def _credits(scored: Scored) -> dict[str, Values]:
    rows = scored.rated.rows
    preferred = rows["second_preferred"].to_numpy(dtype=np.float64)
    keys = {side: pd.MultiIndex.from_frame(rows[[side, "reference"]]) for side in ("first", "second")}
    found: dict[str, Values] = {}
    for name in scored.scores:
        first, second = (scored.scores[name].reindex(keys[side]).to_numpy() for side in ("first", "second"))
        found[str(name)] = pair_credit(first, second, preferred)
    return found


def _evaluate_choices(
    scored: Scored,
    columns: Mapping[str, Values],
    statistic: Callable[[NDArray[np.int64]], Callable[[Values], RowStatistic]],
    repeats: int,
    seed: int,
) -> Standing:
    headline, rows = headline_of(scored), scored.rated.rows
    contents, kinds = rows["content"].to_numpy(dtype=object), rows["distortion"].to_numpy()
    types = sorted(set(kinds))
    parts = {ALL: np.arange(len(rows))} | {kind: np.flatnonzero(kinds == kind) for kind in types if len(types) > 1}
    boots = {kind: ContentBootstrap(list(contents[part]), repeats, seed) for kind, part in parts.items()}
    table = [
        {"metric": name, "distortion": kind, **choice_agreement(headline, scores[part], statistic(part), boots[kind])}
        for name, scores in columns.items()
        for kind, part in parts.items()
    ]
    compared = compare_choices(columns, statistic(parts[ALL]), boots[ALL])
    return Standing(_sorted(pd.DataFrame(table), headline), compared)


def _sorted(table: pd.DataFrame, headline: str) -> pd.DataFrame:
    if headline not in table:
        table[headline] = float("nan")
    best = table[table["distortion"] == ALL].set_index("metric")[headline]
    order: Values = table["metric"].map(best).to_numpy()
    table = table.assign(_best=order, _all=table["distortion"] == ALL)
    table = table.sort_values(["_best", "metric", "_all", "distortion"], ascending=[False, True, False, True])
    return table.drop(columns=["_best", "_all"]).reset_index(drop=True)
