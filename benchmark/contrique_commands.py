"""Commands on CONTRIQUE: agreement with people, what its features know, and the order along ladders."""

import json
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

__all__ = ["add_to"]

ContriqueWeights = Annotated[
    Path | None, typer.Option("--weights", help="Weights with encoder and head; the bundled ones if not given.")
]
OURS, UNTRAINED = "contrique", "the same network untrained"


def add_to(app: typer.Typer) -> None:
    """Make these commands part of a program."""
    app.command("contrique-quality")(quality)
    app.command("contrique-probe")(probe)
    app.command("contrique-ladders")(ladders)


def quality(
    context: typer.Context,
    ratings: Annotated[Path, typer.Option(help="CSV with image, mos and split; pictures beside it or in images/.")],
    curve: Annotated[
        list[Path] | None, typer.Option(help="Encoder of an earlier step (encoder-*.safetensors); repeatable.")
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder that keeps features for the next time.")] = None,
    repeats: Annotated[int, typer.Option(help="Bootstrap samples.", min=2)] = 2000,
    weights: ContriqueWeights = None,
    seed: Seed = 0,
    threads: Threads = None,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """SRCC and PLCC on test rows: as shipped, untrained, classical, and how it grew with the steps of training."""
    from benchmark import describers
    from benchmark import no_reference as measurement
    from pyiqa_pixelperfect.contrique.metric import Contrique
    from pyiqa_pixelperfect.contrique.networks import Encoder
    from pyiqa_pixelperfect.contrique.weights_file import read_contrique
    from pyiqa_pixelperfect.data.rated import ratings_digest, read_ratings

    use_threads(threads)
    train, test = (read_ratings(ratings, split=part) for part in ("train", "test"))
    metric = Contrique.load(weights)
    shipped = describers.Describer(OURS, lambda image: metric(image)[:, None], f"score {weights_hash(metric)}")
    rows: list[dict[str, Any]] = []

    def add(name: str, scores: np.ndarray[Any, Any], **more: Any) -> None:
        measured = measurement.agreement(scores, test, repeats=repeats, seed=seed)
        rows.append({"metric": name, **more, **measured})

    def add_ridge(name: str, describer: describers.Describer, **more: Any) -> None:
        fitted, asked = (describers.describe_rows(describer, part, cache, quiet=quiet) for part in (train, test))
        scores, chosen = measurement.predict_by_ridge(fitted, asked, train, seed)
        add(name, scores, **chosen, **more)

    add(OURS, describers.describe_rows(shipped, test, cache, quiet=quiet)[:, 0], **_from_card(metric.card))
    settings = metric.encoder.settings
    readout = {"levels": settings["levels"], "deviation": settings["deviation"]}
    network = Encoder(settings["backbone"], settings["options"], **readout, seed=int(metric.card.get("seed", 0)))
    untrained = network.eval().to(memory_format=torch.channels_last)
    add_ridge(UNTRAINED, describers.of_encoder(UNTRAINED, untrained, half=True), step=0)
    for path in curve or []:
        encoder, _, card = read_contrique(path, need_head=False)
        encoder.read_out(**readout)
        name = f"step {card.get('step', '?')}"
        add_ridge(name, describers.of_encoder(name, encoder, half=True), step=int(card.get("step", 0)))
    add_ridge("BRISQUE's 36 statistics + ridge", describers.natural_scene_statistics())
    add("PIQE", -describers.describe_rows(describers.piqe(), test, cache, quiet=quiet)[:, 0])
    table = pd.DataFrame(rows)
    curve_rows = table[table["step"] > 0]
    gains = {
        name: measurement.growth(list(curve_rows["step"]), list(curve_rows[name]))
        for name in (("srcc", "validation") if len(curve_rows) else ())
    }
    results = {"rows": report.rows_of(table), "train": len(train), "test": len(test), "readout": readout}
    results["gain_per_doubling_of_steps"] = gains
    data = {"train": ratings_digest(train), "test": ratings_digest(test), "weights": weights_hash(metric)}
    targets = measurement.quality_targets(table, OURS, UNTRAINED)
    text = _quality_table(table)
    known = [f"{name} {gain:+.3f}" for name, gain in gains.items() if gain is not None]
    if known:
        text += f"\n\nGain per doubling of the steps: {', '.join(known)}"
    finish("contrique-quality", context, text, results, data, targets, out)


def _from_card(card: dict[str, str]) -> dict[str, Any]:
    """Steps of the training, and figures of the head's own validation, as far as a model card tells them."""
    figures = json.loads(card.get("head_figures", "{}"))
    steps = json.loads(card.get("config", "{}")).get("steps")
    known = {
        "step": steps,
        "alpha": figures.get("alpha"),
        "validation": figures.get("validation_srcc"),
        "validation_spread": figures.get("validation_srcc_spread"),
    }
    return {name: value for name, value in known.items() if value is not None}


def _quality_table(table: pd.DataFrame) -> str:
    shown = pd.DataFrame({"metric": table["metric"]})
    for column in ("srcc", "plcc"):
        shown[f"{column.upper()} (95 %)"] = report.spreads(table, column)
    if "validation" in table:
        shown["on validation splits"] = [
            "" if np.isnan(value) else f"{value:.3f} +- {spread:.3f}"
            for value, spread in zip(table["validation"], table["validation_spread"], strict=True)
        ]
    return report.markdown_table(shown)


def probe(
    context: typer.Context,
    photos: Photos,
    holdout: HoldoutOption = "every5",
    n: Annotated[int, typer.Option(help="At most this many photos, spread over the list.", min=4)] = 40,
    crop: Annotated[int, typer.Option(help="Side of the central part that is used, pixels.", min=64)] = 160,
    weights: ContriqueWeights = None,
    seed: Seed = 0,
    threads: Threads = None,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Accuracy of linear probes for type and level of distortion on held-out photos, beside the untrained network."""
    from benchmark import probe as measurement
    from pyiqa_pixelperfect.contrique.networks import Encoder
    from pyiqa_pixelperfect.contrique.weights_file import read_contrique

    use_threads(threads)
    pictures = [center_crop(photo, crop) for photo in load_photos(photos, holdout, n)]
    trained, _, card = read_contrique(weights, need_head=False)
    fresh = Encoder(**trained.settings, seed=int(card.get("seed", 0))).eval().to(memory_format=torch.channels_last)
    sheets = track(measurement.distorted_sheets(pictures, seed), len(pictures), "photos", quiet=quiet)
    rows, features = measurement.describe_sheets({OURS: trained, UNTRAINED: fresh}, sheets)
    table = pd.DataFrame(
        [{"features": name, **measurement.probe_accuracy(rows, values)} for name, values in features.items()]
    )
    results = {"accuracy": report.rows_of(table), "photos": len(pictures), "versions": len(rows)}
    data = {"photos": photos_hash(pictures), "weights": weights_hash(trained)}
    finish("contrique-probe", context, report.markdown_table(table), results, data, [], out)


def ladders(
    context: typer.Context,
    photos: Photos,
    holdout: HoldoutOption = "every5",
    n: Annotated[int, typer.Option(help="At most this many photos, spread over the list.", min=1)] = 4,
    crop: Annotated[int, typer.Option(help="Side of the central part that is used, pixels.", min=32)] = 192,
    weights: ContriqueWeights = None,
    seed: Seed = 0,
    threads: Threads = None,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Share of steps of rising strength at which the distance of contrique-fr grows, for every kind of the engine.

    Beside it, the share of the alternative: the mean absolute difference of features pooled over the picture.
    """
    from benchmark import ladders as measurement
    from benchmark import tables
    from pyiqa_pixelperfect.contrique.metric import ContriqueFR

    use_threads(threads)
    metric = ContriqueFR.load(weights)
    pictures = [center_crop(photo, crop) for photo in load_photos(photos, holdout, n)]
    total = measurement.ladder_count(len(pictures), tools=())
    made = list(track(measurement.engine_ladders(pictures, seed), total, "ladders", quiet=quiet))
    describe = metric.encoder.describe

    def pooled(image: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        return -(describe(image) - describe(reference[:1])).abs().mean(dim=1)

    def share_of(frame: pd.DataFrame) -> float:
        return float(frame["in_order"].sum() / frame["steps"].sum())

    shown = track(made, total, "contrique-fr", quiet=quiet)
    rows = measurement.measure(lambda image, reference: -metric(image, reference), shown)
    share = share_of(rows)
    other = share_of(measurement.measure(pooled, track(made, total, "pooled", quiet=quiet)))
    families, single = measurement.by_family(rows), measurement.by_ladder(rows)
    results = {
        "share": share,
        "share_pooled": other,
        "families": report.rows_of(families),
        "ladders": report.rows_of(single),
    }
    data = {"photos": photos_hash(pictures), "weights": weights_hash(metric)}
    text = f"All steps: {share:.4f}; of pooled features {other:.4f}\n\n{tables.ladder_tables(families, single)}"
    finish("contrique-ladders", context, text, results, data, [], out)
