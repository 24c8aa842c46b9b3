"""What one training step of each stage computes: from versions of clean photos to a loss. The loop is in ``trainer``.

Stage 1 teaches the map network on pairs of differently distorted versions of a photo. Stage 2 teaches the score network
on sets of versions whose order is known by construction; the map network is frozen, as in the paper, or learns on
beside it. Both are modules, so that DistributedDataParallel can wrap them.
"""

import contextlib
import math

import numpy as np
import torch
from torch import Tensor, nn

from pyiqa_pixelperfect.distortions.ranked import RankedSets
from pyiqa_pixelperfect.distortions.versions import Versions
from pyiqa_pixelperfect.pixelperfect.config import MapStageConfig, ScoreStageConfig
from pyiqa_pixelperfect.pixelperfect.losses import agreement_loss, hinge_loss, info_nce, map_loss, map_target
from pyiqa_pixelperfect.pixelperfect.networks import (
    MAP_STRIDE,
    DistortionMapNet,
    FusedFeatures,
    RelationalScoreNet,
)
from pyiqa_pixelperfect.training.distributed import gather_with_gradient

__all__ = ["MapStage", "ScoreStage", "map_figures", "mean_figures"]


def _fuse_pairs(network: DistortionMapNet, images: Tensor, image: Tensor, reference: Tensor) -> FusedFeatures:
    """Encode every image once, then fuse the pairs, however often an image takes part."""
    pyramid = network.encode(images.contiguous(memory_format=torch.channels_last))
    return network.fuse([level[image] for level in pyramid], [level[reference] for level in pyramid])


def _target(versions: Versions, image: Tensor, reference: Tensor) -> Tensor:
    return map_target(versions.amounts[image], versions.amounts[reference], MAP_STRIDE)


class MapStage(nn.Module):
    """Stage 1: the weighted mean squared error of the maps of all pairs of versions."""

    def __init__(self, network: DistortionMapNet, config: MapStageConfig) -> None:
        super().__init__()
        self.network, self.config = network, config

    def rates(self) -> list[tuple[list[nn.Parameter], float]]:
        """Parameters to train, in groups with their learning rate relative to the configured one."""
        return [(list(self.parameters()), 1.0)]

    def forward(self, versions: Versions, weight_high: float) -> dict[str, Tensor]:
        """Return the loss (key ``loss``) of a batch."""
        image, reference = versions.pairs()
        fused = _fuse_pairs(self.network, versions.images, image, reference)
        prediction, target = torch.sigmoid(fused.logits.float()), _target(versions, image, reference)
        return {"loss": map_loss(prediction, target, weight_high=weight_high, beta=self.config.beta)}


def _lent(fused: FusedFeatures, share: float) -> FusedFeatures:
    """The same features, but only ``share`` of a gradient gets through to them, and none to the maps.

    The score would teach the maps to overstate amounts, and drown the map loss in the encoder they share.
    """
    fine, coarse = (torch.lerp(part.detach(), part, share) for part in (fused.fine, fused.coarse))
    return FusedFeatures(fine, coarse, fused.logits.detach())


