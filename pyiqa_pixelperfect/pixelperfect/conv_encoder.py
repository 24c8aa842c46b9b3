"""The convolutional encoder of the default map network: one picture to a feature pyramid."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pyiqa_pixelperfect.pixelperfect.color_planes import OPPONENT, opponent_planes
from pyiqa_pixelperfect.pixelperfect.inference import halved_in_strips, plain

__all__ = ["CONTEXT", "STRIDE", "ConvBlock", "Encoder"]

STRIDE = 32  # of the deepest level: sides are padded to a multiple of it
# How far a cell of the maps sees, counted back from them: three cells at stride 32 (one for the decoder, two for
# convolutions), two more convolutions and a halving at each finer level; 184 px to the upper left, fewer to the lower
# right.
CONTEXT = 184


class ConvBlock(nn.Module):
    """3x3 convolution, batch normalization, ReLU; the normalization can be folded away for inference."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, kernel_size: int = 3) -> None:
        super().__init__()
        self.conv: nn.Conv2d = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False
        )
        self.norm: nn.Module = nn.BatchNorm2d(out_channels, momentum=0.05)

    def forward(self, features: Tensor, residual: Tensor | None = None) -> Tensor:
        """Map (B, C_in, H, W) to (B, C_out, H/stride, W/stride); ``residual`` is added before the ReLU."""
        out = self.norm(self.conv(features))
        if residual is not None:
            out = out.add_(residual)
        return F.relu(out, inplace=not out.requires_grad)

    def fold(self) -> None:
        """Fold the normalization into the convolution; evaluation mode only, and not to be undone."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv = fuse_conv_bn_eval(self.conv, self.norm)
            self.norm = nn.Identity()


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvBlock(channels, channels)
        self.second = ConvBlock(channels, channels)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, H, W)."""
        out: Tensor = self.second(self.first(features), features)
        return out


class Encoder(nn.Module):
    """Shared siamese encoder: one image to a feature pyramid at strides 4, 8, 16 and 32.

    Args:
        widths: channels at strides 2, 4, 8, 16 and 32.
    """

    def __init__(self, widths: Sequence[int] = (16, 40, 80, 128, 192)) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.channels, self.context, self.alignment = self.widths[1:], CONTEXT, STRIDE
        self.stem = ConvBlock(12, widths[0])
        self.folded_stem: nn.Conv2d | None = None
        self.stages = nn.ModuleList(
            nn.Sequential(ConvBlock(narrow, wide, stride=2), ResidualBlock(wide)) for narrow, wide in pairwise(widths)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """Encode images.

        Args:
            images: (B, 3, H, W) RGB in [0, 1], H and W multiples of 32.

        Returns:
            Four tensors (B, C_i, H/s, W/s) for s = 4, 8, 16, 32.
        """
        entry: Any
        entry, residual = self.stages[0].children()
        if self.folded_stem is None:
            # Unshuffling keeps every pixel: noise and pixelation must survive the first stride.
            features = entry(self.stem(F.pixel_unshuffle(opponent_planes(images - 0.5), 2)))  # (B, 12 -> C, H/2, W/2)
        elif plain(images, *self.parameters()):
            features = halved_in_strips(images, self.folded_stem, entry.conv)
        else:
            features = self.folded_stem((images - 0.5).contiguous(memory_format=torch.channels_last))
            features = entry(F.relu(features, inplace=not features.requires_grad))
        pyramid = [residual(features)]
        for stage in list(self.stages)[1:]:
            pyramid.append(stage(pyramid[-1]))
        return pyramid

    def fold(self) -> None:
        """Turn color planes, unshuffling and stem into one convolution, a third of the time; not to be undone.

        A 3x3 convolution of 12 unshuffled planes is a 6x6 convolution of stride 2 of the 3 planes before, and the color
        planes are sums of colors. The normalization of the stem must have been folded before.
        """
        stem = self.stem.conv
        kernel = stem.weight.unflatten(1, (3, 2, 2))  # (C, plane, row and column in the square, row, column)
        kernel = torch.einsum("oprsyx,pc->ocyrxs", kernel, kernel.new_tensor(OPPONENT))
        folded = nn.Conv2d(3, stem.out_channels, 6, stride=2, padding=2).to(kernel)
        folded.load_state_dict({"weight": kernel.flatten(4).flatten(2, 3), "bias": stem.bias})
        self.folded_stem = folded.requires_grad_(stem.weight.requires_grad)
        del self.stem
