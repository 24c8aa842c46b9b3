"""Ranked sets in numbers: what the frozen map network and a glance say of each pair, computed once and kept.

Stage 2 goes over the same pairs many times, and describing them is by far the most work. So the descriptions lie in
files of the run's folder, batch by batch: a killed run goes on after the last of them, and any number of processes
makes the same files.
"""

import dataclasses
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from pyiqa_pixelperfect.distortions.ranked import RankedSets
from pyiqa_pixelperfect.pixelperfect.map_network import DistortionMapNet
from pyiqa_pixelperfect.pixelperfect.map_stage import fuse_pairs
from pyiqa_pixelperfect.pixelperfect.picture_statistics import mean_squared_error, picture_statistics
from pyiqa_pixelperfect.pixelperfect.score_network import PairDescription, describe_pairs
from pyiqa_pixelperfect.weights import write_atomically

__all__ = ["DescribedSets", "describe_sets", "join_sets", "load_sets", "save_sets", "sets_tag"]


@dataclass(frozen=True)
class DescribedSets:
    """Described pairs of C couples of crops; both crops of a couple climb the same ladders.

    The pairs of a crop are those of ``RankedSets.ordered()``, then those of ``unordered()``.

    Attributes:
        difference: (C, 2, P, STATISTICS), as in ``PairDescription``, which also says what the next two are.
        mean: (C, 2, P, K).
        amounts: (C, 2, P, K).
        error: (C, 2, P).
        votes: (C, 2, U), the votes on the U unordered pairs.
        to_clean: (L, R), numbers of the pairs (rung, clean).
    """

    difference: Tensor
    mean: Tensor
    amounts: Tensor
    error: Tensor
    votes: Tensor
    to_clean: Tensor

    def __len__(self) -> int:
        return len(self.votes)

    @property
    def known(self) -> int:
        """How many of the pairs of a crop, the first ones, have an order that is known by construction."""
        return self.amounts.shape[2] - self.votes.shape[2]

    def pairs(self) -> PairDescription:
        """All pairs in one row, couple by couple, crop by crop."""
        return PairDescription(*(part.flatten(0, 2) for part in (self.difference, self.mean, self.amounts, self.error)))

    def rows(self, couples: Tensor) -> "DescribedSets":
        """Some couples."""
        parts = {name: getattr(self, name)[couples] for name in _PER_COUPLE}
        return DescribedSets(**parts, to_clean=self.to_clean)

    def to(self, device: torch.device) -> "DescribedSets":
        """The same on a device."""
        return DescribedSets(**{field.name: getattr(self, field.name).to(device) for field in dataclasses.fields(self)})


_PER_COUPLE = ("difference", "mean", "amounts", "error", "votes")


@torch.no_grad()
def describe_sets(maps: DistortionMapNet, sets: RankedSets, votes: Tensor) -> DescribedSets:
    """Describe the pairs of ranked sets.

    Args:
        maps: the map network, in evaluation mode.
        sets: of an even number of crops.
        votes: as from ``consensus.ranked_votes``.
    """
    known, unknown = sets.ordered(), sets.unordered()
    image, reference = torch.cat((known[0], unknown[0])), torch.cat((known[1], unknown[1]))
    statistics = picture_statistics(sets.images)
    logits = fuse_pairs(maps, sets.images, image, reference).float()
    error = torch.cat([
        mean_squared_error(sets.images[one], sets.images[other])
        for one, other in zip(image.split(sets.photos), reference.split(sets.photos), strict=True)
    ])  # fmt: skip
    pairs = describe_pairs(logits, statistics[image], statistics[reference], error)
    difference, mean, amounts, error, ballot = (_by_couple(part, sets.photos) for part in (*pairs, votes))
    first = (reference[:: sets.photos] < sets.photos)[: len(known[0]) // sets.photos]
    to_clean = first.nonzero().reshape(sets.ladders, sets.rungs)
    return DescribedSets(difference, mean, amounts, error, ballot, to_clean)


def _by_couple(rows: Tensor, photos: int) -> Tensor:
    """(pairs * photos, ...), pair by pair, photo p beside p + photos / 2, to (couples, 2, pairs, ...)."""
    return rows.reshape(-1, 2, photos // 2, *rows.shape[1:]).movedim(2, 0).transpose(1, 2).contiguous()


def join_sets(parts: Iterable[DescribedSets]) -> DescribedSets:
    """All couples of sets that were described in parts."""
    every = list(parts)
    joined = {name: torch.cat([getattr(part, name) for part in every]) for name in _PER_COUPLE}
    return DescribedSets(**joined, to_clean=every[0].to_clean)


def sets_tag(maps: DistortionMapNet, settings: str) -> str:
    """Tells descriptions from those by other maps, or of other sets; ``settings`` say what sets there are."""
    digest = hashlib.sha256(settings.encode())
    for tensor in maps.state_dict().values():
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def save_sets(path: Path, sets: DescribedSets, tag: str) -> None:
    """Write described sets and their tag; whole or not at all."""
    tensors = {field.name: getattr(sets, field.name).cpu().contiguous() for field in dataclasses.fields(sets)}
    write_atomically(path, save(tensors, {"tag": tag}))


def load_sets(path: Path, tag: str) -> DescribedSets | None:
    """Read described sets; ``None`` if there is no such file, or a damaged one, or one of another tag."""
    try:
        with safe_open(path, "pt") as file:
            if (file.metadata() or {}).get("tag") != tag:
                return None
            return DescribedSets(**{name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (OSError, SafetensorError, TypeError):
        return None
