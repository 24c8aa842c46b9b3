"""Sheets of distortions: a row for each family or kind, at rising amounts everywhere and then under a field."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from matplotlib.figure import Figure
from torch import Tensor

from pyiqa_pixelperfect.commands.places import Place, distorted_at
from pyiqa_pixelperfect.distortions import KINDS_BY_FAMILY, Kind
from pyiqa_pixelperfect.families import family_index
from pyiqa_pixelperfect.plots import gallery_figure
from pyiqa_pixelperfect.plots.style import colored_map, number, shorten

__all__ = [
    "CROP",
    "Columns",
    "family_figure",
    "first_kinds",
    "gallery_of_families",
    "kinds_figure",
    "kinds_rows",
    "middle",
]

CROP = (240, 320)  # height, width in pixels: shown about one to one, or fine distortions would vanish
SOMEWHERE = Place("perlin", coverage=0.3)


@dataclass(frozen=True)
class Columns:
    """Which amounts a row shows, each for families without and with a direction.

    Attributes:
        everywhere: amounts over the whole picture.
        local: amounts under a field; the truth map of the last one follows.
    """

    everywhere: tuple[tuple[float, ...], tuple[float, ...]] = ((0.2, 0.4, 0.6, 0.8, 1.0), (-1.0, -0.5, 0.0, 0.5, 1.0))
    local: tuple[tuple[float, ...], tuple[float, ...]] = ((0.5, 1.0), (-1.0, 1.0))


def kinds_rows(
    kinds: Mapping[str, Kind], clean: Tensor, seed: int, place: Place, columns: Columns | None = None
) -> dict[str, list[tuple[str, Tensor]]]:
    """Return a row of captioned pictures, ``(3, H, W)`` in ``[0, 1]``, for each kind.

    Args:
        kinds: what to show, by the label of its row.
        clean: (1, 3, H, W) in [0, 1].
        seed: of everything random.
        place: the field of the last columns; ``global`` leaves them out.
        columns: which amounts.
    """
    columns = columns or Columns()
    rows = {}
    for label, kind in kinds.items():
        # What covers the whole picture is no occlusion any more.
        amounts = columns.everywhere[kind.signed]
        row = _captioned(kind, clean, amounts, seed, SOMEWHERE if kind.local_only else Place())[0]
        if place.field != "global":
            pictures, truth = _captioned(kind, clean, columns.local[kind.signed], seed, place)
            row += [*pictures, ("truth", torch.from_numpy(colored_map(truth, clean[0])).permute(2, 0, 1))]
        rows[label] = row
    return rows


def kinds_figure(
    kinds: Mapping[str, Kind],
    notes: Mapping[str, str],
    clean: Tensor,
    seed: int,
    place: Place,
    title: str,
    *,
    columns: Columns | None = None,
    cell: tuple[float, float] = (2.1, 1.6),
) -> Figure:
    """Draw ``kinds_rows`` as one sheet.

    Args:
        kinds: what to show, by the label of its row.
        notes: what to write below each label.
        clean: (1, 3, H, W) in [0, 1].
        seed: of everything random.
        place: the field of the last columns; ``global`` leaves them out.
        title: heading of the sheet.
        columns: which amounts.
        cell: width and height in inches that a picture may take.
    """
    columns = columns or Columns()
    groups = [("over the whole picture", len(columns.everywhere[0]))]
    if place.field != "global":
        groups.append((f"under a field: {place.field}", len(columns.local[0]) + 1))
    notes = {
        label: note + (" (never the whole picture)" if kinds[label].local_only else "") for label, note in notes.items()
    }
    rows = kinds_rows(kinds, clean, seed, place, columns)
    return gallery_figure(rows, title, notes=notes, groups=groups, cell=cell, color_bar=len(groups) > 1)


def first_kinds() -> dict[str, Kind]:
    """Return the first kind of every family, by family."""
    return {family: kinds[0] for family, kinds in KINDS_BY_FAMILY.items()}


def gallery_of_families(clean: Tensor, name: str, seed: int, place: Place) -> Figure:
    """Draw the first kind of every family on a crop from the middle of a picture called ``name``."""
    kinds = first_kinds()
    title = f"The first kind of each family, by amount: {shorten(name, 40)}"
    return kinds_figure(kinds, {f: kind.name for f, kind in kinds.items()}, middle(clean, CROP), seed, place, title)


def family_figure(family: str, clean: Tensor, name: str, seed: int, place: Place) -> Figure:
    """Draw all kinds of a family on a crop from the middle of a picture called ``name``."""
    kinds = {kind.name: kind for kind in KINDS_BY_FAMILY[family]}
    title = f"All kinds of {family}, by amount: {shorten(name, 40)}"
    notes = {name: kind.description for name, kind in kinds.items()}
    return kinds_figure(kinds, notes, middle(clean, CROP), seed, place, title)


def middle(clean: Tensor, crop: tuple[int, int]) -> Tensor:
    """Cut (height, width) pixels, or what there is, from the middle of a picture (1, 3, H, W)."""
    height, width = (min(wanted, there) for wanted, there in zip(crop, clean.shape[-2:], strict=True))
    top, left = (clean.shape[-2] - height) // 2, (clean.shape[-1] - width) // 2
    return clean[..., top : top + height, left : left + width].contiguous()


def _captioned(
    kind: Kind, clean: Tensor, amounts: tuple[float, ...], seed: int, place: Place
) -> tuple[list[tuple[str, Tensor]], Tensor]:
    """Pictures with their amounts as captions, and the truth map (H, W) of the last."""
    form = "+.1f" if kind.signed else ".1f"
    draw = distorted_at(clean, kind.name, amounts, seed, place)
    pictures = [(number(amount, form), picture) for amount, picture in zip(amounts, draw.image, strict=True)]
    return pictures, draw.amounts[-1, family_index(kind.family)]
