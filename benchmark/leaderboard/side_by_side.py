"""The picture that papers print: image, reference, and what each metric says of them, maps where it has one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from pyiqa_pixelperfect.plots.style import FAINT, INK, MUTED, Sheet, drawable, fitted, number, shorten

__all__ = ["Said", "side_by_side_figure"]

_MARGIN, _GAP, _TITLE = 0.3, 0.18, 0.42
_WIDTH = 11.0


@dataclass(frozen=True)
class Said:
    """What one metric says.

    Attributes:
        name: of the metric.
        score: in its own units, or ``None`` where it cannot be had.
        lower_better: direction of those units.
        field: ``(H, W)``, larger where more is wrong; ``None`` for metrics without maps.
        note: one line, such as why there is no score.
    """

    name: str
    score: float | None
    lower_better: bool
    field: NDArray[np.float32] | None
    note: str = ""


def side_by_side_figure(
    image: Tensor, reference: Tensor, said: Sequence[Said], names: tuple[str, str] = ("image", "reference")
) -> Figure:
    """Draw image, reference and one panel per metric.

    Args:
        image: ``(1, 3, H, W)`` in ``[0, 1]``.
        reference: the same shape.
        said: what the metrics say, in the order of the panels.
        names: what to call the two pictures.
    """
    aspect = image.shape[-1] / image.shape[-2]
    columns = min(2 + len(said), 3 if aspect > 1.6 else 4 if aspect > 0.9 else 5)
    cell = (_WIDTH - 2 * _MARGIN - (columns - 1) * _GAP) / columns
    width, height = fitted(aspect, cell, 3.6)
    lines = -(-(2 + len(said)) // columns)
    sheet = Sheet(_WIDTH, 2 * _MARGIN + lines * (height + _TITLE + _GAP) + 0.15)
    panels: list[tuple[str, str, NDArray[np.float32] | None]] = [
        (names[0], "", drawable(image[0])),
        (names[1], "", drawable(reference[0])),
        *((item.name, _words(item), None if item.field is None else _colored(item.field)) for item in said),
    ]
    for place, (title, words, pixels) in enumerate(panels):
        line, column = divmod(place, columns)
        left, top = _MARGIN + column * (cell + _GAP), _MARGIN + line * (height + _TITLE + _GAP)
        sheet.text(left, top, shorten(title, max(12, int(cell / 0.09))), 10, fontweight="bold", color=INK)
        sheet.text(left, top + 0.19, words, 8, color=MUTED)
        if pixels is not None:
            sheet.picture(pixels, left, top + _TITLE, width, height)
        else:
            _empty(sheet, left, top + _TITLE, width, height)
    sheet.text(_MARGIN, sheet.height - 0.28, "maps: black, nothing; bright, most of what the metric sees in this pair "
               "(each map on its own scale)", 7.5, color=MUTED)  # fmt: skip
    return sheet.figure


def _words(item: Said) -> str:
    if item.score is None:
        return item.note
    return f"{number(item.score, '.4g')} ({'lower' if item.lower_better else 'higher'} is better)"


def _colored(field: NDArray[np.float32]) -> NDArray[np.float32]:
    top = float(np.quantile(field, 0.995)) or 1.0  # a few pixels at an edge must not darken the rest
    colors: NDArray[np.float32] = colormaps["inferno"](np.clip(field / top, 0.0, 1.0))[..., :3].astype(np.float32)
    return colors


def _empty(sheet: Sheet, left: float, top: float, width: float, height: float) -> None:
    axes = sheet.axes(left, top, width, height)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(FAINT)
    axes.text(0.5, 0.5, "no map", ha="center", va="center", fontsize=9, color=MUTED)
