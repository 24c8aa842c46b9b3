"""Commands on what things cost: time and memory of a comparison, what a start takes, how fast distortions are."""

from functools import partial
from typing import Annotated

import torch
import typer

from benchmark import report, tables
from benchmark.options import DeviceOption, LpipsFolder, Out, Quiet, Seed, Weights, finish, parse_size
from benchmark.progress import track

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Make these commands part of a program."""
    for command in (speed, startup, throughput):
        app.command()(command)


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


def startup(
    context: typer.Context,
    rounds: Annotated[int, typer.Option(help="Rounds after the warm-up.", min=1)] = 21,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """What the start-up hook and importing the package take, beside starting Python."""
    from benchmark import startup as measurement

    seconds = measurement.measure(rounds=rounds, quiet=quiet)
    table = measurement.summarize(seconds)
    results = {"parts": report.rows_of(table), "seconds": seconds.to_dict(orient="list")}
    finish("startup", context, report.markdown_table(table), results, {}, measurement.startup_targets(table), out)


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
