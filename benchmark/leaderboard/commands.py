"""The leaderboard's commands, for ``python -m benchmark``; what they need is imported when they run."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["add_to"]


def run(
    config: Annotated[Path, typer.Argument(help="A configuration, such as configs/benchmark/leaderboard.yaml.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="key=value, such as root=/data seed=1.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Report no progress.")] = False,
) -> None:
    """Every configured metric on every rated set: tables, figures, a page and a record. Resumes where it was killed."""
    from benchmark.leaderboard.config import load_leaderboard
    from benchmark.leaderboard.run import run as measure
    from benchmark.leaderboard.tables import markdown, run_tables

    settings = load_leaderboard(config, overrides or [])
    results = measure(settings, quiet=quiet)
    if results is not None:
        print(markdown(run_tables(results)))
        print(f"Written: {settings.output} (record.json, page.html, tables, figures)")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (run,):
        app.command()(command)
