"""Distortion maps in words: which family, more or less, how strongly, where.

A signed map holds, per family and pixel, how much more of the family the image has than its reference, in
``[-1, 1]``. A viewer does not speak in means over the picture but says "strong compression in the lower left", so the
number in a phrase is the signed amount averaged over the *affected* pixels, and the place is told apart from it. A
family may be worse in one region and better in another; both are then named.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pyiqa_pixelperfect.families import FAMILIES, FAMILY_TABLE, family_index

__all__ = ["AFFECTED", "TIE", "VISIBLE_SHARE", "Summary", "SummaryRow", "place_words", "summarize"]

AFFECTED = 0.1
"""A pixel is affected by a family where the absolute signed amount is above this (of at most 1)."""

VISIBLE_SHARE = 0.01
"""A family is mentioned when at least this share of the picture is affected in one direction; less is a speck."""

TIE = 0.05
"""Scores closer to zero than this are told as equal: a twentieth of the training versions were fainter than 0.05."""

PEAK_QUANTILE = 0.99
"""The peak is this quantile of the absolute amounts: a maximum that single wild pixels cannot set."""

MAXIMUM_PIXELS = 250_000
"""Larger maps are averaged down to this many pixels first: words need no more, and quantiles of 12 MP take seconds."""

MAXIMUM_PHRASES = 5
"""A verdict names this many differences at most; the table holds them all."""


@dataclass(frozen=True)
class SummaryRow:
    """What one family does in one comparison.

    Attributes:
        family: name, one of ``FAMILIES``.
        amount: signed mean over the picture, ``[-1, 1]``; positive: the image has more of it than the reference.
        strength: signed mean over the affected pixels of the stronger direction, ``[-1, 1]``; 0 if none is affected.
        peak: 99th percentile of the absolute amounts, with the sign found there.
        share: share of the picture that is affected, in either direction, ``[0, 1]``.
        where: place of the affected pixels in words; empty if none is affected.
        phrase: ``"more compression (0.62, lower left)"``; empty if the family is not visible.
        prominence: what the rows are ranked by, ``[0, 1]``: absolute strength times the square root of its share.
    """

    family: str
    amount: float
    strength: float
    peak: float
    share: float
    where: str
    phrase: str
    prominence: float

    @property
    def visible(self) -> bool:
        """Whether the difference is large enough to be mentioned."""
        return bool(self.phrase)


@dataclass(frozen=True)
class Summary:
    """One comparison in words and numbers.

    Attributes:
        score: relational score; positive: the image is better than the reference.
        rows: one per family, in the order of the maps.
    """

    score: float
    rows: tuple[SummaryRow, ...]

    @property
    def visible(self) -> tuple[SummaryRow, ...]:
        """The rows worth mentioning, the most prominent first."""
        return tuple(sorted((row for row in self.rows if row.visible), key=lambda row: -row.prominence))

    @property
    def outcome(self) -> str:
        """``"better"``, ``"worse"``, ``"equal"`` (differences cancel out) or ``"same"`` (no difference seen)."""
        if abs(self.score) >= TIE:
            return "better" if self.score > 0 else "worse"
        return "equal" if self.visible else "same"

    @property
    def headline(self) -> str:
        """The verdict without its reasons, such as ``"image is worse"``."""
        return {
            "better": "image is better",
            "worse": "image is worse",
            "equal": "image and reference are about equally good",
            "same": "image and reference look the same",
        }[self.outcome]

    @property
    def verdict(self) -> str:
        """One sentence: ``"image is worse: more compression (0.62, lower left), cooler (-0.21, everywhere)"``."""
        phrases = [row.phrase for row in self.visible]
        if not phrases:
            unclear = self.outcome in ("better", "worse")
            return self.headline + (", but no single distortion stands out" if unclear else "")
        if len(phrases) > MAXIMUM_PHRASES:
            phrases = [*phrases[:MAXIMUM_PHRASES], f"and {len(phrases) - MAXIMUM_PHRASES} more"]
        return f"{self.headline}: {', '.join(phrases)}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings, ready for ``json.dumps``."""
        rows = [asdict(row) | {"visible": row.visible} for row in self.rows]
        return {"score": self.score, "outcome": self.outcome, "verdict": self.verdict, "families": rows}

    def __str__(self) -> str:
        """Return the verdict and an aligned table of the visible families."""
        lines = [f"score {round(self.score, 3) + 0.0:+.3f}", self.verdict]  # no "-0.000"
        if self.visible:
            lines += ["", f"{'family':<15}{'amount':>8}{'strength':>10}{'peak':>8}{'affected':>10}  where"]
        for row in self.visible:
            numbers = f"{row.amount:>+8.2f}{row.strength:>+10.2f}{row.peak:>+8.2f}{row.share:>10.0%}"
            lines.append(f"{row.family:<15}{numbers}  {row.where}")
        return "\n".join(lines)


