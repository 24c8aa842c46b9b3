"""The paper's encoder: SwinV2 as a feature pyramid, in the place of the small convolutional one.

Everything else stays: the same decoder joins the levels of both pictures, the same head, so anti-symmetry holds by
construction here too. Weights are never downloaded; training begins with those that a seed draws.
"""

from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn

from pyiqa_pixelperfect.backbones import FeaturePyramid
from pyiqa_pixelperfect.errors import ConfigError

__all__ = ["SwinEncoder"]

_STRIDES = (4, 8, 16, 32)
#: Any size; and no layers left out at random, because a run must be a function of its seed, resumed or not.
_FIXED = {"strict_img_size": False, "always_partition": True, "drop_path_rate": 0.0}


class SwinEncoder(nn.Module):
    """A SwinV2 of timm as the shared encoder: one image to a feature pyramid at strides 4, 8, 16 and 32.

    Args:
        backbone: a SwinV2 model of timm.
        options: what its constructor takes beside the name, such as ``{"depths": [2, 2, 6, 2]}``.
        seed: of the initial weights.

    Raises:
        ConfigError: timm has no such model, or it has other levels.
    """

    def __init__(
        self, backbone: str = "swinv2_tiny_window8_256", options: Mapping[str, Any] | None = None, seed: int = 0
    ) -> None:
        super().__init__()
        self.backbone, self.options = backbone, dict(options or {})
        self.pyramid = FeaturePyramid(backbone, {**self.options, **_FIXED}, seed, channels_last=True)
        if self.pyramid.strides != _STRIDES:
            raise ConfigError("backbone", f"levels of strides {_STRIDES}", f"{self.pyramid.strides} of {backbone!r}")
        self.channels = self.pyramid.channels
        windows = [window for window, _ in self._blocks()]
        if not windows:
            raise ConfigError("backbone", "a SwinV2 model, such as swinv2_tiny_window8_256", repr(backbone))
        self.alignment = max(windows) * _STRIDES[-1]

    def _blocks(self) -> list[tuple[int, int]]:
        """Side of the windows in cells, and pixels per cell, of every block of attention."""
        found = []
        for name, module in self.pyramid.named_modules():
            if type(module).__name__ == "SwinTransformerV2Block":
                level, window = int(name.split("layers_")[1].split(".")[0]), cast("tuple[int, int]", module.window_size)
                found.append((max(window), _STRIDES[level]))
        return found

    @property
    def context(self) -> int:
        """Pixels around a cell that it may depend on: attention reaches a window farther in every block."""
        return sum((window - 1) * stride for window, stride in self._blocks()) + 2 * _STRIDES[-1]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Encode (B, 3, H, W) RGB in [0, 1], sides multiples of 32: (B, C_i, H/s, W/s) for s = 4, 8, 16, 32."""
        levels: list[Tensor] = self.pyramid(4.0 * (images - 0.5))  # about unit variance
        return levels
