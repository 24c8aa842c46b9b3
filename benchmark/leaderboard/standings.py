"""From scores to the figures of all sets, and from those to one order of metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark.leaderboard.agreement import Opinions, pair_agreement, pair_credit, rating_agreement
from benchmark.leaderboard.bootstrap import ContentBootstrap
from benchmark.leaderboard.runner import Scored
from benchmark.leaderboard.significance import compare_metrics
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
    return (_evaluate_pairs if scored.rated.kind == "pairs" else _evaluate_ratings)(scored, repeats, seed)


def headline_of(scored: Scored) -> str:
    """Return the figure that orders metrics on a set."""
    return "accuracy" if scored.rated.kind == "pairs" else scored.rated.rank_by


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
            figures = rating_agreement(scores[chosen], opinions.only(chosen), curves=False)
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


def _evaluate_pairs(scored: Scored, repeats: int, seed: int) -> Standing:
    rows = scored.rated.rows
    contents, preferred = rows["content"].tolist(), rows["second_preferred"].to_numpy(dtype=np.float64)
    boot = ContentBootstrap(contents, repeats, seed)
    keys = {side: pd.MultiIndex.from_frame(rows[[side, "reference"]]) for side in ("first", "second")}
    table = []
    for name in scored.scores:
        first, second = (scored.scores[name].reindex(keys[side]).to_numpy() for side in ("first", "second"))
        credit = pair_credit(first, second, preferred)
        table.append({"metric": name, "distortion": ALL, **pair_agreement(credit, boot)})
        for kind in sorted(set(rows["distortion"])) if rows["distortion"].nunique() > 1 else ():
            chosen = (rows["distortion"] == kind).to_numpy()
            part = ContentBootstrap([c for c, keep in zip(contents, chosen, strict=True) if keep], repeats, seed)
            table.append({"metric": name, "distortion": kind, **pair_agreement(credit[chosen], part)})
    return Standing(_sorted(pd.DataFrame(table), "accuracy"), pd.DataFrame())


def _sorted(table: pd.DataFrame, headline: str) -> pd.DataFrame:
    if headline not in table:
        table[headline] = float("nan")
    best = table[table["distortion"] == ALL].set_index("metric")[headline]
    order: Values = table["metric"].map(best).to_numpy()
    table = table.assign(_best=order, _all=table["distortion"] == ALL)
    table = table.sort_values(["_best", "metric", "_all", "distortion"], ascending=[False, True, False, True])
    return table.drop(columns=["_best", "_all"]).reset_index(drop=True)
