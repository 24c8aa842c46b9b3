"""The networks of CONTRIQUE (arXiv 2110.13266): an encoder whose pooled features say how good a picture is.

The published encoder is a ResNet-50 whose last feature map is averaged over the picture. Two more ways to read the same
network are offered, for smaller ones that have less to say in their last level: means of several levels, and standard
deviations beside the means.
"""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pyiqa_pixelperfect.backbones import FeaturePyramid, seeded_weights
from pyiqa_pixelperfect.errors import ConfigError

__all__ = ["PATCHES", "Encoder", "Projector", "half_size"]

PATCHES = 4  # of a view: 2 x 2 parts of its feature map
_TINY = 1e-6  # under the root of a variance, whose slope at 0 is infinite


class Encoder(nn.Module):
    """A backbone and its pooled features.

    Args:
        backbone: name of a timm model.
        options: of timm's constructor.
        levels: how many of its deepest levels are described.
        deviation: describe a level by standard deviations beside its means.
        seed: of the initial weights.

    Attributes:
        width: channels of the deepest level.
        features: length of a description: both scales, all levels.

    Raises:
        ConfigError: no such backbone, or fewer levels.
    """

    def __init__(
        self,
        backbone: str = "resnet50",
        options: Mapping[str, Any] | None = None,
        *,
        levels: int = 1,
        deviation: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.pyramid = FeaturePyramid(backbone, options, seed)
        self.backbone, self.options = backbone, dict(options or {})
        self.width = self.pyramid.channels[-1]
        self.read_out(levels, deviation)

    def read_out(self, levels: int, deviation: bool) -> None:
        """Choose what descriptions are made of; training does not depend on it.

        Raises:
            ConfigError: the backbone has fewer levels.
        """
        channels = self.pyramid.channels
        if not 1 <= levels <= len(channels):
            raise ConfigError("levels", f"1 to {len(channels)} levels of {self.backbone}", str(levels))
        self.levels, self.deviation = levels, deviation
        self.features = 2 * (1 + deviation) * sum(channels[-levels:])

    @property
    def settings(self) -> dict[str, Any]:
        """Arguments that build this encoder, but for the seed."""
        return {
            "backbone": self.backbone,
            "options": self.options,
            "levels": self.levels,
            "deviation": self.deviation,
        }

    def patches(self, views: Tensor) -> Tensor:
        """Map views (B, 3, H, W) to unit vectors (B, 4, C) of the four quarters of the deepest level."""
        deepest = self.pyramid(views)[-1]
        return F.normalize(F.adaptive_avg_pool2d(deepest, 2).flatten(2).mT, dim=2)

    def describe(self, images: Tensor) -> Tensor:
        """Map whole images (B, 3, H, W) to (B, ``features``): full size, then half size, unit length each level."""
        return torch.cat([self._pooled(images), self._pooled(half_size(images))], dim=1)

    def cells(self, images: Tensor) -> list[Tensor]:
        """Unit vectors of every cell of every level but the stem, at full and at half size: maps (B, C, h, w)."""
        scales = (images, half_size(images))
        # The floor keeps slopes moderate where a cell is all zero.
        return [F.normalize(level.float(), dim=1, eps=1e-4) for scale in scales for level in self.pyramid(scale)[1:]]

    def _pooled(self, images: Tensor) -> Tensor:
        parts = []
        for level in self.pyramid(images)[-self.levels :]:
            cells = level.float().flatten(2)
            mean = cells.mean(dim=2)
            parts.append(F.normalize(mean, dim=1))
            if self.deviation:
                variance = (cells - mean[..., None]).square().mean(dim=2)
                parts.append(F.normalize((variance + _TINY).sqrt(), dim=1))
        return torch.cat(parts, dim=1)


def half_size(images: Tensor) -> Tensor:
    """Reduce (B, 3, H, W) in [0, 1] to half, rounded down, by the antialiased bicubic that Pillow takes by default."""
    height, width = images.shape[-2:]
    halves = (max(1, height // 2), max(1, width // 2))
    return F.interpolate(images, size=halves, mode="bicubic", antialias=True, align_corners=False).clamp(0.0, 1.0)


class Projector(nn.Module):
    """What stands on the encoder while it learns, and is thrown away: two linear layers with batch normalization.

    Args:
        width: channels of the encoder.
        projection: length of the result.
        seed: of the initial weights.
    """

    def __init__(self, width: int, projection: int = 128, *, seed: int = 0) -> None:
        super().__init__()
        with seeded_weights(seed):
            self.layers = nn.Sequential(
                nn.Linear(width, width, bias=False),
                nn.BatchNorm1d(width),
                nn.ReLU(),
                nn.Linear(width, projection, bias=False),
                nn.BatchNorm1d(projection),
            )

    def forward(self, patches: Tensor) -> Tensor:
        """Map patches (N, C) to (N, projection)."""
        projected: Tensor = self.layers(patches)
        return projected
