"""What a comparison gives back: `Comparison` for a batch of pairs, `Ranking` for several versions of one picture.

Pixel Perfect (arXiv 2605.02863) answers with two things: a map per distortion family, ``F`` in ``[0, 1]`` with 0.5
for "no difference", and a relational score ``S``, positive where the image is better than its reference. These
classes hold both and put them into words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from pyiqa_pixelperfect.errors import ImageError
from pyiqa_pixelperfect.families import FAMILIES
from pyiqa_pixelperfect.pixelperfect.map_cells import cells_to_pixels
from pyiqa_pixelperfect.summary import Summary, summarize

__all__ = ["Comparison", "Ranking"]


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """The result of comparing a batch of images with their references.

    Attributes:
        score: ``(B,)``; > 0: the image is better than its reference, 0: equal; higher is better.
        maps: ``(B, K, H, W)`` in ``[0, 1]``; > 0.5: the image has more of the family there, 0.5: no difference.
            Of pictures above 16 megapixels ``(B, K, ceil(H/4), ceil(W/4))``, one value per 4x4 pixels.
        families: names of the K maps.
        stride: pixels per value of the maps, along either side: 1 or 4.
        size: ``(H, W)`` of the pictures; by default that of the maps.

    Raises:
        ImageError: the shapes do not fit together.
    """

    score: Tensor
    maps: Tensor
    families: tuple[str, ...] = FAMILIES
    stride: int = 1
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        expected = (self.score.numel(), len(self.families))
        if self.score.dim() != 1 or self.maps.dim() != 4 or tuple(self.maps.shape[:2]) != expected:
            got = f"score {tuple(self.score.shape)} and maps {tuple(self.maps.shape)}"
            raise ImageError("maps", f"score (B,) and maps (B, {len(self.families)}, H, W)", got)

    @property
    def signed(self) -> Tensor:
        """Like ``maps``, in ``[-1, 1]``: ``2 * maps - 1``; positive: the image has more of the family."""
        return 2 * self.maps - 1

    def region(self, rows: slice, columns: slice) -> Tensor:
        """Maps of a part of the pictures at full size, whatever their stride.

        Args:
            rows: in pixels, without a step.
            columns: likewise.

        Returns:
            ``(B, K, h, w)`` in ``[0, 1]``.
        """
        height, width = self.size or self.maps.shape[-2:]
        (top, bottom, _), (left, right, _) = rows.indices(height), columns.indices(width)
        if self.stride == 1:
            return self.maps[..., top:bottom, left:right]
        (first, last), (start, end) = (self._cells(*span) for span in ((top, bottom), (left, right)))
        # As for whole maps; cells next to the part count, those beyond do not.
        cells = self.maps[..., first:last, start:end]
        top, bottom = top - first * self.stride, bottom - first * self.stride
        left, right = left - start * self.stride, right - start * self.stride
        return cells_to_pixels(cells, (bottom, right), self.stride)[..., top:, left:]

    def _cells(self, start: int, end: int) -> tuple[int, int]:
        """Cells that pixels of a span, and what is interpolated between, need."""
        return max(0, start // self.stride - 1), -(-end // self.stride) + 1

    def summary(self, index: int = 0) -> Summary:
        """Put one pair of the batch into words and numbers.

        Args:
            index: which pair; negative counts from the end.

        Raises:
            IndexError: the batch has no such pair.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"index: expected -{len(self)} to {len(self) - 1}, got {index}.")
        return summarize(self.score[index].item(), self.maps[index].mul(2).sub_(1), self.families)

    def to_dict(self) -> dict[str, Any]:
        """Return the summaries of all pairs as plain numbers and strings, ready for ``json.dumps``."""
        return {"pairs": [self.summary(index).to_dict() for index in range(len(self))]}

    def __len__(self) -> int:
        return len(self.score)

    def __str__(self) -> str:
        return "\n\n".join(str(self.summary(index)) for index in range(len(self)))

    def __repr__(self) -> str:
        return f"Comparison(score={self.score.tolist()}, maps={tuple(self.maps.shape)})"


@dataclass(frozen=True, eq=False, repr=False)
class Ranking:
    """Several versions of one picture, best first.

    Attributes:
        order: positions of the candidates, best first.
        scores: ``(N,)``, each candidate against the reference; > 0: better than the reference.
        pairwise: ``(N, N)``; ``pairwise[i, j]`` is the score of candidate i against candidate j, so it is
            antisymmetric with a diagonal of 0.
        summaries: each candidate against the reference in words and numbers, by position; may be left out.
    """

    order: list[int]
    scores: Tensor
    pairwise: Tensor
    summaries: Sequence[Summary] = ()

    def __post_init__(self) -> None:
        count = len(self.order)
        fits = tuple(self.scores.shape) == (count,) and tuple(self.pairwise.shape) == (count, count)
        if not fits or sorted(self.order) != list(range(count)):
            got = f"order {self.order}, scores {tuple(self.scores.shape)}, pairwise {tuple(self.pairwise.shape)}"
            raise ImageError("order", "a permutation of N with scores (N,) and pairwise (N, N)", got)

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
        return {"ranking": rows, "names": list(names), "pairwise": self.pairwise.tolist()}

    def table(self, names: Sequence[str] | None = None) -> str:
        """Return an aligned text table, best candidate first; `names` as for `to_dict`."""
        rows = self.to_dict(names)["ranking"]
        width = max([len(row["name"]) for row in rows] + [len("candidate")])
        lines = [f"rank  {'candidate':<{width}}  {'score':>8}  {'beats':>5}"]
        lines += [f"{row['rank']:>4}  {row['name']:<{width}}  {row['score']:>+8.3f}  {row['wins']:>5}" for row in rows]
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
