"""Ranked sets: versions of a photo whose order is known by construction, because adding distortion never improves it.

A *ladder* is one plan applied in rising amounts. In half of the ladders all distortions of the plan rise together, in
the others each rises on its own path; a plan of one distortion is a ladder of one family. Photos p and p + P/2 climb
the same ladders: the same rung of both has the same distortions in the same places, and the same rank. The last ladder
may be one of KADIS-700k instead: see ``kadis_ladders``.

Photos that people compare are seldom pristine: they were compressed, enlarged or taken in poor light before. So a
photo may be given a *past* before its ladders begin; what is added to that still makes it worse.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pyiqa_pixelperfect.distortions.counter import planned_uniform
from pyiqa_pixelperfect.distortions.engine import DistortionEngine
from pyiqa_pixelperfect.distortions.kadis_ladders import KadisLadders, draw_kadis_ladders
from pyiqa_pixelperfect.distortions.kadis_plan import distort_kadis
from pyiqa_pixelperfect.distortions.plan import covers_whole, join_plans
from pyiqa_pixelperfect.distortions.versions import Versions, eight_bit
from pyiqa_pixelperfect.errors import ImageError

__all__ = ["RankedSets", "ranked_sets", "rung_factors"]

_STREAM_RUNGS = 110
_FIRST_EPOCH = 1000  # so that ranked sets are not the versions that maps are learned from
_PAST_EPOCH = 900


@dataclass(frozen=True)
class RankedSets(Versions):
    """Versions in order: the clean one, then ladder by ladder, each from its weakest rung to its strongest.

    Attributes:
        ladders: L.
        rungs: R; there are 1 + L R versions.
        whole: (V P,), whether only distortions of the whole picture were put on top; true for the clean ones.
        amounts: of ladders of KADIS-700k, which knows no amounts, 0.
    """

    ladders: int
    rungs: int
    whole: Tensor

    def version(self, ladder: int, rung: int) -> int:
        """Number of the version on a rung (0 = weakest) of a ladder."""
        return 1 + ladder * self.rungs + rung

    def ordered(self) -> tuple[Tensor, Tensor]:
        """Rows of all pairs (worse, better) whose order is known: two rungs of one ladder, or a rung and clean."""
        return self._rows_of(self.ordered_members())

    def crossing(self) -> tuple[Tensor, Tensor]:
        """Rows of pairs whose order is not known by construction: any rungs of neighboring ladders; may be none."""
        return self._rows_of(self.crossing_members())

    def ordered_members(self) -> list[tuple[int, int]]:
        """Numbers of the versions (worse, better) of the pairs of a photo whose order is known."""
        pairs = []
        for ladder in range(self.ladders):
            climb = [0, *(self.version(ladder, rung) for rung in range(self.rungs))]
            pairs += [(climb[worse], climb[better]) for worse in range(len(climb)) for better in range(worse)]
        return pairs

    def crossing_members(self) -> list[tuple[int, int]]:
        """The same of the pairs of ``crossing``."""
        rungs = range(self.rungs)
        return [
            (self.version(ladder, one), self.version(ladder + 1, other))
            for ladder in range(self.ladders - 1)
            for one in rungs
            for other in rungs
        ]

    def _rows_of(self, members: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        """Pair by pair, photo by photo."""
        versions = torch.tensor(members, dtype=torch.int64, device=self.images.device).reshape(-1, 2)
        photos = torch.arange(self.photos, device=self.images.device)
        first, second = (versions.T[:, :, None] * self.photos + photos).flatten(1)
        return first, second


def rung_factors(indices: NDArray[np.int64], rungs: int, slots: int, seed: int) -> NDArray[np.float64]:
    """How far each slot of a plan has risen at each rung, (P, slots, rungs), rising to 1.

    All distortions of half of the sets rise together; in the others each rises on its own path. The first slot
    always rises, so that no two rungs are equal.
    """
    draws = planned_uniform(seed, 0, indices, _STREAM_RUNGS, 1 + slots * rungs)
    rises = 0.35 + draws[:, 1:].reshape(-1, slots, rungs)
    waits = rises < 0.65  # 30 % of the rungs of the other slots leave them where they are
    waits[:, 0] = waits[..., -1] = False
    rises = np.where(waits, 0.0, rises)
    together = (draws[:, 0] < 0.5)[:, None, None]
    rises = np.where(together, rises[:, :1], rises)
    factors: NDArray[np.float64] = np.cumsum(rises, axis=2) / rises.sum(axis=2, keepdims=True)
    return factors


def ranked_sets(
    engine: DistortionEngine,
    clean: Tensor,
    indices: NDArray[np.int64],
    *,
    rungs: int,
    ladders: int = 1,
    past: DistortionEngine | None = None,
    kadis: float = 0.0,
    seed: int,
) -> RankedSets:
    """Make ladders of each photo: the same distortions in the same places, in rising amounts.

    Args:
        engine: draws and applies the plans; it should leave no picture untouched.
        clean: (P, 3, H, W) in [0, 1], P even.
        indices: (P,) sample numbers.
        rungs: distorted versions on each ladder.
        ladders: ladders of each photo, each by a plan of its own.
        past: draws what each photo went through before, a plan for each photo; none if not given.
        kadis: chance that the last ladder of a photo is one of KADIS-700k.
        seed: seed of the run.

    Returns:
        The sets, rounded to 8 bit.

    Raises:
        ConfigError: ``kadis`` is not 0, and no type of KADIS-700k has as many levels as there are rungs.
        ImageError: ``clean`` is not a (P, 3, H, W) float32 tensor, P is odd or not that of ``indices``.
    """
    if len(clean) % 2:
        raise ImageError("clean", "an even number of photos, since they are distorted in pairs", f"{len(clean)}")
    if past is not None:
        clean = eight_bit(past.apply(clean, past.plan(indices, seed=seed, epoch=_PAST_EPOCH)).image)
    shared = np.tile(indices[: len(indices) // 2], 2)
    plans = []
    climbing = draw_kadis_ladders(shared, rungs, kadis, seed) if kadis else None
    for ladder in range(ladders):
        plan = engine.plan(shared, seed=seed, epoch=_FIRST_EPOCH + ladder)
        if climbing is not None and ladder == ladders - 1:  # the engine need not make what is replaced
            plan = dataclasses.replace(plan, kinds=plan.kinds.index_fill(0, climbing.rows, -1))
        factors = rung_factors(shared, rungs, plan.kinds.shape[1], seed + ladder)
        for rung in range(rungs):
            peaks = plan.peaks * torch.from_numpy(factors[..., rung]).float()
            plans.append(dataclasses.replace(plan, peaks=peaks))
    joined = join_plans(plans)
    draw = engine.apply(clean.repeat(len(plans), 1, 1, 1), joined)
    images = torch.cat((clean, eight_bit(draw.image)))
    amounts = torch.cat((torch.zeros_like(draw.amounts[: len(clean)]), draw.amounts))
    whole = torch.cat((torch.ones(len(clean), dtype=torch.bool), covers_whole(joined))).to(images.device)
    sets = RankedSets(images, amounts, len(clean), ladders, rungs, whole)
    if climbing is not None:
        _put_in(sets, climbing)
    return sets


def _put_in(sets: RankedSets, climbing: KadisLadders) -> None:
    """Let some photos, whose last ladders the engine left clean, climb others there."""
    clean = sets.images[climbing.rows]
    for rung, plan in enumerate(climbing.plans):
        rows = sets.version(sets.ladders - 1, rung) * sets.photos + climbing.rows
        sets.images[rows] = eight_bit(distort_kadis(clean, plan.types, plan.levels, plan.seeds))
        sets.whole[rows] = climbing.whole.to(sets.whole.device)
