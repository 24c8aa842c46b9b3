"""Results to one self-contained HTML page: pictures inlined, no file and no server needed beside it.

A page opens from a mail attachment as well as from a web server, on a phone as well as on a desk, in dark as well as
in light mode. Pictures are inlined without loss, because a page about compression must not add its own; only
pictures larger than the page can show are averaged down.
"""

import base64
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.colors import to_hex
from PIL import Image
from torch import Tensor

from pyiqa_pixelperfect.plots.comparison import Compared
from pyiqa_pixelperfect.plots.ranking import Ranked
from pyiqa_pixelperfect.plots.style import DIVERGING, colored_map, drawable, number
from pyiqa_pixelperfect.summary import AFFECTED, VISIBLE_SHARE, Summary

__all__ = ["comparison_page", "ranking_page", "save_page"]

PICTURE_SIDE, RANKED_SIDE, MAP_SIDE = 1400, 900, 480
"""Longest sides in pixels of what is inlined: the two pictures, the candidates of a ranking, the (smooth) maps."""

MAXIMUM_CARDS = 6
"""So many maps are shown at first sight; the others are a click away."""


def comparison_page(
    image: Tensor,
    reference: Tensor,
    comparison: Compared,
    index: int = 0,
    *,
    names: tuple[str, str] = ("image", "reference"),
    size: Sequence[int] | None = None,
    footer: Mapping[str, str] | None = None,
) -> str:
    """Render one pair of a comparison as a page.

    Args:
        image: ``(B, 3, H, W)`` in ``[0, 1]``.
        reference: the same shape, or a batch of one.
        comparison: what ``PixelPerfect.compare`` returned for them.
        index: which pair of the batch.
        names: what to call the two pictures.
        size: height and width to tell, where ``image`` is a smaller version of what was compared.
        footer: versions, hashes and the like, by label.

    Returns:
        HTML.
    """
    summary = comparison.summary(index)
    picture, other = image[min(index, len(image) - 1)], reference[min(index, len(reference) - 1)]
    shown = [row.family for row in summary.visible][:MAXIMUM_CARDS]
    fields = dict(zip(comparison.families, comparison.signed[index], strict=True))
    return _render(
        "comparison.html.j2",
        summary=summary,
        maps={name: _map_uri(field) for name, field in fields.items()},
        cards={name: _relief_uri(fields[name], picture) for name in shown},
        image={"name": names[0], "uri": _picture_uri(picture, PICTURE_SIDE)},
        reference={"name": names[1], "uri": _picture_uri(other, PICTURE_SIDE)},
        size=size or picture.shape[-2:],
        footer=footer or {},
    )


def ranking_page(
    reference: Tensor,
    candidates: Sequence[Tensor],
    ranking: Ranked,
    summaries: Sequence[Summary],
    *,
    names: Sequence[str],
    reference_name: str = "reference",
    size: Sequence[int] | None = None,
    footer: Mapping[str, str] | None = None,
) -> str:
    """Render a ranking as a page.

    Args:
        reference: ``(1, 3, H, W)`` in ``[0, 1]``; where there is none, the candidate that stands in for it.
        candidates: N pictures of the same shape.
        ranking: what ``PixelPerfect.rank`` returned for them.
        summaries: what differs from the reference, per candidate, by position.
        names: what to call the candidates, by position.
        reference_name: what to call the reference.
        size: as for ``comparison_page``.
        footer: versions, hashes and the like, by label.

    Returns:
        HTML.
    """
    order = list(ranking.order)
    pairwise = ranking.pairwise.detach().cpu()[order][:, order]
    reach = max(pairwise.abs().max().item(), 1e-6)
    scores = [ranking.scores[position].item() for position in order]
    rows = [
        {
            "name": names[position],
            "score": score,
            "width": 50 * abs(score) / max(*map(abs, scores), 1e-6),
            "summary": summaries[position],
            "uri": _picture_uri(candidates[position][0], RANKED_SIDE),
        }
        for position, score in zip(order, scores, strict=True)
    ]
    cells = [
        [
            {"value": value, "color": to_hex(DIVERGING(0.5 + 0.4 * value / reach)), "dark": abs(value) > 0.55 * reach}
            for value in line
        ]
        for line in pairwise.tolist()
    ]
    return _render(
        "ranking.html.j2",
        rows=rows,
        cells=cells,
        shown=int(ranking.stands_in == order[0] and len(order) > 1),  # the best, if it is not its own reference
        stands_in=ranking.stands_in is not None,
        reference={"name": reference_name, "uri": _picture_uri(reference[0], RANKED_SIDE)},
        size=size or reference.shape[-2:],
        footer=footer or {},
    )


def save_page(page: str, path: str | os.PathLike[str]) -> None:
    """Write a page; missing folders are made."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def _render(template: str, **values: Any) -> str:
    environment = Environment(
        loader=PackageLoader("pyiqa_pixelperfect"),
        autoescape=True,  # file names come from anywhere
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    scale = ", ".join(to_hex(DIVERGING(step / 10)) for step in range(11))
    return environment.get_template(template).render(scale=scale, affected=AFFECTED, speck=VISIBLE_SHARE, **values)


def _picture_uri(picture: Tensor, longest_side: int) -> str:
    pixels = (drawable(picture, longest_side) * 255).round().astype(np.uint8)
    return _uri(Image.fromarray(pixels), "webp", lossless=True, method=2)


def _map_uri(signed: Tensor) -> str:
    """Color a signed map, ``(H, W)``, as an overlay that is clear where nothing differs."""
    field = drawable((signed.detach()[None] + 1) / 2, MAP_SIDE)[..., 0]
    picture = Image.fromarray((field * 254).round().astype(np.uint8), "P")  # an even range, so that 0 has an entry
    steps = torch.linspace(0, 1, 255).numpy()
    colors = (DIVERGING(steps)[:, :3] * 255).round().astype(np.uint8)
    opacity = np.clip(2.5 * np.abs(2 * steps - 1), 0, 1) * 255
    picture.putpalette(colors.tobytes())
    return _uri(picture, "png", transparency=opacity.round().astype(np.uint8).tobytes(), optimize=True)


def _relief_uri(signed: Tensor, picture: Tensor) -> str:
    """Color a signed map with the picture showing through, as in the figures."""
    pixels = colored_map(signed, picture, MAP_SIDE)
    return _uri(Image.fromarray((pixels * 255).round().astype(np.uint8)), "webp", quality=88)


def _uri(picture: Image.Image, form: str, **options: Any) -> str:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return f"data:image/{form};base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
