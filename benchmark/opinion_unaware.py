"""Scores that never saw a rating, beside one another: ours, the same network untrained, NIQE and PIQE.

NIQE runs on pyiqa's code for its features and distance with published parameters from a file, since pyiqa would
download them; an npz with ``mu_pris_param`` and ``cov_pris_param`` such as the package basicsr holds.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.describers import Describer
from benchmark.photos import Photo, to_tensor
from benchmark.report import target
from benchmark.schema import Target
from benchmark.statistics import interval, resample_groups, srcc
from benchmark.subject import weights_hash
from pyiqa_pixelperfect.backbones import seeded_weights
from pyiqa_pixelperfect.errors import DataError
from pyiqa_pixelperfect.grepq.metric import GRepQ
from pyiqa_pixelperfect.grepq.networks import LowLevelNet

__all__ = ["LEAD", "TO_REACH", "ahead", "niqe", "of_metric", "untrained_like", "zero_shot_targets"]

Values = NDArray[np.float64]

PUBLISHED_NIQE, LEAD = 0.267, 0.15  # SRCC of NIQE on the full test split of BIQ2021, and by how much to exceed it
TO_REACH = PUBLISHED_NIQE + LEAD


def of_metric(name: str, metric: GRepQ) -> Describer:
    """A metric as a describer of one number: minus the deviation, which orders pictures as the score does."""

    def function(image: Tensor) -> Tensor:
        return metric(image)[:, None]

    return Describer(name, function, f"score {weights_hash(metric)} {metric.normalized}")


def untrained_like(metric: GRepQ, photos: Sequence[Photo], seed: int) -> GRepQ:
    """The same network with initial weights: batch statistics and pristine Gaussian are those of the same photos."""
    with seeded_weights(seed):
        fresh = GRepQ(LowLevelNet(metric.low.width, metric.low.features), normalized=metric.normalized)
    pictures = [to_tensor(photo.pixels) for photo in photos]
    fresh.low.train()
    with torch.no_grad():
        for start in range(0, len(pictures) - 1, 2):  # two at a time, as different as photos are
            pair = pictures[start : start + 2]
            height, width = (min(picture.shape[side] for picture in pair) for side in (2, 3))
            fresh.low(torch.cat([picture[..., :height, :width] for picture in pair]))
    fresh.eval()
    fresh.fit_pristine([picture[0] for picture in pictures])
    return fresh.requires_grad_(False).to(memory_format=torch.channels_last)


def niqe(parameters: Path) -> Describer:
    """NIQE (Mittal et al., 2013) with published parameters, as one number, lower is better.

    Raises:
        DataError: no such file, or one without the parameters.
    """
    from pyiqa.archs.niqe_arch import calculate_niqe

    expected = "an npz file with mu_pris_param (36) and cov_pris_param (36, 36)"
    try:
        with np.load(parameters, allow_pickle=False) as file:
            mean, covariance = (torch.from_numpy(file[name]) for name in ("mu_pris_param", "cov_pris_param"))
    except (OSError, KeyError, ValueError) as error:
        raise DataError("niqe", expected, f"{parameters} ({error})") from error
    if mean.numel() != 36 or covariance.shape != (36, 36):
        raise DataError("niqe", expected, f"{tuple(mean.shape)} and {tuple(covariance.shape)} in {parameters}")

    def function(image: Tensor) -> Tensor:
        score = calculate_niqe(image, mu_pris_param=mean.reshape(-1), cov_pris_param=covariance)
        return torch.as_tensor(score).reshape(1, 1)

    return Describer("NIQE", function, f"niqe {float(mean.sum())}")


def ahead(ours: Values, theirs: Values, mos: Values, *, repeats: int, seed: int) -> dict[str, float]:
    """By how much our SRCC exceeds theirs, with the 95 % interval over the same bootstrap samples."""
    samples = resample_groups([str(row) for row in range(len(mos))], repeats, seed)

    def lead(rows: NDArray[np.int64]) -> float:
        return srcc(ours[rows], mos[rows]) - srcc(theirs[rows], mos[rows])

    low, high = interval(lead, samples)
    return {"ahead": lead(np.arange(len(mos))), "ahead_low": low, "ahead_high": high}


def zero_shot_targets(table: pd.DataFrame, ours: str) -> list[Target]:
    """What was promised: the SRCC, and to be ahead of NIQE and of PIQE."""
    rows = {str(row["metric"]): row for row in table.to_dict(orient="records")}
    targets = [target("zero-shot SRCC on test rows", float(rows[ours]["srcc"]), TO_REACH, None, at_least=True)]
    leads = {peer: float(rows[peer]["ahead"]) for peer in ("NIQE", "PIQE") if peer in rows}
    return targets + [
        target(f"ahead of {peer} in SRCC", lead, 0.0, None, at_least=True) for peer, lead in leads.items()
    ]
