"""Options that commands share, and what every command ends with."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from benchmark import report
from benchmark.photos import Holdout
from benchmark.schema import Target

__all__ = ["DeviceOption", "HoldoutOption", "LpipsFolder", "Out", "Photos", "Quiet", "Seed", "Threads", "Weights",
           "finish", "parse_size", "use_threads"]  # fmt: skip

Photos = Annotated[
    str, typer.Option(help="Folder of clean photos, its manifest.csv, or 'bundled' for scikit-image's own pictures.")
]
HoldoutOption = Annotated[Holdout, typer.Option(help="Rows held out from training, or all rows.")]
Weights = Annotated[
    str | None, typer.Option(help="Weights file; the bundled one if not given; 'untrained' to try a command out.")
]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
DeviceOption = Annotated[str, typer.Option(help="Torch device of the network.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads of torch; its own choice if not given.", min=1)]
LpipsFolder = Annotated[
    Path | None, typer.Option(help="Folder with squeezenet1_1_features.pth and lpips_v0.1_squeeze_heads.pth.")
]
Out = Annotated[Path | None, typer.Option(help="JSON record; benchmark/results/COMMAND.json if not given.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Report no progress.")]


def finish(
    command: str,
    context: typer.Context,
    text: str,
    results: Mapping[str, Any],
    data: Mapping[str, str],
    targets: Sequence[Target],
    out: Path | None,
    device: str = "cpu",
) -> None:
    """Write a command's record, and print its tables and what was promised beside what was measured."""
    path = out or report.default_output(command)
    record = report.make_record(command, context.params, data, results, targets, device)
    report.write_record(record, path)
    print(text)
    if targets:
        print(f"\n## Promised\n\n{report.targets_table(targets)}")
    print(f"\nRecord: {path}")


def use_threads(count: int | None) -> None:
    """Let torch use so many threads; ``None`` leaves the choice to it."""
    if count is not None:
        torch.set_num_threads(count)


def parse_size(size: str) -> tuple[int, int]:
    """Width and height of ``WIDTHxHEIGHT``.

    Raises:
        BadParameter: it is none, or smaller than 32x32.
    """
    width, _, height = size.lower().partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) >= 32 and int(height) >= 32):
        raise typer.BadParameter(f"expected WIDTHxHEIGHT of at least 32x32, got {size!r}", param_hint="--size")
    return int(width), int(height)
