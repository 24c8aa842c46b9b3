"""Stage 2: what one step of teaching the score network computes, from described pairs to a loss.

It learns from sets of versions whose order is known by construction, and, by configuration, from the ranks that
closed-form metrics give these versions together. The map network is frozen, as in the paper. The loop is in
``score_training``.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pyiqa_pixelperfect.pixelperfect.config import ScoreStageConfig
from pyiqa_pixelperfect.pixelperfect.described import DescribedSets
from pyiqa_pixelperfect.pixelperfect.losses import hinge_loss, info_nce
from pyiqa_pixelperfect.pixelperfect.score_network import RelationalScoreNet

__all__ = ["ScoreStage", "ordered_share"]

SMALLEST_VERDICT = 0.1  # that a pair of known order is asked for, however little one is behind the other


class ScoreStage(nn.Module):
    """Hinge over all ordered pairs of a set, and InfoNCE between sets of equal distortions (the paper's losses).

    Verdict and severity learn apart, so that neither makes up for the other, and so do the networks that make up the
    verdict. These have four losses, each the mean over them:

    * ``rank``, the hinge, on the lead, before the verdict is squashed and weighed: there the paper's margin of 1 means
      the same for faint and for strong distortions. Two rungs of a ladder are asked for the lead that ``detour`` wants.
    * ``detour``, squared error: ``S(a, b)`` should be what ``a`` has against the clean crop less what ``b`` has, also
      where nobody knows by construction which is better. Scores that do are a scale.
    * ``mixed``, the hinge once more, on mixtures of the clues of two pairs of known order: if both say that the image
      is worse, so does what lies between them (mixup, Zhang et al., arXiv 1710.09412, for relations). Pairs are few
      for the number of clues, and what is learned by heart about one is of no use to a mixture.
    * ``contrast``, InfoNCE.

    Mixtures are drawn from torch's own generator, like dropout. The severity against the clean crop has two:

    * ``climb``, a hinge: it has to rise from rung to rung.
    * ``consensus``, squared error: it should be the rank that closed-form metrics give a version together.
    """

    def __init__(self, score: RelationalScoreNet, config: ScoreStageConfig) -> None:
        super().__init__()
        self.score, self.config = score, config

    def forward(self, sets: DescribedSets, badness: Tensor | None = None) -> dict[str, Tensor]:
        """Return the total loss and its parts.

        Args:
            sets: described pairs.
            badness: (C, 2, V) in (0, 1), from ``consensus.consensus_ranks``, NaN where no teacher judged; ``None``
                without teachers.

        Returns:
            ``loss``, its parts, and ``ordered``, the share of pairs that are scored in their known order.
        """
        pairs = sets.pairs()
        clues = self.score.clues(pairs)
        shape = sets.amounts.shape[:3]
        relations = self.score.relate(*clues)
        leads = self.score.leads(relations).unflatten(1, shape)
        severity = self.score.severity(pairs).reshape(shape)
        against_clean = severity[:, :, sets.to_clean]
        climb = against_clean[:, :, sets.ladders - 1]
        apart = severity.detach()
        behind = self._behind(against_clean.detach(), sets.members)
        worse, ahead = leads[..., : sets.known], -behind[..., : sets.known]
        wanted = self.score.lead_of((ahead / apart[..., : sets.known].clamp_min(1e-6)).clamp_min(SMALLEST_VERDICT))
        parts = {
            # Pairs are (worse, better), and S(better, worse) = -S(worse, better).
            "rank": hinge_loss(-worse, torch.zeros_like(worse), margin=self.config.margin * wanted),
            "detour": (self.score.verdict(leads) * apart - behind).square().mean(),
            "contrast": self._contrast([part.unflatten(0, shape)[:, :, sets.to_clean] for part in relations]),
            "climb": hinge_loss(climb[..., 1:], climb[..., :-1], margin=self.config.margin_severity),
        }
        weights = {
            "rank": self.config.weight_rank,
            "detour": self.config.weight_detour,
            "contrast": self.config.weight_contrast,
            "climb": self.config.weight_rank,
        }
        if self.config.weight_mixed:
            parts["mixed"] = self._mixed(*(clue.reshape(*shape, -1)[:, :, : sets.known] for clue in clues))
            weights["mixed"] = self.config.weight_mixed
        if badness is not None:
            judged = badness.isfinite()
            missed = torch.where(judged, against_clean - badness, 0.0)  # of those that were not judged, nothing
            parts["consensus"] = missed.square().sum() / judged.sum().clamp_min(1)
            weights["consensus"] = self.config.weight_consensus
        total = torch.stack([weights[name] * part for name, part in parts.items()]).sum()
        return {"loss": total, **parts, "ordered": (worse.mean(0) < 0).float().mean()}

    def _behind(self, against_clean: Tensor, members: Tensor) -> Tensor:
        """``S`` of each pair by the detour over the clean crop, (C, 2, P); negative: the image is the worse one."""
        nothing = against_clean.new_zeros(*against_clean.shape[:2], 1)
        badness = torch.cat((nothing, against_clean), dim=2)
        return badness[:, :, members[:, 1]] - badness[:, :, members[:, 0]]

    def _mixed(self, turning: Tensor, alike: Tensor) -> Tensor:
        """Each pair of known order is mixed with another one of the batch, in any proportion."""
        turning, alike = turning.flatten(0, 2), alike.flatten(0, 2)
        partner = torch.randperm(len(turning), device=turning.device)
        share = torch.rand(len(turning), 1, device=turning.device)
        mixed = (torch.lerp(clues[partner], clues, share) for clues in (turning, alike))
        worse = self.score.leads(self.score.relate(*mixed))
        return hinge_loss(-worse, torch.zeros_like(worse), margin=self.config.margin)

    def _contrast(self, relations: Sequence[Tensor]) -> Tensor:
        """Positives: the same rung of the same distortions on another crop. Negatives: everything else."""
        parts = []
        for first, second in zip(*self.score.embed(relations).unbind(2), strict=True):
            sides = first.flatten(0, 1), second.flatten(0, 1)
            parts.append(info_nce(*sides, temperature=self.config.temperature))
        return torch.stack(parts).mean()


@torch.no_grad()
def ordered_share(score: RelationalScoreNet, sets: DescribedSets) -> float:
    """Share of pairs of known order that the score puts in order."""
    scores = score(sets.pairs()).reshape(sets.amounts.shape[:3])
    right = scores[..., : sets.known] < 0
    return float(right.float().mean())
