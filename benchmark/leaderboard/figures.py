"""The figures of a run: scores against ratings, correlations with intervals, distortion types, speed.

Widths are inches at print size; every figure carries its axes, units and direction, so that it can stand alone.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from adjustText import adjust_text
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.leaderboard.logistic import curve, fit_logistic
from benchmark.leaderboard.results import FULL, Results
from benchmark.leaderboard.runner import Scored
from benchmark.leaderboard.standings import ALL, Standing, headline_of
from benchmark.statistics import Values, center_by_group
from pyiqa_pixelperfect.plots.style import FAINT, INK, LESS, MORE, MUTED, Sheet, number, shorten

__all__ = ["bars_figure", "run_figures", "scatter_figure", "speed_figure", "types_figure"]

_TYPE_COLORS = (LESS, MORE, "#1b7837", "#2166ac", "#8c510a", "#c51b7d")  # told apart when printed in gray, too
_LONG = {"srcc": "SRCC", "within": "mean SRCC within references", "centered": "SRCC, centered by reference",
         "accuracy": "two-alternative accuracy", "ap": "average precision of 'same'"}  # fmt: skip
_MARGIN = 0.35


def run_figures(results: Results) -> dict[str, Figure]:
    """Draw every figure of a run, by file name without ending."""
    figures: dict[str, Figure] = {}
    for scored in results.scored:
        name, standing = scored.rated.name, results.standings[scored.rated.name]
        headline = headline_of(scored)
        if standing.figures[headline].notna().any():
            figures[f"{name}-bars"] = bars_figure(standing, name, headline, results.config.ours)
        if scored.rated.kind == "ratings" and standing.figures["srcc"].notna().any():
            figures[f"{name}-scatter"] = scatter_figure(scored, standing)
        if (standing.figures["distortion"] != ALL).any():
            figures[f"{name}-types"] = types_figure(standing, name, headline)
    board = results.boards.get(FULL, next(iter(results.boards.values()), pd.DataFrame()))
    times, where = results.interleaved_times()
    if times.empty:
        times, where = results.times(), "while scoring"
    if len(board) and len(times) and len(board.merge(times, on="metric")) > 1:
        figures["speed"] = speed_figure(board, times, results.config.ours, where, _averaged(results, board))
    return figures


def bars_figure(standing: Standing, name: str, headline: str, ours: str) -> Figure:
    """Draw the headline figure of every metric with its 95 % interval, best first."""
    rows = standing.figures[(standing.figures["distortion"] == ALL) & standing.figures[headline].notna()]
    height = 0.3 * len(rows) + 0.1
    sheet = Sheet(7.0, _MARGIN + 0.45 + height + 0.6)
    sheet.text(_MARGIN, _MARGIN - 0.08, f"{name}: {_LONG[headline]}", 12, fontweight="bold")
    axes = sheet.axes(_MARGIN + 1.35, _MARGIN + 0.4, 4.7, height)
    values = rows[headline].to_numpy(dtype=np.float64)
    low, high = (rows.get(f"{headline}_{end}", rows[headline]).to_numpy(dtype=np.float64) for end in ("low", "high"))
    low, high = np.where(np.isnan(low), values, low), np.where(np.isnan(high), values, high)
    places = np.arange(len(rows))
    axes.barh(places, values, 0.62, color=[MORE if metric == ours else "#9aa4b1" for metric in rows["metric"]])
    axes.errorbar(values, places, xerr=np.clip([values - low, high - values], 0, None), fmt="none", ecolor=INK,
                  elinewidth=1.1, capsize=2.5)  # fmt: skip
    axes.set_yticks(places, [shorten(str(metric), 20) for metric in rows["metric"]])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    left = min(0.0, float(low.min()))
    axes.set_xlim(left - 0.02, 1.0)
    beside = axes.get_yaxis_transform()
    for place, value in enumerate(values.tolist()):
        axes.text(1.02, place, number(value, ".3f"), va="center", fontsize=8, transform=beside)
    _quiet(axes)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel("higher is better; bars of 95 % from resampling whole contents", fontsize=8, color=MUTED)
    return sheet.figure


def scatter_figure(scored: Scored, standing: Standing, most: int = 12) -> Figure:
    """Draw scores against ratings with the fitted 4-parameter curve, and what it leaves, for the best metrics."""
    rows = standing.figures[(standing.figures["distortion"] == ALL) & standing.figures["srcc"].notna()].head(most)
    columns = min(4, len(rows))
    cell, tall, rest, gap = 2.3, 1.75, 0.5, 0.55
    lines = -(-len(rows) // columns)
    width = max(7.0, 2 * _MARGIN + 0.2 + columns * (cell + gap))
    sheet = Sheet(width, _MARGIN + 0.75 + lines * (tall + rest + 1.0) + 0.1)
    types = sorted(set(scored.rated.rows["distortion"]))
    sheet.text(_MARGIN, _MARGIN - 0.08, f"{scored.rated.name}: scores against ratings", 12, fontweight="bold")
    _legend(sheet, types)
    ratings = _shown_ratings(scored)
    for place, (_, row) in enumerate(rows.iterrows()):
        line, column = divmod(place, columns)
        left = _MARGIN + 0.3 + column * (cell + gap)
        top = _MARGIN + 0.85 + line * (tall + rest + 1.0)
        upper, lower = sheet.axes(left, top, cell, tall), sheet.axes(left, top + tall + 0.06, cell, rest)
        _scatter(upper, lower, _scores_of(scored, str(row["metric"])), ratings, _colors(scored, types))
        sheet.text(left, top - 0.2, shorten(str(row["metric"]), 22), 9, fontweight="bold")
        sheet.text(left + cell, top - 0.19, f"SRCC {number(row['srcc'], '.3f')}", 8, ha="right", color=MUTED)
        if column == 0:
            upper.set_ylabel(
                "rating" if scored.rated.rank_by == "srcc" else "rating, centered", fontsize=8, color=MUTED
            )
            lower.set_ylabel("residual", fontsize=7, color=MUTED)
        lower.set_xlabel("score, higher is better", fontsize=7.5, color=MUTED)
    return sheet.figure


def types_figure(standing: Standing, name: str, headline: str) -> Figure:
    """Draw the correlation of every metric for every distortion type as a heat map."""
    column = "srcc" if headline == "centered" else headline
    parts = standing.figures[standing.figures["distortion"] != ALL]
    grid = parts.pivot(index="metric", columns="distortion", values=column)
    grid = grid.reindex([metric for metric in dict.fromkeys(standing.figures["metric"]) if metric in grid.index])
    width, height = max(1.2, 0.46 * len(grid.columns)), 0.3 * len(grid)
    sheet = Sheet(max(7.0, 2 * _MARGIN + 1.4 + width + 0.4), _MARGIN + 0.5 + height + 1.15)
    sheet.text(_MARGIN, _MARGIN - 0.08, f"{name}: {_LONG[column]} by distortion type", 12, fontweight="bold")
    axes = sheet.axes(_MARGIN + 1.4, _MARGIN + 0.4, max(width, 2.6), height)
    values = grid.to_numpy(dtype=np.float64)
    axes.imshow(values, cmap="viridis", vmin=0.0, vmax=1.0, aspect="auto")
    axes.set_xticks(
        range(len(grid.columns)), [shorten(str(kind), 18) for kind in grid.columns], rotation=30, ha="right"
    )
    axes.set_yticks(range(len(grid)), [shorten(str(metric), 20) for metric in grid.index])
    for line, row in enumerate(values):
        for place, value in enumerate(row):
            words = "" if np.isnan(value) else number(float(value), ".2f")
            axes.text(place, line, words, ha="center", va="center", fontsize=7, color="white" if value < 0.6 else INK)
    _quiet(axes)
    axes.tick_params(axis="x", labelcolor=INK, labelsize=8)
    return sheet.figure


def speed_figure(board: pd.DataFrame, times: pd.DataFrame, ours: str, where: str, what: str) -> Figure:
    """Draw the average headline figure of every metric against its milliseconds per megapixel.

    Args:
        board: order of metrics.
        times: per metric ``ms_per_megapixel`` with ``_low`` and ``_high``.
        ours: the metric in color.
        where: what the times are of, a few words.
        what: what the board averages, a few words.
    """
    joined = board.merge(times, on="metric")
    joined = joined[joined["average"].notna()]
    sheet = Sheet(7.0, 4.6)
    sheet.text(_MARGIN, _MARGIN - 0.08, "Agreement against time", 12, fontweight="bold")
    axes = sheet.axes(_MARGIN + 0.45, _MARGIN + 0.35, 5.7, 3.1)
    x, y = joined["ms_per_megapixel"].to_numpy(), joined["average"].to_numpy(dtype=np.float64)
    spread = np.abs(joined[["ms_per_megapixel_low", "ms_per_megapixel_high"]].to_numpy().T - x)
    colors = [MORE if metric == ours else LESS for metric in joined["metric"]]
    axes.errorbar(x, y, xerr=spread, fmt="none", ecolor=FAINT, elinewidth=2)
    dots = axes.scatter(x, y, c=colors, s=26, zorder=3)
    axes.set_xscale("log")
    axes.set_xlim(float(x.min()) / 2, float(x.max()) * 4)
    reach = max(float(np.ptp(y)), 0.05)
    axes.set_ylim(float(y.min()) - 0.12 * reach, float(y.max()) + 0.12 * reach)
    rows = zip(x, y, joined["metric"], strict=True)
    names = [axes.text(across, up, shorten(name, 18), fontsize=8) for across, up, name in rows]
    line = {"arrowstyle": "-", "color": MUTED, "linewidth": 0.5}
    # With its own forces names in crowds of eighteen cover points and one another.
    adjust_text(names, objects=dots, ax=axes, expand=(1.2, 1.5), force_text=(0.05, 0.5), force_static=(0.05, 0.5),
                force_pull=(0.001, 0.001), force_explode=(0.1, 1.0), iter_lim=3000, arrowprops=line)  # fmt: skip
    _quiet(axes)
    axes.grid(color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(f"milliseconds per megapixel {where} (median, quartiles), log scale", fontsize=8, color=MUTED)
    axes.set_ylabel(what, fontsize=8, color=MUTED)
    return sheet.figure


def _averaged(results: Results, board: pd.DataFrame) -> str:
    sets = [item for item in results.scored if item.rated.name in board]
    kinds = {_LONG[headline_of(item)] for item in sets}
    words = kinds.pop() if len(kinds) == 1 else "headline figure"
    return f"{words}, {sets[0].rated.name}" if len(sets) == 1 else f"{words}, weighted average over sets"


def _scatter(upper: Axes, lower: Axes, scores: Values, ratings: Values, colors: list[str]) -> None:
    known = ~np.isnan(scores)
    x, y, dots = scores[known], ratings[known], [color for color, keep in zip(colors, known, strict=True) if keep]
    size = float(np.clip(1500 / max(len(x), 1), 1.5, 14))
    upper.scatter(x, y, c=dots, s=size, alpha=0.6, linewidths=0)
    fit = fit_logistic(x, y, 4)
    if fit is not None:
        line = np.linspace(float(x.min()), float(x.max()), 200)
        upper.plot(line, curve(line, fit.parameters), color=INK, linewidth=1.2)
        lower.scatter(x, y - fit.values, c=dots, s=size, alpha=0.6, linewidths=0)
        lower.axhline(0.0, color=INK, linewidth=0.8)
    upper.set_xticks([])
    lower.set_xlim(upper.get_xlim())
    for axes in (upper, lower):
        _quiet(axes)
        axes.set_axisbelow(True)
        axes.tick_params(labelsize=7, labelcolor=MUTED)
        axes.grid(axis="y", color=FAINT, linewidth=0.5)
        axes.locator_params(axis="x", nbins=4)
    lower.locator_params(axis="y", nbins=3)


def _legend(sheet: Sheet, types: Sequence[str]) -> None:
    if not 1 < len(types) <= len(_TYPE_COLORS):
        return
    left = _MARGIN
    for kind, color in zip(types, _TYPE_COLORS, strict=False):
        sheet.text(left, _MARGIN + 0.2, f"\N{BLACK CIRCLE} {kind}", 8, color=color)
        left += 0.3 + 0.075 * len(kind)


def _colors(scored: Scored, types: Sequence[str]) -> list[str]:
    kinds = scored.rated.rows["distortion"]
    if not 1 < len(types) <= len(_TYPE_COLORS):
        return [LESS] * len(kinds)
    chosen: Mapping[str, str] = dict(zip(types, _TYPE_COLORS, strict=False))
    return [chosen[kind] for kind in kinds]


def _shown_ratings(scored: Scored) -> Values:
    ratings = scored.rated.rows["rating"].to_numpy(dtype=np.float64)
    return (
        ratings if scored.rated.rank_by == "srcc" else center_by_group(ratings, scored.rated.rows["content"].tolist())
    )


def _scores_of(scored: Scored, metric: str) -> Values:
    keys = pd.MultiIndex.from_frame(scored.rated.rows[["image", "reference"]])
    scores: Values = scored.scores[metric].reindex(keys).to_numpy()
    return scores


def _quiet(axes: Axes) -> None:
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(which="both", length=0)
    axes.tick_params(which="both", labelsize=8.5, labelcolor=INK)
    axes.tick_params(axis="x", which="both", labelsize=7.5, labelcolor=MUTED)
