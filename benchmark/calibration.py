"""Does a map that says 0.6 mean 0.6?

Held-out photos are distorted twice by the training engine, whose amounts are known at every pixel, and all pairs of
versions are compared. Predicted and true signed amounts are means over 4x4 pixels. For each family the values are
sorted by the prediction into bins (reliability): a calibrated map has the same mean in truth as in prediction in every
bin. That is asked of all pairs, since whoever reads a map does not know which families are there. The same figures of
the pairs that have a family anywhere are told beside it: they are harder, and no map can be calibrated for both, since
what is faint and may be nothing is something in each of those.
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
from pyiqa_pixelperfect.pixelperfect.map_cells import MAP_STRIDE

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
_NAMES = ("cells", "said", "true", "size", "error", "affected", "affected error")
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
        (families, 2, bins, 7): first of all pairs, then of those that have the family, the number of cells, sums of
        prediction, truth, absolute truth and absolute error, number of affected cells and sum of their absolute errors.
    """
    sums = np.zeros((len(FAMILIES), 2, BINS, len(_NAMES)))
    for images, references, truths in pairs:
        for image, reference, truth in zip(images, references, truths, strict=True):
            signed = signed_maps(metric, image[None].to(device), reference[None].to(device))[0].float().cpu()
            said, true = (F.avg_pool2d(values, MAP_STRIDE).flatten(1).double().numpy() for values in (signed, truth))
            for groups, predicted, amounts in zip(sums, said, true, strict=True):
                _add(groups, predicted, amounts)
    return sums


def by_family(sums: NDArray[np.float64]) -> pd.DataFrame:
    """One row per family: cells, mean absolute errors, bias, reliability gaps.

    Of all pairs ``error``, ``nothing``, the error of saying that nothing is there, ``bias``, the mean of prediction
    minus truth, and ``gap``, the mean over cells of how far the mean truth of the bin of a cell is from the mean
    prediction in it. Of the pairs that have the family ``error present`` and ``gap present``, and ``error affected``
    where it is there.
    """
    rows = []
    with np.errstate(invalid="ignore", divide="ignore"):
        for name, groups in zip(FAMILIES, sums, strict=True):
            every, present = (dict(zip(_NAMES, bins.T, strict=True)) for bins in groups)
            rows.append(
                {
                    "family": name,
                    "cells": int(every["cells"].sum()),
                    "error": every["error"].sum() / every["cells"].sum(),
                    "nothing": every["size"].sum() / every["cells"].sum(),
                    "bias": (every["said"] - every["true"]).sum() / every["cells"].sum(),
                    "gap": np.abs(every["said"] - every["true"]).sum() / every["cells"].sum(),
                    "error present": present["error"].sum() / present["cells"].sum(),
                    "gap present": np.abs(present["said"] - present["true"]).sum() / present["cells"].sum(),
                    "error affected": every["affected error"].sum() / every["affected"].sum(),
                }
            )
    return pd.DataFrame(rows)


def reliability(sums: NDArray[np.float64]) -> pd.DataFrame:
    """Mean prediction and mean truth of every bin that has cells, of all pairs, by family."""
    rows = []
    for name, (bins, _) in zip(FAMILIES, sums, strict=True):
        for number, (count, said, true, *_) in enumerate(bins):
            if count:
                mean = {"predicted": said / count, "true": true / count}
                rows.append({"family": name, "bin": number, "cells": int(count), **mean})
    return pd.DataFrame(rows)


def overall(table: pd.DataFrame) -> dict[str, float]:
    """Means over the families that occurred, each with the same weight."""
    columns = ("error", "nothing", "gap", "error present", "gap present", "error affected")
    return {name: float(table[name].mean()) for name in columns}


def calibration_targets(figures: dict[str, float]) -> list[Target]:
    """Return the promised error beside the measured ones.

    The promise does not say of which pairs: of all, as it stands, or of those in which a family is there to be judged,
    which is far harder. Both are told.
    """
    labels = {"all pairs": "error", "pairs with the family": "error present"}
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


def _add(groups: NDArray[np.float64], said: NDArray[np.float64], true: NDArray[np.float64]) -> None:
    places = np.clip(((said + 1.0) * 0.5 * BINS).astype(np.int64), 0, BINS - 1)
    error, affected = np.abs(said - true), np.abs(true) > AFFECTED
    columns = (None, said, true, np.abs(true), error, affected.astype(np.float64), error * affected)
    added = np.stack([np.bincount(places, weights, minlength=BINS) for weights in columns], axis=1)
    groups[: 2 if true.any() else 1] += added
