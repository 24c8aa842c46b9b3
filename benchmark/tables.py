"""What the commands print: each function lays one command's figures out as Markdown."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from benchmark.report import markdown_table, spread, spreads

__all__ = ["antisymmetry_tables", "crops_table", "ladder_tables", "localization_tables", "ratings_table",
           "speed_table", "throughput_table"]  # fmt: skip

_SHORT = 5  # letters of a family's name in the confusion matrix


def localization_tables(
    tools: pd.DataFrame, headline: Mapping[str, Mapping[str, float]], more: pd.DataFrame, confusion: pd.DataFrame
) -> str:
    """Headline tools, their mean with interval, the other tools, and the confusion matrix in percent.

    Args:
        tools: ``per_tool`` of the headline tools.
        headline: ``headline`` figures.
        more: ``per_tool`` of the other tools, maybe empty.
        confusion: shares of true families (rows) taken for each family (columns).
    """
    means = [
        {"figure": name, "mean": figure["mean"], "95 % low": figure["low"], "95 % high": figure["high"]}
        for name, figure in headline.items()
    ]
    percent = (100.0 * confusion).round().astype(int).replace(0, "").rename(columns=lambda name: name[:_SHORT])
    percent.insert(0, "family \\ taken for, %", confusion.index)
    return "\n\n".join(
        [
            "## Tools of the headline",
            markdown_table(_tool_columns(tools)),
            "## Means over these tools",
            markdown_table(pd.DataFrame(means)),
            "## Other tools, not in the means",
            markdown_table(_tool_columns(more)),
            "## Family taken for which",
            markdown_table(percent),
        ]
    )


def ladder_tables(families: pd.DataFrame, ladders: pd.DataFrame) -> str:
    """Shares of steps in order per family, then per kind, direction, field and tool."""
    shown = ladders.copy()
    for column in ("weakest score", "strongest score"):
        shown[column] = [f"{value:.3g}" for value in shown[column]]  # their unit is the network's own
    return "\n\n".join(["## Families", markdown_table(families), "## Kinds and tools", markdown_table(shown)])


def antisymmetry_tables(worst: pd.DataFrame) -> str:
    """Largest violations in scientific notation, since their order of magnitude is what matters."""
    shown = worst.copy()
    for column in shown.columns[2:]:
        shown[column] = [f"{value:.1e}" for value in shown[column]]
    return markdown_table(shown)


def speed_table(table: pd.DataFrame) -> str:
    """Milliseconds and ratios with their quartiles, memory in MiB."""
    shown = pd.DataFrame({"metric": table["metric"]})
    shown["ms (quartiles)"] = spreads(table, "ms", 0)
    if "ratio" in table:
        shown["x LPIPS (quartiles)"] = spreads(table, "ratio", 2)
    for column, title in (("before_mib", "MiB before"), ("peak_mib", "peak MiB"), ("extra_mib", "extra MiB")):
        if column in table:
            shown[title] = [round(float(value)) for value in table[column]]
    shown["note"] = table["note"]
    return markdown_table(shown)


def throughput_table(table: pd.DataFrame) -> str:
    """Megapixels per second both ways and their ratio with quartiles: the mix, families, then entries."""
    parts = []
    for what, title in (("mix", "Mix"), ("family", "Families"), ("entry", "Entries")):
        rows = table[table["what"] == what]
        if rows.empty:
            continue
        shown = pd.DataFrame({what: rows["name"]})
        for way in ("batched", "one at a time"):
            shown[f"{way}, MP/s"] = [f"{speed:.1f}" for speed in rows[way]]
        shown["ratio (quartiles)"] = spreads(rows, "ratio", 2)
        parts += [f"## {title}", markdown_table(shown)]
    return "\n\n".join(parts)


def crops_table(table: pd.DataFrame) -> str:
    """Crops per second, median and quartiles over batches, and the share of the time that planning took."""
    low, median, high = np.percentile(table["crops_per_second"], [25, 50, 75])
    row = {"crops/s (quartiles)": spread(median, low, high, 0)}
    row["planning"] = f"{100 * table['plan_share'].median():.0f} %"
    return markdown_table(pd.DataFrame([row]))


def ratings_table(table: pd.DataFrame) -> str:
    """Correlations with their intervals, best first."""
    shown = pd.DataFrame({"metric": table["metric"]})
    for column in ("within", "centered", "ahead"):
        if column in table:
            shown[f"{column} (95 %)"] = spreads(table, column)
    for column in table.columns:
        if column == "across" or column.startswith("within ") or column == "failed":
            shown[column] = table[column]
    return markdown_table(shown)


def _tool_columns(table: pd.DataFrame) -> pd.DataFrame:
    if table.empty:
        return table
    columns = ["tool", "family", "auc", "type", "sign", "leak", "leak_all", "amount", "crosstalk", "trials"]
    columns += [f"auc_{name}" for name in ("mild", "medium", "strong") if f"auc_{name}" in table]
    shown = table[columns].copy()
    shown["in training"] = ["yes" if used else "" for used in table["in_training"]]
    return shown
