"""``pixelperfect convert``: published weights of other people, safely into ours."""

from pathlib import Path

import typer

from pyiqa_pixelperfect.systems import Conversion
from pyiqa_pixelperfect.systems import convert as convert_files

__all__ = ["convert"]


def convert(system: str, files: list[Path], out: Path | None, lower_better: bool | None) -> None:
    """Write weights of this package and print their path.

    Args:
        system: whose files they are.
        files: what was published.
        out: file to write; by default ``<system>-converted.safetensors`` in the current folder.
        lower_better: direction of the labels of a head among the files; ``None`` = by its name.

    Raises:
        PixelPerfectError: whatever the system says of the files.
    """
    output = out or Path(f"{system}-converted.safetensors")
    typer.echo(convert_files(system, Conversion(files, output, lower_better)))
