"""``python -m benchmark COMMAND``: parse, measure, print tables, write a record."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark import contrique_commands, cost_commands, grepq_commands, relational_commands, report, tables
from benchmark.leaderboard import commands as leaderboard_commands
from benchmark.options import (
    DeviceOption,
    HoldoutOption,
    LpipsFolder,
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
from pyiqa_pixelperfect.errors import PixelPerfectError

# Measurements are imported inside their commands: --help and each command load only the libraries that they need.

app = typer.Typer(
    help="Measure Pixel Perfect and its peers. Each command prints tables and writes a JSON record.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def localization(
    context: typer.Context,
    photos: Photos,
    holdout: HoldoutOption = "every5",
    n: Annotated[int, typer.Option(help="At most this many photos, spread over the list.", min=1)] = 85,
    tool: Annotated[list[str] | None, typer.Option(help="Only tools with this in their name; repeatable.")] = None,
    weights: Weights = None,
    seed: Seed = 0,
    device: DeviceOption = "cpu",
    threads: Threads = None,
    trials: Annotated[Path | None, typer.Option(help="Also write one row per trial to this CSV file.")] = None,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Maps against regions that real tools distorted: where, what, which direction, and how much leaks."""
    from benchmark import localization as measurement
    from benchmark.more_tools import ALL_TOOLS
    from benchmark.real_tools import HEADLINE_TOOLS

    chosen = [item for item in ALL_TOOLS if not tool or any(part in item.name for part in tool)]
    if not set(chosen) & set(HEADLINE_TOOLS):
        raise typer.BadParameter("leaves no tool of the headline", param_hint="--tool")
    use_threads(threads)
    metric = load_subject(weights, device)
    pictures = load_photos(photos, holdout, n)
    made = measurement.make_trials(pictures, chosen, seed)
    rows = measurement.measure(metric, track(made, len(pictures) * len(chosen), "trials", quiet=quiet), device)
    if trials is not None:
        rows.to_csv(trials, index=False)
    figures, by_tool, confusion = measurement.headline(rows), measurement.per_tool(rows), measurement.confusion(rows)
    main, more = by_tool[by_tool["headline"]], by_tool[~by_tool["headline"]]
    results = {
        "headline": figures,
        "tools": report.rows_of(main),
        "more_tools": report.rows_of(more),
        "confusion": confusion.to_dict(orient="index"),
        "parameters": {item.name: {"what": item.parameter, "strengths": item.strengths} for item in chosen},
    }
    data = {"photos": photos_hash(pictures), "weights": weights_hash(metric)}
    text = tables.localization_tables(main, figures, more, confusion)
    finish("localization", context, text, results, data, measurement.localization_targets(figures), out, device)


@app.command()
def ladders(
    context: typer.Context,
    photos: Photos,
    holdout: HoldoutOption = "every5",
    n: Annotated[int, typer.Option(help="At most this many photos, spread over the list.", min=1)] = 12,
    crop: Annotated[int, typer.Option(help="Side of the central part that is used, pixels.", min=32)] = 256,
    weights: Weights = None,
    seed: Seed = 0,
    device: DeviceOption = "cpu",
    threads: Threads = None,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Share of steps of rising strength at which the score falls, for every engine kind and every real tool."""
    from benchmark import ladders as measurement

    use_threads(threads)
    metric = load_subject(weights, device)
    pictures = [center_crop(photo, crop) for photo in load_photos(photos, holdout, n)]
    total = measurement.ladder_count(len(pictures))
    made = measurement.all_ladders(pictures, seed)
    rows = measurement.measure(metric, track(made, total, "ladders", quiet=quiet), device)
    families, single = measurement.by_family(rows), measurement.by_ladder(rows)
    results = {"families": report.rows_of(families), "ladders": report.rows_of(single)}
    data = {"photos": photos_hash(pictures), "weights": weights_hash(metric)}
    text, targets = tables.ladder_tables(families, single), measurement.ladder_targets(rows)
    finish("ladders", context, text, results, data, targets, out, device)


@app.command()
def antisymmetry(
    context: typer.Context,
    pairs: Annotated[int, typer.Option(help="Pairs, half noise and half photographs.", min=2)] = 100,
    weights: Weights = None,
    seed: Seed = 0,
    threads: Threads = None,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Largest violation of F(a,b) = 1 - F(b,a) and S(a,b) = -S(b,a) over odd sizes, and identity."""
    from benchmark import antisymmetry as measurement

    use_threads(threads)
    metric = load_subject(weights)
    rows = measurement.measure(metric, track(measurement.make_pairs(pairs, seed), pairs, "pairs", quiet=quiet))
    worst, targets = measurement.worst(rows), measurement.antisymmetry_targets(rows)
    results = {"worst": report.rows_of(worst), "pairs": report.rows_of(rows)}
    data = {"weights": weights_hash(metric)}
    finish("antisymmetry", context, tables.antisymmetry_tables(worst), results, data, targets, out)


@app.command()
def ratings(
    context: typer.Context,
    pairs: Annotated[Path, typer.Option(help="CSV with image, reference, mos, distortion; paths relative to it.")],
    lpips_weights: LpipsFolder = None,
    repeats: Annotated[int, typer.Option(help="Bootstrap samples.", min=2)] = 2000,
    weights: Weights = None,
    seed: Seed = 0,
    device: DeviceOption = "cpu",
    threads: Threads = None,
    scores: Annotated[Path | None, typer.Option(help="Also write the table with all scores to this CSV file.")] = None,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Agreement with human ratings within each photo, beside PSNR, SSIM, FSIM, VSI, MDSI, HaarPSI and LPIPS."""
    from benchmark import ratings as measurement
    from benchmark.peers import CLOSED_FORM, closed_form, lpips_squeeze, ours

    use_threads(threads)
    rated = measurement.read_pairs(pairs)
    metric = load_subject(weights, device)
    peers = [*ours(metric), *(closed_form(name) for name in CLOSED_FORM)]
    if lpips_weights is not None:
        peers.append(lpips_squeeze(lpips_weights))
    scored = measurement.score_pairs(rated, pairs.parent, peers, device=device, quiet=quiet)
    if scores is not None:
        scored.to_csv(scores, index=False)
    names = [peer.name for peer in peers]
    table = measurement.summarize(scored, names, ours="pixelperfect", repeats=repeats, seed=seed)
    results = {"metrics": report.rows_of(table), "pairs": len(rated), "references": int(rated["reference"].nunique())}
    data = {"pairs": measurement.table_hash(pairs, rated), "weights": weights_hash(metric)}
    finish("ratings", context, tables.ratings_table(table), results, data, [], out, device)


cost_commands.add_to(app)
relational_commands.add_to(app)
contrique_commands.add_to(app)
grepq_commands.add_to(app)
leaderboard_commands.add_to(app)


def main() -> None:
    """Run the command line; deliberate errors become one sentence and exit code 1."""
    try:
        app(prog_name="python -m benchmark")
    except PixelPerfectError as error:
        typer.secho(f"Error: {error}", fg=typer.colors.RED, err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
