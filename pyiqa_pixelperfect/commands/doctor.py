"""``pixelperfect doctor``: is everything in place?"""

from rich.table import Table

from pyiqa_pixelperfect.commands.terminal import print_json, print_outcome, working
from pyiqa_pixelperfect.doctor import diagnose

__all__ = ["doctor"]


def doctor(as_json: bool) -> int:
    """Print what the package finds around it.

    Args:
        as_json: print one JSON document instead of a table.

    Returns:
        0 if all is well, 1 if there is a problem.
    """
    with working("Looking around (starts a fresh Python that imports pyiqa)"):
        diagnosis = diagnose()
    problems = diagnosis.problems
    if as_json:
        print_json(diagnosis.to_dict())
        return int(bool(problems))
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    lines = []
    for label, value in diagnosis.lines():
        table.add_row(label, value)
        lines.append(f"{label:<22}{value}")
    headline = f"[bold red]{len(problems)} problem(s)[/]\n" if problems else "[bold green]all is well[/]\n"
    lines += [""] + (problems or ["all is well"])
    for problem in problems:
        table.add_row("[bold red]problem[/]", problem)
    print_outcome("\n".join(lines), headline, table)
    return int(bool(problems))
