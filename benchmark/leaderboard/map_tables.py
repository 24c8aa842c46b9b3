"""What only maps can show: where, which family, which direction; and whether scores of pairs form an order at all."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmark import antisymmetry, localization, transitivity
from benchmark.leaderboard.bootstrap import ContentBootstrap, student_interval
from benchmark.leaderboard.difference_maps import DifferenceMap
from benchmark.localization import Trial
from benchmark.photos import Photo, to_tensor
from benchmark.progress import track
from benchmark.real_tools import HEADLINE_TOOLS
from benchmark.report import rows_of
from benchmark.statistics import roc_auc
from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect

__all__ = ["any_family_auc", "map_results", "sign_confusion"]

_REPEATS = 1000
_PAIRS = 20  # that are exchanged
_VERSIONS = 8  # of a photo, beside the clean one, that meet each other


def map_results(
    metric: PixelPerfect, maps: Mapping[str, DifferenceMap], photos: Sequence[Photo], *, seed: int, quiet: bool = False
) -> dict[str, Any]:
    """Measure everything on the same trials.

    Returns:
        ``any_family``: per map the AUC of finding the region, whatever the family; ``figures``: our localization with
        intervals; ``tools``: the same per tool; ``types``: family (row) taken for which; ``signs``: share of right
        directions per family and direction; ``antisymmetry``: largest violations; ``transitivity``: do scores of pairs
        fit together.
    """
    trials = list(localization.make_trials(photos, HEADLINE_TOOLS, seed))
    rows = localization.measure(metric, track(trials, len(trials), "maps of trials", quiet=quiet))
    pairs = antisymmetry.measure(metric, antisymmetry.make_pairs(_PAIRS, seed))
    relations = transitivity.measure(metric, photos, versions=_VERSIONS, seed=seed)
    return {
        "any_family": rows_of(any_family_auc(maps, trials, seed, quiet=quiet)),
        "figures": localization.headline(rows),
        "tools": rows_of(localization.per_tool(rows)),
        "types": localization.confusion(rows).to_dict(orient="index"),
        "signs": rows_of(sign_confusion(rows)),
        "antisymmetry": rows_of(antisymmetry.worst(pairs)),
        "transitivity": transitivity.figures_of(relations, seed=seed),
    }


def any_family_auc(
    maps: Mapping[str, DifferenceMap], trials: Sequence[Trial], seed: int, *, quiet: bool = False
) -> pd.DataFrame:
    """Return per map the mean AUC of pixels inside against outside the region, with an interval from whole photos."""
    usable = [trial for trial in trials if trial.changed]
    found: dict[str, list[float]] = {name: [] for name in maps}
    for trial in track(usable, len(usable), "maps of peers", quiet=quiet):
        image, clean = to_tensor(trial.image), to_tensor(trial.clean)
        for name, function in maps.items():
            field = function(image, clean)
            found[name].append(roc_auc(field[trial.inside], field[trial.outside]))
    bootstrap = ContentBootstrap([trial.photo for trial in usable], _REPEATS, seed)
    rows = []
    for name, values in found.items():
        table = pd.DataFrame({"photo": [trial.photo for trial in usable], "auc": values})
        each = table.groupby("photo")["auc"].mean().reindex(bootstrap.names).to_numpy()
        value = float(each.mean())
        # 2a - 1 lies in [-1, 1], as the scale of the interval wants it.
        low, high, _ = student_interval(2 * value - 1, bootstrap.replicate_means(2 * each - 1), len(each))
        row: dict[str, object] = {"map": name, "auc": value, "auc_low": 0.5 * (low + 1), "auc_high": 0.5 * (high + 1)}
        for family in dict.fromkeys(trial.tool.family for trial in usable):
            chosen = [v for v, trial in zip(values, usable, strict=True) if trial.tool.family == family]
            row[family] = float(np.mean(chosen))
        rows.append(row | {"trials": len(usable)})
    return pd.DataFrame(rows).sort_values("auc", ascending=False, ignore_index=True)


def sign_confusion(rows: pd.DataFrame) -> pd.DataFrame:
    """Return per family and true direction how often the map inside points that way, from ``localization.measure``."""
    known = rows[rows["sign"].notna()]
    table = known.groupby(["family", "direction"], sort=False)["sign"].agg(["mean", "count"]).reset_index()
    table["right"] = table.pop("mean")
    table["wrong"] = 1.0 - table["right"]
    return table.rename(columns={"count": "trials"})[["family", "direction", "right", "wrong", "trials"]]
