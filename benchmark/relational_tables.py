"""What the relational commands print: each function lays one command's figures out as Markdown."""

from collections.abc import Mapping

import pandas as pd

from benchmark.report import markdown_table, spreads

__all__ = ["ablation_table", "calibration_tables", "consensus_tables", "figures_table", "precision_table",
           "tiling_tables"]  # fmt: skip


def tiling_tables(exactness: pd.DataFrame, large: Mapping[str, float] | None) -> str:
    """Largest differences in scientific notation, then memory and time of the large pair."""
    shown = exactness.copy()
    for column in ("maps", "score"):
        shown[column] = [f"{value:.1e}" for value in shown[column]]
    parts = ["## Tiled against whole", markdown_table(shown)]
    if large is not None:
        row = {
            "megapixels": f"{large['megapixels']:.1f}",
            "peak MiB": f"{large['peak']:.0f}",
            "MiB before": f"{large['before']:.0f}",
            "read, s": f"{large['read']:.1f}",
            "compare, s": f"{large['compare']:.1f}",
        }
        parts += ["## A large pair, files to words", markdown_table(pd.DataFrame([row]))]
    return "\n\n".join(parts)


def calibration_tables(table: pd.DataFrame, figures: Mapping[str, float]) -> str:
    """Errors by family, and their means over families."""
    means = pd.DataFrame([{"family": "mean of families", **figures}])
    return "\n\n".join(["## Families", markdown_table(table), "## Means", markdown_table(means)])


def figures_table(figures: Mapping[str, Mapping[str, float]]) -> str:
    """Figures with their intervals."""
    rows = [
        {"figure": name, "mean": figure["mean"], "95 % low": figure["low"], "95 % high": figure["high"]}
        for name, figure in figures.items()
    ]
    return markdown_table(pd.DataFrame(rows))


def precision_table(figures: Mapping[str, float]) -> str:
    """How far bfloat16 is from float32."""
    return markdown_table(pd.DataFrame([{name: f"{value:.4g}" for name, value in figures.items()}]))


def consensus_tables(table: pd.DataFrame, wrong: pd.DataFrame, versions: int) -> str:
    """Correlations with the consensus: over all versions, within photos, then within families; and wrong verdicts."""
    shown = pd.DataFrame({"metric": table["metric"], "overall (95 %)": spreads(table, "overall")})
    rest = [column for column in table.columns if column in ("others", "within") or column.startswith("in ")]
    correlations = markdown_table(pd.concat([shown, table[rest]], axis=1))
    title = f"## Called better than the original: {len(wrong)} of {versions}"
    return f"{correlations}\n\n{title}" + (f"\n\n{markdown_table(wrong)}" if len(wrong) else "")


def ablation_table(table: pd.DataFrame) -> str:
    """Figures of variants, each with its spread over seeds in brackets."""
    shown = pd.DataFrame({"variant": table["variant"], "seeds": table["seeds"]})
    for column in table.columns:
        if f"{column}_spread" in table:
            pairs = zip(table[column], table[f"{column}_spread"], strict=True)
            shown[column.replace("_", " ")] = [f"{mean:.3f} ({spread:.3f})" for mean, spread in pairs]
    shown["asymmetry"] = [f"{value:.0e}" for value in table["asymmetry"]]
    shown["M parameters"] = [f"{value / 1e6:.2f}" for value in table["parameters"]]
    shown["s"] = [f"{value:.0f}" for value in table["seconds"]]
    return markdown_table(shown)
