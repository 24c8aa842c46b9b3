"""The leaderboard's commands, for ``python -m benchmark``; what they need is imported when they run."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.options import DeviceOption, Quiet

__all__ = ["add_to"]

_PANELS = "pixelperfect,lpips,ssim"


def run(
    config: Annotated[Path, typer.Argument(help="A configuration, such as configs/benchmark/leaderboard.yaml.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="key=value, such as root=/data seed=1.")] = None,
    quiet: Quiet = False,
) -> None:
    """Every configured metric on every rated set: tables, figures, a page and a record. Resumes where it was killed."""
    from benchmark.leaderboard.config import load_leaderboard
    from benchmark.leaderboard.machine_tables import machine_tables
    from benchmark.leaderboard.run import run as measure
    from benchmark.leaderboard.tables import markdown, run_tables

    settings = load_leaderboard(config, overrides or [])
    results = measure(settings, quiet=quiet)
    if results is not None:
        print(markdown([*run_tables(results), *machine_tables(results)]))
        print(f"Written: {settings.output} (record.json, page.html, tables, figures)")


def compare(
    first: Annotated[Path, typer.Argument(help="record.json of one run.")],
    second: Annotated[Path, typer.Argument(help="record.json of another run.")],
) -> None:
    """Two runs side by side: what moved beyond its interval, and whether they may be compared at all."""
    from pydantic import ValidationError

    from benchmark.leaderboard.record_comparison import compare_records, warnings_of
    from benchmark.report import markdown_table, read_record
    from pyiqa_pixelperfect.errors import DataError

    records = []
    for path in (first, second):
        try:
            records.append(read_record(path))
        except (OSError, ValidationError) as error:
            problem = " ".join(str(error).split())[:200]
            raise DataError(str(path), "a record of `python -m benchmark run`", problem) from error
    print(markdown_table(compare_records(*records)))
    for line in warnings_of(*records):
        print(f"- {line}")


def figure(
    image: Annotated[Path, typer.Argument(help="The picture to judge.")],
    reference: Annotated[Path, typer.Argument(help="What it is compared with, of the same size.")],
    metrics: Annotated[
        str, typer.Option(help="Comma-separated, in the order of the panels.")
    ] = "pixelperfect,lpips,ssim",
    weights: Annotated[Path | None, typer.Option(help="Folder of local weights, with lpips_squeeze/ in it.")] = None,
    device: DeviceOption = "cpu",
    out: Annotated[Path, typer.Option(help="Picture file: .png, .pdf or .svg.")] = Path("side-by-side.png"),
) -> None:
    """The picture that papers print: image, reference, and each metric's score and map beside each other."""
    from benchmark.leaderboard.offline import no_network
    from benchmark.leaderboard.opinions import opinions_of
    from benchmark.leaderboard.side_by_side import side_by_side_figure
    from pyiqa_pixelperfect.images import as_image, check_pair
    from pyiqa_pixelperfect.plots.style import save_figure

    pair = check_pair(as_image(image, "image"), as_image(reference, "reference"))
    names = [name.strip() for name in metrics.split(",") if name.strip()]
    with no_network():
        said = opinions_of(names, *pair, weights, device)
    save_figure(side_by_side_figure(*pair, said, (image.name, reference.name)), out)
    for item in said:
        print(f"{item.name}: {item.note if item.score is None else f'{item.score:.6g}'}")
    print(f"Written: {out}")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (run, compare, figure):
        app.command()(command)
