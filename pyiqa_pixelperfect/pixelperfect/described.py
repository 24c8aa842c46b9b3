"""Ranked sets in numbers: what the frozen map network and a glance say of each pair, computed once and kept.

Stage 2 goes over the same pairs many times, and describing them is by far the most work. What pictures say by
themselves, teachers included, is described apart from what the maps found: it outlives the maps.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import TypeAlias

import torch
from torch import Tensor

from pyiqa_pixelperfect.distortions.ranked import RankedSets
from pyiqa_pixelperfect.pixelperfect.dissimilarity import Level, dissimilarity, view_of
from pyiqa_pixelperfect.pixelperfect.map_network import DistortionMapNet
from pyiqa_pixelperfect.pixelperfect.picture_statistics import picture_statistics
from pyiqa_pixelperfect.pixelperfect.score_network import PairDescription

__all__ = ["DescribedSets", "Part", "describe_maps", "describe_pictures", "describe_sets", "join_sets"]

Part: TypeAlias = dict[str, Tensor]


@dataclass(frozen=True)
class DescribedSets:
    """Described pairs of C couples of crops; both crops of a couple climb the same ladders.

    The P pairs of a crop are those of ``RankedSets.ordered()``, then those of ``crossing()``; version 0 is the clean
    crop, versions 1 to V are its ladders, rung by rung.

    Attributes:
        statistics: (C, 2, 1 + V, STATISTICS), ``picture_statistics`` of each version.
        mean: (C, 2, P, K), as in ``PairDescription``, which also says what the next two are.
        amounts: (C, 2, P, K).
        unlike: (C, 2, P, DISSIMILARITIES).
        judged: (C, 2, V, T), what T teachers say of each version against the clean crop, higher for better; NaN where
            they were not asked.
        members: (P, 2), numbers of the versions of each pair.
        ladders: (L, R), numbers of the versions on each ladder.
    """

    statistics: Tensor
    mean: Tensor
    amounts: Tensor
    unlike: Tensor
    judged: Tensor
    members: Tensor
    ladders: Tensor

    def __len__(self) -> int:
        return len(self.judged)

    @property
    def known(self) -> int:
        """How many of the pairs of a crop, the first ones, have an order that is known by construction."""
        ladders, rungs = self.ladders.shape
        return ladders * rungs * (rungs + 1) // 2

    @property
    def to_clean(self) -> Tensor:
        """(V,), numbers of the pairs (version, clean), version by version."""
        against_clean = (self.members[:, 1] == 0).nonzero()[:, 0]
        return against_clean[self.members[against_clean, 0].argsort()]

    def pairs(self) -> PairDescription:
        """All pairs in one row, couple by couple, crop by crop."""
        sides = (self.statistics[:, :, numbers] for numbers in self.members.T)
        return PairDescription(*(part.flatten(0, 2) for part in (*sides, self.mean, self.amounts, self.unlike)))

    @property
    def clean(self) -> Tensor:
        """(2 C, STATISTICS), those of the clean crops."""
        return self.statistics[:, :, 0].flatten(0, 1)

    def rows(self, couples: Tensor) -> "DescribedSets":
        """Some couples."""
        return replace(self, **{name: getattr(self, name)[couples] for name in _PER_COUPLE})

    def to(self, device: torch.device) -> "DescribedSets":
        """The same on a device."""
        return DescribedSets(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


_PER_COUPLE = ("statistics", "mean", "amounts", "unlike", "judged")


def describe_sets(maps: DistortionMapNet, sets: RankedSets, judged: Tensor) -> DescribedSets:
    """Describe the pairs of ranked sets; arguments as of the two functions for its parts."""
    return DescribedSets(**describe_pictures(sets, judged), **describe_maps(maps, sets))


@torch.no_grad()
def describe_pictures(sets: RankedSets, judged: Tensor) -> Part:
    """What pictures say by themselves: all of ``DescribedSets`` but what the maps found.

    Args:
        sets: of an even number of crops.
        judged: (V * photos, T), version by version, as from ``consensus.judge_versions``.
    """
    view = view_of(sets.images)
    unlike = []
    for image, reference in _pairs(sets):
        sides = ([Level(*(part[rows] for part in level)) for level in view] for rows in (image, reference))
        unlike.append(dissimilarity(*sides))
    members = torch.tensor([*sets.ordered_members(), *sets.crossing_members()])
    ladders = torch.arange(1, 1 + sets.ladders * sets.rungs).reshape(sets.ladders, sets.rungs)
    return {
        "statistics": _by_couple(picture_statistics(sets.images), sets.photos),
        "unlike": _by_couple(torch.cat(unlike), sets.photos),
        "judged": _by_couple(judged, sets.photos),
        "members": members.to(judged.device),
        "ladders": ladders.to(judged.device),
    }


@torch.no_grad()
def describe_maps(maps: DistortionMapNet, sets: RankedSets) -> Part:
    """What the maps found: ``mean`` and ``amounts`` of ``DescribedSets``.

    Args:
        maps: the map network, in evaluation mode.
        sets: of an even number of crops.
    """
    pyramid = maps.encode(sets.images.contiguous(memory_format=torch.channels_last))
    mean, amounts = [], []
    for image, reference in _pairs(sets):
        logits = maps.fuse([level[image] for level in pyramid], [level[reference] for level in pyramid])
        signed = torch.tanh(logits.float() / 2.0).flatten(2)
        mean.append(signed.mean(2))
        amounts.append(signed.abs().mean(2))
    return {
        "mean": _by_couple(torch.cat(mean), sets.photos),
        "amounts": _by_couple(torch.cat(amounts), sets.photos),
    }


def _pairs(sets: RankedSets) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows of all photos, pair by pair: all pairs at once would be several times as much as all versions."""
    for pairs in (sets.ordered(), sets.crossing()):
        yield from zip(*(rows.split(sets.photos) for rows in pairs), strict=True)


def _by_couple(rows: Tensor, photos: int) -> Tensor:
    """(pairs * photos, ...), pair by pair, photo p beside p + photos / 2, to (couples, 2, pairs, ...)."""
    return rows.reshape(len(rows) // photos, 2, photos // 2, *rows.shape[1:]).movedim(2, 0).transpose(1, 2).contiguous()


def join_sets(parts: Iterable[DescribedSets]) -> DescribedSets:
    """All couples of sets that were described in parts."""
    every = list(parts)
    return replace(every[0], **{name: torch.cat([getattr(part, name) for part in every]) for name in _PER_COUPLE})
