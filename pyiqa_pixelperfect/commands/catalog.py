"""``pixelperfect catalog``: the documentation of the distortion engine, made from its catalog."""

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from pyiqa_pixelperfect.commands.gallery import Columns, kinds_figure, middle
from pyiqa_pixelperfect.commands.levels import levels_figure
from pyiqa_pixelperfect.commands.outputs import make_room
from pyiqa_pixelperfect.commands.places import Place
from pyiqa_pixelperfect.commands.terminal import working
from pyiqa_pixelperfect.distortions import KINDS, KINDS_BY_FAMILY, Kind
from pyiqa_pixelperfect.distortions.kadis import KADIS, KadisEntry
from pyiqa_pixelperfect.distortions.kind import STAGES
from pyiqa_pixelperfect.errors import MissingDependencyError
from pyiqa_pixelperfect.families import FAMILIES, FAMILY_TABLE, family_index
from pyiqa_pixelperfect.images import as_image
from pyiqa_pixelperfect.plots.style import MINUS

__all__ = ["catalog", "catalog_text"]

Row = TypeVar("Row")

CROP = (120, 160)  # height, width in pixels; at 100 dots per inch each is drawn as one dot
CELL, DOTS_PER_INCH = (1.6, 1.2), 100
COLUMNS = Columns(((0.2, 0.4, 0.7, 1.0), (-1.0, -0.5, 0.5, 1.0)), ((1.0,), (1.0,)))
FACE = (140, 80, 300, 200)  # left, top, right, bottom in the astronaut: hair, skin, black cloth, gray wall
SEED, PLACE = 1, Place("perlin", scale=80.0, coverage=0.45)
MOST_ROWS = 7  # of one sheet: keeps its file below 300 kB


def catalog(folder: Path, image: Path | None = None) -> None:
    """Write ``catalog.md`` and sheets of pictures for each family and for the KADIS types.

    Args:
        folder: where to write; made if it is missing.
        image: picture file to show the distortions on, a part from its middle; None for a photograph that comes with
            scikit-image.

    Raises:
        ImageReadError: the picture cannot be read.
        ConfigError: a sheet would overwrite the picture.
        MissingDependencyError: no picture was given, and scikit-image is not installed.
    """
    page = folder / "catalog.md"
    files = [page, *(folder / name for name in (*_kind_sheets(), *_level_sheets()))]
    with working("Distorting"):
        clean = middle(as_image(image or _photograph(), str(image or "photograph")), CROP)
        make_room("FOLDER", files, picture=image)
        page.write_text(catalog_text(), encoding="utf-8", newline="\n")
        for name, kinds in _kind_sheets().items():
            _save_small(_kinds_figure(kinds, clean), folder / name)
        for name, types in _level_sheets().items():
            _save_small(levels_figure(types, clean, SEED, f"KADIS types {_span(types)}", cell=CELL), folder / name)
    for path in files:
        sys.stdout.write(f"wrote {path}\n")


def catalog_text() -> str:
    """Return the Markdown, the same for the same catalog on every machine."""
    environment = Environment(
        loader=PackageLoader("pyiqa_pixelperfect"),
        autoescape=False,  # noqa: S701 - Markdown, of nothing but our own words
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = lambda words: words.replace("|", "\\|")
    return environment.get_template("catalog.md.j2").render(
        kinds=[_kind_cells(kind) for kind in KINDS.values()],
        types=[_type_cells(entry) for entry in KADIS.values()],
        stages=STAGES,
        sheets={f: [name for name, kinds in _kind_sheets().items() if kinds[0].family == f] for f in FAMILIES},
        level_sheets={name: _span(types) for name, types in _level_sheets().items()},
    )


def _parts(rows: Sequence[Row]) -> list[Sequence[Row]]:
    """Cut a list into as few pieces of about equal length as sheets are needed for it."""
    count = -(-len(rows) // MOST_ROWS)
    return [rows[part * len(rows) // count : (part + 1) * len(rows) // count] for part in range(count)]


def _kind_sheets() -> dict[str, Sequence[Kind]]:
    """Return the kinds on each sheet, by file name."""
    sheets = {}
    for family, kinds in KINDS_BY_FAMILY.items():
        parts = _parts(kinds)
        for number, part in enumerate(parts, start=1):
            sheets[f"{family}-{number}.webp" if len(parts) > 1 else f"{family}.webp"] = part
    return sheets


def _level_sheets() -> dict[str, Sequence[KadisEntry]]:
    """Return the KADIS types on each sheet, by file name."""
    return {f"kadis-{number}.webp": part for number, part in enumerate(_parts(list(KADIS.values())), start=1)}


def _span(types: Sequence[KadisEntry]) -> str:
    return f"{types[0].number} to {types[-1].number}"


def _kinds_figure(kinds: Sequence[Kind], clean: Tensor) -> Figure:
    family = FAMILY_TABLE[family_index(kinds[0].family)]
    title = f"{family.name}: {MINUS}1 is {family.less}, +1 is {family.more}" if family.signed else family.name
    rows, notes = {kind.name: kind for kind in kinds}, {kind.name: kind.description for kind in kinds}
    return kinds_figure(rows, notes, clean, SEED, PLACE, title, columns=COLUMNS, cell=CELL)


def _kind_cells(kind: Kind) -> dict[str, str]:
    family = FAMILY_TABLE[family_index(kind.family)]
    notes = [f"also changes {other} by {factor:g} of the amount" for other, factor in kind.also]
    if kind.realize is not None:
        module = kind.realize.__module__.rpartition(".")[2]
        notes.append(f"the truth is `{module}.{kind.realize.__name__}` of the amount")
    if kind.local_only:
        notes.append("drawn in places only, never over a whole picture")
    return {
        "name": kind.name,
        "family": kind.family,
        "description": kind.description,
        "amounts": f"-1 ({family.less}) to 1 ({family.more})" if kind.signed else "0 to 1",
        "stage": kind.stage,
        "source": kind.source,
        "notes": "; ".join(notes),
    }


def _type_cells(entry: KadisEntry) -> dict[str, str]:
    notes = [f"level {level} is the picture as it is" for level in sorted(entry.identity_levels)]
    if entry.signed:
        notes.append("the levels run through pristine to the other side")
    if entry.cpu_only:
        notes.append("runs on the CPU, picture by picture")
    return {
        "number": str(entry.number),
        "name": entry.name,
        "family": entry.family,
        "unit": entry.unit,
        "levels": ", ".join(f"{value:g}" for value in entry.levels),
        "description": entry.description,
        "ladders": "; the other way: ".join(", ".join(map(str, ladder)) for ladder in entry.ladders),
        "notes": "; ".join(notes),
    }


def _photograph() -> Image.Image:
    """Return a part of a photograph that comes with scikit-image (Eileen Collins by NASA, public domain)."""
    try:
        from skimage import data
    except ImportError as error:
        fix = "pip install scikit-image, or give a picture of your own with --image."
        raise MissingDependencyError("catalog", "scikit-image", "no such package", fix) from error
    return Image.fromarray(data.astronaut()).crop(FACE)


def _save_small(figure: Figure, path: Path) -> None:
    """Write a figure as a lossy WebP, a third of a PNG, which keeps the fine colors better than its default does."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DOTS_PER_INCH)
    with Image.open(stream) as picture:
        picture.convert("RGB").save(path, "WEBP", quality=80, method=6, use_sharp_yuv=True)
