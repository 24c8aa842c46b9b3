"""One run from configuration to files: score, evaluate, lay out, draw, record."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmark import report
from benchmark.leaderboard.config import LeaderboardConfig, MapsEntry
from benchmark.leaderboard.costs import measure_costs
from benchmark.leaderboard.datasets import load_sets
from benchmark.leaderboard.difference_maps import build_maps
from benchmark.leaderboard.figures import run_figures
from benchmark.leaderboard.machine_tables import machine_tables
from benchmark.leaderboard.map_tables import map_results
from benchmark.leaderboard.offline import no_network
from benchmark.leaderboard.page import results_page
from benchmark.leaderboard.predictors import Predictor, Unavailable, build_predictor
from benchmark.leaderboard.results import Results, evaluate, read_published, record_results
from benchmark.leaderboard.runner import score_sets
from benchmark.leaderboard.score_book import ScoreBook
from benchmark.leaderboard.tables import csv_files, latex, markdown, run_tables
from benchmark.photos import load_photos, photos_hash
from benchmark.schema import Record
from benchmark.subject import load_subject
from pyiqa_pixelperfect.plots.style import save_figure
from pyiqa_pixelperfect.training.distributed import Processes, join_processes
from pyiqa_pixelperfect.weights import write_atomically

__all__ = ["run", "write_results"]


def run(config: LeaderboardConfig, *, quiet: bool = False) -> Results | None:
    """Measure everything that a configuration asks for and write it to its output folder.

    Under ``torchrun`` every process scores its share; the first one evaluates and writes.

    Returns:
        The results; ``None`` on every process but the first.

    Raises:
        PixelPerfectError: nothing to measure, or a malformed table.
    """
    processes = join_processes(config.device, patience_hours=24 * 14)
    threads = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    try:
        with no_network(closed=not config.download):
            return _run(config, processes, quiet=quiet)
    finally:
        torch.set_num_threads(threads)
        processes.leave()


def _run(config: LeaderboardConfig, processes: Processes, *, quiet: bool) -> Results | None:
    published = read_published(config.published)
    if not processes.first:
        processes.wait()  # the first one may have pictures to make, and weights to fetch
    sets, missing = load_sets(config)
    built = [build_predictor(entry, config.weights, str(processes.device)) for entry in config.metrics]
    if processes.first:
        processes.wait()
    predictors = [item for item in built if isinstance(item, Predictor)]
    unavailable = [item for item in built if isinstance(item, Unavailable)]
    book = ScoreBook(config.score_folder, processes.rank)
    try:
        scored = score_sets(sets, predictors, book, processes, seed=config.seed, retry_failed=config.retry_failed,
                            quiet=quiet)  # fmt: skip
    finally:
        book.close()
    if not processes.first:
        return None
    results = evaluate(config, scored, predictors, unavailable, missing, published)
    if config.speed is not None:
        results = replace(results, speed=measure_costs(config, predictors, quiet=quiet))
    if config.maps is not None:
        results = replace(results, maps=_maps(config, quiet=quiet))
    write_results(results, config.output)
    return results


def _maps(config: LeaderboardConfig, *, quiet: bool) -> dict[str, Any]:
    entry = config.maps or MapsEntry()
    photos = load_photos(entry.photos, entry.holdout, entry.count)
    metric = load_subject(None)  # on the CPU whatever the run's device: nothing is timed, and peers' maps are there
    maps, reasons = build_maps(metric, config.weights)
    found = map_results(metric, maps, photos, seed=config.seed, quiet=quiet)
    return found | {"unavailable": dict(reasons), "photos": photos_hash(photos), "photo_count": len(photos)}


def write_results(results: Results, folder: Path) -> Record:
    """Write record, tables, figures and page of a run.

    Returns:
        The record.
    """
    tables, machine = run_tables(results), machine_tables(results)
    write_atomically(folder / "tables.md", markdown(tables).encode())
    write_atomically(folder / "tables.tex", latex(tables).encode())
    write_atomically(folder / "machine.md", markdown(machine).encode())
    for name, text in csv_files(results).items():
        write_atomically(folder / name, text.encode())
    record = report.make_record(
        "run",
        results.config.model_dump(mode="json"),
        {item.rated.name: item.fingerprint for item in results.scored},
        record_results(results),
        device=results.config.device,
    )
    report.write_record(record, folder / "record.json")
    figures = run_figures(results)
    for name, figure in figures.items():
        save_figure(figure, folder / "figures" / f"{name}.png")
    page = results_page(results, [*tables, *machine], figures, footer_of(record))
    write_atomically(folder / "page.html", page.encode())
    return record


def footer_of(record: Record) -> Mapping[str, str]:
    """Return what a reader needs to judge and repeat a run, by label."""
    versions: dict[str, Any] = {name: record.versions.get(name, "") for name in ("torch", "pyiqa", "piq", "scipy")}
    return {
        "measured": record.date,
        "commit": record.commit,
        "machine": f"{record.device.name}, {record.device.cpu_count} cores, {record.device.threads} threads",
        **{name: version for name, version in versions.items() if version},
        **{f"data {name}": value[:12] for name, value in record.data.items()},
    }
