"""Contact sheets: the gallery of distortions, one distortion with its truth, and a trainer's preview."""

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from pyiqa_pixelperfect.families import FAMILIES
from pyiqa_pixelperfect.plots.style import MUTED, Sheet, colored_map, drawable, fitted, number, shorten

__all__ = ["gallery_figure", "preview_figure", "truth_figure"]

MARGIN, GAP, GROUP_GAP = 0.3, 0.08, 0.25
TITLE_LETTER, LABEL_LETTER, NOTE_LINE = 0.125, 0.085, 0.13  # inches: mean widths of letters, height of a line


def gallery_figure(
    rows: Mapping[str, Sequence[tuple[str, Tensor]]],
    title: str = "",
    *,
    notes: Mapping[str, str] | None = None,
    groups: Sequence[tuple[str, int]] = (),
    cell: tuple[float, float] = (2.1, 1.6),
    color_bar: bool = False,
) -> Figure:
    """Draw pictures in labeled rows, such as families at rising amounts.

    Args:
        rows: per row its label, and for each of its pictures a short caption and the picture, ``(3, H, W)`` in
            ``[0, 1]``; all pictures have one size.
        title: heading of the sheet.
        notes: smaller words below the labels of some rows.
        groups: headings over neighboring columns, from the left, and how many columns each has; a gap parts them.
        cell: width and height in inches that a picture may take.
        color_bar: whether maps are among the pictures, so that their scale is drawn below.
    """
    notes = notes or {}
    first = next(iter(rows.values()))[0][1]
    cell = fitted(first.shape[-1] / first.shape[-2], *cell)
    labels = max(1.85 if notes else 1.3, 0.12 + LABEL_LETTER * max(map(len, rows)))
    head = MARGIN + 0.4 + (0.24 if groups else 0.0)
    # Captions are wider than tall pictures, and notes higher than wide ones.
    pitch, line = max(cell[0] + GAP, 0.7), max(cell[1] + GAP, 0.5 if notes else 0.25)
    ends = list(itertools.accumulate(count for _, count in groups))
    lefts = [
        MARGIN + labels + column * pitch + GROUP_GAP * sum(column >= end for end in ends[:-1])
        for column in range(max(len(row) for row in rows.values()))
    ]
    width = max(lefts[-1] + pitch + MARGIN, 2 * MARGIN + TITLE_LETTER * len(title))
    sheet = Sheet(width, head + len(rows) * line - GAP + MARGIN + (0.45 if color_bar else 0.0))
    sheet.text(MARGIN, MARGIN - 0.06, title, 14, fontweight="bold")
    for (words, count), end in zip(groups, ends, strict=True):
        sheet.text(lefts[end - count], head - 0.07, words, 9.5, va="bottom", color=MUTED)
    for row, (name, pictures) in enumerate(rows.items()):
        top = head + row * line
        _row_label(sheet, MARGIN, top, labels - 0.12, line - GAP, name, notes.get(name, ""))
        for left, (caption, picture) in zip(lefts, pictures, strict=False):
            axes = sheet.picture(drawable(picture, 500), left, top, *cell)
            box: dict[str, Any] = {"facecolor": "black", "alpha": 0.6, "linewidth": 0, "pad": 2.0}
            axes.text(0.02, 0.97, caption, transform=axes.transAxes, va="top", fontsize=7.5, color="white", bbox=box)
    if color_bar:
        sheet.color_bar(width / 2 - 1.6, sheet.height - 0.42, 3.2)
    return sheet.figure


def _row_label(sheet: Sheet, left: float, top: float, width: float, height: float, name: str, note: str) -> None:
    """Write a name and as much of its note as fits below it, flush right, in the middle of the row."""
    letters, most = int(width * 72 / (7.5 * 0.54)), max(1, int((height - 0.2) / NOTE_LINE))
    lines = textwrap.wrap(note, letters, max_lines=most, placeholder=" \N{HORIZONTAL ELLIPSIS}")
    middle = top + (height - NOTE_LINE * len(lines)) / 2
    sheet.text(left + width, middle, name, 9.5, ha="right", va="center", fontweight="bold")
    for line, words in enumerate(lines):
        sheet.text(left + width, middle + 0.17 + NOTE_LINE * line, words, 7.5, ha="right", va="center", color=MUTED)


