"""What one training step of each stage computes: from clean photos to a loss. The loop around it is in ``trainer``.

Stage 1 teaches the map network on pairs of differently distorted versions of a photo. Stage 2 freezes it and teaches
the score network on sets of versions whose order is known by construction: adding distortion never improves a photo.
Both are modules, so that DistributedDataParallel can wrap them.
"""

import dataclasses
import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pyiqa_pixelperfect.distortions.counter import planned_uniform
from pyiqa_pixelperfect.distortions.engine import DistortionEngine, Draw
from pyiqa_pixelperfect.pixelperfect.config import MapStageConfig, ScoreStageConfig
from pyiqa_pixelperfect.pixelperfect.losses import hinge_loss, info_nce, map_loss, map_target
from pyiqa_pixelperfect.pixelperfect.networks import (
    MAP_STRIDE,
    DistortionMapNet,
    FusedFeatures,
    RelationalScoreNet,
)
from pyiqa_pixelperfect.training.distributed import gather_with_gradient

__all__ = ["MapBatch", "MapStage", "RankedSets", "ScoreStage", "eight_bit", "map_batch", "pair_rows", "ranked_sets"]

_STREAM_RUNGS = 110


def eight_bit(images: Tensor) -> Tensor:
    """Round to the 256 values that picture files hold; clean 8-bit pixels stay bit-identical."""
    return (images * 255.0).round() / 255.0