def summarize(score: float, signed: Tensor, families: tuple[str, ...] = FAMILIES) -> Summary:
    """Put one picture's signed maps into words.

    Args:
        score: relational score of the pair.
        signed: ``(K, H, W)`` in ``[-1, 1]``, one map per family.
        families: names of the K maps.
    """
    signed = signed.detach().to("cpu", torch.float32)
    factor = math.ceil(math.sqrt(signed.shape[-2] * signed.shape[-1] / MAXIMUM_PIXELS))
    if factor > 1:
        signed = functional.avg_pool2d(signed, factor, ceil_mode=True, count_include_pad=False)
    return Summary(float(score), tuple(_row(name, field) for name, field in zip(families, signed, strict=True)))


def place_words(weight: Tensor) -> str:
    """Say where in the picture a weight lies: ``"everywhere"``, ``"lower left"``, ``"center"``, ``"upper half"`` ...

    The picture is divided into three by three cells. Their weights give a centroid, which tells the direction, and a
    spread on either axis, which tells a band from a spot; the share of each cell that has any weight tells what
    fills the picture from what is strewn over it.

    Args:
        weight: ``(H, W)``, not negative; 0 where there is nothing.

    Returns:
        The words, or an empty string when all weights are 0.
    """
    cells = functional.adaptive_avg_pool2d(weight[None, None], 3)[0, 0].to(torch.float64)
    if float(cells.sum()) == 0:
        return ""
    covered = functional.adaptive_avg_pool2d((weight > 0).float()[None, None], 3)[0, 0]
    cells = cells / cells.sum()
    axis = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)
    down, right = float((cells.sum(1) * axis).sum()), float((cells.sum(0) * axis).sum())
    tall = float((cells.sum(1) * (axis - down) ** 2).sum()) ** 0.5  # 0 for one row of cells, 0.82 for all alike
    wide = float((cells.sum(0) * (axis - right) ** 2).sum()) ** 0.5
    vertical = "" if abs(down) <= 1 / 3 else ("lower" if down > 0 else "upper")
    horizontal = "" if abs(right) <= 1 / 3 else ("right" if right > 0 else "left")
    if vertical and horizontal:
        return f"{vertical} {horizontal}"
    if horizontal:
        return _side_words(horizontal, horizontal, tall, right)
    if vertical:
        return _side_words(vertical, {"upper": "top", "lower": "bottom"}[vertical], wide, down)
    return _central_words(covered, tall, wide)


def _side_words(half: str, edge: str, spread: float, offset: float) -> str:
    """Name a weight at one side: it fills that half, runs along its edge, or sits at the middle of it."""
    if spread <= 0.6:
        return edge
    return f"along the {edge}" if abs(offset) > 0.85 else f"{half} half"


def _central_words(covered: Tensor, tall: float, wide: float) -> str:
    """Name a weight whose centroid is in the middle: it fills, frames, crosses or dots the picture, or is a spot."""
    corners = covered[::2, ::2]
    if float(covered.min()) >= 0.2:
        return "everywhere"
    spot = tall < 0.7 and wide < 0.7 and float(covered[1, 1]) > 3 * float(corners.max())
    if spot or (tall < 0.5 and wide < 0.5):
        return "center"
    if tall < 0.5 or wide < 0.5:
        return "across the middle" if wide > tall else "down the middle"
    return "around the edges" if float(corners.min()) >= 0.2 and float(covered[1, 1]) < 0.1 else "scattered"


def _row(family: str, signed: Tensor) -> SummaryRow:
    magnitude = signed.abs()
    peak_size = _quantile(magnitude, PEAK_QUANTILE)
    at_peak = float(signed[magnitude >= peak_size].sum())
    sides = [_Side.of(signed.clamp(min=0), +1), _Side.of((-signed).clamp(min=0), -1)]
    sides.sort(key=lambda side: -side.prominence)
    phrases = [phrase for side in sides if (phrase := side.phrase(family))]
    return SummaryRow(
        family=family,
        amount=float(signed.mean()),
        strength=sides[0].strength,
        peak=peak_size if at_peak >= 0 else -peak_size,
        share=sides[0].share + sides[1].share,
        where=sides[0].where,
        phrase=" and ".join(phrases),
        prominence=sides[0].prominence,
    )


@dataclass(frozen=True)
class _Side:
    """One direction of one family: where the image has more of it (sign +1) or less of it (sign -1)."""

    sign: int
    strength: float
    share: float
    where: str

    @classmethod
    def of(cls, amount: Tensor, sign: int) -> "_Side":
        affected = amount * (amount > AFFECTED)
        count = int((affected > 0).sum())
        strength = sign * float(affected.sum()) / count if count else 0.0
        return cls(sign, strength, count / affected.numel(), place_words(affected))

    @property
    def prominence(self) -> float:
        # What the eye notices grows slower than area: a quarter of the picture weighs half as much as all of it.
        return abs(self.strength) * math.sqrt(self.share)

    def phrase(self, family: str) -> str:
        if self.share < VISIBLE_SHARE:
            return ""
        entry = FAMILY_TABLE[family_index(family)]
        words = entry.more if self.sign > 0 else entry.less
        return f"{words} ({self.strength:.2f}, {self.where})"


def _quantile(values: Tensor, quantile: float) -> float:
    """Return a quantile of any number of values (`torch.quantile` sorts them all)."""
    flat = values.flatten()
    return float(flat.kthvalue(max(1, round(quantile * flat.numel()))).values)
