"""Everything a run found out, in one object that tables, figures, page and record are made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark.leaderboard.config import LeaderboardConfig
from benchmark.leaderboard.predictors import Predictor, Unavailable
from benchmark.leaderboard.rated_set import MissingSet
from benchmark.leaderboard.runner import Scored
from benchmark.leaderboard.standings import Standing, evaluate_set, headline_of, rank_metrics
from benchmark.report import rows_of
from pyiqa_pixelperfect.errors import DataError

__all__ = ["BOARDS", "FULL", "NONE", "Results", "evaluate", "read_published", "record_results"]

FULL, NONE = "sets with references", "sets without references"
BOARDS = {FULL: "with", NONE: "without", "forced choices between two images": "choices",
          "just noticeable differences": "same"}  # fmt: skip
"""What a board orders metrics on, and its short name. Correlations with ratings, shares of people who agree and average
precisions are different things; one board holds, and averages, one of them."""
_PUBLISHED = ("metric", "dataset", "statistic", "value", "source")


@dataclass(frozen=True)
class Results:
    """What a run found out.

    Attributes:
        config: what was asked for.
        scored: the sets with their scores.
        standings: per set all figures.
        boards: per board of ``BOARDS`` the order of metrics; a board without sets is not there.
        predictors: metrics that ran.
        unavailable: metrics that could not.
        missing: sets that were not there.
        published: figures that others printed; never mixed with measured ones.
        speed: time and memory, if asked for.
        maps: what only maps can show, if asked for.
    """

    config: LeaderboardConfig
    scored: tuple[Scored, ...]
    standings: Mapping[str, Standing]
    boards: Mapping[str, pd.DataFrame]
    predictors: tuple[Predictor, ...]
    unavailable: tuple[Unavailable, ...]
    missing: tuple[MissingSet, ...]
    published: pd.DataFrame
    speed: pd.DataFrame | None = None
    maps: Mapping[str, Any] = field(default_factory=dict)

    def times(self) -> pd.DataFrame:
        """Return per metric the median milliseconds per megapixel while scoring, with quartiles."""
        rows = []
        for predictor in self.predictors:
            values = [value for scored in self.scored for value in scored.milliseconds.get(predictor.name, [])]
            if values:
                low, middle, high = (float(value) for value in np.percentile(values, [25, 50, 75]))
                rows.append({"metric": predictor.name, "ms_per_megapixel": middle, "ms_per_megapixel_low": low,
                             "ms_per_megapixel_high": high, "scores": len(values)})  # fmt: skip
        return pd.DataFrame(rows)

    def interleaved_times(self) -> tuple[pd.DataFrame, str]:
        """Return the columns of ``times`` from the run's own speed measurement, and what they are of.

        They are of the first device, at the largest of the sizes that most metrics can do; empty if there are none.
        """
        if self.speed is None or "ms" not in self.speed:
            return pd.DataFrame(), ""
        known = self.speed[self.speed["ms"].notna()]
        known = known[known["device"] == known["device"].iloc[0]]
        counts = known.groupby("size", sort=False)["metric"].count()
        size = counts.index[counts == counts.max()][-1]
        chosen = known[known["size"] == size].reset_index(drop=True)
        per_ms = chosen["ms_per_megapixel"] / chosen["ms"]
        for end in ("low", "high"):
            chosen[f"ms_per_megapixel_{end}"] = chosen[f"ms_{end}"] * per_ms
        table = chosen[["metric", "ms_per_megapixel", "ms_per_megapixel_low", "ms_per_megapixel_high"]]
        return table, f"at {size} on {chosen['device'].iloc[0]}, in turns"


def evaluate(
    config: LeaderboardConfig,
    scored: list[Scored],
    predictors: list[Predictor],
    unavailable: list[Unavailable],
    missing: list[MissingSet],
    published: pd.DataFrame,
) -> Results:
    """Compute all figures from scores."""
    standings = {item.rated.name: evaluate_set(item, config.bootstrap, config.seed) for item in scored}
    boards = {}
    for board in BOARDS:
        sets = {
            item.rated.name: (headline_of(item), standings[item.rated.name].figures)
            for item in scored
            if _board_of(item) == board
        }
        runnable = {item.name for item in predictors if board != NONE or item.mode == "NR"}
        names = [entry.name for entry in config.metrics if entry.name in runnable]
        if sets and names:
            boards[board] = rank_metrics(sets, names)
    return Results(
        config, tuple(scored), standings, boards, tuple(predictors), tuple(unavailable), tuple(missing), published
    )


def _board_of(item: Scored) -> str:
    if item.rated.kind == "ratings":
        return FULL if item.rated.has_references else NONE
    return list(BOARDS)[2 if item.rated.kind == "pairs" else 3]


def read_published(path: Path | None) -> pd.DataFrame:
    """Read figures that others printed: metric, dataset, statistic, value, source.

    Raises:
        DataError: the file or a column is missing, or a value is not a number.
    """
    if path is None:
        return pd.DataFrame(columns=list(_PUBLISHED))
    if not path.is_file():
        raise DataError("published", "a CSV file", f"{path}, which is none", "Check the path.")
    table = pd.read_csv(path)
    absent = [name for name in _PUBLISHED if name not in table]
    if absent:
        raise DataError(str(path), f"columns {', '.join(_PUBLISHED)}", f"none called {', '.join(absent)}")
    if pd.to_numeric(table["value"], errors="coerce").isna().any():
        raise DataError(str(path), "a number as value in every row", "other values")
    return table


def record_results(results: Results) -> dict[str, Any]:
    """Return the figures for a JSON record."""
    return {
        "boards": {name: rows_of(table) for name, table in results.boards.items()},
        "sets": {
            item.rated.name: {
                "headline": headline_of(item),
                "kind": item.rated.kind,
                "images": len(item.scores),
                "contents": int(item.rated.rows["content"].nunique()),
                "figures": rows_of(results.standings[item.rated.name].figures),
                "differences": rows_of(results.standings[item.rated.name].differences),
                "failures": {name: reasons for name, reasons in item.failures.items() if reasons},
            }
            for item in results.scored
        },
        "missing_sets": {item.name: item.reason for item in results.missing},
        "unavailable_metrics": {item.name: item.reason for item in results.unavailable},
        "metrics": {
            item.name: {"mode": item.mode, "identity": item.identity, "note": item.note} for item in results.predictors
        },
        "published": rows_of(results.published),
        "times": rows_of(results.times()),
        "speed": [] if results.speed is None else rows_of(results.speed),
        "maps": dict(results.maps),
    }
