"""Stage 1: what one step of teaching the map network computes, and the figures that say how well it does.

It learns from pairs of differently distorted versions of a photo, whose amounts are known. The loop is in
``map_training``.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pyiqa_pixelperfect.distortions.counter import planned_uniform
from pyiqa_pixelperfect.distortions.versions import Versions
from pyiqa_pixelperfect.pixelperfect.config import MapStageConfig
from pyiqa_pixelperfect.pixelperfect.losses import family_loss, map_loss, map_target
from pyiqa_pixelperfect.pixelperfect.map_cells import MAP_STRIDE
from pyiqa_pixelperfect.pixelperfect.map_network import DistortionMapNet

__all__ = ["MapStage", "fuse_pairs", "logits_and_truth", "map_figures", "mean_figures", "swapped_pairs"]

_STREAM_SWAP = 121


def fuse_pairs(network: DistortionMapNet, images: Tensor, image: Tensor, reference: Tensor) -> Tensor:
    """Logits of the maps of pairs of rows of ``images``; every image is encoded once, however often it takes part."""
    pyramid = network.encode(images.contiguous(memory_format=torch.channels_last))
    return network.fuse([level[image] for level in pyramid], [level[reference] for level in pyramid])


def _target(versions: Versions, image: Tensor, reference: Tensor) -> Tensor:
    return map_target(versions.amounts[image], versions.amounts[reference], MAP_STRIDE)


def logits_and_truth(
    network: DistortionMapNet, versions: Versions, image: Tensor, reference: Tensor
) -> tuple[Tensor, Tensor]:
    """Logits of the maps of pairs of rows of ``versions.images``, and their true signed amounts in [-1, 1]."""
    logits = fuse_pairs(network, versions.images, image, reference)
    return logits.float(), 2.0 * _target(versions, image, reference) - 1.0


class MapStage(nn.Module):
    """The losses of the maps of all pairs of versions; a module, so that DDP can wrap it."""

    def __init__(self, network: DistortionMapNet, config: MapStageConfig) -> None:
        super().__init__()
        self.network, self.config = network, config

    def forward(self, versions: Versions, weight_high: float, swap: Tensor | None = None) -> dict[str, Tensor]:
        """Return the total loss of a batch and its parts; pairs for which ``swap``, (N,), is true change places.

        Returns:
            ``loss`` and its parts: ``error``, the weighted mean squared error, and, unless its weight is 0, ``family``.
        """
        image, reference = versions.pairs()
        if swap is not None:
            image, reference = torch.where(swap, reference, image), torch.where(swap, image, reference)
        logits = fuse_pairs(self.network, versions.images, image, reference)
        prediction, target = torch.sigmoid(logits.float()), _target(versions, image, reference)
        error = map_loss(prediction, target, weight_high=weight_high, beta=self.config.beta)
        if not self.config.weight_family:
            return {"loss": error, "error": error}
        family = family_loss(prediction, target)
        return {"loss": error + self.config.weight_family * family, "error": error, "family": family}


def swapped_pairs(seed: int, numbers: NDArray[np.int64], versions: Versions, chance: float) -> Tensor | None:
    """Which pairs of ``versions.pairs()`` change places, (N,); a function of the seed and the sample numbers alone."""
    if not chance:
        return None
    kinds = len(versions.pairs()[0]) // versions.photos
    shares = [planned_uniform(seed, kind, numbers, _STREAM_SWAP, 1)[:, 0] for kind in range(kinds)]
    return torch.from_numpy(np.concatenate(shares) < chance).to(versions.images.device)


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
    logits, truth = logits_and_truth(network, versions, image, reference)
    signed = 2.0 * network.maps_of(logits) - 1.0
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
