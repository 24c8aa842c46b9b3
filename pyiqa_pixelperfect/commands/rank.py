"""``pixelperfect rank``: several versions of one picture, best first."""

from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from pyiqa_pixelperfect.commands.compare import footer
from pyiqa_pixelperfect.commands.terminal import (
    PAGE_FORMATS,
    check_outputs,
    for_drawing,
    labels,
    load_network,
    print_json,
    print_outcome,
    signed_text,
    working,
)
from pyiqa_pixelperfect.images import as_picture
from pyiqa_pixelperfect.pixelperfect.ranking import Ranking
from pyiqa_pixelperfect.plots import ranking_figure, save_figure
from pyiqa_pixelperfect.report import ranking_page, save_page
from pyiqa_pixelperfect.summary import Summary

__all__ = ["rank"]


def rank(
    reference: Path | None,
    images: Sequence[Path],
    outputs: Sequence[Path],
    as_json: bool,
    weights: Path | None,
    device: str,
) -> None:
    """Rank files and print, draw or write the result.

    Args:
        reference: picture file that all are compared with; None if one of the images has to stand in for it.
        images: picture files to rank.
        outputs: figures and pages to write; the extension decides.
        as_json: print one JSON document instead of words.
        weights: safetensors file; None for the bundled weights.
        device: ``"auto"`` or a torch device.

    Raises:
        PixelPerfectError: anything wrong with files, weights or options.
    """
    check_outputs(outputs)
    with working(f"Comparing {len(images)} pictures"):
        count, files = len(images), [*images, *([] if reference is None else [reference])]
        pictures = [as_picture(path, str(path)) for path in files]
        ranking = load_network(weights, device).rank(pictures[:count], None if reference is None else pictures[count])
    names, summaries = labels(images), ranking.summaries
    other = count if ranking.stands_in is None else ranking.stands_in  # what all are compared with
    with working("Drawing"):
        drawn = [for_drawing(picture) for picture in pictures] if outputs else []
        for path in outputs:
            if path.suffix.lower() in PAGE_FORMATS:
                page = ranking_page(
                    drawn[other],
                    drawn[:count],
                    ranking,
                    summaries,
                    names=names,
                    reference_name=files[other].name,
                    size=pictures[0].shape[-2:],
                    footer=footer(weights),
                )
                save_page(page, path)
            else:
                save_figure(ranking_figure(drawn[other], drawn[:count], ranking, names), path)
    if as_json:
        result = ranking.to_dict([str(path) for path in images])
        for row in result["ranking"]:
            row["verdict"] = summaries[row["position"]].verdict
        print_json(
            {"reference": None if reference is None else str(reference), **result, "outputs": list(map(str, outputs))}
        )
    else:
        notes = [f"wrote {path}" for path in outputs]
        print_outcome(ranking.table(names), "", _table(ranking, names, summaries), notes)


def _table(ranking: Ranking, names: Sequence[str], summaries: Sequence[Summary]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("rank", justify="right")
    table.add_column("picture")
    table.add_column("score", justify="right")
    table.add_column("beats", justify="right")
    stands_in = None if ranking.stands_in is None else names[ranking.stands_in]
    table.add_column("against the reference" if stands_in is None else f"against {escape(stands_in)}, which stands in")
    for row in ranking.to_dict(names)["ranking"]:
        verdict = escape(summaries[row["position"]].verdict)
        table.add_row(str(row["rank"]), escape(row["name"]), signed_text(row["score"]), str(row["wins"]), verdict)
    return table
