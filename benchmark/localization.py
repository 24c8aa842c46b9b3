"""Do the maps say where and what, when a tool that training never used distorted part of a photo?

For each held-out photo and each tool: distort the whole photo at a strength drawn from mild, medium and strong, paste
the result into a random region, compare with the clean photo. Definitions of the figures: ``benchmark/README.md``.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.photos import Photo, Pixels, to_tensor
from benchmark.real_tools import HEADLINE_TOOLS, TRAINING_TOOLS, RealTool, apply_tool, named_strengths, tool_seed
from benchmark.regions import Region, paste, random_region
from benchmark.report import target
from benchmark.schema import Target
from benchmark.statistics import interval, resample_groups, roc_auc
from benchmark.subject import MapMetric, signed_maps
from pyiqa_pixelperfect.families import FAMILIES, family_index

__all__ = [
    "FIGURES",
    "NOTHING",
    "Trial",
    "confusion",
    "headline",
    "localization_targets",
    "make_trials",
    "measure",
    "per_tool",
]

FIGURES = ("auc", "type", "sign", "leak", "leak_all", "amount", "crosstalk")
NOTHING = "none"  # predicted "family" of maps that are zero throughout the region
_UNCHANGED_SHARE = 0.001  # a tool that changed fewer of the region's pixels did nothing (color tools on a gray photo)
_TARGETS = {  # figure: (first cut, later, at least?)
    "auc": (0.90, 0.95, True),
    "type": (0.65, 0.85, True),
    "sign": (0.95, 0.98, True),
    "leak": (0.05, 0.03, False),
}


@dataclass(frozen=True)
class Trial:
    """One photo with one tool's work in one region.

    Attributes:
        photo: name of the photo.
        tool: what distorted it.
        strength: ``"mild"``, ``"medium"`` or ``"strong"``.
        image: ``(H, W, 3)`` photo with the distorted region.
        clean: ``(H, W, 3)`` photo.
        inside: ``(H, W)`` pixels that are distorted for certain.
        outside: ``(H, W)`` pixels that are clean for certain; the soft edge is in neither.
        inside_to_edge: ``(H, W)`` the region up to the middle of its soft edge; its complement counts as clean.
    """

    photo: str
    tool: RealTool
    strength: str
    image: Pixels
    clean: Pixels
    inside: NDArray[np.bool_]
    outside: NDArray[np.bool_]
    inside_to_edge: NDArray[np.bool_]

    @property
    def changed(self) -> bool:
        """Whether the tool did anything worth finding."""
        differs = (self.image != self.clean).any(axis=-1)
        return bool(self.inside.any() and differs[self.inside].mean() >= _UNCHANGED_SHARE)


def make_trials(photos: Iterable[Photo], tools: Sequence[RealTool], seed: int) -> Iterator[Trial]:
    """Make one trial for each photo and tool; strength, region and noise depend on seed, photo and tool only."""
    for photo in photos:
        for tool in tools:
            yield _trial(photo, tool, tool_seed(seed, photo.name, tool.name))


def measure(metric: MapMetric, trials: Iterable[Trial], device: str = "cpu") -> pd.DataFrame:
    """Run the metric over trials.

    Returns:
        One row per trial: photo, tool, family, strength, the figures of ``FIGURES`` (NaN where the tool changed
        nothing), ``auc_to_edge`` and ``predicted``, the strongest family inside.
    """
    return pd.DataFrame([_row(metric, trial, device) for trial in trials])


def per_tool(rows: pd.DataFrame) -> pd.DataFrame:
    """Average the trials of each tool, in the order in which the tools came."""
    keys = ["tool", "family", "direction", "headline", "in_training"]
    grouped = rows.groupby(keys, sort=False)
    table = grouped[[*FIGURES, "auc_to_edge"]].mean().reset_index()
    table["trials"] = grouped["auc"].count().to_numpy()
    table["unchanged"] = grouped["auc"].apply(lambda column: int(column.isna().sum())).to_numpy()
    for strength, part in rows.groupby("strength"):
        table[f"auc_{strength}"] = table["tool"].map(part.groupby("tool")["auc"].mean())
    return table


def headline(rows: pd.DataFrame, *, repeats: int = 1000, seed: int = 0) -> dict[str, dict[str, float]]:
    """Return each figure's mean over the headline tools, with a 95 % interval from resampling photos."""
    return _means(rows[rows["headline"]], repeats, seed)


