"""``pixelperfect distort``: what the engine does to a picture, all in sheets or one with its exact truth."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from pyiqa_pixelperfect.commands.gallery import CROP, family_figure, gallery_of_families, middle
from pyiqa_pixelperfect.commands.levels import check_level, write_level, write_levels
from pyiqa_pixelperfect.commands.outputs import PICTURE_FORMATS, make_room, save_picture
from pyiqa_pixelperfect.commands.places import Place, choose_place, distorted_at
from pyiqa_pixelperfect.commands.terminal import working
from pyiqa_pixelperfect.distortions import KINDS, KINDS_BY_FAMILY, Kind
from pyiqa_pixelperfect.errors import ConfigError
from pyiqa_pixelperfect.families import FAMILIES, family_index
from pyiqa_pixelperfect.images import as_image
from pyiqa_pixelperfect.plots import FIGURE_FORMATS, save_figure, truth_figure
from pyiqa_pixelperfect.plots.style import number

__all__ = ["DATA_FORMATS", "DistortOptions", "distort"]

DATA_FORMATS = (".npy", ".npz")


@dataclass(frozen=True)
class DistortOptions:
    """What to do to a picture; neither family nor kind asks for a sheet of all.

    Attributes:
        family: one of ``FAMILIES``; its first kind is taken when no kind is given.
        kind: one of ``KINDS``.
        kinds: a sheet of all kinds of the family, or of every family.
        amount: ``[0, 1]``, or ``[-1, 1]`` for signed families; None for 0.5.
        field: one of ``FIELDS``; None for ``global`` in one picture and ``perlin`` in sheets.
        scale: size of islands and blocks in pixels; None for a third of the longer side.
        coverage: share of the picture that a local field covers; None for ``COVERAGE``.
        seed: of everything random.
        kadis: one of ``KADIS``: a sheet of its levels.
        level: 1 to 5: one picture at this level of ``kadis``.
    """

    family: str | None = None
    kind: str | None = None
    kinds: bool = False
    amount: float | None = None
    field: str | None = None
    scale: float | None = None
    coverage: float | None = None
    seed: int = 0
    kadis: str | None = None
    level: int | None = None

    @property
    def single(self) -> bool:
        """Whether one distorted picture is wanted and not a sheet of many."""
        return self.level is not None or (not self.kinds and (self.family is not None or self.kind is not None))

    def given(self, *names: str) -> list[str]:
        """Return those of some options that were given."""
        return [f"--{name}" for name in names if getattr(self, name) is not None and getattr(self, name) is not False]


def distort(image: Path, options: DistortOptions, output: Path | None = None, truth: Path | None = None) -> None:
    """Write sheets of families or kinds, or one distorted picture with its truth as a sheet and as data.

    Args:
        image: picture file; never overwritten.
        options: what to do.
        output: where to write; by default in the current folder, named after the picture and what was done to it.
        truth: where to write the exact amounts of one distorted picture, float32 (K, H, W) in the order of
            ``FAMILIES``: as they are (.npy), or compressed as ``amounts`` beside the names ``families`` (.npz).

    Raises:
        PixelPerfectError: anything wrong with the file or the options.
    """
    _check(options, output, truth)
    place = choose_place(options.field or ("global" if options.single else "perlin"), options.scale, options.coverage)
    with working("Distorting"):
        clean = as_image(image, str(image))
        if options.kadis is not None and options.level is not None:
            written = write_level(image, clean, options.kadis, options.level, options.seed, output)
        elif options.kadis is not None:
            written = write_levels(image, middle(clean, CROP), options.kadis, options.seed, output)
        elif options.single:
            written = _write_one(image, clean, _chosen(options), options, place, output, truth)
        else:
            written = _write_sheets(image, clean, options, place, output)
    for path in written:
        sys.stdout.write(f"wrote {path}\n")


def _check(options: DistortOptions, output: Path | None, truth: Path | None) -> None:
    others = options.given("family", "kind", "kinds", "amount", "field", "scale", "coverage")
    check_level(options.kadis, options.level, others + ([] if truth is None else ["--truth"]))
    if options.family is not None and options.family not in FAMILIES:
        raise ConfigError("--family", f"one of {', '.join(FAMILIES)}", repr(options.family))
    if options.kinds and options.kind is not None:
        fix = "Leave one of them out."
        raise ConfigError("--kinds", "at most a --family beside it", f"--kind {options.kind}", fix)
    if not options.single:
        for option, value in (("--amount", options.amount), ("--truth", truth)):
            if value is not None:
                raise ConfigError(option, "a --family or a --kind beside it", "a sheet of many")
    formats = tuple(PICTURE_FORMATS) if options.single else FIGURE_FORMATS
    if output is not None and output.suffix.lower() not in formats:
        raise ConfigError("--out", f"a file name ending in {', '.join(formats)}", repr(output.name))
    if truth is not None and truth.suffix.lower() not in DATA_FORMATS:
        raise ConfigError("--truth", f"a file name ending in {', '.join(DATA_FORMATS)}", repr(truth.name))


def _chosen(options: DistortOptions) -> Kind:
    if options.kind is None:
        return KINDS_BY_FAMILY[str(options.family)][0]
    if options.kind not in KINDS:
        raise ConfigError("--kind", f"one of {', '.join(KINDS)}", repr(options.kind))
    kind = KINDS[options.kind]
    if options.family not in (None, kind.family):
        of_family = ", ".join(other.name for other in KINDS_BY_FAMILY[str(options.family)])
        raise ConfigError("--kind", f"a kind of {options.family} ({of_family})", f"{kind.name!r}, of {kind.family}")
    return kind


def _write_sheets(image: Path, clean: Tensor, options: DistortOptions, place: Place, output: Path | None) -> list[Path]:
    if not options.kinds:
        path = output or Path(f"{image.stem}-gallery.png")
        make_room("--out", [path], picture=image)
        save_figure(gallery_of_families(clean, image.name, options.seed, place), path)
        return [path]
    base = output or Path(f"{image.stem}-kinds.png")
    families = FAMILIES if options.family is None else (options.family,)
    paths = [base.with_name(f"{base.stem}-{family}{base.suffix}") for family in families]
    make_room("--out", paths, picture=image)
    for family, path in zip(families, paths, strict=True):
        save_figure(family_figure(family, clean, image.name, options.seed, place), path)
    return paths


def _write_one(
    image: Path,
    clean: Tensor,
    kind: Kind,
    options: DistortOptions,
    place: Place,
    output: Path | None,
    truth: Path | None,
) -> list[Path]:
    amount = 0.5 if options.amount is None else options.amount
    low = -1.0 if kind.signed else 0.0
    if not low <= amount <= 1:
        raise ConfigError("--amount", f"a number in [{low:g}, 1] for {kind.name}", f"{amount:g}")
    picture = output or Path(f"{image.stem}-{kind.name}.png")
    paths = [picture, picture.with_name(f"{picture.stem}-truth.png"), *([truth] if truth else [])]
    make_room("--out", paths, picture=image)
    draw = distorted_at(clean, kind.name, [amount], options.seed, place)
    distorted, amounts = draw.image[0], draw.amounts[0]
    save_picture(distorted, picture)
    others = {name: field for name, field in zip(FAMILIES, amounts, strict=True) if field.any()}
    touched = {kind.family: amounts[family_index(kind.family)], **others}
    title = f"{kind.name} ({kind.family}), amount {number(amount, 'g')}, {place.field}, seed {options.seed}"
    save_figure(truth_figure(clean[0], distorted, touched, title), paths[1])
    if truth:
        with truth.open("wb") as stream:  # numpy would add an extension of its own to one in capitals
            if truth.suffix.lower() == ".npy":
                np.save(stream, amounts.numpy())
            else:
                np.savez_compressed(stream, amounts=amounts.numpy(), families=np.array(FAMILIES))
    return paths
