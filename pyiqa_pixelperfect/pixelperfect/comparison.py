"""What a comparison of pictures in pairs gives back.

Pixel Perfect (arXiv 2605.02863) answers with two things: a map per distortion family, ``F`` in ``[0, 1]`` with 0.5
for "no difference", and a relational score ``S``, positive where the image is better than its reference.
``Comparison`` holds both and puts them into words.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from pyiqa_pixelperfect.errors import ImageError
from pyiqa_pixelperfect.families import FAMILIES
from pyiqa_pixelperfect.pixelperfect.map_cells import cells_to_pixels
from pyiqa_pixelperfect.summary import Summary, summarize

__all__ = ["Comparison"]


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
