"""Several versions of one picture, best first, with a reference or without.

Two versions that are damaged in different ways are hard to compare; a version and its original are not. So where there
is no reference, the candidate that is nearest to being one stands in for it, and the others are compared with that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from pyiqa_pixelperfect.errors import ImageError
from pyiqa_pixelperfect.summary import Summary

__all__ = ["Ranking", "least_beaten"]


def least_beaten(pairwise: Tensor) -> int:
    """The candidate whose worst score against any other is the highest, the first of several.

    It is the winner of the minimax rule of elections (Simpson, "On defining areas of voter choice", Quarterly Journal
    of Economics 1969; Kramer 1977): an original loses to none of its versions, and what is nearly as good to few, and
    hardly. Means over all others would say little about that: they are mostly of pairs of two damaged versions.

    Args:
        pairwise: (N, N), N at least 1, scores of row against column.
    """
    return int(pairwise.amin(dim=1).argmax())


@dataclass(frozen=True, eq=False, repr=False)
class Ranking:
    """Several versions of one picture, best first.

    Attributes:
        order: positions of the candidates, best first.
        scores: ``(N,)``, each candidate against the reference, or what stands in for it; > 0: better than that.
        pairwise: ``(N, N)``; ``pairwise[i, j]`` is the score of candidate i against candidate j, so it is
            antisymmetric with a diagonal of 0.
        summaries: each candidate against the reference in words and numbers, by position; may be left out.
        stands_in: position of the candidate that stands in for the reference, where none was given.

    Raises:
        ImageError: the shapes do not fit together, or no candidate has the position ``stands_in``.
    """

    order: list[int]
    scores: Tensor
    pairwise: Tensor
    summaries: Sequence[Summary] = ()
    stands_in: int | None = None

    def __post_init__(self) -> None:
        count = len(self.order)
        fits = tuple(self.scores.shape) == (count,) and tuple(self.pairwise.shape) == (count, count)
        if not fits or sorted(self.order) != list(range(count)):
            got = f"order {self.order}, scores {tuple(self.scores.shape)}, pairwise {tuple(self.pairwise.shape)}"
            raise ImageError("order", "a permutation of N with scores (N,) and pairwise (N, N)", got)
        if self.stands_in is not None and self.stands_in not in self.order:
            raise ImageError("stands_in", f"a position from 0 to {count - 1}", f"{self.stands_in}")

    @property
    def best(self) -> int:
        """Position of the best candidate."""
        return self.order[0]

    @property
    def wins(self) -> list[int]:
        """How many of the other candidates each candidate beats, by position."""
        return [int(count) for count in (self.pairwise > 0).sum(dim=1).tolist()]

    def to_dict(self, names: Sequence[str] | None = None) -> dict[str, Any]:
        """Return plain numbers and strings, ready for ``json.dumps``, best candidate first.

        Args:
            names: one per candidate, by position; their numbers by default.
        """
        names = self._names(names)
        wins = self.wins
        rows = [
            {"rank": rank, "name": names[i], "position": i, "score": self.scores[i].item(), "wins": wins[i]}
            for rank, i in enumerate(self.order, start=1)
        ]
        return {
            "ranking": rows,
            "names": list(names),
            "pairwise": self.pairwise.tolist(),
            "stands_in": None if self.stands_in is None else names[self.stands_in],
        }

    def table(self, names: Sequence[str] | None = None) -> str:
        """Return an aligned text table, best candidate first; `names` as for `to_dict`."""
        told = self.to_dict(names)
        rows, stands_in = told["ranking"], told["stands_in"]
        width = max([len(row["name"]) for row in rows] + [len("candidate")])
        lines = [f"rank  {'candidate':<{width}}  {'score':>8}  {'beats':>5}"]
        lines += [f"{row['rank']:>4}  {row['name']:<{width}}  {row['score']:>+8.3f}  {row['wins']:>5}" for row in rows]
        if stands_in is not None:
            lines.append(f"no reference: {stands_in} stands in for it")
        return "\n".join(lines)

    def _names(self, names: Sequence[str] | None) -> Sequence[str]:
        if names is None:
            return [f"candidate {position}" for position in range(len(self.order))]
        if len(names) != len(self.order):
            raise ImageError("names", f"{len(self.order)} names", f"{len(names)}", "Name every candidate once.")
        return names

    def __len__(self) -> int:
        return len(self.order)

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        return f"Ranking(order={self.order}, scores={self.scores.tolist()})"
