"""Does a map that says 0.6 mean 0.6?

Held-out photos are distorted twice by the training engine, whose amounts are known at every pixel, and all pairs of
versions are compared. Predicted and true signed amounts are means over 4x4 pixels. For each family the values of the
pairs that have it anywhere are sorted by the prediction into bins (reliability): a calibrated map has the same mean in
truth as in prediction in every bin. The error over all pairs is told beside it; in most of them a family is not there,
and should not be seen.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch.nn.functional as F
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from benchmark.photos import Photo, to_tensor
from benchmark.report import target
from benchmark.schema import Target
from benchmark.subject import MapMetric, signed_maps
from pyiqa_pixelperfect.distortions.engine import DistortionEngine
from pyiqa_pixelperfect.distortions.versions import distorted_versions
from pyiqa_pixelperfect.families import FAMILIES

__all__ = [
    "by_family",
    "calibration_targets",
    "draw_reliability",
    "measure",
    "overall",
    "reliability",
    "versioned_pairs",
]

BINS = 20  # over [-1, 1]
AFFECTED = 0.05  # of true amounts, above which a cell counts as affected
_CELL = 4  # px
_PROMISED = 0.05


def versioned_pairs(
    photos: Sequence[Photo], engine: DistortionEngine, seed: int, draws: int = 1
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Distort each photo twice, ``draws`` times over.

    Yields:
        Images and references (3, 3, H, W), all pairs of the clean photo and its two versions, and the signed truth
        (3, K, H, W): what the images have more of.
    """
    for number, photo in enumerate(photos):
        clean = to_tensor(photo.pixels)
        for draw in range(draws):
            versions = distorted_versions(engine, clean, np.array([number * draws + draw]), 2, seed=seed)
            image, reference = versions.pairs()
            yield versions.images[image], versions.images[reference], versions.difference(image, reference)


def measure(
    metric: MapMetric, pairs: Iterable[tuple[Tensor, Tensor, Tensor]], device: str = "cpu"
) -> NDArray[np.float64]:
    """Compare pairs and sort cells into bins of the prediction.

    Returns:
        (families, bins, 8): of pairs that have the family the number of cells, sums of prediction, truth and absolute
        error, number of affected cells and sum of their absolute errors; of pairs that do not have it the number of
        cells and sum of absolute errors.
    """
    sums = np.zeros((len(FAMILIES), BINS, 8))
    for images, references, truths in pairs:
        for image, reference, truth in zip(images, references, truths, strict=True):
            signed = signed_maps(metric, image[None].to(device), reference[None].to(device))[0].float().cpu()
            said, true = (F.avg_pool2d(values, _CELL).flatten(1).double().numpy() for values in (signed, truth))
            for bins, predicted, amounts in zip(sums, said, true, strict=True):
                _add(bins, predicted, amounts)
    return sums


def by_family(sums: NDArray[np.float64]) -> pd.DataFrame:
    """One row per family: cells, mean absolute errors, bias, reliability gap.

    ``error everywhere`` is of all pairs, what follows of those that have the family: ``error``, ``error affected``
    where it is there, ``bias``, the mean of prediction minus truth, and ``gap``, the mean over cells of how far the
    mean truth of the bin of a cell is from the mean prediction in it.
    """
    rows = []
    with np.errstate(invalid="ignore", divide="ignore"):
        for name, bins in zip(FAMILIES, sums, strict=True):
            count, said, true, error, affected, affected_error, absent, absent_error = bins.T
            rows.append(
                {
                    "family": name,
                    "cells": int(count.sum()),
                    "error": error.sum() / count.sum(),
                    "error affected": affected_error.sum() / affected.sum(),
                    "error everywhere": (error + absent_error).sum() / (count + absent).sum(),
                    "bias": (said - true).sum() / count.sum(),
                    "gap": np.abs(said - true).sum() / count.sum(),
                }
            )
    return pd.DataFrame(rows)


def reliability(sums: NDArray[np.float64]) -> pd.DataFrame:
    """Mean prediction and mean truth of every bin that has cells, by family."""
    rows = []
    for name, bins in zip(FAMILIES, sums, strict=True):
        for number, (count, said, true, *_) in enumerate(bins):
            if count:
                mean = {"predicted": said / count, "true": true / count}
                rows.append({"family": name, "bin": number, "cells": int(count), **mean})
    return pd.DataFrame(rows)


def overall(table: pd.DataFrame) -> dict[str, float]:
    """Means over the families that occurred, each with the same weight."""
    return {name: float(table[name].mean()) for name in ("error", "error affected", "error everywhere", "gap")}


def calibration_targets(figures: dict[str, float]) -> list[Target]:
    """Return the promised error beside the measured ones.

    The promise does not say of which pairs: of all, as it stands, or of those in which a family is there to be judged,
    which is far harder. Both are told.
    """
    labels = {"all pairs": "error everywhere", "pairs with the family": "error"}
    return [
        target(f"mean absolute error of amounts, {pairs}", figures[name], _PROMISED, None, at_least=False)
        for pairs, name in labels.items()
    ]


def draw_reliability(sums: NDArray[np.float64], path: Path) -> None:
    """Draw mean truth over mean prediction, a panel per family; the area of a dot is the share of its cells."""
    figure = Figure(figsize=(12.6, 5.6), layout="constrained")
    panels = figure.subplots(2, 7, sharex=True, sharey=True).flat
    table = reliability(sums)
    for name, axes in zip(FAMILIES, panels, strict=True):
        part = table[table["family"] == name]
        axes.plot([-1, 1], [-1, 1], color="#d8dee4", linewidth=1)
        share = part["cells"] / max(1, part["cells"].sum())
        axes.plot(part["predicted"], part["true"], color="#d95f02", linewidth=1)
        axes.scatter(part["predicted"], part["true"], s=4 + 120 * share, color="#d95f02")
        axes.set_title(name, fontsize=9)
        axes.set(xlim=(-1, 1), ylim=(-1, 1), aspect="equal")
    figure.supxlabel("predicted signed amount", fontsize=9)
    figure.supylabel("true signed amount, mean", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _add(bins: NDArray[np.float64], said: NDArray[np.float64], true: NDArray[np.float64]) -> None:
    places = np.clip(((said + 1.0) * 0.5 * BINS).astype(np.int64), 0, BINS - 1)
    error, affected = np.abs(said - true), np.abs(true) > AFFECTED
    present = (None, said, true, error, affected.astype(np.float64), error * affected)
    columns = dict(enumerate(present)) if true.any() else {6: None, 7: error}
    for column, weight in columns.items():
        bins[:, column] += np.bincount(places, weight, minlength=BINS)
