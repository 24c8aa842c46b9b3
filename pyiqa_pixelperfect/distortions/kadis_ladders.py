"""Ladders of KADIS-700k: one of its types at some of its levels, from the mildest to the worst.

They lead where the engine does not go: to palettes of eight colors, complementary colors, curves that leave no tone in
its place. Whoever has to say which of two pictures is the damaged one must have seen such damage.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from pyiqa_pixelperfect.distortions.counter import planned_seeds, planned_uniform
from pyiqa_pixelperfect.distortions.kadis import KADIS
from pyiqa_pixelperfect.distortions.kadis_plan import KadisPlan
from pyiqa_pixelperfect.errors import ConfigError

__all__ = ["KadisLadders", "draw_kadis_ladders"]

_STREAM = 112


class KadisLadders(NamedTuple):
    """What some of P photos climb.

    Attributes:
        rows: (N,), numbers of these photos.
        plans: what each of them gets on each rung, from the mildest to the worst.
        whole: (N,) bool, whether the type changes the picture everywhere.
    """

    rows: torch.Tensor
    plans: Sequence[KadisPlan]
    whole: torch.Tensor


def draw_kadis_ladders(indices: NDArray[np.int64], rungs: int, share: float, seed: int) -> KadisLadders:
    """Draw which photos climb a ladder of KADIS-700k, and which one.

    Types that run from one side of pristine to the other have a ladder on each side; ladders with fewer levels than
    there are rungs are left out. Of those with more, any may be skipped.

    Args:
        indices: (P,) sample numbers; equal numbers climb the same ladder.
        rungs: number of rungs.
        share: chance that a photo climbs one.
        seed: of the run.

    Raises:
        ConfigError: no type has so many levels on one side of pristine.
    """
    climbs = [
        [(entry, levels) for levels in combinations(side, rungs)]
        for entry in KADIS.values()
        for side in entry.ladders
        if len(side) >= rungs
    ]
    if not climbs:
        longest = max(len(side) for entry in KADIS.values() for side in entry.ladders)
        raise ConfigError("rungs", f"at most {longest}, the most levels of a type of KADIS-700k", f"{rungs}")
    climbing, which, ways = planned_uniform(seed, 0, indices, _STREAM, 3).T
    rows = np.flatnonzero(climbing < share)
    ladders = [climbs[int(which[row] * len(climbs))] for row in rows]
    drawn = [ladder[int(ways[row] * len(ladder))] for row, ladder in zip(rows, ladders, strict=True)]
    types = torch.tensor([entry.number for entry, _ in drawn], dtype=torch.int64)
    seeds = torch.from_numpy(planned_seeds(seed, 0, indices[rows], _STREAM + 1, 1)[:, 0].copy())
    plans = [
        KadisPlan(types, torch.tensor([levels[rung] for _, levels in drawn], dtype=torch.int64), seeds)
        for rung in range(rungs)
    ]
    whole = torch.tensor([not entry.local for entry, _ in drawn], dtype=torch.bool)
    return KadisLadders(torch.from_numpy(rows), plans, whole)
