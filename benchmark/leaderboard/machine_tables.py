"""The tables that belong to one machine or to maps: times and memory, which never repeat; what only maps show."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from benchmark.leaderboard.bootstrap import FEWEST_CONTENTS
from benchmark.leaderboard.results import Results
from benchmark.leaderboard.tables import Table, row_spread
from benchmark.report import spread

__all__ = ["machine_tables"]


def machine_tables(results: Results) -> list[Table]:
    """Lay out times, memory and maps, as far as they were measured."""
    tables = []
    times = results.times()
    if len(times):
        tables.append(_times(times, results.config.threads))
    if results.speed is not None and len(results.speed):
        tables.append(_speed(results.speed))
    if results.maps:
        tables += _maps(results.maps)
    return tables


def _times(times: pd.DataFrame, threads: int) -> Table:
    shown = pd.DataFrame({"metric": times["metric"]})
    shown["ms per megapixel (quartiles)"] = [_times_cell(row, "ms_per_megapixel") for _, row in times.iterrows()]
    shown["scores"] = times["scores"].astype(str)
    note = (
        f"Wall clock while scoring, threads per process: {threads}. The metrics of one run took turns on every picture;"
        " scores from earlier runs keep the time they took then, so compare times of one run only."
    )
    return Table("times", "Time of a score", note, shown)


def _speed(speed: pd.DataFrame) -> Table:
    shown = speed[["device", "size", "metric"]].copy()
    if "ms" in speed:
        shown["ms (quartiles)"] = [_times_cell(row, "ms") for _, row in speed.iterrows()]
    for column, title in (("ms_per_megapixel", "ms per megapixel"), ("cpu_ms", "processor ms"),
                          ("peak_mib", "peak MiB"), ("extra_mib", "extra MiB")):  # fmt: skip
        if column in speed:
            shown[title] = ["" if pd.isna(value) else f"{value:.0f}" for value in speed[column]]
    if (speed["note"] != "").any():
        shown["note"] = speed["note"]
    note = "Metrics take turns in a new order every round; processor ms adds up all threads and says the same on a busy"
    return Table("speed", "Time and memory by size", f"{note} machine. Memory is from a fresh process each.", shown)


def _maps(maps: Mapping[str, Any]) -> list[Table]:
    rows = pd.DataFrame(maps["any_family"])
    shown = pd.DataFrame({"map": rows["map"], "AUC (95 %)": [row_spread(row, "auc") for _, row in rows.iterrows()]})
    for column in rows.columns[4:-1]:
        shown[column] = [f"{value:.3f}" for value in rows[column]]
    absent = "; ".join(f"{name}: {reason}" for name, reason in maps["unavailable"].items())
    note = (
        "ROC-AUC of pixels inside a region that an outside tool distorted against those outside, whatever the family."
    )
    tables = [Table("maps-where", "Where: our map beside the peers'", f"{note} {absent}".strip(), shown)]
    count = int(maps["photo_count"])
    few = f" Of {count} photos" + (
        ", too few for intervals." if count < FEWEST_CONTENTS else ", which intervals resample."
    )
    figures, note = _figures(maps["figures"], count), "Right family's map; see benchmark/README.md, localization."
    tables.append(Table("maps-figures", "Our maps: where, which, which direction", note + few, figures))
    tables += [_tools(maps["tools"]), _types(maps["types"])]
    signs = pd.DataFrame(maps["signs"])
    signs["direction"] = ["more" if value > 0 else "less" for value in signs["direction"]]
    for column in ("right", "wrong"):
        signs[column] = [f"{value:.3f}" for value in signs[column]]
    tables.append(Table("maps-signs", "Direction: how often the map points the right way", "", _text(signs)))
    worst = pd.DataFrame(maps["antisymmetry"])
    for column in worst.columns[2:]:
        worst[column] = [f"{value:.1e}" for value in worst[column]]
    tables.append(Table("maps-antisymmetry", "Exchanging the images: largest violation", "", _text(worst)))
    relations = _figures(maps["transitivity"], count)
    note = "What each figure means: benchmark/README.md, transitivity."
    return [*tables, Table("maps-transitivity", "Do scores of pairs fit together?", note + few, relations)]


def _figures(found: Mapping[str, Mapping[str, float]], photos: int) -> pd.DataFrame:
    rows = []
    for name, figure in found.items():
        # One photo drawn again and again has no spread at all, and three have hardly any: that is no certainty.
        ends = (math.nan, math.nan) if photos < FEWEST_CONTENTS else (figure["low"], figure["high"])
        rows.append((name, spread(figure["mean"], *ends)))
    return pd.DataFrame(rows, columns=["figure", "mean (95 %)"])


def _tools(tools: list[dict[str, Any]]) -> Table:
    found = pd.DataFrame(tools)
    shown = found[["tool", "family"]].copy()
    for column in ("auc", "type", "sign", "leak", "leak_all", "amount", "crosstalk"):
        shown[column] = ["-" if pd.isna(value) else f"{value:.3f}" for value in found[column]]
    shown["trials"] = found["trials"].astype(str)
    shown["in training"] = ["yes" if used else "" for used in found["in_training"]]
    note = "The headline's tools one by one; what each figure means: benchmark/README.md, localization."
    return Table("maps-tools", "Our maps by tool", note, shown)


def _types(types: dict[str, dict[str, float]]) -> Table:
    percent = (100.0 * pd.DataFrame(types).T).round().astype(int)
    shown = percent.astype(str).replace("0", "").rename(columns=lambda name: str(name)[:6])
    shown.insert(0, "family", percent.index)
    note = "Percent of the trials of a family (row) in which another one (column) was strongest inside the region."
    return Table("maps-types", "Which family was taken for which", note, shown)


def _times_cell(row: "pd.Series[float]", column: str) -> str:
    return spread(row[column], row[f"{column}_low"], row[f"{column}_high"], 0 if row[column] >= 10 else 1)


def _text(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype(str)
