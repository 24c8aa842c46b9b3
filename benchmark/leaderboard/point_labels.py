"""Names beside the points of a figure, moved up or down where they would cover each other or another point."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

__all__ = ["PointLabel", "point_labels"]

LETTER = 0.068  # inches, about the width of one at 8 pt
LINE = 0.13  # height of a line
DOT = 0.05  # half the side of a point
GAP = 0.1  # between a point and its name
_STEP = 0.04


class PointLabel(NamedTuple):
    """Where a name stands: its box in inches, and on which side of its point."""

    left: float
    bottom: float
    right: float
    top: float
    beside: str  # "right" or "left" of the point

    @property
    def middle(self) -> float:
        """Height of the middle of the line."""
        return (self.bottom + self.top) / 2.0

    def overlap(self, other: "PointLabel") -> float:
        """Square inches that both cover."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(0.0, wide) * max(0.0, high)


def point_labels(
    names: Sequence[str], points: Sequence[tuple[float, float]], size: tuple[float, float]
) -> list[PointLabel]:
    """Find a place for every name, as near to its point as may be.

    Args:
        names: what is written.
        points: (across, up) of each point, inches from the lower left corner of the axes.
        size: width and height of the axes, inches; names stay between their lower and upper edge.

    Returns:
        A place for each name, which covers no other and no point if there is any such place within reach.
    """
    taken = [PointLabel(x - DOT, y - DOT, x + DOT, y + DOT, "") for x, y in points]
    labels: dict[int, PointLabel] = {}
    for number in sorted(range(len(names)), key=lambda number: points[number][::-1]):
        tried = list(_places(names[number], points[number], size))
        labels[number] = min(tried, key=lambda place: sum(place.overlap(other) for other in taken))
        taken.append(labels[number])
    return [labels[number] for number in range(len(names))]


def _places(name: str, point: tuple[float, float], size: tuple[float, float]) -> Iterator[PointLabel]:
    """Places from the nearest to the farthest; the first of several equally good ones is taken."""
    (x, y), width = point, LETTER * len(name)
    steps = int(size[1] / _STEP)
    for far in range(steps + 1):
        for shift in dict.fromkeys((far * _STEP, -far * _STEP)):
            bottom = y + shift - LINE / 2.0
            if far and not 0.0 <= bottom <= size[1] - LINE:
                continue
            yield PointLabel(x + GAP, bottom, x + GAP + width, bottom + LINE, "right")
            if x - GAP - width >= 0.0:
                yield PointLabel(x - GAP - width, bottom, x - GAP, bottom + LINE, "left")
