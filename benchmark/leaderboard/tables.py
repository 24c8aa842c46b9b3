"""The tables of a run in three forms: Markdown to read, LaTeX (booktabs) to print, CSV to compute with."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from benchmark.leaderboard.pyiqa_sets import ALIASES
from benchmark.leaderboard.results import BOARDS, Results
from benchmark.leaderboard.standings import ALL, headline_of
from benchmark.report import markdown_table, spread

__all__ = ["Table", "csv_files", "latex", "markdown", "row_spread", "run_tables"]

_TITLES = {
    "srcc": "SRCC (95 %)", "krcc": "KRCC", "plcc": "PLCC, raw (95 %)", "plcc4": "PLCC, 4 par.", "rmse4": "RMSE, 4 par.",
    "plcc5": "PLCC, 5 par.", "rmse5": "RMSE, 5 par.", "within": "within (95 %)", "centered": "centered (95 %)",
    "accuracy": "2AFC (95 %)", "ap": "AP (95 %)", "n": "n", "failed": "failed",
}  # fmt: skip
_DIFFER = {
    "srcc": "SRCC", "within": "mean SRCC within references", "centered": "SRCC after centering by reference",
    "accuracy": "2AFC", "ap": "AP",
}  # fmt: skip
_NO_NUMBER = "-"
_DIGITS = "%.12g"  # the last bits of a correlation differ with where its numbers lie in memory


@dataclass(frozen=True)
class Table:
    """A laid out table.

    Attributes:
        name: short, for labels and file names.
        title: one line.
        note: what a reader has to know, or empty.
        frame: cells as text.
    """

    name: str
    title: str
    note: str
    frame: pd.DataFrame


def run_tables(results: Results) -> list[Table]:
    """Lay out every table that depends on scores alone: the same on every machine and for any number of processes."""
    tables = [_board(results, name) for name in results.boards]
    for scored in results.scored:
        name, standing = scored.rated.name, results.standings[scored.rated.name]
        tables.append(_figures(results, name, headline_of(scored)))
        if (standing.figures["distortion"] != ALL).any():
            tables.append(_types(standing.figures, name, headline_of(scored)))
        if len(standing.differences):
            tables.append(_differences(standing.differences, name, headline_of(scored)))
    if results.unavailable or results.missing:
        tables.append(_absent(results))
    return tables


def markdown(tables: list[Table]) -> str:
    """Return the tables as one Markdown text."""
    parts = []
    for table in tables:
        parts += [f"## {table.title}", markdown_table(table.frame)] + ([table.note] if table.note else [])
    return "\n\n".join(parts) + "\n"


def latex(tables: list[Table]) -> str:
    """Return the tables as LaTeX, to be taken in after the booktabs package."""
    parts = ["% needs \\usepackage{booktabs}"]
    for table in tables:
        columns = "".join("r" if _numeric(table.frame[column]) else "l" for column in table.frame)
        lines = [" & ".join(_escaped(str(column)) for column in table.frame) + r" \\", r"\midrule"]
        rows = table.frame.itertuples(index=False)
        lines += [" & ".join(_escaped(str(cell)) for cell in row) + r" \\" for row in rows]
        caption = _escaped(f"{table.title}. {table.note}".strip())
        parts += [
            r"\begin{table}", r"\centering", rf"\caption{{{caption}}}", rf"\label{{tab:{table.name}}}",
            rf"\begin{{tabular}}{{{columns}}}", r"\toprule", *lines, r"\bottomrule", r"\end{tabular}",
            r"\end{table}", "",
        ]  # fmt: skip
    return "\n".join(parts) + "\n"


def csv_files(results: Results) -> dict[str, str]:
    """Return figures, to twelve digits, and scores, unrounded, by file name."""
    figures = [table.figures.assign(dataset=name) for name, table in results.standings.items()]
    differences = [table.differences.assign(dataset=name) for name, table in results.standings.items()]
    boards = [table.assign(board=name) for name, table in results.boards.items()]
    scores = [item.scores.reset_index().assign(dataset=item.rated.name) for item in results.scored]
    files: Mapping[str, list[pd.DataFrame]] = {
        "standings.csv": boards, "figures.csv": figures, "differences.csv": differences, "scores.csv": scores
    }  # fmt: skip
    return {name: _joined(parts, None if name == "scores.csv" else _DIGITS) for name, parts in files.items() if parts}


def _joined(parts: list[pd.DataFrame], digits: str | None) -> str:
    whole = pd.concat([part for part in parts if not part.empty] or parts[:1], ignore_index=True)
    front = [column for column in ("board", "dataset") if column in whole]
    whole = whole[[*front, *(column for column in whole if column not in front)]]
    return str(whole.to_csv(index=False, float_format=digits))


def _board(results: Results, name: str) -> Table:
    board = results.boards[name]
    sets = [name for name in results.standings if name in board]
    printed = {column: _published_srcc(results, column) for column in sets}
    # What could not run and others have published gets a row for that, without a rank.
    only = [item.name for item in results.unavailable if any(item.name in values for values in printed.values())]
    board = pd.concat([board, pd.DataFrame({"metric": only, "note": "could not run here"})], ignore_index=True)
    shown = pd.DataFrame({"rank": ["" if pd.isna(rank) else str(int(rank)) for rank in board["rank"]]})
    shown["metric"] = board["metric"]
    for column in sets:
        shown[f"{column} (95 %)"] = [_of(results, column, metric) for metric in board["metric"]]
    if len(sets) > 1:
        shown["average"] = [_number(value) for value in board["average"]]
    for column in sets:
        if printed[column].keys() & set(board["metric"]):
            cells = [
                _number(printed[column][metric]) if metric in printed[column] else "" for metric in board["metric"]
            ]
            shown[f"{column}, published, not measured here"] = cells
    if (board["note"] != "").any():
        shown["note"] = board["note"]
    headlines = {item.rated.name: headline_of(item) for item in results.scored}
    what = "; ".join(f"{column}: {_DIFFER[headlines[column]]}" for column in sets)
    weights = "Sets are weighted by their number of scores. " if len(sets) > 1 else ""
    printed_here = any("published" in str(column) for column in shown)
    sources = "; ".join(sorted(set(results.published["source"]))) if printed_here else ""
    note = f"{weights}Ordered by {what}." + (f" Published: {sources}." if sources else "")
    return Table(f"board-{BOARDS[name]}", f"Order of metrics on {name}", note, shown)


def _published_srcc(results: Results, name: str) -> dict[str, float]:
    table = results.published
    same = table["dataset"].replace(ALIASES) == ALIASES.get(name, name)
    table = table[same & (table["statistic"] == "srcc")]
    return {str(metric): float(value) for metric, value in zip(table["metric"], table["value"], strict=True)}


def _of(results: Results, name: str, metric: str) -> str:
    figures = results.standings[name].figures
    found = figures[(figures["metric"] == metric) & (figures["distortion"] == ALL)]
    headline = next(headline_of(item) for item in results.scored if item.rated.name == name)
    return row_spread(found.iloc[0], headline) if len(found) else _NO_NUMBER


def _figures(results: Results, name: str, headline: str) -> Table:
    figures = results.standings[name].figures
    figures = figures[figures["distortion"] == ALL]
    shown = pd.DataFrame({"metric": figures["metric"]})
    for column, title in _TITLES.items():
        if column not in figures:
            continue
        if column in ("n", "failed"):
            shown[title] = figures[column].astype(str)
        else:
            shown[title] = [row_spread(row, column) for _, row in figures.iterrows()]
    if (figures["note"] != "").any():
        shown["note"] = figures["note"]
    contents = next(item for item in results.scored if item.rated.name == name).rated.rows["content"].nunique()
    note = f"Ordered by {_DIFFER[headline]}. Intervals resample {contents} whole contents."
    if headline in ("within", "centered"):
        note += " The photographs differ in appeal: ratings are centered by reference before every figure."
    return Table(f"set-{name}", f"{name}: agreement with ratings", note, shown)


def _types(figures: pd.DataFrame, name: str, headline: str) -> Table:
    column = headline if headline in ("accuracy", "ap") else "srcc"
    order = list(dict.fromkeys(figures["metric"]))
    parts = figures[figures["distortion"] != ALL]
    if headline == "within" and "within" in parts:
        column = "within"
    grid = parts.pivot(index="metric", columns="distortion", values=column).reindex(order)
    shown = grid.map(_number).reset_index().rename_axis(columns=None)
    return Table(f"types-{name}", f"{name}: {_TITLES[column].partition(' (')[0]} by distortion type", "", shown)


def _differences(differences: pd.DataFrame, name: str, headline: str) -> Table:
    shown = pd.DataFrame({"ahead": [], "behind": []})
    ahead = differences["difference"] >= 0
    shown["ahead"] = differences["first"].where(ahead, differences["second"])
    shown["behind"] = differences["second"].where(ahead, differences["first"])
    sizes = differences["difference"].abs()
    low = differences["low"].where(ahead, -differences["high"])
    high = differences["high"].where(ahead, -differences["low"])
    shown["by (95 %)"] = [spread(*cell) or _NO_NUMBER for cell in zip(sizes, low, high, strict=True)]
    shown["p, bootstrap"] = [_chance(value) for value in differences["p"]]
    with_williams = bool(differences["williams_p"].notna().any())
    if with_williams:
        shown["p, Williams"] = [_chance(value) for value in differences["williams_p"]]
    shown["n"] = differences["n"].astype(str)
    note = f"Difference of {_DIFFER[headline]} on the images that both scored; bootstrap over whole contents"
    if with_williams:
        note += ", Williams' t over images of the SRCC over the set (takes images for independent)"
    note += ". No p is corrected for the number of pairs."
    return Table(f"differences-{name}", f"{name}: which metric is ahead of which", note, shown)


def _absent(results: Results) -> Table:
    rows = [("metric", item.name, item.reason) for item in results.unavailable]
    rows += [("set", item.name, item.reason) for item in results.missing]
    return Table("absent", "Not measured, and why", "", pd.DataFrame(rows, columns=["what", "name", "why"]))


def row_spread(row: "pd.Series[float]", column: str) -> str:
    """Write a column's value with the ends of its interval, if it has any, wherever the row may lack them."""
    value, low, high = (row.get(name, math.nan) for name in (column, f"{column}_low", f"{column}_high"))
    return spread(value, low, high) or _NO_NUMBER


def _number(value: float) -> str:
    return _NO_NUMBER if math.isnan(value) else f"{value:.3f}"


def _chance(value: float) -> str:
    return _NO_NUMBER if math.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _numeric(column: "pd.Series[str]") -> bool:
    return all(str(cell)[:1] in "-0123456789<" for cell in column if str(cell))


_LATEX = str.maketrans(
    {sign: f"\\{sign}" for sign in "&%_#${}"}
    | {"\\": r"\textbackslash{}", "<": "$<$", ">": "$>$", "~": r"\textasciitilde{}"}
)


def _escaped(words: str) -> str:
    return words.translate(_LATEX).replace(" .. ", "--")
