"""``pixelperfect compare``: one image against its reference, in words, as a picture, as a page or as JSON."""

from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from pyiqa_pixelperfect import __version__
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
from pyiqa_pixelperfect.plots import comparison_figure, save_figure
from pyiqa_pixelperfect.plots.style import number
from pyiqa_pixelperfect.report import comparison_page, save_page
from pyiqa_pixelperfect.summary import Summary
from pyiqa_pixelperfect.weights import bundled_weights, file_sha256

__all__ = ["compare", "footer", "summary_table"]


def compare(
    image: Path, reference: Path, outputs: Sequence[Path], as_json: bool, weights: Path | None, device: str
) -> None:
    """Compare two files and print, draw or write the result.

    Args:
        image: picture file of the test image.
        reference: picture file it is compared with.
        outputs: figures and pages to write; the extension decides.
        as_json: print one JSON document instead of words.
        weights: safetensors file; None for the bundled weights.
        device: ``"auto"`` or a torch device.

    Raises:
        PixelPerfectError: anything wrong with files, weights or options.
    """
    check_outputs(outputs)
    with working("Comparing"):
        pictures = as_picture(image, str(image)), as_picture(reference, str(reference))
        result = load_network(weights, device).compare(*pictures)
        summary = result.summary()
    names = labels([image, reference])
    with working("Drawing"):
        drawn = [for_drawing(picture) for picture in pictures] if outputs else []
        for path in outputs:
            both, size = (names[0], names[1]), pictures[0].shape[-2:]
            if path.suffix.lower() in PAGE_FORMATS:
                page = comparison_page(drawn[0], drawn[1], result, names=both, size=size, footer=footer(weights))
                save_page(page, path)
            else:
                save_figure(comparison_figure(drawn[0], drawn[1], result, names=both), path)
    notes = [f"wrote {path}" for path in outputs]
    if as_json:
        print_json(
            {"image": str(image), "reference": str(reference), **summary.to_dict(), "outputs": list(map(str, outputs))}
        )
    else:
        print_outcome(str(summary), _headline(summary), summary_table(summary), notes)


def footer(weights: Path | None) -> dict[str, str]:
    """Return what a page says about where its numbers come from."""
    digest = file_sha256(bundled_weights("pixelperfect") if weights is None else weights)
    source = "bundled" if weights is None else weights.name
    return {"pyiqa-pixelperfect": __version__, "weights": f"{source}, sha256 {digest[:16]}"}


def summary_table(summary: Summary) -> Table | None:
    """Return the visible families as a table for a terminal, or None if there are none."""
    if not summary.visible:
        return None
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, justify in (
        ("family", "left"),
        ("strength", "right"),
        ("mean", "right"),
        ("peak", "right"),
        ("area", "right"),
    ):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    table.add_column("where")
    for row in summary.visible:
        numbers = [signed_text(row.strength), number(row.amount), number(row.peak), f"{row.share:.0%}"]
        table.add_row(row.family, *numbers, row.where)
    return table


def _headline(summary: Summary) -> str:
    color = {"better": "green", "worse": "red"}.get(summary.outcome, "white")
    reasons = summary.verdict.removeprefix(summary.headline)
    score = f"score [bold]{number(summary.score, '+.3f')}[/]"
    return f"[bold {color}]{summary.headline}[/]{escape(reasons)}\n{score}\n"
