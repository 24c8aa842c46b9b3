"""Commands on GRepQ: without labels, with a few, what our corrections change, and the order along ladders."""

import tempfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
import typer

from benchmark import report
from benchmark.options import HoldoutOption, Out, Photos, Quiet, Seed, Threads, finish, use_threads
from benchmark.photos import center_crop, load_photos, photos_hash
from benchmark.progress import track
from benchmark.subject import weights_hash
from pyiqa_pixelperfect.data.pristine import is_validation

__all__ = ["add_to"]

GrepqWeights = Annotated[
    Path | None, typer.Option("--weights", help="Low-level weights; the bundled ones if not given.")
]
Ratings = Annotated[Path, typer.Option(help="CSV with image, mos and split; pictures beside it or in images/.")]
Cache = Annotated[Path | None, typer.Option(help="Folder that keeps features for the next time.")]
OURS, UNTRAINED = "grepq-low", "the same network untrained"


def add_to(app: typer.Typer) -> None:
    """Make these commands part of a program."""
    app.command("grepq-zero-shot")(zero_shot)
    app.command("grepq-few-labels")(few_labels)
    app.command("grepq-corrections")(corrections)
    app.command("grepq-ladders")(ladders)


def zero_shot(
    context: typer.Context,
    ratings: Ratings,
    photos: Photos,
    niqe: Annotated[
        Path | None, typer.Option(help="Published parameters of NIQE: niqe_pris_params.npz of the package basicsr.")
    ] = None,
    n: Annotated[int, typer.Option(help="Clean photos for the untrained network's Gaussian.", min=2)] = 100,
    cache: Cache = None,
    repeats: Annotated[int, typer.Option(help="Bootstrap samples.", min=2)] = 2000,
    weights: GrepqWeights = None,
    seed: Seed = 0,
    threads: Threads = None,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """SRCC and PLCC on test rows of scores that never saw a rating: ours, untrained, NIQE and PIQE."""
    from benchmark import describers
    from benchmark import no_reference as agreement
    from benchmark import opinion_unaware as measurement
    from pyiqa_pixelperfect.data.rated import ratings_digest, read_ratings
    from pyiqa_pixelperfect.grepq.metric import GRepQ

    use_threads(threads)
    rows = read_ratings(ratings, split="test")
    mos = np.array([row.mos for row in rows])
    metric = GRepQ.load(weights)
    clean = [photo for place, photo in enumerate(load_photos(photos, "all")) if not is_validation(place)][:n]
    fresh = measurement.untrained_like(metric, clean, int(metric.card.get("seed", 0)))
    asked = [(measurement.of_metric(OURS, metric), 1.0), (measurement.of_metric(UNTRAINED, fresh), 1.0)]
    asked += [(measurement.niqe(niqe), -1.0)] if niqe else []
    asked += [(describers.piqe(), -1.0)]
    scores = {
        describer.name: sign * describers.describe_rows(describer, rows, cache, quiet=quiet)[:, 0]
        for describer, sign in asked
    }
    found: list[dict[str, Any]] = []
    for name, values in scores.items():
        row = {"metric": name, **agreement.agreement(values, rows, repeats=repeats, seed=seed)}
        if name != OURS:
            row |= measurement.ahead(scores[OURS], values, mos, repeats=repeats, seed=seed)
        found.append(row)
    table = pd.DataFrame(found)
    data = {"test": ratings_digest(rows), "photos": photos_hash(clean), "weights": weights_hash(metric)}
    results = {"rows": report.rows_of(table), "test": len(rows)}
    targets = measurement.zero_shot_targets(table, OURS)
    finish("grepq-zero-shot", context, _zero_shot_table(table), results, data, targets, out)


def _zero_shot_table(table: pd.DataFrame) -> str:
    shown = pd.DataFrame({"metric": table["metric"]})
    for column, label in (("srcc", "SRCC (95 %)"), ("plcc", "PLCC (95 %)"), ("ahead", "grepq-low is ahead by (95 %)")):
        shown[label] = report.spreads(table, column)
    return report.markdown_table(shown)


def few_labels(
    context: typer.Context,
    ratings: Ratings,
    labels: Annotated[list[int] | None, typer.Option(help="Numbers of labels; repeatable.")] = None,
    draws: Annotated[int, typer.Option(help="Draws of labels for each number.", min=1)] = 10,
    cache: Cache = None,
    weights: GrepqWeights = None,
    contrique: Annotated[Path | None, typer.Option(help="Weights of CONTRIQUE instead of the bundled ones.")] = None,
    seed: Seed = 0,
    threads: Threads = None,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """SRCC on test rows of heads on 50, 100, 200 and all labels: GRepQ's features, CONTRIQUE's, both, and untrained."""
    from benchmark import describers
    from benchmark import few_labels as measurement
    from pyiqa_pixelperfect.backbones import seeded_weights
    from pyiqa_pixelperfect.contrique.networks import Encoder
    from pyiqa_pixelperfect.contrique.weights_file import read_contrique
    from pyiqa_pixelperfect.data.rated import ratings_digest, read_ratings
    from pyiqa_pixelperfect.grepq.metric import GRepQ
    from pyiqa_pixelperfect.grepq.networks import LowLevelNet

    use_threads(threads)
    train, test = (read_ratings(ratings, split=part) for part in ("train", "test"))
    low = GRepQ.load(weights).low
    with seeded_weights(0):
        fresh = LowLevelNet(low.width, low.features).eval().to(memory_format=torch.channels_last)
    encoder, _, card = read_contrique(contrique, need_head=False)
    untrained = Encoder(**encoder.settings, seed=int(card.get("seed", 0))).eval().to(memory_format=torch.channels_last)
    asked = {
        "GRepQ low": describers.Describer("GRepQ low", low, f"features {weights_hash(low)}"),
        "CONTRIQUE": describers.of_encoder("CONTRIQUE", encoder, half=True),
        "GRepQ low, untrained": describers.Describer("GRepQ low, untrained", fresh, f"features {weights_hash(fresh)}"),
        "CONTRIQUE, untrained": describers.of_encoder("CONTRIQUE, untrained", untrained, half=True),
    }
    found = {
        name: np.concatenate([describers.describe_rows(one, part, cache, quiet=quiet) for part in (train, test)])
        for name, one in asked.items()
    }
    found["both together"] = np.concatenate((found["GRepQ low"], found["CONTRIQUE"]), axis=1)
    counts = labels or [50, 100, 200, len(train)]
    asked_counts = [None if count >= len(train) else count for count in counts]
    table = measurement.few_label_table(found, [*train, *test], len(train), asked_counts, draws=draws, seed=seed)
    data = {"train": ratings_digest(train), "test": ratings_digest(test), "grepq": weights_hash(low),
            "contrique": weights_hash(encoder)}  # fmt: skip
    table["shown"] = [
        f"{srcc:.3f} +- {spread:.3f}" for srcc, spread in zip(table["srcc"], table["spread"], strict=True)
    ]
    text = report.markdown_table(table.pivot_table(index="features", columns="labels", values="shown", aggfunc="first",
                                                   sort=False).reset_index())  # fmt: skip
    results = {"rows": report.rows_of(table.drop(columns="shown")), "train": len(train), "test": len(test)}
    finish("grepq-few-labels", context, text, results, data, [], out)


def corrections(
    context: typer.Context,
    ratings: Ratings,
    photos: Annotated[list[Path], typer.Option(help="Folders of clean photos to train on; repeatable.")],
    steps: Annotated[int, typer.Option(help="Steps of each training.", min=1)] = 120,
    sets: Annotated[int, typer.Option(help="Version sets to train on; 0 = one of each photo.", min=0)] = 0,
    seeds: Annotated[int, typer.Option(help="Trainings of each setting.", min=1)] = 3,
    n: Annotated[int, typer.Option(help="Test rows to measure on.", min=10)] = 200,
    versions: Annotated[Path | None, typer.Option(help="Folder that keeps version sets for the next time.")] = None,
    threads: Threads = None,
    out: Out = None,
) -> None:
    """Zero-shot SRCC of small networks, briefly trained as published and with our corrections, over some seeds."""
    from benchmark import corrections as measurement
    from pyiqa_pixelperfect.data.rated import ratings_digest, read_ratings

    use_threads(threads)
    rows = read_ratings(ratings, split="test")
    rows = rows[:: max(1, len(rows) // n)][:n]
    with tempfile.TemporaryDirectory() as folder:
        kept = versions or Path(folder) / "versions"
        table = measurement.correction_table(photos, rows, Path(folder), kept, steps=steps, sets=sets, seeds=seeds)
    summary = measurement.summarize(table)
    results = {"summary": report.rows_of(summary), "runs": report.rows_of(table), "test": len(rows)}
    text = report.markdown_table(summary)
    finish("grepq-corrections", context, text, results, {"test": ratings_digest(rows)}, [], out)


def ladders(
    context: typer.Context,
    photos: Photos,
    holdout: HoldoutOption = "every5",
    n: Annotated[int, typer.Option(help="At most this many photos, spread over the list.", min=1)] = 6,
    crop: Annotated[int, typer.Option(help="Side of the central part that is used, pixels.", min=144)] = 240,
    weights: GrepqWeights = None,
    seed: Seed = 0,
    threads: Threads = None,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Share of steps of rising strength at which the score of grepq-low falls, for every kind of the engine."""
    from benchmark import ladders as measurement
    from benchmark import tables
    from pyiqa_pixelperfect.grepq.metric import GRepQ

    use_threads(threads)
    metric = GRepQ.load(weights)
    pictures = [center_crop(photo, crop) for photo in load_photos(photos, holdout, n)]
    total = measurement.ladder_count(len(pictures), tools=())
    made = track(measurement.engine_ladders(pictures, seed), total, "ladders", quiet=quiet)

    def score(image: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        values: torch.Tensor = metric(image)
        return values

    rows = measurement.measure(score, made)
    families, single = measurement.by_family(rows), measurement.by_ladder(rows)
    share = float(rows["in_order"].sum() / rows["steps"].sum())
    results = {"share": share, "families": report.rows_of(families), "ladders": report.rows_of(single)}
    data = {"photos": photos_hash(pictures), "weights": weights_hash(metric)}
    text = f"All steps: {share:.3f}\n\n{tables.ladder_tables(families, single)}"
    finish("grepq-ladders", context, text, results, data, [], out)
