"""One image beside its reference: both pictures, the strongest maps, a bar per family and the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from pyiqa_pixelperfect.errors import ConfigError
from pyiqa_pixelperfect.plots.style import (
    FAINT,
    INK,
    LESS,
    MORE,
    MUTED,
    Sheet,
    colored_map,
    drawable,
    fitted,
    number,
    shorten,
    wrapped,
)
from pyiqa_pixelperfect.summary import Summary

__all__ = ["Compared", "comparison_figure"]

MAXIMUM_MAPS = 6
MARGIN, GAP, TITLE = 0.35, 0.14, 0.26  # inches: around the sheet, between panels, above each panel
BARS = 3.5  # inches: width of the bar chart with its labels


class Compared(Protocol):
    """The part of a comparison that is drawn."""

    @property
    def families(self) -> tuple[str, ...]:
        """Names of the K maps."""

    @property
    def signed(self) -> Tensor:
        """Maps, ``(B, K, H, W)`` in ``[-1, 1]``; positive: the image has more of the family."""

    def summary(self, index: int = 0) -> Summary:
        """Words and numbers for one pair."""


def comparison_figure(
    image: Tensor,
    reference: Tensor,
    comparison: Compared,
    index: int = 0,
    families: Sequence[str] | None = None,
    *,
    names: tuple[str, str] = ("image", "reference"),
) -> Figure:
    """Draw one pair of a comparison.

    Args:
        image: ``(B, 3, H, W)`` in ``[0, 1]``.
        reference: the same shape, or a batch of one.
        comparison: what ``PixelPerfect.compare`` returned for them.
        index: which pair of the batch.
        families: whose maps to draw; the most prominent ones, at most six, by default.
        names: what to call the two pictures.

    Raises:
        ConfigError: ``families`` holds a name that the comparison lacks.
    """
    summary = comparison.summary(index)
    if families is None:
        families = [row.family for row in summary.visible][:MAXIMUM_MAPS]
    for family in families:
        if family not in comparison.families:
            raise ConfigError("families", f"some of {', '.join(comparison.families)}", repr(family))
    picture, other = image[min(index, len(image) - 1)], reference[min(index, len(reference) - 1)]
    layout = _Layout.of(picture.shape[-1] / picture.shape[-2], len(families))
    reasons = wrapped(_reasons(summary), layout.block + GAP + BARS, 10.5)
    head = MARGIN + 0.42 + 0.2 * len(reasons) + 0.12
    body = max(layout.height, 4.3)
    sheet = Sheet(2 * MARGIN + layout.block + 2 * GAP + BARS, head + body + MARGIN)
    _write_head(sheet, summary, reasons)

    for place, (pixels, name) in enumerate(zip((picture, other), names, strict=True)):
        left, top = layout.picture_corner(place)
        sheet.text(MARGIN + left, head + top, shorten(name, int(layout.picture[0] / 0.085)), 10, fontweight="bold")
        sheet.picture(drawable(pixels), MARGIN + left, head + top + TITLE, *layout.picture)
    rows = {row.family: row for row in summary.rows}
    for place, family in enumerate(families):
        left, top = layout.map_corner(place)
        row = rows[family]
        sheet.text(MARGIN + left, head + top, family, 9, fontweight="bold")
        sheet.text(MARGIN + left, head + top + 0.16, f"{number(row.strength)} {row.where}", 8, color=MUTED)
        field = comparison.signed[index, comparison.families.index(family)]
        sheet.picture(colored_map(field, picture, 700), MARGIN + left, head + top + TITLE + 0.1, *layout.map)

    right = MARGIN + layout.block + 2 * GAP
    bars = min(body - 1.05, 5.5)
    sheet.text(right, head, "amount by family", 10, fontweight="bold")
    _draw_bars(sheet.axes(right + 1.15, head + TITLE, BARS - 1.15, bars - TITLE), summary)
    sheet.color_bar(right, head + bars + 0.79, BARS)
    return sheet.figure


@dataclass(frozen=True)
class _Layout:
    """Where pictures and maps go, in inches from the corner of their block; sizes are (width, height)."""

    picture: tuple[float, float]
    picture_columns: int
    map: tuple[float, float]
    map_columns: int
    block: float
    height: float

    @classmethod
    def of(cls, aspect: float, maps: int) -> "_Layout":
        """Choose a layout: wide pictures are stacked, others stand side by side; maps fill the width below."""
        stacked = aspect > 2.2
        picture_columns = 1 if stacked else 2
        width, height = fitted(aspect, 7.6 if stacked else 4.5, 4.1)
        block = max(picture_columns * width + (picture_columns - 1) * GAP, 6.0)
        cell = ((block - (picture_columns - 1) * GAP) / picture_columns, height)
        map_columns = min(maps, 2 if stacked else (4 if maps in (4, 7, 8) else 3))
        if maps == 1 and not stacked:
            map_columns = 2  # a single map no larger than the pictures
        map_width = (block - (map_columns - 1) * GAP) / max(map_columns, 1)
        map_cell = (map_width, min(map_width / aspect, 3.4))
        map_rows = -(-maps // map_columns) if maps else 0
        total = (2 // picture_columns) * (height + TITLE + GAP) + map_rows * (map_cell[1] + TITLE + 0.1 + GAP)
        return cls(cell, picture_columns, map_cell, map_columns, block, total)

    def picture_corner(self, place: int) -> tuple[float, float]:
        row, column = divmod(place, self.picture_columns)
        return column * (self.picture[0] + GAP), row * (self.picture[1] + TITLE + GAP)

    def map_corner(self, place: int) -> tuple[float, float]:
        row, column = divmod(place, self.map_columns)
        above = (2 // self.picture_columns) * (self.picture[1] + TITLE + GAP) + 0.06
        return column * (self.map[0] + GAP), above + row * (self.map[1] + TITLE + 0.1 + GAP)


def _reasons(summary: Summary) -> str:
    reasons = summary.verdict.removeprefix(summary.headline).lstrip(":, ")
    return reasons or "no distortion differs visibly"


def _write_head(sheet: Sheet, summary: Summary, reasons: Sequence[str]) -> None:
    color = {"better": "#1a7f37", "worse": "#b42318"}.get(summary.outcome, INK)
    sheet.text(
        MARGIN, MARGIN - 0.08, summary.headline[0].upper() + summary.headline[1:], 16, color=color, weight="bold"
    )
    right = sheet.width - MARGIN
    sheet.text(right, MARGIN - 0.08, f"score {number(summary.score)}", 16, ha="right", weight="bold")
    for line, words in enumerate(reasons):
        sheet.text(MARGIN, MARGIN + 0.3 + 0.2 * line, words, 10.5, color=MUTED)


def _draw_bars(axes: Axes, summary: Summary) -> None:
    """Draw a bar per family: pale where the family is affected, solid for the mean over the whole picture."""
    places = range(len(summary.rows))
    strengths = [row.strength if row.visible else 0.0 for row in summary.rows]
    amounts = [row.amount for row in summary.rows]
    for values, alpha, height in ((strengths, 0.35, 0.72), (amounts, 1.0, 0.34)):
        axes.barh(places, values, height, color=[MORE if v > 0 else LESS for v in values], alpha=alpha, linewidth=0)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_xlim(-1.0, 1.0)
    axes.set_ylim(len(summary.rows) - 0.4, -0.6)
    axes.set_yticks(places, [row.family for row in summary.rows])
    axes.set_xticks([-1, -0.5, 0, 0.5, 1], [number(tick, "g") for tick in (-1, -0.5, 0, 0.5, 1)])
    axes.tick_params(labelsize=8.5, length=0, labelcolor=INK, pad=4)
    axes.tick_params(axis="x", labelsize=7.5, labelcolor=MUTED)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)
    for label, row in zip(axes.get_yticklabels(), summary.rows, strict=True):
        label.set_color(INK if row.visible else MUTED)
    for place, value in zip(places, strengths, strict=True):
        if value:
            inward = abs(value) > 0.7  # no room outside the bar
            edge, align = (value, "right" if (value > 0) == inward else "left")
            axes.text(
                edge + (-0.03 if align == "right" else 0.03), place, number(value), fontsize=7.5, va="center", ha=align
            )
    axes.set_xlabel("pale: where affected, solid: mean over the picture", fontsize=7.5, color=MUTED, labelpad=4)
