"""How bad distorted photos are, by what several closed-form metrics say together.

Orders known by construction say nothing about the exchange rate between families: is this blur worse than that noise?
Closed-form metrics were designed, not trained on ratings. Each has its blind spots, and they are not the same ones, so
ranks are taken together before anything is learned from them (as in Ye et al., "Beyond human opinion scores: blind
image quality assessment based on synthetic scores", CVPR 2014).
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor

from pyiqa_pixelperfect.distortions.ranked import RankedSets
from pyiqa_pixelperfect.errors import MissingDependencyError

__all__ = ["TEACHERS", "consensus_ranks", "judge_versions", "load_teachers"]

Teacher = Callable[[Tensor, Tensor], Tensor]

#: Functions of piq by the names that configurations use, and whether a higher value is better.
TEACHERS: Mapping[str, tuple[str, bool]] = MappingProxyType(
    {
        "fsim": ("fsim", True),
        "gmsd": ("gmsd", False),
        "haarpsi": ("haarpsi", True),
        "mdsi": ("mdsi", False),
        "vsi": ("vsi", True),
    }
)


def load_teachers(names: Sequence[str]) -> list[Teacher]:
    """Closed-form metrics ``(images, references) -> (B,)``, each turned so that higher is better.

    Args:
        names: of ``TEACHERS``.

    Raises:
        MissingDependencyError: there are names, and piq is not there.
    """
    if not names:
        return []
    try:
        import piq
    except ImportError as error:
        fix = "Install it (pip install piq), or train with score.teachers=[] and score.weight_consensus=0."
        raise MissingDependencyError("score.teachers", "piq, whose metrics they are", str(error), fix) from error
    return [_turned(getattr(piq, TEACHERS[name][0]), TEACHERS[name][1]) for name in names]


def _turned(function: Callable[..., Tensor], higher_is_better: bool) -> Teacher:
    sign = 1.0 if higher_is_better else -1.0

    def teacher(images: Tensor, references: Tensor) -> Tensor:
        return sign * function(images, references, data_range=1.0, reduction="none")

    return teacher


@torch.no_grad()
def judge_versions(sets: RankedSets, teachers: Sequence[Teacher]) -> Tensor:
    """What each teacher says of each version that is distorted as a whole, against its clean photo.

    Teachers were made for distortions of whole pictures, and agree less on others. They also take as long as all other
    descriptions together, so they are not asked what nobody will learn from.

    Args:
        sets: the versions.
        teachers: from ``load_teachers``.

    Returns:
        (V * photos, T), version by version, higher for better, NaN for those not asked about; T = 0 without teachers.
    """
    judged = sets.images.new_full((len(sets.images) - sets.photos, len(teachers)), torch.nan)
    asked = sets.whole[sets.photos :].nonzero()[:, 0]
    if not (teachers and len(asked)):
        return judged
    for rows in asked.split(sets.photos):  # no more at a time than there are photos
        pair = sets.images[sets.photos + rows], sets.images[rows % sets.photos]
        judged[rows] = torch.stack([teacher(*pair) for teacher in teachers], dim=1)
    return judged


def consensus_ranks(judged: Tensor) -> Tensor:
    """How bad each version is, by the mean of its ranks among all versions.

    Ranks, since the units of the teachers have nothing in common: 0.5 is worse than half of all versions.

    Args:
        judged: (..., T), what T teachers say, higher for better; NaN for versions that were not judged.

    Returns:
        (...) in (0, 1), higher for worse; NaN for versions that were not judged.

    Raises:
        ValueError: T is 0.
    """
    if not judged.shape[-1]:
        raise ValueError("a consensus needs at least one teacher")
    columns = -judged.flatten(0, -2).cpu().double().numpy()
    seen = ~np.isnan(columns).any(axis=1)
    ranks = np.full(len(columns), np.nan)
    ranks[seen] = rankdata(columns[seen], axis=0).mean(axis=1) / (seen.sum() + 1)
    return torch.from_numpy(ranks).to(judged).reshape(judged.shape[:-1])