def truth_figure(picture: Tensor, distorted: Tensor, amounts: Mapping[str, Tensor], title: str = "") -> Figure:
    """Draw a clean picture, its distorted version and the exact amount maps.

    Args:
        picture: ``(3, H, W)`` in ``[0, 1]``.
        distorted: the same shape.
        amounts: per family its ``(H, W)`` map of amounts in ``[-1, 1]``.
        title: heading of the sheet.
    """
    panels = [("clean", "", drawable(picture)), ("distorted", "", drawable(distorted))]
    panels += [(f"amount of {name}", _extent(field), colored_map(field, picture)) for name, field in amounts.items()]
    aspect = picture.shape[-1] / picture.shape[-2]
    columns = 1 if aspect > 3 else 2 if len(panels) == 4 else min(len(panels), 3)
    cell = fitted(aspect, 9.0 if columns == 1 else 4.2, 4.6)
    pitch, line = max(cell[0] + GAP, 2.2), cell[1] + 0.46 + GAP  # names are wider than tall pictures
    head, rows = MARGIN + 0.42, -(-len(panels) // columns)
    width = max(2 * MARGIN + columns * pitch - GAP, 2 * MARGIN + TITLE_LETTER * len(title), 6.0)
    sheet = Sheet(width, head + rows * line + (0.7 if amounts else 0.1))
    sheet.text(MARGIN, MARGIN - 0.08, title, 14, fontweight="bold")
    for place, (name, extent, pixels) in enumerate(panels):
        row, column = divmod(place, columns)
        left, top = MARGIN + column * pitch, head + row * line
        sheet.text(left, top, name, 9.5, fontweight="bold")
        sheet.text(left, top + 0.19, extent, 8, color=MUTED)
        sheet.picture(pixels, left, top + 0.4, *cell)
    if amounts:
        sheet.color_bar(width / 2 - 1.6, sheet.height - 0.42, 3.2)
    return sheet.figure


def _extent(field: Tensor) -> str:
    """Say how far a map (H, W) goes and how much of the picture it touches."""
    share = (field != 0).float().mean().item()
    if share == 0:
        return "none"
    touched = "less than 1%" if share < 0.01 else f"{share:.0%}"
    return f"up to {number(field.flatten()[field.abs().argmax()].item())}, in {touched} of the picture"


def preview_figure(
    images: Tensor,
    references: Tensor,
    targets: Tensor,
    predictions: Tensor,
    *,
    families: Sequence[str] = FAMILIES,
    channels: int = 3,
    title: str = "",
) -> Figure:
    """Draw what a map network says beside what it should say: one row per pair, the strongest families of each.

    Args:
        images: ``(B, 3, H, W)`` in ``[0, 1]``.
        references: the same shape.
        targets: true maps, ``(B, K, h, w)`` in ``[0, 1]`` with 0.5 for "equal", at any resolution.
        predictions: predicted maps, as the targets.
        families: names of the K channels.
        channels: how many families to show per pair, those with the largest mean target or prediction.
        title: heading of the sheet, such as the step.
    """
    cell = fitted(images.shape[-1] / images.shape[-2], 1.6, 1.6)
    head, line = MARGIN + 0.5, cell[1] + 0.2 + GAP
    width = 2 * MARGIN + 2 * (cell[0] + GAP) + channels * (2 * (cell[0] + GAP) + 0.12)
    sheet = Sheet(width, head + len(images) * line + 0.6)
    sheet.text(MARGIN, MARGIN - 0.1, title, 12, fontweight="bold")
    truth, guess = (2 * maps.detach().to("cpu", torch.float32) - 1 for maps in (targets, predictions))
    strength = torch.maximum(truth.abs().mean(dim=(2, 3)), 0.5 * guess.abs().mean(dim=(2, 3)))
    for pair, (image, reference) in enumerate(zip(images, references, strict=True)):
        top = head + pair * line
        for column, (name, picture) in enumerate((("reference", reference), ("image", image))):
            left = MARGIN + column * (cell[0] + GAP)
            if pair == 0:
                sheet.text(left, top - 0.05, name, 8, color=MUTED, va="bottom")
            sheet.picture(drawable(picture, 400), left, top + 0.2, *cell)
        for column, channel in enumerate(strength[pair].topk(min(channels, len(families))).indices.tolist()):
            left = MARGIN + 2 * (cell[0] + GAP) + 0.12 + column * (2 * (cell[0] + GAP) + 0.12)
            sheet.text(left, top + 0.17, shorten(families[channel], 22), 8, va="bottom", fontweight="bold")
            for side, (name, maps) in enumerate((("truth", truth), ("prediction", guess))):
                if pair == 0:
                    sheet.text(left + side * (cell[0] + GAP), top - 0.05, name, 8, color=MUTED, va="bottom")
                pixels = colored_map(maps[pair, channel], image, 400)
                sheet.picture(pixels, left + side * (cell[0] + GAP), top + 0.2, *cell)
    sheet.color_bar(width / 2 - 1.6, sheet.height - 0.32, 3.2)
    return sheet.figure
