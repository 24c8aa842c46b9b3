"""Stage 2: what one step of teaching the score network computes, from described pairs to a loss.

It learns from sets of versions whose order is known by construction, and, by configuration, from pairs on whose order
closed-form metrics agree. The map network is frozen, as in the paper. The loop is in ``trainer``.
"""

import torch
from torch import Tensor, nn

from pyiqa_pixelperfect.pixelperfect.config import ScoreStageConfig
from pyiqa_pixelperfect.pixelperfect.described import DescribedSets
from pyiqa_pixelperfect.pixelperfect.losses import agreement_loss, hinge_loss, info_nce
from pyiqa_pixelperfect.pixelperfect.score_network import RelationalScoreNet

__all__ = ["ScoreStage", "ordered_share"]


class ScoreStage(nn.Module):
    """Hinge over all ordered pairs of a set, and InfoNCE between sets of equal distortions (the paper's losses).

    The hinge is on the lead, before the verdict is squashed and weighed: there the paper's margin of 1 means the same
    for faint and for strong distortions. A second one is on the severity against the clean crop, which has to rise
    from rung to rung; verdict and severity learn apart, so that neither makes up for the other.
    """

    def __init__(self, score: RelationalScoreNet, config: ScoreStageConfig) -> None:
        super().__init__()
        self.score, self.config = score, config

    def forward(self, sets: DescribedSets) -> dict[str, Tensor]:
        """Return the total loss and its parts.

        Returns:
            ``loss``, its parts ``rank``, ``climb``, ``contrast``, ``agreement``, and ``ordered``, the share of pairs
            that are scored in their known order.
        """
        pairs = sets.pairs()
        relation = self.score.relation(pairs)
        lead = self.score.lead(relation)
        shape = sets.amounts.shape[:3]
        severity = self.score.severity(pairs).reshape(shape)[:, :, sets.to_clean] / self.config.margin_severity
        worse, free = lead.reshape(shape).split((sets.known, shape[2] - sets.known), dim=2)
        parts = {
            # Pairs are (worse, better), and S(better, worse) = -S(worse, better).
            "rank": hinge_loss(-worse, torch.zeros_like(worse), margin=self.config.margin),
            "climb": hinge_loss(severity[..., 1:], severity[..., :-1]),
            "contrast": self._contrast(relation.reshape(*shape, -1), sets),
            "agreement": self._agreement(free, severity[..., -1], sets.votes),
        }
        weights = {
            "rank": self.config.weight_rank,
            "climb": self.config.weight_rank,
            "contrast": self.config.weight_contrast,
            "agreement": self.config.weight_consensus,
        }
        total = torch.stack([weights[name] * part for name, part in parts.items()]).sum()
        return {"loss": total, **parts, "ordered": (worse < 0).float().mean()}

    def _contrast(self, relation: Tensor, sets: DescribedSets) -> Tensor:
        """Positives: the same rung of the same distortions on another crop. Negatives: everything else."""
        first, second = relation[:, :, sets.to_clean.flatten()].unbind(1)
        anchors, positives = (self.score.embed(part.flatten(0, 1)) for part in (first, second))
        return info_nce(anchors, positives, temperature=self.config.temperature)

    def _agreement(self, lead: Tensor, severity: Tensor, votes: Tensor) -> Tensor:
        """Votes judge a pair itself, and the severities of both against clean, (C, 2, L), beside one another."""
        itself = agreement_loss(lead.flatten(), votes.flatten(), margin=self.config.margin)
        return 0.5 * itself + 0.5 * agreement_loss((severity[..., 1:] - severity[..., :-1]).flatten(), votes.flatten())


@torch.no_grad()
def ordered_share(score: RelationalScoreNet, sets: DescribedSets) -> float:
    """Share of pairs of known order that the score puts in order."""
    scores = score(sets.pairs()).reshape(sets.amounts.shape[:3])
    right = scores[..., : sets.known] < 0
    return float(right.float().mean())
