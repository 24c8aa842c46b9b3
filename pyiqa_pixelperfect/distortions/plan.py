"""The plan: what each picture of a batch gets, drawn on the CPU from ``(seed, epoch, index)`` alone.

A plan holds numbers only. Drawing it apart from applying it makes every sample reproducible from its three integers,
whatever the batch, the workers or the device, and lets a run that failed write down exactly what it was given.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pyiqa_pixelperfect.distortions.catalog import KINDS
from pyiqa_pixelperfect.distortions.counter import planned_seeds, planned_uniform
from pyiqa_pixelperfect.distortions.fields import FIELD_SHAPES, FieldSettings
from pyiqa_pixelperfect.distortions.kind import STAGES
from pyiqa_pixelperfect.families import FAMILIES, family_index

__all__ = ["Plan", "PlanSettings", "covers_whole", "draw_plan", "families_of", "join_plans", "single_kind_plan"]

_DRAWS_PER_SLOT = 12


@dataclass(frozen=True)
class PlanSettings:
    """What plans are drawn from.

    Attributes:
        counts: chances of 1, 2, 3 ... distortions per picture (of different families).
        untouched: chance that a picture gets none at all.
        amounts: smallest and largest peak amount.
        shapes: chances of the field shapes, in the order of ``FIELD_SHAPES``.
        scale: smallest and largest Perlin cell in pixels (drawn evenly on a logarithmic scale).
        coverage: smallest and largest share of the picture that a local field covers.
        softness: narrowest and widest border of a local field (logarithmic).
        variation: largest variation of the amount inside a field.
        pipeline: chance that distortions follow camera order rather than a random one.
        kinds: names of the kinds to draw from; empty = all of the catalog. A run that names them draws the same plans
            when the catalog has grown. A name that is given twice is drawn twice as often within its family.
        families: relative chances of the families, in the order of ``FAMILIES``.
    """

    counts: tuple[float, ...] = (0.55, 0.3, 0.15)
    untouched: float = 0.03
    amounts: tuple[float, float] = (0.1, 1.0)
    shapes: tuple[float, ...] = (0.55, 0.15, 0.06, 0.08, 0.1, 0.06)
    scale: tuple[float, float] = (32.0, 160.0)
    coverage: tuple[float, float] = (0.08, 0.6)
    softness: tuple[float, float] = (0.02, 1.0)
    variation: float = 0.6
    pipeline: float = 0.5
    kinds: tuple[str, ...] = ()
    families: tuple[float, ...] = (1.0,) * len(FAMILIES)


@dataclass(frozen=True)
class Plan:
    """B pictures with S slots each, applied in slot order.

    Attributes:
        kinds: (B, S) int64, index into ``KINDS``; -1 = empty slot.
        peaks: (B, S) peak amounts, signed for signed families.
        seeds: (B, S) int64 seeds of the distortions themselves.
        fields: settings of B * S amount fields, slot by slot (row ``b + s * B``).
    """

    kinds: Tensor
    peaks: Tensor
    seeds: Tensor
    fields: FieldSettings

    def __len__(self) -> int:
        return len(self.kinds)


def _between(draw: NDArray[np.float64], ends: tuple[float, float], *, log: bool = False) -> NDArray[np.float64]:
    low, high = ends
    if log:
        return np.asarray(low * (high / low) ** draw, np.float64)
    return low + (high - low) * draw


def _choose(draw: NDArray[np.float64], chances: tuple[float, ...]) -> NDArray[np.int64]:
    edges = np.cumsum(chances) / np.sum(chances)
    return np.minimum(np.searchsorted(edges, draw, side="right"), len(chances) - 1)


def _local(shapes: tuple[float, ...]) -> tuple[float, ...]:
    """Chances of the field shapes for kinds that are never global; Perlin fields where nothing else is left."""
    chances = tuple(0.0 if n == "global" else chance for n, chance in zip(FIELD_SHAPES, shapes, strict=True))
    return chances if sum(chances) > 0.0 else tuple(float(name == "perlin") for name in FIELD_SHAPES)


def _choose_kinds(draws: NDArray[np.float64], slots: int, settings: PlanSettings) -> NDArray[np.int64]:
    """Kinds (B, S): S different families per picture, each by its chance, then a kind of that family.

    Slots for which there is no family left are empty.
    """
    numbers = {name: number for number, name in enumerate(KINDS)}
    names = settings.kinds or tuple(KINDS)
    of_family = [[numbers[n] for n in names if KINDS[n].family == family] for family in FAMILIES]
    chances = np.array([chance * bool(members) for chance, members in zip(settings.families, of_family, strict=True)])
    # The first of exponential waiting times with these rates; a family that has no chance waits for ever.
    with np.errstate(divide="ignore"):
        waiting = -np.log1p(-draws[:, : len(FAMILIES)]) / chances
    order = np.argsort(waiting, axis=1)[:, :slots]
    of_family = [members if chance else [] for members, chance in zip(of_family, settings.families, strict=True)]
    sizes = np.array([max(1, len(members)) for members in of_family])
    table = np.array([members + [-1] * (sizes.max() - len(members)) for members in of_family])
    pick = (draws[:, len(FAMILIES) : len(FAMILIES) + slots] * sizes[order]).astype(np.int64)
    chosen: NDArray[np.int64] = np.take_along_axis(table[order], pick[..., None], axis=2)[..., 0]
    return chosen


def _order(kinds: NDArray[np.int64], pipeline: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Sort the slots of some pictures by camera stage (stable); empty slots go last."""
    stages = np.array([STAGES.index(kind.stage) for kind in KINDS.values()] + [len(STAGES)])
    keys = np.where(pipeline[:, None], stages[kinds], 0)
    rank = np.argsort(np.where(kinds < 0, len(STAGES) + 1, keys), axis=1, kind="stable")
    return rank.astype(np.int64)


