"""``python -m benchmark COMMAND``: parse, measure, print tables, write a record."""

from functools import partial
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmark import contrique_commands, grepq_commands, relational_commands, report, tables
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
    parse_size,
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
def speed(
    context: typer.Context,
    lpips_weights: LpipsFolder = None,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT of the pair.")] = "1024x768",
    threads: Annotated[int, typer.Option(help="CPU threads.", min=1)] = 2,
    rounds: Annotated[int, typer.Option(help="Rounds after the warm-up.", min=1)] = 9,
    contestant: Annotated[list[str] | None, typer.Option(help="Only this one; repeatable.")] = None,
    memory: Annotated[bool, typer.Option(help="Measure memory too, one fresh process each.")] = True,
    weights: Weights = None,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Time and peak memory of one comparison on the CPU, beside LPIPS and closed-form metrics in the same run."""
    from benchmark import speed as measurement
    from benchmark.contestants import CONTESTANTS, ON_REQUEST, build

    width, height = parse_size(size)
    names = tuple(contestant) if contestant else CONTESTANTS
    known = (*CONTESTANTS, *ON_REQUEST)
    unknown = set(names) - set(known)
    if unknown:
        raise typer.BadParameter(f"{sorted(unknown)}; known: {'; '.join(known)}")
    built = {name: build(name, weights, lpips_weights) for name in names}
    image, reference = measurement.pair_for_timing(width, height)
    calls, notes = {name: call for name, (call, _) in built.items()}, {name: note for name, (_, note) in built.items()}
    seconds = measurement.measure_time(calls, image, reference, rounds=rounds, threads=threads, quiet=quiet)
    probed = track(names, len(names), "memory", quiet=quiet) if memory else ()
    weigh = partial(measurement.measure_memory, threads=threads, weights=weights, lpips_folder=lpips_weights)
    mib = {name: weigh(name, width, height) for name in probed}
    table = measurement.summarize(seconds, mib, notes)
    results = {"contestants": report.rows_of(table), "seconds": seconds.to_dict(orient="list")}
    finish("speed", context, tables.speed_table(table), results, {}, measurement.speed_targets(table), out)


@app.command()
def throughput(
    context: typer.Context,
    crop: Annotated[int, typer.Option(help="Side of the square pictures, pixels.", min=32)] = 224,
    pictures: Annotated[int, typer.Option(help="Pictures per type and level (CPU).", min=1)] = 4,
    batch: Annotated[int, typer.Option(help="Crops in a batch (accelerator).", min=1)] = 256,
    threads: Annotated[int, typer.Option(help="CPU threads of every library.", min=1)] = 2,
    rounds: Annotated[int, typer.Option(help="Rounds after the warm-up.", min=1)] = 9,
    entry: Annotated[list[str] | None, typer.Option(help="Only this KADIS entry, without the mix; repeatable.")] = None,
    keep_memory: Annotated[
        bool, typer.Option("--keep-memory/--return-memory", help="Keep freed memory, as `train` does; for both ways.")
    ] = True,
    seed: Seed = 0,
    device: DeviceOption = "cpu",
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Megapixels per second of the distortions beside one picture at a time; on an accelerator, crops per second."""
    from benchmark import throughput as measurement
    from pyiqa_pixelperfect.distortions import KADIS
    from pyiqa_pixelperfect.training.memory import keep_freed_memory

    if keep_memory:
        keep_freed_memory()
    names = entry or list(KADIS)
    if set(names) - set(KADIS):
        raise typer.BadParameter(f"{sorted(set(names) - set(KADIS))}; known: {', '.join(KADIS)}", param_hint="--entry")
    if torch.device(device).type == "cpu":
        jobs = measurement.make_jobs(names, measurement.make_pictures(pictures, crop, seed), mix=not entry, seed=seed)
        ways = {measurement.BATCHED: measurement.batched, measurement.USUAL: measurement.one_at_a_time}
        seconds = measurement.measure(ways, jobs, rounds=rounds, threads=threads, quiet=quiet)
        table = measurement.summarize(seconds, jobs)
        results = {"speeds": report.rows_of(table), "seconds": report.rows_of(seconds)}
        text, targets = tables.throughput_table(table), measurement.throughput_targets(table)
    else:
        squares = measurement.make_pictures(min(batch, 64), crop, seed)
        table = measurement.crops_per_second(
            squares, device=device, batch=batch, rounds=rounds, threads=threads, quiet=quiet
        )
        results = {"batches": report.rows_of(table)}
        text, targets = tables.crops_table(table), measurement.crops_targets(table)
    finish("throughput", context, text, results, {}, targets, out, device)


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
