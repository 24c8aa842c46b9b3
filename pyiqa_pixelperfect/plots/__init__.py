"""Results to matplotlib figures: pure functions of tensors, without pyplot and its global state.

Each function returns a `matplotlib.figure.Figure`; `save_figure` writes one as PNG, PDF, SVG or JPEG. Maps are drawn
on one fixed scale, -1 to 1 with white for "equal", so that any two pictures can be laid side by side.
"""

from pyiqa_pixelperfect.plots.comparison import comparison_figure
from pyiqa_pixelperfect.plots.ranking import ranking_figure
from pyiqa_pixelperfect.plots.sheets import gallery_figure, preview_figure, truth_figure
from pyiqa_pixelperfect.plots.style import FIGURE_FORMATS, save_figure

__all__ = [
    "FIGURE_FORMATS",
    "comparison_figure",
    "gallery_figure",
    "preview_figure",
    "ranking_figure",
    "save_figure",
    "truth_figure",
]