def pair_rows(photos: int, versions: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows of all pairs of versions of the same photo in a stack of ``versions`` blocks of ``photos`` images.

    Returns:
        Rows of the images and rows of their references; the later version is the image, block 0 is the clean one.
    """
    block = torch.arange(photos, device=device)
    pairs = [(late, early) for late in range(versions) for early in range(late)]
    image = torch.cat([late * photos + block for late, _ in pairs])
    reference = torch.cat([early * photos + block for _, early in pairs])
    return image, reference


def _fuse_pairs(network: DistortionMapNet, images: Tensor, image: Tensor, reference: Tensor) -> FusedFeatures:
    """Encode every image once, then fuse the pairs, however often an image takes part."""
    pyramid = network.encode(images.contiguous(memory_format=torch.channels_last))
    return network.fuse([level[image] for level in pyramid], [level[reference] for level in pyramid])


@dataclasses.dataclass(frozen=True)
class MapBatch:
    """Stacked versions (clean first) of P photos and their amounts; see ``map_batch``."""

    images: Tensor  # ((1 + V) P, 3, H, W)
    amounts: Tensor  # ((1 + V) P, K, H, W)
    photos: int

    def pairs(self) -> tuple[Tensor, Tensor, Tensor]:
        """Rows of images, rows of references, and the maps (pairs, K, H/4, W/4) to predict."""
        image, reference = pair_rows(self.photos, len(self.images) // self.photos, self.images.device)
        target = map_target(self.amounts[image], self.amounts[reference], MAP_STRIDE)
        return image, reference, target


def map_batch(
    engine: DistortionEngine, clean: Tensor, numbers: NDArray[np.int64], versions: int, seed: int
) -> MapBatch:
    """Distort each photo ``versions`` times; version v of sample n is the plan of ``(seed, epoch=v, index=n)``."""
    draws = [engine.apply(clean, engine.plan(numbers, seed=seed, epoch=version)) for version in range(versions)]
    images = torch.cat([clean, *(eight_bit(draw.image) for draw in draws)])
    amounts = torch.cat([torch.zeros_like(draws[0].amounts), *(draw.amounts for draw in draws)])
    return MapBatch(images, amounts, len(clean))


class MapStage(nn.Module):
    """Stage 1: the weighted mean squared error of the maps of all pairs of versions."""

    def __init__(self, network: DistortionMapNet, config: MapStageConfig) -> None:
        super().__init__()
        self.network, self.config = network, config

    def forward(self, batch: MapBatch, weight_high: float) -> dict[str, Tensor]:
        """Return the loss (key ``loss``) of a batch."""
        image, reference, target = batch.pairs()
        fused = _fuse_pairs(self.network, batch.images, image, reference)
        prediction = torch.sigmoid(fused.logits.float())
        return {"loss": map_loss(prediction, target, weight_high=weight_high, beta=self.config.beta)}


@dataclasses.dataclass(frozen=True)
class RankedSets:
    """P photos in 1 + R versions each, best (clean) first; photos p and p + P/2 got the same distortions."""

    images: Tensor  # ((1 + R) P, 3, H, W), version by version
    photos: int


def rung_factors(numbers: NDArray[np.int64], rungs: int, slots: int, seed: int) -> NDArray[np.float64]:
    """How far each slot has risen at each rung, (P, slots, rungs), rising to 1.

    All distortions of half of the sets rise together; in the others each rises on its own path. The first slot
    always rises, so that no two rungs are equal.
    """
    draws = planned_uniform(seed, 0, numbers, _STREAM_RUNGS, 1 + slots * rungs)
    rises = 0.35 + draws[:, 1:].reshape(-1, slots, rungs)
    waits = rises < 0.65  # 30 % of the rungs of the other slots leave them where they are
    waits[:, 0] = waits[..., -1] = False
    rises = np.where(waits, 0.0, rises)
    together = (draws[:, 0] < 0.5)[:, None, None]
    rises = np.where(together, rises[:, :1], rises)
    factors: NDArray[np.float64] = np.cumsum(rises, axis=2) / rises.sum(axis=2, keepdims=True)
    return factors


def ranked_sets(
    engine: DistortionEngine, clean: Tensor, numbers: NDArray[np.int64], rungs: int, seed: int
) -> RankedSets:
    """Make ordered versions of each photo: the same distortions in the same places, in rising amounts."""
    half = numbers[: len(numbers) // 2]
    shared = np.concatenate([half, half])
    plan = engine.plan(shared, seed=seed, epoch=1000)
    factors = rung_factors(shared, rungs, plan.kinds.shape[1], seed)
    draws: list[Draw] = []
    for rung in range(rungs):
        peaks = plan.peaks * torch.from_numpy(factors[..., rung]).float()
        draws.append(engine.apply(clean, dataclasses.replace(plan, peaks=peaks)))
    return RankedSets(torch.cat([clean, *(eight_bit(draw.image) for draw in draws)]), len(clean))


class ScoreStage(nn.Module):
    """Stage 2: hinge over all ordered pairs of a set, and InfoNCE between sets of equal distortions."""

    def __init__(self, maps: DistortionMapNet, score: RelationalScoreNet, config: ScoreStageConfig) -> None:
        super().__init__()
        self.maps, self.score, self.config = maps.requires_grad_(False), score, config

    def train(self, mode: bool = True) -> "ScoreStage":
        """Train the score network only: the frozen one keeps its running statistics."""
        super().train(mode)
        self.maps.eval()
        return self

    def forward(self, sets: RankedSets) -> dict[str, Tensor]:
        """Return the total loss (``loss``), its parts and the share of pairs in order (``ordered``)."""
        versions = len(sets.images) // sets.photos
        image, reference = pair_rows(sets.photos, versions, sets.images.device)
        with torch.no_grad():
            fused = _fuse_pairs(self.maps, sets.images, image, reference)
        hidden = self.score.hidden(fused)
        # Pairs are (worse, better): S(better, worse) = -S(worse, better) must reach the margin.
        margin_scores = -self.score.density(hidden, fused).mean((1, 2, 3)).float()
        relative = hinge_loss(margin_scores, torch.zeros_like(margin_scores), margin=self.config.margin)
        against_clean = reference < sets.photos
        to_clean = -margin_scores[against_clean].reshape(versions - 1, sets.photos)
        steps = hinge_loss(to_clean[:-1], to_clean[1:], margin=self.config.margin)
        rank = 0.5 * (relative + steps)
        contrast = self._contrast(hidden, against_clean, versions - 1, sets.photos)
        total = self.config.weight_rank * rank + self.config.weight_contrast * contrast
        ordered = (margin_scores > 0).float().mean()
        return {"loss": total, "rank": rank, "contrast": contrast, "ordered": ordered}

    def _contrast(self, hidden: Tensor, rows: Tensor, rungs: int, photos: int) -> Tensor:
        """Positives: the same rung of the same distortions on another photo. Negatives: everything else."""
        embedding = self.score.embed(hidden).float()[rows]
        first, second = embedding.reshape(rungs, 2, photos // 2, -1).unbind(1)
        anchors, positives = (gather_with_gradient(part.flatten(0, 1)) for part in (first, second))
        return info_nce(anchors, positives, temperature=self.config.temperature)


@torch.no_grad()
def map_figures(network: DistortionMapNet, batch: MapBatch) -> dict[str, float]:
    """Validation figures of a batch of pairs against clean photos.

    Returns:
        ``error``: mean absolute error of signed maps where something was done; ``leak``: mean absolute signed map
        where nothing was done; ``type`` and ``sign``: shares of distorted cells whose strongest family, and whose
        direction in the true family, are right.
    """
    image, reference, target = batch.pairs()
    keep = reference < batch.photos
    fused = _fuse_pairs(network, batch.images, image[keep], reference[keep])
    signed = 2.0 * torch.sigmoid(fused.logits.float()) - 1.0
    truth = 2.0 * target[keep] - 1.0
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
