"""The KADIS-700k levels on a picture: one level of one type, or sheets of all levels."""

from collections.abc import Sequence
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from pyiqa_pixelperfect.commands.outputs import make_room, save_picture
from pyiqa_pixelperfect.distortions.kadis import KADIS, KADIS_LEVELS, KadisEntry
from pyiqa_pixelperfect.distortions.kadis_plan import apply_kadis
from pyiqa_pixelperfect.errors import ConfigError
from pyiqa_pixelperfect.plots import gallery_figure, save_figure
from pyiqa_pixelperfect.plots.style import number, shorten

__all__ = ["check_level", "levels_figure", "write_level", "write_levels"]

LEVELS = tuple(range(1, KADIS_LEVELS + 1))


def check_level(kadis: str | None, level: int | None, others: Sequence[str]) -> None:
    """Check the options ``--kadis`` and ``--level``.

    Args:
        kadis: one of ``KADIS``.
        level: 1 to 5.
        others: options that were given and mean nothing beside ``--kadis``.

    Raises:
        ConfigError: no such type or level, a level without a type, or options that do not go together.
    """
    if kadis is None:
        if level is not None:
            raise ConfigError("--level", "a --kadis type beside it", f"--level {level} alone")
        return
    if kadis not in KADIS:
        raise ConfigError("--kadis", f"one of {', '.join(KADIS)}", repr(kadis))
    if level not in (None, *LEVELS):
        raise ConfigError("--level", f"a whole number from 1 to {KADIS_LEVELS}", str(level))
    if others:
        fix = "A level is of the whole picture and has no amounts."
        raise ConfigError("--kadis", "at most --level, --seed and --out beside it", ", ".join(others), fix)


def levels_figure(
    entries: Sequence[KadisEntry], clean: Tensor, seed: int, title: str, *, cell: tuple[float, float] = (2.1, 1.6)
) -> Figure:
    """Draw all levels of some types, a row for each.

    Args:
        entries: of ``KADIS``.
        clean: (1, 3, H, W) in [0, 1].
        seed: of everything random.
        title: heading of the sheet.
        cell: width and height in inches that a picture may take.
    """
    rows, notes = {}, {}
    for entry in entries:
        label = f"{entry.number} {entry.name}"
        rows[label] = [
            (_caption(entry, level, value), _distorted(clean, entry.name, level, seed))
            for level, value in zip(LEVELS, entry.levels, strict=True)
        ]
        notes[label] = f"{entry.description} ({entry.unit})"
    return gallery_figure(rows, title, notes=notes, groups=[("level: parameter", KADIS_LEVELS)], cell=cell)


def _caption(entry: KadisEntry, level: int, value: float) -> str:
    return f"{level}: {number(value, 'g')}" + (" (clean)" if level in entry.identity_levels else "")


def write_level(image: Path, clean: Tensor, kadis: str, level: int, seed: int, output: Path | None) -> list[Path]:
    """Write a picture at one level.

    Args:
        image: file of the picture; never overwritten.
        clean: (1, 3, H, W) in [0, 1].
        kadis: one of ``KADIS``.
        level: 1 to 5.
        seed: of everything random.
        output: where to write; by default in the current folder, named after the picture, type and level.

    Returns:
        The file written.

    Raises:
        ConfigError: ``output`` is the picture.
    """
    path = output or Path(f"{image.stem}-kadis-{kadis}-{level}.png")
    make_room("--out", [path], picture=image)
    save_picture(_distorted(clean, kadis, level, seed), path)
    return [path]


def write_levels(image: Path, clean: Tensor, kadis: str, seed: int, output: Path | None) -> list[Path]:
    """Write a sheet of all levels of a type; arguments as of ``write_level``, ``clean`` as it shall be drawn."""
    path = output or Path(f"{image.stem}-kadis-{kadis}.png")
    make_room("--out", [path], picture=image)
    title = f"KADIS type {KADIS[kadis].number}, by level: {shorten(image.name, 40)}"
    save_figure(levels_figure([KADIS[kadis]], clean, seed, title), path)
    return [path]


def _distorted(clean: Tensor, kadis: str, level: int, seed: int) -> Tensor:
    return apply_kadis(clean, kadis, level, torch.tensor([seed % 2**31]))[0]
