"""Speaking to a person or to a program: colors and spinners on a terminal, plain text or JSON elsewhere."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from pyiqa_pixelperfect.errors import ConfigError
from pyiqa_pixelperfect.pictures import Picture
from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect
from pyiqa_pixelperfect.plots import FIGURE_FORMATS
from pyiqa_pixelperfect.plots.style import number

__all__ = [
    "PAGE_FORMATS",
    "check_outputs",
    "choose_device",
    "for_drawing",
    "labels",
    "load_network",
    "print_json",
    "print_outcome",
    "signed_text",
    "working",
]

PAGE_FORMATS = (".html", ".htm")

_DRAWN_SIDE = 2800  # px: more than any figure or page shows


@contextmanager
def working(words: str) -> Iterator[None]:
    """Show a spinner on standard error while something runs; nothing where no person watches."""
    with Console(stderr=True).status(words):
        yield


def print_json(value: Any) -> None:
    """Print one JSON document, and nothing else, to standard output."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def print_outcome(plain: str, headline: str, table: Table | None = None, notes: Sequence[str] = ()) -> None:
    """Print a result: colored with a table on a terminal, as plain text elsewhere, notes on standard error.

    Args:
        plain: the result as text.
        headline: rich markup to print above the table.
        table: what to show on a terminal.
        notes: further lines, such as which files were written.
    """
    console = Console()
    if console.is_terminal:
        console.print(headline, highlight=False)
        if table is not None:
            console.print(table)
    else:
        sys.stdout.write(plain + "\n")
    for note in notes:
        sys.stderr.write(note + "\n")


def signed_text(value: float) -> str:
    """Return rich markup for a signed number in the colors of the figures."""
    color = "dark_orange" if value > 0 else "medium_purple"
    return f"[{color}]{number(value)}[/]" if abs(value) >= 0.005 else number(value)


def labels(paths: Sequence[Path]) -> list[str]:
    """Return the file names, or whole paths where two files share a name."""
    names = [path.name for path in paths]
    return [name if names.count(name) == 1 else str(path) for name, path in zip(names, paths, strict=True)]


def check_outputs(outputs: Sequence[Path]) -> None:
    """Refuse unknown extensions before the work starts instead of after.

    Raises:
        ConfigError: an output is neither a picture nor a page.
    """
    for path in outputs:
        if path.suffix.lower() not in (*FIGURE_FORMATS, *PAGE_FORMATS):
            accepted = ", ".join((*FIGURE_FORMATS, ".html"))
            raise ConfigError("--out", f"a file name ending in {accepted}", repr(path.name))


def for_drawing(picture: Picture) -> Tensor:
    """Return ``(1, 3, h, w)`` float32 in ``[0, 1]``: the picture itself, or, of a large one, a smaller version."""
    return picture.smaller(_DRAWN_SIDE)


def choose_device(name: str) -> torch.device:
    """Return the device called ``name``; ``"auto"`` means a GPU if there is one.

    Raises:
        ConfigError: no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)  # the only test that holds for every kind of device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            "--device", "auto, cpu, cuda or another device of this machine", f"{name!r} ({reason})"
        ) from error
    return device


def load_network(weights: Path | None, device: str) -> PixelPerfect:
    """Load the network.

    Raises:
        ConfigError: no such device.
        WeightsError: the weights are missing or damaged.
    """
    place = choose_device(device)
    return PixelPerfect.load(weights).to(place)
