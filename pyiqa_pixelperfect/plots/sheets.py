"""Contact sheets: the gallery of distortions, one distortion with its truth, and a trainer's preview."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from pyiqa_pixelperfect.families import FAMILIES
from pyiqa_pixelperfect.plots.style import MUTED, Sheet, colored_map, drawable, fitted, shorten

__all__ = ["gallery_figure", "preview_figure", "truth_figure"]

MARGIN, GAP = 0.3, 0.08


def gallery_figure(rows: Mapping[str, Sequence[tuple[str, Tensor]]], title: str = "") -> Figure:
    """Draw pictures in labeled rows, such as families at rising amounts.

    Args:
        rows: per row its label, and for each of its pictures a short caption and the picture, ``(3, H, W)`` in
            ``[0, 1]``; all pictures have one size.
        title: heading of the sheet.
    """
    columns = max(len(row) for row in rows.values())
    first = next(iter(rows.values()))[0][1]
    cell = fitted(first.shape[-1] / first.shape[-2], 2.1, 1.6)
    labels, head = 1.3, MARGIN + 0.4
    sheet = Sheet(
        2 * MARGIN + labels + columns * (cell[0] + GAP) - GAP, head + len(rows) * (cell[1] + GAP) - GAP + MARGIN
    )
    sheet.text(MARGIN, MARGIN - 0.06, title, 14, fontweight="bold")
    for row, (name, pictures) in enumerate(rows.items()):
        top = head + row * (cell[1] + GAP)
        sheet.text(MARGIN + labels - 0.12, top + cell[1] / 2, name, 9.5, ha="right", va="center", fontweight="bold")
        for column, (caption, picture) in enumerate(pictures):
            axes = sheet.picture(drawable(picture, 500), MARGIN + labels + column * (cell[0] + GAP), top, *cell)
            box: dict[str, Any] = {"facecolor": "black", "alpha": 0.6, "linewidth": 0, "pad": 2.0}
            axes.text(0.02, 0.97, caption, transform=axes.transAxes, va="top", fontsize=7.5, color="white", bbox=box)
    return sheet.figure


def truth_figure(picture: Tensor, distorted: Tensor, amounts: Mapping[str, Tensor], title: str = "") -> Figure:
    """Draw a clean picture, its distorted version and the exact amount maps.

    Args:
        picture: ``(3, H, W)`` in ``[0, 1]``.
        distorted: the same shape.
        amounts: per family its ``(H, W)`` map of amounts in ``[-1, 1]``.
        title: heading of the sheet.
    """
    panels = [("clean", drawable(picture)), ("distorted", drawable(distorted))]
    panels += [(f"amount of {family}", colored_map(field, picture)) for family, field in amounts.items()]
    aspect = picture.shape[-1] / picture.shape[-2]
    columns = 1 if aspect > 3 else min(len(panels), 3)
    cell = fitted(aspect, 9.0 if columns == 1 else 4.2, 4.6)
    rows = -(-len(panels) // columns)
    head = MARGIN + 0.42
    width = max(2 * MARGIN + columns * (cell[0] + GAP) - GAP, 6.0)
    sheet = Sheet(width, head + rows * (cell[1] + 0.28 + GAP) + 0.75)
    sheet.text(MARGIN, MARGIN - 0.08, title, 14, fontweight="bold")
    for place, (name, pixels) in enumerate(panels):
        row, column = divmod(place, columns)
        left, top = MARGIN + column * (cell[0] + GAP), head + row * (cell[1] + 0.28 + GAP)
        sheet.text(left, top, name, 9.5, fontweight="bold")
        sheet.picture(pixels, left, top + 0.22, *cell)
    sheet.color_bar(width / 2 - 1.6, sheet.height - 0.42, 3.2)
    return sheet.figure


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