def confusion(rows: pd.DataFrame) -> pd.DataFrame:
    """Return how often each family (row) was taken for which (column), as shares of the family's trials."""
    known = rows[rows["predicted"] != ""]
    table = pd.crosstab(known["family"], known["predicted"], normalize="index")
    columns = [*FAMILIES, NOTHING] if NOTHING in table.columns else list(FAMILIES)
    return table.reindex(index=[name for name in FAMILIES if name in table.index], columns=columns, fill_value=0.0)


def localization_targets(figures: dict[str, dict[str, float]]) -> list[Target]:
    """Return the promised figures beside the measured headline."""
    return [
        target(f"localization {name}", figures[name]["mean"], first, later, at_least=at_least)
        for name, (first, later, at_least) in _TARGETS.items()
    ]


def _trial(photo: Photo, tool: RealTool, seed: int) -> Trial:
    generator = np.random.default_rng(seed)
    strengths = named_strengths(tool)
    strength = list(strengths)[int(generator.integers(len(strengths)))]
    height, width = photo.pixels.shape[:2]
    region = random_region(height, width, generator)
    distorted = apply_tool(tool, photo.pixels, strengths[strength], seed)
    image = paste(photo.pixels, distorted, region)
    inside, outside, to_edge = _truth(tool, photo.pixels, distorted, region)
    return Trial(photo.name, tool, strength, image, photo.pixels, inside, outside, to_edge)


def _truth(
    tool: RealTool, clean: Pixels, distorted: Pixels, region: Region
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    inside, outside, to_edge = region.inside, region.outside, region.alpha >= 0.5
    if not tool.patchy:
        return inside, outside, to_edge
    touched = (clean != distorted).any(axis=-1)
    return inside & touched, outside | ~touched, to_edge & touched


def _row(metric: MapMetric, trial: Trial, device: str) -> dict[str, object]:
    row: dict[str, object] = {
        "photo": trial.photo,
        "tool": trial.tool.name,
        "family": trial.tool.family,
        "direction": trial.tool.direction,
        "headline": trial.tool in HEADLINE_TOOLS,
        "in_training": trial.tool.name in TRAINING_TOOLS,
        "strength": trial.strength,
        "predicted": "",
    }
    if not trial.changed:
        return row | dict.fromkeys((*FIGURES, "auc_to_edge"), float("nan"))
    signed = signed_maps(metric, to_tensor(trial.image).to(device), to_tensor(trial.clean).to(device))[0]
    return row | _figures(signed.float().cpu().numpy(), trial)


def _figures(signed: NDArray[np.float32], trial: Trial) -> dict[str, object]:
    channel = family_index(trial.tool.family)
    right = signed[channel] * trial.tool.direction  # positive where the right family points in the right direction
    strength_inside = np.abs(signed[:, trial.inside]).mean(axis=1)  # (K,)
    others = np.delete(strength_inside, channel)
    strongest = int(strength_inside.argmax())
    # A map that says nothing at all has no strongest family; argmax would hand the first one a lucky guess.
    predicted = FAMILIES[strongest] if strength_inside[strongest] > 0.0 else NOTHING
    amount = float(right[trial.inside].mean())
    return {
        "predicted": predicted,
        "auc": roc_auc(right[trial.inside], right[trial.outside]),
        "auc_to_edge": roc_auc(right[trial.inside_to_edge], right[~trial.inside_to_edge]),
        "type": float(predicted == trial.tool.family),
        "sign": float(amount > 0.0),
        "leak": float(np.abs(right[trial.outside]).mean()),
        "leak_all": float(np.abs(signed[:, trial.outside]).mean()),
        "amount": amount,
        "crosstalk": float(others.mean()),
    }


def _means(rows: pd.DataFrame, repeats: int, seed: int) -> dict[str, dict[str, float]]:
    photos = sorted(rows["photo"].unique())
    samples = resample_groups(photos, repeats, seed)
    figures = {}
    for name in FIGURES:
        grid = rows.pivot(index="photo", columns="tool", values=name).reindex(photos).to_numpy(dtype=np.float64)
        statistic = partial(_mean_over_tools, grid)
        low, high = interval(statistic, samples)
        figures[name] = {"mean": statistic(np.arange(len(photos))), "low": low, "high": high}
    return figures


def _mean_over_tools(grid: NDArray[np.float64], photos: NDArray[np.int64]) -> float:
    picked = grid[photos]  # (photos, tools), NaN where a tool changed nothing
    known = ~np.isnan(picked)
    counts = known.sum(axis=0)
    if not counts.any():
        return float("nan")
    sums = np.where(known, picked, 0.0).sum(axis=0)
    return float((sums[counts > 0] / counts[counts > 0]).mean())
