"""Several versions of one picture, best first: the versions, their scores, and who beats whom."""

from collections.abc import Sequence
from typing import Protocol

from matplotlib.figure import Figure
from torch import Tensor

from pyiqa_pixelperfect.plots.style import (
    DIVERGING,
    FAINT,
    INK,
    LESS,
    MORE,
    MUTED,
    Sheet,
    drawable,
    fitted,
    number,
    shorten,
)

__all__ = ["Ranked", "ranking_figure"]

MARGIN, GAP, TITLE = 0.35, 0.16, 0.4
WIDTH = 12.0
MAXIMUM_THUMBNAILS = 15


class Ranked(Protocol):
    """The part of a ranking that is drawn."""

    @property
    def order(self) -> list[int]:
        """Positions of the candidates, best first."""

    @property
    def scores(self) -> Tensor:
        """``(N,)``, each candidate against the reference, or what stands in for it."""

    @property
    def pairwise(self) -> Tensor:
        """``(N, N)``, each candidate against each other."""

    @property
    def stands_in(self) -> int | None:
        """Position of the candidate that stands in for the reference, if one has to."""


def ranking_figure(
    reference: Tensor, candidates: Sequence[Tensor], ranking: Ranked, names: Sequence[str] | None = None
) -> Figure:
    """Draw a ranking.

    Args:
        reference: ``(1, 3, H, W)`` in ``[0, 1]``; where there is none, the candidate that stands in for it.
        candidates: N pictures of the same shape.
        ranking: what ``PixelPerfect.rank`` returned for them.
        names: what to call the candidates, by position.
    """
    names = [f"candidate {place}" for place in range(len(candidates))] if names is None else names
    order = list(ranking.order)
    shown = order[:MAXIMUM_THUMBNAILS]
    aspect = reference.shape[-1] / reference.shape[-2]
    rows = -(-(len(shown) + 1) // (6 if aspect < 1 else 5 if aspect < 2 else 3))
    columns = max(3, -(-(len(shown) + 1) // rows))  # rows of nearly the same length
    cell = (WIDTH - 2 * MARGIN - (columns - 1) * GAP) / columns
    width, height = fitted(aspect, cell, 3.2)
    head = MARGIN + 0.45
    thumbnails = rows * (height + TITLE + GAP)
    lower, side = 0.34 * len(order), min(max(0.44 * len(order), 1.6), 4.3)
    sheet = Sheet(WIDTH, head + thumbnails + 0.6 + max(lower, side) + 0.75)
    best = shorten(names[order[0]], 60)
    sheet.text(MARGIN, MARGIN - 0.08, f"Best: {best}", 16, fontweight="bold")

    stands_in = None if ranking.stands_in is None else names[ranking.stands_in]
    words = "compared with all" if stands_in is None else "stands in as reference"
    panels = [(reference[0], stands_in or "reference", words, MUTED)]
    for rank, position in enumerate(shown, start=1):
        score = float(ranking.scores[position])
        panels.append((candidates[position][0], f"{rank}. {names[position]}", f"score {number(score)}", INK))
    for place, (picture, title, words, color) in enumerate(panels):
        row, column = divmod(place, columns)
        left, top = MARGIN + column * (cell + GAP), head + row * (height + TITLE + GAP)
        sheet.text(left, top, shorten(title, max(12, int(cell / 0.085))), 9, fontweight="bold", color=color)
        sheet.text(left, top + 0.17, words, 8.5, color=MUTED)
        sheet.picture(drawable(picture, 700), left, top + TITLE - 0.02, width, height)

    top = head + thumbnails + 0.6
    labels = [shorten(names[position], 26) for position in order]
    scores = [float(ranking.scores[position]) for position in order]
    _draw_scores(sheet, scores, labels, shorten(stands_in or "the reference", 40), top, lower)
    _draw_pairs(sheet, ranking, order, top, side)
    return sheet.figure


def _draw_scores(
    sheet: Sheet, scores: Sequence[float], labels: Sequence[str], other: str, top: float, height: float
) -> None:
    sheet.text(MARGIN, top - 0.3, f"score against {other}", 10, fontweight="bold")
    axes = sheet.axes(MARGIN + 2.0, top, 4.0, height)
    places = range(len(scores))
    axes.barh(places, scores, 0.6, color=[MORE if score > 0 else LESS for score in scores], linewidth=0)
    reach = 1.35 * max([abs(score) for score in scores] + [0.1])
    low = -reach if min(scores) < 0 else -0.08 * reach
    high = reach if max(scores) > 0 else 0.08 * reach
    axes.set_xlim(low, high)
    axes.set_ylim(len(scores) - 0.4, -0.6)
    axes.set_yticks(places, labels)
    axes.tick_params(labelsize=8.5, length=0, labelcolor=INK)
    axes.tick_params(axis="x", labelsize=7.5, labelcolor=MUTED)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for place, score in zip(places, scores, strict=True):
        align = "left" if score >= 0 else "right"
        shift = 0.02 * (high - low) * (1 if score >= 0 else -1)
        axes.text(score + shift, place, number(score), fontsize=8, va="center", ha=align)
    axes.set_xlabel("below 0: worse, 0: equal, above 0: better", fontsize=8, color=MUTED)


def _draw_pairs(sheet: Sheet, ranking: Ranked, order: Sequence[int], top: float, side: float) -> None:
    left = MARGIN + 2.0 + 4.0 + 0.95
    sheet.text(left - 0.3, top - 0.3, "row against column", 10, fontweight="bold")
    axes = sheet.axes(left, top, side, side)
    pairwise = ranking.pairwise.detach().cpu()[order][:, order]
    reach = max(float(pairwise.abs().max()), 1e-6)
    axes.imshow(pairwise.numpy(), cmap=DIVERGING, vmin=-1.25 * reach, vmax=1.25 * reach, aspect="auto")
    ranks = [str(rank) for rank in range(1, len(order) + 1)]
    axes.set_xticks(range(len(order)), ranks)
    axes.set_yticks(range(len(order)), ranks)
    axes.tick_params(labelsize=8, length=0, labelcolor=MUTED)
    for spine in axes.spines.values():
        spine.set_color(FAINT)
    if len(order) <= 10:
        for row in range(len(order)):
            for column in range(len(order)):
                value = float(pairwise[row, column])
                color = "white" if abs(value) > 0.6 * reach else INK
                words = "" if row == column else number(value)
                axes.text(column, row, words, ha="center", va="center", fontsize=7.5, color=color)
    axes.set_xlabel("rank; orange: the row is the better one", fontsize=8, color=MUTED)
