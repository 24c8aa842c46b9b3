"""The command line ``pixelperfect``: parse, then call one function.

Errors that this package raises on purpose are one red line on standard error and exit code 2; anything else is a bug
and shows its traceback. Nothing here imports torch, so that ``--help`` answers at once.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pyiqa_pixelperfect import __version__
from pyiqa_pixelperfect.errors import PixelPerfectError

__all__ = ["app", "main"]

app = typer.Typer(
    name="pixelperfect",
    help="Compare versions of a picture: which looks better, what differs, where, how strongly, in which direction.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Weights = Annotated[Path | None, typer.Option(help="Weights to use instead of the bundled ones (.safetensors).")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps ...")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines and nothing else.")]
Out = Annotated[
    list[Path] | None,
    typer.Option("--out", "-o", help="Write a picture (.png, .pdf, .svg, .jpg) or a page (.html); may be repeated."),
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Hold the options that stand before a command."""


@app.command()
def compare(
    image: Annotated[Path, typer.Argument(help="The picture to judge.")],
    reference: Annotated[Path, typer.Argument(help="What it is compared with.")],
    out: Out = None,
    json: Json = False,
    weights: Weights = None,
    device: Device = "auto",
) -> None:
    """Compare IMAGE with REFERENCE: score, verdict in words, and where what differs."""
    from pyiqa_pixelperfect.commands import compare as command

    command.compare(image, reference, out or [], json, weights, device)


@app.command()
def rank(
    reference: Annotated[Path, typer.Argument(help="What all are compared with.")],
    images: Annotated[list[Path], typer.Argument(help="Versions of it to rank.")],
    no_reference: Annotated[
        bool, typer.Option("--no-reference", help="The original is not at hand: the first picture is one more version.")
    ] = False,
    out: Out = None,
    json: Json = False,
    weights: Weights = None,
    device: Device = "auto",
) -> None:
    """Rank IMAGES, versions of the picture REFERENCE, best first."""
    from pyiqa_pixelperfect.commands import rank as command

    versions = [reference, *images] if no_reference else images
    command.rank(None if no_reference else reference, versions, out or [], json, weights, device)


@app.command()
def distort(
    image: Annotated[Path, typer.Argument(help="A clean picture.")],
    family: Annotated[str | None, typer.Option(help="Distortion family, such as blur.")] = None,
    kind: Annotated[str | None, typer.Option(help="Kind within the family, such as lens_blur.")] = None,
    kinds: Annotated[
        bool, typer.Option("--kinds", help="Sheets of all kinds: of --family, or of every family.")
    ] = False,
    amount: Annotated[
        float | None, typer.Option(help="0 to 1; -1 to 1 for families with a direction.", show_default="0.5")
    ] = None,
    field: Annotated[
        str | None,
        typer.Option(
            help="Where: global, perlin (islands), gradient, halfplane, blob or blocks.",
            show_default="global; perlin in sheets",
        ),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(help="Size of islands and blocks in pixels.", show_default="a third of the longer side"),
    ] = None,
    coverage: Annotated[
        float | None, typer.Option(help="Share of the picture that the field covers.", show_default="0.35")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    kadis: Annotated[str | None, typer.Option(help="A type of KADIS-700k, such as lens_blur.")] = None,
    level: Annotated[int | None, typer.Option(help="1 to 5, with --kadis.", show_default="a sheet of all five")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Picture or sheet to write.")] = None,
    truth: Annotated[
        Path | None,
        typer.Option(help="Exact amounts as data: .npy (float32, families x height x width) or .npz (with names)."),
    ] = None,
) -> None:
    """Show what the distortion engine does: sheets of families or kinds, or one picture with its exact truth."""
    from pyiqa_pixelperfect.commands import distort as command

    options = command.DistortOptions(family, kind, kinds, amount, field, scale, coverage, seed, kadis, level)
    command.distort(image, options, out, truth)


@app.command()
def catalog(
    folder: Annotated[Path, typer.Argument(help="Where to write.")],
    image: Annotated[
        Path | None,
        typer.Option(help="Picture to show it on.", show_default="a photograph that comes with scikit-image"),
    ] = None,
) -> None:
    """Document every kind of distortion: catalog.md, and a sheet of pictures for each family."""
    from pyiqa_pixelperfect.commands import catalog as command

    command.catalog(folder, image)


@app.command()
def train(
    config: Annotated[str, typer.Argument(help="A YAML file, or a shipped one such as pixelperfect/default.yaml.")],
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Settings to change, such as maps.steps=100."),
    ] = None,
) -> None:
    """Train a system; start it with torchrun for several processes. Interrupted runs resume."""
    import logging

    from pyiqa_pixelperfect.systems import load_config
    from pyiqa_pixelperfect.systems import train as train_system
    from pyiqa_pixelperfect.training.memory import keep_freed_memory

    keep_freed_memory()  # this process does nothing else
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    typer.echo(train_system(load_config(config, settings or [])))


@app.command()
def regress(
    config: Annotated[str, typer.Argument(help="A YAML file, or a shipped one such as contrique/regress.yaml.")],
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Settings to change, such as head.ratings=mos.csv."),
    ] = None,
) -> None:
    """Fit a head to rated pictures: ridge regression on features of a trained encoder."""
    from pyiqa_pixelperfect.commands import regress as command

    command.regress(config, settings or [])


@app.command()
def convert(
    system: Annotated[str, typer.Argument(help="Whose files they are, such as contrique.")],
    files: Annotated[list[Path], typer.Argument(help="What its authors published: CHECKPOINT [REGRESSOR].")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write.", show_default="SYSTEM-converted.safetensors")
    ] = None,
    lower_better: Annotated[
        bool | None,
        typer.Option(
            "--lower-better/--higher-better",
            help="Which labels the regressor predicts.",
            show_default="told from its name",
        ),
    ] = None,
) -> None:
    """Turn published weights into a file of this package, without running anything that is in them."""
    from pyiqa_pixelperfect.commands import convert as command

    command.convert(system, files, out, lower_better)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="ONNX file to write (.onnx).")],
    weights: Weights = None,
) -> None:
    """Write the networks as ONNX: image and reference in, score and maps out, for any height and width."""
    from pyiqa_pixelperfect.commands import export as command

    command.export(file, weights)


@app.command()
def doctor(json: Json = False) -> None:
    """Check the installation: versions, registration in pyiqa, weights, devices. Exit code 1 if something is wrong."""
    from pyiqa_pixelperfect.commands import doctor as command

    raise typer.Exit(command.doctor(json))


def main() -> None:
    """Run the command line and turn deliberate errors into one line."""
    try:
        app()
    except PixelPerfectError as error:
        from rich.console import Console
        from rich.text import Text

        # soft_wrap: one line stays one line, for the programs that read it.
        Console(stderr=True).print(Text(f"error: {error}", style="red"), soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
