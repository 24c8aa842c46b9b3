"""The results of a run as one self-contained HTML page, in the style of the package's other pages."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined
from matplotlib.figure import Figure
from PIL import Image

from benchmark.leaderboard.results import Results
from benchmark.leaderboard.tables import Table

__all__ = ["results_page"]

_DOTS_PER_INCH = 170  # sharp on a phone held close, and still a small file


def results_page(
    results: Results, tables: Sequence[Table], figures: Mapping[str, Figure], footer: Mapping[str, str]
) -> str:
    """Render a run.

    Args:
        results: what it found out.
        tables: laid out tables, in their order on the page.
        figures: by file name without ending.
        footer: versions, hashes and the like, by label.

    Returns:
        HTML; pictures are inlined.
    """
    environment = Environment(
        loader=ChoiceLoader(
            [FileSystemLoader(Path(__file__).parent / "templates"), PackageLoader("pyiqa_pixelperfect")]
        ),
        autoescape=True,  # names of sets and reasons of failures come from anywhere
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["has"] = lambda row, cell: cell in row
    return environment.get_template("leaderboard.html.j2").render(
        scale="",
        title=results.config.title,
        sets=[(item.rated.name, len(item.scores), item.rated.rows["content"].nunique()) for item in results.scored],
        metrics=len(results.predictors),
        ours=results.config.ours,
        tables=tables,
        figures={name: (_uri(figure), *_size(figure)) for name, figure in figures.items()},
        footer=footer,
    )


def _uri(figure: Figure) -> str:
    drawn, stream = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=_DOTS_PER_INCH)
    # A palette PNG is a third of a full one, without the smear of a lossy picture. With fewer colors the one dot that
    # is ours is mixed into those around it.
    Image.open(drawn).convert("RGB").quantize(256).save(stream, "png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def _size(figure: Figure) -> tuple[int, int]:
    width, height = figure.get_size_inches()
    return round(float(width) * 96), round(float(height) * 96)
