"""``pixelperfect distort``: what the training distortions look like, all in a gallery or one with its exact truth."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pyiqa_pixelperfect.commands.terminal import working
from pyiqa_pixelperfect.distortions import KINDS, KINDS_BY_FAMILY, Kind, apply_kind, perlin_field
from pyiqa_pixelperfect.errors import ConfigError
from pyiqa_pixelperfect.families import FAMILIES
from pyiqa_pixelperfect.images import as_image
from pyiqa_pixelperfect.plots import FIGURE_FORMATS, gallery_figure, save_figure, truth_figure
from pyiqa_pixelperfect.plots.style import number

__all__ = ["FIELDS", "DistortOptions", "distort"]

FIELDS = ("global", "perlin")
ONE_SIDED, SIGNED = (0.2, 0.4, 0.6, 0.8, 1.0), (-1.0, -0.5, 0.0, 0.5, 1.0)
GALLERY_CROP = (240, 320)  # height, width in pixels: shown about one to one, or fine distortions would vanish


@dataclass(frozen=True)
class DistortOptions:
    """What to do to a picture.

    Attributes:
        family: one of ``FAMILIES``; its first kind is taken when no kind is given.
        kind: one of ``KINDS``.
        amount: ``[0, 1]``, or ``[-1, 1]`` for signed families.
        field: ``"global"`` or ``"perlin"`` (islands that cover about a third of the picture).
        seed: of everything random.
    """

    family: str | None = None
    kind: str | None = None
    amount: float = 0.5
    field: str = "global"
    seed: int = 0


def distort(image: Path, options: DistortOptions, output: Path | None) -> None:
    """Write a gallery of all families, or one distorted picture and a sheet with its truth.

    Args:
        image: picture file.
        options: what to do; neither family nor kind asks for the gallery.
        output: where to write; by default in the current folder, named after the picture and what was done to it.

    Raises:
        PixelPerfectError: anything wrong with the file or the options.
    """
    if options.field not in FIELDS:
        raise ConfigError("--field", f"one of {', '.join(FIELDS)}", repr(options.field))
    if output is not None and output.suffix.lower() not in FIGURE_FORMATS:
        raise ConfigError("--out", f"a file name ending in {', '.join(FIGURE_FORMATS)}", repr(output.name))
    with working("Distorting"):
        clean = as_image(image, str(image))
        if options.family is None and options.kind is None:
            written = [output or Path(f"{image.stem}-gallery.png")]
            title = f"The first kind of each family, by amount: {image.name}"
            save_figure(gallery_figure(gallery_rows(clean, options.seed), title), written[0])
        else:
            kind = _chosen(options)
            written = _write_one(clean, kind, options, output or Path(f"{image.stem}-{kind.name}.png"))
    for path in written:
        sys.stdout.write(f"wrote {path}\n")


def gallery_rows(clean: Tensor, seed: int) -> dict[str, list[tuple[str, Tensor]]]:
    """Return every family at five amounts, on a crop from the middle of the picture."""
    height, width = (min(wanted, there) for wanted, there in zip(GALLERY_CROP, clean.shape[-2:], strict=True))
    top, left = (clean.shape[-2] - height) // 2, (clean.shape[-1] - width) // 2
    crop = clean[..., top : top + height, left : left + width].contiguous()
    rows: dict[str, list[tuple[str, Tensor]]] = {}
    for family, kinds in KINDS_BY_FAMILY.items():
        kind = kinds[0]
        amounts = SIGNED if kind.signed else ONE_SIDED
        form = "+.1f" if kind.signed else ".1f"
        # What covers the whole picture is no occlusion any more.
        place = perlin_field(seed, height, width, coverage=0.3) if kind.local_only else torch.ones(1, 1, height, width)
        rows[family] = [(number(a, form), apply_kind(kind.name, crop, a * place, seed)[0][0]) for a in amounts]
    return rows


def _chosen(options: DistortOptions) -> Kind:
    if options.kind is not None:
        if options.kind not in KINDS:
            raise ConfigError("--kind", f"one of {', '.join(KINDS)}", repr(options.kind))
        kind = KINDS[options.kind]
        if options.family not in (None, kind.family):
            of_family = ", ".join(other.name for other in KINDS_BY_FAMILY.get(str(options.family), ()))
            raise ConfigError("--kind", f"a kind of {options.family} ({of_family})", f"{kind.name!r}, of {kind.family}")
        return kind
    if options.family not in FAMILIES:
        raise ConfigError("--family", f"one of {', '.join(FAMILIES)}", repr(options.family))
    return KINDS_BY_FAMILY[options.family][0]


def _write_one(clean: Tensor, kind: Kind, options: DistortOptions, output: Path) -> list[Path]:
    field = torch.ones(1, 1, *clean.shape[-2:])
    if options.field == "perlin":
        field = perlin_field(options.seed, *clean.shape[-2:], scale=max(clean.shape[-2:]) / 3)
    low = -1.0 if kind.signed else 0.0
    if not low <= options.amount <= 1:
        raise ConfigError("--amount", f"a number in [{low:g}, 1] for {kind.name}", f"{options.amount:g}")
    distorted, truth = apply_kind(kind.name, clean, options.amount * field, options.seed)
    pixels = (distorted[0].clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    output.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(pixels)).save(output)
    sheet = output.with_name(f"{output.stem}-truth.png")
    title = f"{kind.name} ({kind.family}), amount {options.amount:g}, {options.field}, seed {options.seed}"
    save_figure(truth_figure(clean[0], distorted[0], {kind.family: truth[0, 0]}, title), sheet)
    return [output, sheet]
