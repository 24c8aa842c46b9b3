"""Commands on what a relational metric owes: calibration, transitivity, consensus, any size and either precision."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from benchmark import relational_tables, report
from benchmark.options import (
    DeviceOption,
    HoldoutOption,
    Out,
    Photos,
    Quiet,
    Seed,
    Threads,
    Weights,
    finish,
    use_threads,
)
from benchmark.photos import center_crop, load_photos, photos_hash
from benchmark.progress import track
from benchmark.subject import load_subject, weights_hash

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Make these commands part of a program."""
    for command in (calibration, transitivity, consensus, tiling, precision, ablate):
        app.command()(command)


def tiling(
    context: typer.Context,
    megapixels: Annotated[float, typer.Option(help="Size of the large pair; 0 leaves it out.", min=0.0)] = 100.0,
    threads: Annotated[int, typer.Option(help="CPU threads.", min=1)] = 2,
    weights: Weights = None,
    out: Out = None,
    quiet: Quiet = False,  # noqa: ARG001 - every command has it; the long part here is another process
) -> None:
    """Tiles against the whole picture, and memory and time of a large pair in a fresh process."""
    from benchmark import tiling as measurement

    metric = load_subject(weights)
    rows = measurement.measure_exactness(metric, measurement.tiling_pairs())
    large = measurement.measure_large(megapixels, threads=threads, weights=weights) if megapixels else None
    results = {"exactness": report.rows_of(rows), "large": large}
    text = relational_tables.tiling_tables(rows, large)
    targets = measurement.tiling_targets(rows, large)
    finish("tiling", context, text, results, {"weights": weights_hash(metric)}, targets, out)


