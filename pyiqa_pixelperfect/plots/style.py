"""How every figure looks: colors, type, and the few shapes all of them are made of.

Lengths are inches. Figures are laid out by hand, from the size of the pictures outward, because pictures come in all
aspect ratios and automatic layouts leave holes around tall and wide ones. The origin is the top left corner.
"""

import os
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pyiqa_pixelperfect.errors import ConfigError

__all__ = [
    "DIVERGING",
    "FAINT",
    "FIGURE_FORMATS",
    "INK",
    "LESS",
    "MORE",
    "MUTED",
    "Sheet",
    "colored_map",
    "drawable",
    "fitted",
    "number",
    "save_figure",
    "shorten",
    "wrapped",
]

FIGURE_FORMATS = (".png", ".pdf", ".svg", ".jpg", ".jpeg")

INK, MUTED, FAINT = "#1f2328", "#656d76", "#d8dee4"
LESS, MORE = "#5e3c99", "#d95f02"
DIVERGING = LinearSegmentedColormap.from_list(
    "less-equal-more", ["#3b1c6b", LESS, "#b2abd2", "#ffffff", "#fdc086", MORE, "#8c3a00"]
)
"""Purple (less) over white (equal) to orange (more): told apart with every common form of color blindness."""

MINUS, LEFT_ARROW, RIGHT_ARROW = "\N{MINUS SIGN}", "\N{LEFTWARDS ARROW}", "\N{RIGHTWARDS ARROW}"

LONGEST_SIDE = 1000
"""Pictures are averaged down to this many pixels before drawing; more would only make the file larger."""

Pixels = NDArray[np.float32]


class Sheet:
    """A figure measured in inches from its top left corner."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height), facecolor="white")

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Add axes; their lower edge is at ``top + height`` from above."""
        box = (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(box)

    def text(self, left: float, top: float, words: str, size: float, **style: Any) -> None:
        """Write words whose upper left corner (by default) is at the place given."""
        options = {"color": INK, "ha": "left", "va": "top", **style}
        self.figure.text(left / self.width, 1 - top / self.height, words, fontsize=size, **options)

    def picture(self, pixels: Pixels, left: float, top: float, width: float, height: float) -> Axes:
        """Draw pixels as large as they fit into the upper left corner of the box, with a thin frame."""
        tall, wide = pixels.shape[:2]
        scale = min(width / wide, height / tall)
        axes = self.axes(left, top, wide * scale, tall * scale)
        axes.imshow(pixels, aspect="auto", interpolation="nearest" if max(tall, wide) < 200 else "auto")
        axes.set_xticks([])
        axes.set_yticks([])
        for side in axes.spines.values():
            side.set_color(FAINT)
            side.set_linewidth(0.8)
        return axes

    def color_bar(self, left: float, top: float, width: float, height: float = 0.11) -> None:
        """Draw the scale that all maps share."""
        axes = self.axes(left, top, width, height)
        mappable = ScalarMappable(Normalize(-1, 1), DIVERGING)
        bar = self.figure.colorbar(mappable, cax=axes, orientation="horizontal", ticks=[-1, -0.5, 0, 0.5, 1])
        bar.outline.set_edgecolor(FAINT)
        axes.set_xticklabels([number(tick, "g") for tick in (-1, -0.5, 0, 0.5, 1)])
        axes.tick_params(labelsize=7.5, length=2.5, color=FAINT, labelcolor=MUTED, pad=2)
        self.text(left, top - 0.06, f"{LEFT_ARROW} image has less", 8, va="bottom", color=MUTED)
        self.text(left + width / 2, top - 0.06, "equal", 8, ha="center", va="bottom", color=MUTED)
        self.text(left + width, top - 0.06, f"image has more {RIGHT_ARROW}", 8, ha="right", va="bottom", color=MUTED)


def drawable(picture: Tensor, longest_side: int = LONGEST_SIDE) -> Pixels:
    """Return one picture, ``(3, H, W)`` or ``(1, H, W)`` in ``[0, 1]``, as ``(H, W, 3)`` pixels of a drawable size."""
    picture = picture.detach().to("cpu", torch.float32)
    factor = longest_side / max(picture.shape[-2:])
    if factor < 1:
        size = [max(1, round(side * factor)) for side in picture.shape[-2:]]
        picture = functional.interpolate(picture[None], size, mode="area")[0]
    pixels: Pixels = picture.clamp(0, 1).expand(3, -1, -1).permute(1, 2, 0).numpy()
    return pixels


def colored_map(signed: Tensor, picture: Tensor, longest_side: int = LONGEST_SIDE) -> Pixels:
    """Color a signed map and let the picture show through as a faint gray relief.

    Args:
        signed: ``(H, W)`` in ``[-1, 1]``.
        picture: ``(3, H', W')`` in ``[0, 1]``, of the same scene.
        longest_side: larger results are averaged down to this many pixels.

    Returns:
        ``(h, w, 3)``; multiplied, so that a white spot of the picture shows the exact color of the scale.
    """
    gray = drawable(picture, longest_side).mean(axis=2, keepdims=True)
    field = signed.detach().to("cpu", torch.float32)[None, None]
    if field.shape[-2:] != gray.shape[:2]:
        smaller = field.shape[-2] >= gray.shape[0]
        options: dict[str, Any] = {"mode": "area"} if smaller else {"mode": "bilinear", "align_corners": False}
        field = functional.interpolate(field, gray.shape[:2], **options)
    colors = DIVERGING((field[0, 0].numpy() + 1) / 2)[..., :3]
    shaded: Pixels = (colors * (0.72 + 0.28 * np.sqrt(gray))).astype(np.float32)
    return shaded


def fitted(aspect: float, width: float, height: float) -> tuple[float, float]:
    """Return the largest (width, height) with the given width-to-height ratio that fits into a box."""
    return (width, width / aspect) if width / aspect <= height else (height * aspect, height)


def shorten(name: str, length: int) -> str:
    """Cut the middle out of a long name: both ends of a file name tell something."""
    return name if len(name) <= length else name[: (length - 1) // 2] + "…" + name[-(length // 2) :]


def number(value: float, form: str = "+.2f") -> str:
    """Write a number with a true minus sign, which is as wide as the plus sign."""
    words = format(value, form)
    if float(words) == 0:  # no sign tells a rounded zero from a true one
        words = words.replace("-", "+" if form.startswith("+") else "")
    return words.replace("-", MINUS)


def wrapped(words: str, width: float, size: float) -> list[str]:
    """Break a sentence into lines that fit into `width` inches at a type size in points."""
    return textwrap.wrap(words, max(20, int(width * 72 / (size * 0.52)))) or [""]


def save_figure(figure: Figure, path: str | os.PathLike[str], dots_per_inch: int = 130) -> None:
    """Write a figure; the extension chooses the format.

    Args:
        figure: what one of the figure functions returned.
        path: ends in one of ``FIGURE_FORMATS``; missing folders are made.
        dots_per_inch: resolution of pixel formats.

    Raises:
        ConfigError: the extension is unknown.
    """
    path = Path(path)
    if path.suffix.lower() not in FIGURE_FORMATS:
        raise ConfigError("out", f"a file name ending in {', '.join(FIGURE_FORMATS)}", repr(path.name))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=dots_per_inch)