def draw_plan(settings: PlanSettings, indices: NDArray[np.int64] | list[int], seed: int, epoch: int) -> Plan:
    """Draw the plan of some samples.

    Args:
        settings: what to draw from.
        indices: (B,) sample numbers; the plan of a sample does not depend on its neighbors.
        seed: seed of the run.
        epoch: epoch, so that a sample differs from one to the next.

    Returns:
        The plan, on the CPU.
    """
    rows = np.asarray(indices, np.int64)
    slots = len(settings.counts)
    batch = len(rows)
    head = planned_uniform(seed, epoch, rows, 0, 3)
    kinds = _choose_kinds(planned_uniform(seed, epoch, rows, 1, len(FAMILIES) + slots), slots, settings)
    filled = np.where(head[:, 0] < settings.untouched, 0, 1 + _choose(head[:, 1], settings.counts))
    kinds = np.where(np.arange(slots)[None] < filled[:, None], kinds, -1)
    kinds = np.take_along_axis(kinds, _order(kinds, head[:, 2] < settings.pipeline), axis=1)

    draws = planned_uniform(seed, epoch, rows, 2, slots * _DRAWS_PER_SLOT).reshape(batch, slots, _DRAWS_PER_SLOT)
    signed = np.array([kind.signed for kind in KINDS.values()] + [False])[kinds]
    local_only = np.array([kind.local_only for kind in KINDS.values()] + [False])[kinds]
    peaks = _between(draws[..., 0], settings.amounts) * np.where(signed & (draws[..., 1] < 0.5), -1.0, 1.0)
    shapes = np.where(
        local_only, _choose(draws[..., 2], _local(settings.shapes)), _choose(draws[..., 2], settings.shapes)
    )
    seeds = planned_seeds(seed, epoch, rows, 3, 2 * slots)

    def slotwise(values: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values.T.reshape(-1), np.float32))

    fields = FieldSettings(
        shape=torch.from_numpy(np.ascontiguousarray(shapes.T.reshape(-1), np.int64)),
        scale=slotwise(_between(draws[..., 3], settings.scale, log=True)),
        persistence=slotwise(0.7 * draws[..., 4]),
        coverage=slotwise(_between(draws[..., 5], settings.coverage)),
        softness=slotwise(_between(draws[..., 6], settings.softness, log=True)),
        variation=slotwise(settings.variation * draws[..., 7] * (draws[..., 8] < 0.6)),
        seeds=torch.from_numpy(np.ascontiguousarray(seeds[:, slots:].T.reshape(-1))),
    )
    return Plan(
        kinds=torch.from_numpy(kinds),
        peaks=torch.from_numpy(peaks.astype(np.float32)),
        seeds=torch.from_numpy(np.ascontiguousarray(seeds[:, :slots])),
        fields=fields,
    )


def single_kind_plan(
    name: str, peaks: list[float], seed: int, *, shape: str = "global", scale: float = 96.0, coverage: float = 0.4
) -> Plan:
    """A plan that gives ``len(peaks)`` pictures one kind each, all with the same field and seeds: a ladder."""
    batch = len(peaks)
    one = torch.ones(batch)
    seeds = torch.from_numpy(planned_seeds(seed, 0, np.zeros(1, np.int64), 4, 2)).repeat(batch, 1)
    fields = FieldSettings(
        shape=torch.full((batch,), FIELD_SHAPES.index(shape)),
        scale=scale * one,
        persistence=0.5 * one,
        coverage=coverage * one,
        softness=0.4 * one,
        variation=0.0 * one,
        seeds=seeds[:, 1].contiguous(),
    )
    return Plan(
        kinds=torch.full((batch, 1), list(KINDS).index(name)),
        peaks=torch.tensor(peaks, dtype=torch.float32)[:, None],
        seeds=seeds[:, :1].contiguous(),
        fields=fields,
    )


def join_plans(plans: Sequence[Plan]) -> Plan:
    """One plan for the pictures of several, plan by plan: applying it once is quicker than applying each."""

    def joined(name: str) -> Tensor:
        slots = plans[0].kinds.shape[1]
        return torch.cat([getattr(plan.fields, name).reshape(slots, -1) for plan in plans], dim=1).reshape(-1)

    return Plan(
        kinds=torch.cat([plan.kinds for plan in plans]),
        peaks=torch.cat([plan.peaks for plan in plans]),
        seeds=torch.cat([plan.seeds for plan in plans]),
        fields=FieldSettings(**{name: joined(name) for name in FieldSettings.__dataclass_fields__}),
    )


def covers_whole(plan: Plan) -> Tensor:
    """Which pictures have distortions of the whole picture only, (B,); also those that have none, or of amount 0."""
    batch, slots = plan.kinds.shape
    shapes = plan.fields.shape.reshape(slots, batch).T
    return ((shapes == FIELD_SHAPES.index("global")) | (plan.kinds < 0) | (plan.peaks == 0)).all(dim=1)


def families_of(plan: Plan) -> Tensor:
    """Family of each slot, (B, S) int64; -1 for empty slots."""
    table = torch.tensor([family_index(kind.family) for kind in KINDS.values()] + [-1])
    return table[plan.kinds]
