"""The relational score of Pixel Perfect (Khan et al., arXiv 2605.02863): which of two pictures is better, how much.

``RelationalScoreNet`` reads the maps and, at a glance, both pictures: ``S(a, b) = verdict * severity``. The *verdict*
in (-1, 1) says which picture is better, from what the maps found and how the pictures differ as a whole. The *severity*
in [0, 1) says how bad their difference is: see ``severity``. Two pictures that are damaged in different ways lie far
apart and may still be equally good; the verdict is taught to be near 0 then, so that ``S(a, b)`` is about the
difference of what each of them has against the undamaged picture. Scores of pairs add up as far as it learns that.

Deviations from the paper, and why:

* Anti-symmetry holds by construction: the verdict is ``tanh(u(a, b) - u(b, a))``, the severity does not know the order.
* The verdict is that of several networks together: see ``verdict_network``.
* The score reads the maps, before their calibration, not the features below them. What the maps do not hold is the
  direction, and for that many pairs are needed, each seen often: a small network on a few hundred numbers per pair,
  which are computed once.
* Statistics of whole pictures come in beside the maps: see ``picture_statistics``. Their differences count, and only
  relative to one another: what a picture shows must not decide, and a faint change points where a strong one does.
* How unusual each number is among undamaged photos counts, too, as in NIQE (Mittal et al., IEEE SPL 2013): of a gray
  and a colorful picture differences alone cannot say which is the one that has lost, or gained, its colors.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from pyiqa_pixelperfect.pixelperfect.picture_statistics import STATISTICS
from pyiqa_pixelperfect.pixelperfect.severity import Severity
from pyiqa_pixelperfect.pixelperfect.verdict_network import VerdictNet

__all__ = ["PairDescription", "RelationalScoreNet", "describe_pairs"]

FAINT = 0.02  # of a deviation: differences of statistics below that, all together, begin to vanish
FAINT_AMOUNT = 0.01  # the same for the mean amounts of all families together
VERDICT_SLOPE = 5.0  # a fifth of the margin of the hinge loss is a verdict of 0.76 already: most are as good as certain
UNUSUAL_SCALE = 0.5  # brings how unusual numbers are to about the size of the standardized differences
SHARE_SCALE = 4.0  # the same for shares of families


class PairDescription(NamedTuple):
    """B pairs in numbers; swapping exchanges the first two, turns the sign of the third and leaves the others."""

    image: Tensor  # (B, STATISTICS)
    reference: Tensor  # (B, STATISTICS)
    mean: Tensor  # (B, K) in [-1, 1], mean signed map of each family
    amounts: Tensor  # (B, K) in [0, 1], mean absolute signed map of each family
    unlike: Tensor  # (B, DISSIMILARITIES), how unlike the two are

    @property
    def difference(self) -> Tensor:
        """(B, STATISTICS), of the image less those of the reference."""
        return self.image - self.reference


def describe_pairs(logits: Tensor, image: Tensor, reference: Tensor, unlike: Tensor) -> PairDescription:
    """Describe pairs by their maps, the statistics of their pictures and how unlike these are.

    Args:
        logits: (B, K, h, w) of the maps, not calibrated, without cells of padding.
        image: (B, STATISTICS), ``picture_statistics`` of the images.
        reference: likewise of the references.
        unlike: (B, DISSIMILARITIES), ``dissimilarity`` of both.
    """
    signed = torch.tanh(logits / 2.0).flatten(2)  # 2F - 1
    return PairDescription(image, reference, signed.mean(2), signed.abs().mean(2), unlike)


class RelationalScoreNet(nn.Module):
    """Relational score of described pairs, ``S(a, b) = verdict(a, b) * severity(a, b)``.

    ``verdict(a, b) = tanh(5 lead)``, with the mean of the leads ``u(a, b) - u(b, a)`` that an ensemble sees.

    Args:
        families: number of map channels K.
        hidden: width of the two layers of each ``u``.
        embedding: length of the vectors that the contrastive loss compares.
        dropout: chance that a hidden number is left out in training.
        ensemble: number of networks whose opinions make up the verdict.
    """

    spread: Tensor
    usual: Tensor
    width: Tensor

    def __init__(
        self, families: int = 14, hidden: int = 128, embedding: int = 64, dropout: float = 0.4, ensemble: int = 1
    ) -> None:
        super().__init__()
        self.register_buffer("spread", torch.ones(STATISTICS))
        self.register_buffer("usual", torch.zeros(STATISTICS))
        self.register_buffer("width", torch.ones(STATISTICS))
        turning, alike = 2 * STATISTICS + families, families + 1
        self.ensemble: Any = nn.ModuleList(
            VerdictNet(turning, alike, hidden, embedding, dropout) for _ in range(ensemble)
        )
        self.severity_network = Severity()

    @torch.no_grad()
    def standardize(self, pairs: PairDescription, clean: Tensor) -> None:
        """Take the usual size of every difference from pairs, and what is usual from statistics of undamaged pictures.

        Args:
            pairs: of all kinds.
            clean: (N, STATISTICS), N at least 2.
        """
        self.spread.copy_(pairs.difference.square().mean(0).sqrt() + 0.02)
        self.usual.copy_(clean.mean(0))
        self.width.copy_(clean.std(0) + 1e-3)
        self.severity_network.standardize(pairs.unlike)

    def distance(self, pairs: PairDescription) -> Tensor:
        """How far the statistics of two pictures are apart, (B,), in usual deviations; 0 if they are equal."""
        square = (pairs.difference / self.spread).square().mean(1)
        return (square + FAINT**2).sqrt() - FAINT

    def unusual(self, statistics: Tensor) -> Tensor:
        """How unusual each number of (B, STATISTICS) is in undamaged pictures, (B, STATISTICS): 0 for the mean."""
        return (1.0 + ((statistics - self.usual) / self.width).square()).log()

    def clues(self, pairs: PairDescription) -> tuple[Tensor, Tensor]:
        """What the verdict is about: (B, .) clues whose sign a swapped pair turns, and (B, .) that stay the same."""
        difference = pairs.difference / self.spread / (self.distance(pairs) + FAINT).unsqueeze(1)
        total = pairs.amounts.sum(1, keepdim=True) + FAINT_AMOUNT
        unusual = UNUSUAL_SCALE * (self.unusual(pairs.image) - self.unusual(pairs.reference))
        turning = torch.cat((difference, unusual, SHARE_SCALE * pairs.mean / total), dim=1)
        alike = torch.cat((SHARE_SCALE * pairs.amounts / total, 0.5 * total.log()), dim=1)
        return turning, alike

    def relate(self, turning: Tensor, alike: Tensor) -> list[Tensor]:
        """What tells the image from the reference by the clues of pairs, to each network, (B, hidden)."""
        return [network(turning, alike) for network in self.ensemble]

    def leads(self, relations: Sequence[Tensor]) -> Tensor:
        """What each of the M networks sees, (M, B): above 0 where the image is better, 1 and more if that is sure."""
        return torch.stack([network.lead(part) for network, part in zip(self.ensemble, relations, strict=True)])

    def embed(self, relations: Sequence[Tensor]) -> Tensor:
        """Unit vectors (M, ..., E) that describe relations (..., hidden), of each network, for InfoNCE."""
        return torch.stack([network.embed(part) for network, part in zip(self.ensemble, relations, strict=True)])

    def lead(self, pairs: PairDescription) -> Tensor:
        """What they see in the mean, (B,)."""
        return self.leads(self.relate(*self.clues(pairs))).mean(0)

    def verdict(self, lead: Tensor) -> Tensor:
        """Which picture is better, (B,) in (-1, 1): positive if it is the image."""
        return torch.tanh(VERDICT_SLOPE * lead)

    def lead_of(self, verdict: Tensor) -> Tensor:
        """The lead that gives a verdict, both between 0 and 1; 1 for a verdict that is as good as certain."""
        return (torch.atanh(verdict.clamp(0.0, 1.0 - 1e-6)) / VERDICT_SLOPE).clamp_max(1.0)

    def severity(self, pairs: PairDescription) -> Tensor:
        """How bad the difference of two pictures is, (B,) in [0, 1); 0 if they are equal."""
        severity: Tensor = self.severity_network(pairs.unlike)
        return severity

    def forward(self, pairs: PairDescription) -> Tensor:
        """Score B pairs.

        Args:
            pairs: from ``describe_pairs``.

        Returns:
            (B,) scores in (-1, 1); > 0 = the image is better than the reference, higher is better.
        """
        return self.verdict(self.lead(pairs)) * self.severity(pairs)
