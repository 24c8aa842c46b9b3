"""What the relational commands print: each function lays one command's figures out as Markdown."""

from collections.abc import Mapping

import pandas as pd

from benchmark.report import markdown_table

__all__ = ["tiling_tables"]


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
