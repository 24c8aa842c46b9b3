"""timm backbones as feature pyramids, built offline: initial weights are drawn from a seed, never downloaded."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pyiqa_pixelperfect.errors import ConfigError

__all__ = ["FeaturePyramid", "seeded_weights"]


@contextmanager
def seeded_weights(seed: int) -> Iterator[None]:
    """Networks built inside get initial weights drawn from ``seed``; the caller's generators are left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # not torch.manual_seed, which would seed the GPUs too
        yield


class FeaturePyramid(nn.Module):
    """A timm network without its head: feature maps of every level, finest first.

    Args:
        name: a model of ``timm.list_models()`` that gives feature maps, such as ``resnet50``.
        options: what timm's constructor takes beside it, such as ``{"layers": [1, 1, 1, 1]}`` for a ResNet.
        seed: of the initial weights.
        channels_last: what timm's network gives is (B, H, W, C), as from Swin transformers.

    Attributes:
        channels: of each level.
        strides: input pixels per cell of each level.

    Raises:
        ConfigError: timm has no such model, or it takes no such options, or it gives no feature maps.
    """

    def __init__(
        self, name: str, options: Mapping[str, Any] | None = None, seed: int = 0, *, channels_last: bool = False
    ) -> None:
        super().__init__()
        self.channels_last = channels_last
        import timm  # takes as long to import as torch, and not every network needs it

        try:
            with seeded_weights(seed):
                self.body: nn.Module = timm.create_model(name, pretrained=False, features_only=True, **(options or {}))
        except (RuntimeError, TypeError, ValueError, AttributeError, KeyError) as error:
            expected = "a timm model with feature maps, and options it takes"
            raise ConfigError("backbone", expected, f"{name!r} with {dict(options or {})} ({error})") from error
        info: Any = self.body.feature_info
        self.channels: tuple[int, ...] = tuple(info.channels())
        self.strides: tuple[int, ...] = tuple(info.reduction())

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images (B, 3, H, W) to features (B, C_i, ceil(H / s_i), ceil(W / s_i)) for each level i."""
        features: list[Tensor] = self.body(images)
        return [level.permute(0, 3, 1, 2) for level in features] if self.channels_last else features