class ScoreStage(nn.Module):
    """Stage 2: hinge over all ordered pairs of a set, and InfoNCE between sets of equal distortions (the paper's).

    By configuration also the map loss, with the map network learning on, and the agreement with closed-form metrics
    on pairs whose order is not known by construction.
    """

    def __init__(self, maps: DistortionMapNet, score: RelationalScoreNet, config: ScoreStageConfig) -> None:
        super().__init__()
        self.joint = config.weight_maps > 0
        self.maps, self.score, self.config = maps.requires_grad_(self.joint), score, config

    def train(self, mode: bool = True) -> "ScoreStage":
        """Train; a frozen map network keeps its running statistics."""
        super().train(mode)
        self.maps.train(mode and self.joint)
        return self

    def rates(self) -> list[tuple[list[nn.Parameter], float]]:
        """Parameters to train, in groups with their learning rate relative to the configured one."""
        score, maps = list(self.score.parameters()), list(self.maps.parameters())
        return [(score, 1.0), (maps, self.config.rate_maps)] if self.joint else [(score, 1.0)]

    def forward(self, sets: RankedSets, votes: Tensor) -> dict[str, Tensor]:
        """Return the total loss and its parts.

        Args:
            sets: versions of photos in known order.
            votes: (N,) for the pairs of ``sets.unordered()``: 1 = image better, -1 = worse, 0 = nobody knows.

        Returns:
            ``loss``, its parts ``rank``, ``contrast``, ``maps``, ``agreement``, and ``ordered``, the share of pairs
            that are scored in their known order.
        """
        known, unknown = sets.ordered(), sets.unordered()
        image, reference = torch.cat((known[0], unknown[0])), torch.cat((known[1], unknown[1]))
        with contextlib.nullcontext() if self.joint else torch.no_grad():
            fused = _fuse_pairs(self.maps, sets.images, image, reference)
        shared = _lent(fused, self.config.gradient_share)
        hidden = self.score.hidden(shared)
        scores = self.score.density(hidden, shared).mean((1, 2, 3)).float()
        worse, free = scores.split((len(known[0]), len(unknown[0])))
        # S(better, worse) = -S(worse, better) must reach the margin ...
        relative = hinge_loss(-worse, torch.zeros_like(worse), margin=self.config.margin)
        # ... and so must the steps of a ladder, each rung seen from the clean photo.
        clean = reference < sets.photos
        climb = scores[clean].reshape(sets.ladders, sets.rungs, sets.photos)
        steps = hinge_loss(climb[:, :-1], climb[:, 1:], margin=self.config.margin)
        last = climb[:, -1]
        parts = {
            "rank": 0.5 * (relative + steps),
            "contrast": self._contrast(hidden, clean, sets),
            "maps": self._maps(fused, sets, image, reference),
            "agreement": 0.5 * agreement_loss(free, votes, margin=self.config.margin_consensus)
            + 0.5 * agreement_loss((last[:-1] - last[1:]).flatten(), votes, margin=self.config.margin_consensus),
        }
        weights = {
            "rank": self.config.weight_rank,
            "contrast": self.config.weight_contrast,
            "maps": self.config.weight_maps,
            "agreement": self.config.weight_consensus,
        }
        total = torch.stack([weights[name] * part for name, part in parts.items()]).sum()
        return {"loss": total, **parts, "ordered": (worse < 0).float().mean()}

    def _contrast(self, hidden: Tensor, clean: Tensor, sets: RankedSets) -> Tensor:
        """Positives: the same rung of the same distortions on another photo. Negatives: everything else."""
        embedding = self.score.embed(hidden).float()[clean]
        first, second = embedding.reshape(sets.ladders * sets.rungs, 2, sets.photos // 2, -1).unbind(1)
        anchors, positives = (gather_with_gradient(part.flatten(0, 1)) for part in (first, second))
        return info_nce(anchors, positives, temperature=self.config.temperature)

    def _maps(self, fused: FusedFeatures, sets: RankedSets, image: Tensor, reference: Tensor) -> Tensor:
        if not self.joint:
            return torch.zeros((), device=sets.images.device)
        prediction, target = torch.sigmoid(fused.logits.float()), _target(sets, image, reference)
        return map_loss(prediction, target, weight_high=self.config.weight_high, beta=self.config.beta)


@torch.no_grad()
def map_figures(network: DistortionMapNet, versions: Versions) -> dict[str, float]:
    """Validation figures of distorted versions against clean photos.

    Returns:
        ``error``: mean absolute error of signed maps where something was done; ``leak``: mean absolute signed map
        where nothing was done; ``type`` and ``sign``: shares of distorted cells whose strongest family, and whose
        direction in the true family, are right.
    """
    image, reference = versions.pairs()
    image, reference = image[reference < versions.photos], reference[reference < versions.photos]
    fused = _fuse_pairs(network, versions.images, image, reference)
    signed = 2.0 * torch.sigmoid(fused.logits.float()) - 1.0
    truth = 2.0 * _target(versions, image, reference) - 1.0
    done = truth.abs() > 0.1
    strongest = signed.abs().argmax(1, keepdim=True)
    right = done.gather(1, strongest)[done.any(1, keepdim=True)]
    return {
        "error": (signed - truth).abs()[done].mean().item(),
        "leak": signed.abs()[truth == 0].mean().item(),
        "type": right.float().mean().item(),
        "sign": (signed * truth > 0)[done].float().mean().item(),
    }


def mean_figures(figures: list[dict[str, float]]) -> dict[str, float]:
    """Mean of each figure over batches, leaving out batches where it is not defined."""
    return {
        name: float(np.mean([f[name] for f in figures if math.isfinite(f[name])] or [math.nan])) for name in figures[0]
    }
