"""What do our corrections of GRepQ change? Short trainings of a small network with and without each, over some seeds.

Short and small on purpose: one setting takes a minute of a CPU core. The table says what each correction does at this
size, not at the paper's. Those of the high-level branch need CLIP's weights and are not in it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmark.statistics import srcc
from pyiqa_pixelperfect.config import build_config
from pyiqa_pixelperfect.data.rated import RatedImage
from pyiqa_pixelperfect.grepq.config import LowLevelConfig
from pyiqa_pixelperfect.grepq.metric import GRepQ
from pyiqa_pixelperfect.grepq.trainer import photos_of, read_photos, train
from pyiqa_pixelperfect.images import read_image

__all__ = ["SETTINGS", "correction_table", "measure", "small_config", "summarize"]

#: What is different from the published behavior in each row.
SETTINGS: dict[str, dict[str, Any]] = {"as published": {}, "negatives across contents": {"cross_content": True}}
NORMALIZED = "unit features in the Gaussians"


def small_config(
    photos: Sequence[Path], output: Path, cache: Path | None, *, steps: int, sets: int, seed: int, **changes: Any
) -> LowLevelConfig:
    """The small configuration of one training."""
    settings = {
        "system": "grepq", "output": output, "seed": seed, "cache": cache, "width": 16, "photos": 4, "grid": 5,
        "data": {"photos": [str(path) for path in photos]}, "versions": {"sets": sets, "seed": 0},
        "validation_photos": 0,
        "optimizer": {"steps": steps, "learning_rate": 1e-3, "warmup": steps // 10, "clip": 5.0},
    }  # fmt: skip
    return build_config(LowLevelConfig, settings | changes)


@torch.inference_mode()
def measure(metric: GRepQ, rows: Sequence[RatedImage]) -> float:
    """SRCC of the low-level score on rated pictures."""
    scores = np.array([float(metric(read_image(row.path))[0]) for row in rows])
    return srcc(scores, np.array([row.mos for row in rows]))


def correction_table(
    photos: Sequence[Path],
    rows: Sequence[RatedImage],
    folder: Path,
    cache: Path | None,
    *,
    steps: int,
    sets: int,
    seeds: int,
) -> pd.DataFrame:
    """Train every setting with every seed and measure it, with and without unit features.

    The seed draws initial weights, order and fragments; version sets are the same for all (they follow seed 0), so that
    they are made once.

    Returns:
        One row per training and way of scoring: ``correction``, ``seed``, ``srcc``.
    """  # fmt: skip
    found = []
    for name, changes in SETTINGS.items():
        for seed in range(seeds):
            output = folder / f"{'-'.join(name.split())}-{seed}"
            config = small_config(photos, output, cache, steps=steps, sets=sets, seed=seed, **changes)
            metric = GRepQ.load(train(config))
            found.append({"correction": name, "seed": seed, "srcc": measure(metric, rows)})
            if not changes:
                metric.normalized = True
                metric.fit_pristine(read_photos(photos_of(photos, holdout=True)[0]))
                found.append({"correction": NORMALIZED, "seed": seed, "srcc": measure(metric, rows)})
    return pd.DataFrame(found)


def summarize(table: pd.DataFrame) -> pd.DataFrame:
    """Mean and spread over seeds, and the mean change from the published behavior with the same seeds."""
    wide = table.pivot_table(index="seed", columns="correction", values="srcc")
    base = wide["as published"]
    return pd.DataFrame(
        [
            {"correction": name, "srcc": wide[name].mean(), "spread": wide[name].std(ddof=0),
             "change": (wide[name] - base).mean(), "change_spread": (wide[name] - base).std(ddof=0)}
            for name in table["correction"].unique()
        ]
    )  # fmt: skip