def calibration(
    context: typer.Context,
    photos: Photos,
    holdout: HoldoutOption = "every5",
    n: Annotated[int, typer.Option(help="At most this many photos, spread over the list.", min=1)] = 40,
    draws: Annotated[int, typer.Option(help="Sets of two distorted versions of each photo.", min=1)] = 2,
    crop: Annotated[int, typer.Option(help="Side of the central part that is used, pixels.", min=32)] = 256,
    config: Annotated[str, typer.Option(help="Training configuration whose engine distorts.")] = (
        "pixelperfect/default.yaml"
    ),
    weights: Weights = None,
    seed: Seed = 0,
    device: DeviceOption = "cpu",
    threads: Threads = None,
    diagram: Annotated[
        Path | None, typer.Option(help="Reliability diagram; benchmark/results/calibration.png if not given.")
    ] = None,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Predicted against true amounts on engine pairs of held-out photos, family by family."""
    from benchmark import calibration as measurement
    from pyiqa_pixelperfect.distortions.engine import DistortionEngine
    from pyiqa_pixelperfect.pixelperfect.config import PixelPerfectConfig
    from pyiqa_pixelperfect.systems import load_config

    use_threads(threads)
    settings = load_config(config)
    if not isinstance(settings, PixelPerfectConfig):
        raise typer.BadParameter("is of another system", param_hint="--config")
    metric, engine = load_subject(weights, device), DistortionEngine(settings.engine.settings())
    pictures = [center_crop(photo, crop) for photo in load_photos(photos, holdout, n)]
    pairs = measurement.versioned_pairs(pictures, engine, seed, draws)
    sums = measurement.measure(metric, track(pairs, len(pictures) * draws, "sets", quiet=quiet), device)
    table, path = measurement.by_family(sums), diagram or report.default_output("calibration").with_suffix(".png")
    measurement.draw_reliability(sums, path)
    figures = measurement.overall(table)
    results = {
        "overall": figures,
        "families": report.rows_of(table),
        "bins": report.rows_of(measurement.reliability(sums)),
    }
    data = {"photos": photos_hash(pictures), "weights": weights_hash(metric)}
    text, targets = relational_tables.calibration_tables(table, figures), measurement.calibration_targets(figures)
    finish("calibration", context, text, results, data, targets, out, device)


def transitivity(
    context: typer.Context,
    photos: Photos,
    holdout: HoldoutOption = "every5",
    n: Annotated[int, typer.Option(help="At most this many photos, spread over the list.", min=1)] = 20,
    versions: Annotated[int, typer.Option(help="Versions of each photo, beside the clean one.", min=3, max=21)] = 8,
    weights: Weights = None,
    seed: Seed = 0,
    device: DeviceOption = "cpu",
    threads: Threads = None,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Direct scores against detours over a third picture, and rankings with and without the clean photo."""
    from benchmark import transitivity as measurement

    use_threads(threads)
    metric, pictures = load_subject(weights, device), load_photos(photos, holdout, n)
    made = track(pictures, len(pictures), "photos", quiet=quiet)
    rows = measurement.measure(metric, made, versions=versions, seed=seed)
    figures = measurement.figures_of(rows, seed=seed)
    data = {"photos": photos_hash(pictures), "weights": weights_hash(metric)}
    text, targets = relational_tables.figures_table(figures), measurement.transitivity_targets(figures)
    results = {"figures": figures, "photos": report.rows_of(rows)}
    finish("transitivity", context, text, results, data, targets, out, device)


def consensus(
    context: typer.Context,
    photos: Photos,
    holdout: HoldoutOption = "every5",
    n: Annotated[int, typer.Option(help="At most this many photos, spread over the list.", min=1)] = 4,
    versions: Annotated[
        Literal["tools", "kadis", "rated"],
        typer.Option(help="Real tools, the 25 types of KADIS-700k, or further types of rated databases."),
    ] = "tools",
    crop: Annotated[
        int | None,
        typer.Option(help="Side of the central part that is used, pixels; whole photos if not given.", min=32),
    ] = None,
    weights: Weights = None,
    seed: Seed = 0,
    device: DeviceOption = "cpu",
    threads: Threads = None,
    scores: Annotated[Path | None, typer.Option(help="Also write one row per version to this CSV file.")] = None,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Agreement with the mean rank of VSI, MDSI, HaarPSI and FSIM, and versions called better than their original."""
    from benchmark import consensus as measurement
    from benchmark.peers import closed_form, ours

    use_threads(threads)
    metric = load_subject(weights, device)
    pictures = [center_crop(photo, crop) for photo in load_photos(photos, holdout, n)]
    peers = [*ours(metric), *(closed_form(name) for name in (*measurement.JUDGES, "psnr", "ssim"))]
    photos_seen = track(pictures, len(pictures), "photos", quiet=quiet)
    rows = measurement.measure(peers, photos_seen, versions=versions, seed=seed)
    if scores is not None:
        rows.to_csv(scores, index=False)
    table = measurement.summarize(rows, [peer.name for peer in peers], seed=seed)
    wrong = measurement.called_better(rows)
    data = {"photos": photos_hash(pictures), "weights": weights_hash(metric)}
    results = {"metrics": report.rows_of(table), "versions": len(rows), "called better": report.rows_of(wrong)}
    text = relational_tables.consensus_tables(table, wrong, len(rows))
    targets = measurement.consensus_targets(table) if versions == "tools" and crop is None else []
    finish("consensus", context, text, results, data, targets, out, device)


def precision(
    context: typer.Context,
    photos: Photos,
    holdout: HoldoutOption = "every5",
    n: Annotated[int, typer.Option(help="At most this many photos, spread over the list.", min=1)] = 10,
    versions: Annotated[int, typer.Option(help="Versions of each photo.", min=1, max=21)] = 6,
    weights: Weights = None,
    seed: Seed = 0,
    device: DeviceOption = "cpu",
    threads: Threads = None,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Answers with the map network in bfloat16 against those in float32."""
    from benchmark import precision as measurement

    use_threads(threads)
    exact, quick = load_subject(weights, device), load_subject(weights, device, precision="bfloat16")
    pictures = load_photos(photos, holdout, n)
    made = track(pictures, len(pictures), "photos", quiet=quiet)
    rows = measurement.measure(exact, quick, made, versions=versions, seed=seed)
    figures = measurement.summarize(rows)
    data = {"photos": photos_hash(pictures), "weights": weights_hash(exact)}
    results = {"figures": figures, "versions": report.rows_of(rows)}
    finish("precision", context, relational_tables.precision_table(figures), results, data, [], out, device)


def ablate(
    context: typer.Context,
    config: Annotated[str, typer.Argument(help="Training configuration, such as pixelperfect/default.yaml.")],
    folder: Annotated[Path, typer.Option(help="Where the runs go; finished ones there are read, not repeated.")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE for all variants: photos and budget; repeatable."),
    ] = None,
    variant: Annotated[
        list[str] | None, typer.Option(help="Only variants with this in their name; repeatable.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Seeds 0, 1, ... of each variant.", min=1)] = 3,
    threads: Threads = None,
    out: Out = None,
    quiet: Quiet = False,  # noqa: ARG001 - training reports by itself
) -> None:
    """Train variants with the same budget and seeds, and compare what they reach on held-out engine pairs."""
    from benchmark import ablation as measurement

    chosen = [name for name in measurement.VARIANTS if not variant or any(part in name for part in variant)]
    if not chosen:
        raise typer.BadParameter(f"known: {'; '.join(measurement.VARIANTS)}", param_hint="--variant")
    use_threads(threads)
    rows = measurement.run_variants(config, chosen, range(seeds), folder, settings or [])
    table = measurement.summarize(rows)
    results = {"variants": report.rows_of(table), "runs": report.rows_of(rows)}
    finish("ablate", context, relational_tables.ablation_table(table), results, {}, [], out)
