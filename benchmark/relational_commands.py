"""Commands on what a relational metric owes: calibration, transitivity, consensus, and any size of picture."""

from typing import Annotated

import typer

from benchmark import relational_tables, report
from benchmark.options import Out, Quiet, Weights, finish
from benchmark.subject import load_subject, weights_hash

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Make these commands part of a program."""
    for command in (tiling,):
        app.command()(command)


def tiling(
    context: typer.Context,
    megapixels: Annotated[float, typer.Option(help="Size of the large pair; 0 leaves it out.", min=0.0)] = 100.0,
    threads: Annotated[int, typer.Option(help="CPU threads.", min=1)] = 2,
    weights: Weights = None,
    out: Out = None,
    quiet: Quiet = False,  # noqa: ARG001 - every command has it; the long part here is another process
) -> None:
    """Tiles against the whole picture, and memory and time of a large pair in a fresh process."""
    from benchmark import tiling as measurement

    metric = load_subject(weights)
    rows = measurement.measure_exactness(metric, measurement.tiling_pairs())
    large = measurement.measure_large(megapixels, threads=threads, weights=weights) if megapixels else None
    results = {"exactness": report.rows_of(rows), "large": large}
    text = relational_tables.tiling_tables(rows, large)
    targets = measurement.tiling_targets(rows, large)
    finish("tiling", context, text, results, {"weights": weights_hash(metric)}, targets, out)
