"""Two records of the leaderboard side by side: what moved, and whether it may be compared at all."""

from typing import Any

import pandas as pd

from benchmark.leaderboard.standings import ALL
from benchmark.schema import Record
from pyiqa_pixelperfect.errors import DataError

__all__ = ["compare_records", "warnings_of"]


def compare_records(first: Record, second: Record) -> pd.DataFrame:
    """Return one row per set and metric that both records have: ``first``, ``second``, ``change`` and a verdict.

    ``verdict`` is ``same`` (equal), ``inside`` (the new value lies in the interval of the old one) or ``moved``; other
    data or another metric under the same name make it ``other data`` or ``other metric``.

    Raises:
        DataError: one of them is no record of ``run``, or they share nothing.
    """
    for name, record in (("first record", first), ("second record", second)):
        if record.command != "run":
            raise DataError(name, "a record of 'run'", f"one of {record.command!r}", "See `python -m benchmark run`.")
    rows = []
    for name, one in first.results["sets"].items():
        other = second.results["sets"].get(name)
        if other is None:
            continue
        old, new = _headlines(one), _headlines(other)
        for metric in [metric for metric in old if metric in new]:
            before, after = old[metric], new[metric]
            rows.append({"dataset": name, "metric": metric, "first": before["value"], "second": after["value"],
                         "change": _change(before["value"], after["value"]),
                         "verdict": _verdict(first, second, name, metric, before, after)})  # fmt: skip
    if not rows:
        raise DataError("records", "a set and a metric that both have", "nothing in common")
    return pd.DataFrame(rows)


def warnings_of(first: Record, second: Record) -> list[str]:
    """Return what else differs: sets and metrics that one record lacks, versions of libraries, the machine."""
    found = []
    for what, one, other in (
        ("set", first.results["sets"], second.results["sets"]),
        ("metric", first.results["metrics"], second.results["metrics"]),
    ):
        found += [f"{what} {name}: only in the first" for name in one if name not in other]
        found += [f"{what} {name}: only in the second" for name in other if name not in one]
    for name in sorted(first.versions.keys() | second.versions.keys()):
        pair = first.versions.get(name, "none"), second.versions.get(name, "none")
        if pair[0] != pair[1]:
            found.append(f"{name}: {pair[0]} against {pair[1]}")
    if first.device != second.device:
        found.append(f"machine: {first.device.name} against {second.device.name}; times do not compare")
    return found


def _headlines(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    headline = found["headline"]
    rows = [row for row in found["figures"] if row["distortion"] == ALL]
    return {
        row["metric"]: {
            "value": row.get(headline),
            "low": row.get(f"{headline}_low"),
            "high": row.get(f"{headline}_high"),
        }
        for row in rows
    }


def _change(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def _verdict(
    first: Record, second: Record, name: str, metric: str, before: dict[str, Any], after: dict[str, Any]
) -> str:
    if first.data[name] != second.data[name]:
        return "other data"
    if before["value"] == after["value"]:
        return "same"
    one, other = (record.results["metrics"][metric]["identity"] for record in (first, second))
    if after["value"] is None or before["low"] is None:
        return "moved"
    inside = before["low"] <= after["value"] <= before["high"]
    return ("inside" if inside else "moved") + (", other metric" if one != other else "")
