"""The distortion-map network of Pixel Perfect (Khan et al., arXiv 2605.02863).

``DistortionMapNet`` predicts ``F(image, reference)``, one channel per distortion family, 0.5 meaning "equal".

Deviations from the paper, and why:

* Anti-symmetry holds by construction, ``F = sigmoid(g(a, b) - g(b, a))``, where the paper learns it by swapping the
  pair with probability 0.25. It is then exact, and half the work is shared.
* A small convolutional encoder trained from scratch replaces SwinV2 + Mask2Former, so that the default metric needs
  no download, runs at any size and is quick on a CPU. Batch normalization folds into the convolutions at inference
  and, unlike group or layer normalization, never looks across the picture, which exact tiling needs.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pyiqa_pixelperfect.pixelperfect.color_planes import OPPONENT, opponent_planes
from pyiqa_pixelperfect.pixelperfect.inference import halved_in_strips, plain, stacked

__all__ = ["MAP_STRIDE", "DistortionMapNet", "Encoder", "FusionDecoder", "PairFusion", "crop_cells", "pad_to_multiple",
           "split_pyramid"]  # fmt: skip

STRIDE = 32  # of the deepest encoder level: sides are padded to a multiple of it
MAP_STRIDE = 4  # one map cell per 4x4 pixels
# How far a cell sees, counted back from the maps: three cells at stride 32 (one for the decoder, two for convolutions),
# two more convolutions and a halving at each finer level; 184 px to the upper left, fewer to the lower right.
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
            features = halved_in_strips(images - 0.5, self.folded_stem, entry.conv)
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


class PairFusion(nn.Module):
    """Joins one pyramid level of both images: ``relu(norm(own(a) + other(b) + difference((a - b)^2)))``."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.own = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.other = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.difference = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(out_channels, momentum=0.05)

    def forward(self, image: Tensor, reference: Tensor) -> Tensor:
        """Map two (B, C, h, w) to (2B, C', h, w): order (image, reference), then order (reference, image)."""
        both = stacked(image, reference)
        own, other = self.own(both), self.other(both)
        halves, opposite = own.unflatten(0, (2, -1)), other.unflatten(0, (2, -1))
        # The squared difference does not know the order, so it is computed once and used for both.
        difference = self.difference((image - reference).square_())
        for order in (0, 1):
            halves[order].add_(opposite[1 - order]).add_(difference)
        out = self.norm(own)
        return F.relu(out, inplace=not out.requires_grad)


class MapEncoder(Protocol):
    """What the map network asks of an encoder."""

    channels: Sequence[int]
    alignment: int

    @property
    def context(self) -> int:
        """Pixels around a cell of the maps, beyond those that it lies in, that it depends on."""

    def __call__(self, images: Tensor) -> list[Tensor]:
        """Four tensors (B, C_i, H/s, W/s), s = 4, 8, 16, 32, of (B, 3, H, W) images in [0, 1]."""


class FusionDecoder(nn.Module):
    """Top-down decoder over fused pyramid levels.

    Args:
        in_channels: encoder channels at strides 4, 8, 16, 32.
        widths: decoder channels at the same strides.
    """

    def __init__(self, in_channels: Sequence[int], widths: Sequence[int] = (48, 64, 96, 96)) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.fusions = nn.ModuleList(PairFusion(c, w) for c, w in zip(in_channels, widths, strict=True))
        self.lateral = nn.ModuleList(ConvBlock(deep, shallow, kernel_size=1) for shallow, deep in pairwise(widths))
        self.refine = nn.ModuleList(ConvBlock(w, w) for w in widths[:-1])

    def forward(self, image: Sequence[Tensor], reference: Sequence[Tensor]) -> Tensor:
        """Fuse two pyramids of B images: features of stride 4 of B pairs in both orders, (2B, C, H/4, W/4)."""
        fused: list[Tensor] = [fusion(a, b) for fusion, a, b in zip(self.fusions, image, reference, strict=True)]
        features = fused[-1]
        for level in (2, 1, 0):
            lifted = F.interpolate(self.lateral[level](features), scale_factor=2.0, mode="nearest")
            features = self.refine[level](lifted.add_(fused[level]))
        return features


class DistortionMapNet(nn.Module):
    """Siamese network for signed distortion maps, ``F(a, b) = sigmoid(g(a, b) - g(b, a))``.

    Args:
        families: number of map channels K.
        encoder_widths: channels of the convolutional encoder at strides 2, 4, 8, 16, 32.
        decoder_widths: channels at strides 4, 8, 16, 32.
        encoder: another encoder in its place, a module that is a ``MapEncoder``.
        antisymmetric: ``False`` gives ``F(a, b) = sigmoid(2 g(a, b))``, for the ablation in which anti-symmetry is
            learned by swapping pairs, as in the paper.
    """

    def __init__(
        self,
        families: int = 14,
        encoder_widths: Sequence[int] = (16, 40, 80, 128, 192),
        decoder_widths: Sequence[int] = (48, 64, 96, 96),
        encoder: nn.Module | None = None,
        *,
        antisymmetric: bool = True,
    ) -> None:
        super().__init__()
        self.encoder: Any = Encoder(encoder_widths) if encoder is None else encoder
        channels: Any = self.encoder.channels
        self.decoder = FusionDecoder(channels, decoder_widths)
        # No bias: it would cancel in g(a, b) - g(b, a).
        self.head = nn.Conv2d(decoder_widths[0], families, 1, bias=False)
        self.antisymmetric = antisymmetric

    @property
    def context(self) -> int:
        """Pixels around a cell, beyond those that it lies in, that it depends on."""
        return int(self.encoder.context)

    @property
    def alignment(self) -> int:
        """Parts of a picture that begin at multiples of so many pixels have the same cells as the whole."""
        return int(self.encoder.alignment)

    def encode(self, images: Tensor) -> list[Tensor]:
        """Encode (B, 3, H, W) images of any size from 32 px; sides are padded by replication to a multiple of 32.

        Features are of the precision of the weights.
        """
        pyramid: list[Tensor] = self.encoder(pad_to_multiple(images.to(self.head.weight.dtype), STRIDE))
        return pyramid

    def fuse(self, image: Sequence[Tensor], reference: Sequence[Tensor]) -> Tensor:
        """Fuse two encoded pyramids to logits of the map, (B, K, H/4, W/4), float32 or finer, with padding."""
        logits = self.head(self.decoder(image, reference))
        forth, back = logits.to(torch.promote_types(logits.dtype, torch.float32)).chunk(2)
        return torch.sub(forth, back) if self.antisymmetric else 2.0 * forth

    def forward(self, image: Tensor, reference: Tensor) -> Tensor:
        """Predict the distortion map.

        Args:
            image: (B, 3, H, W) RGB in [0, 1], H and W at least 32.
            reference: same shape as ``image``.

        Returns:
            (B, K, ceil(H/4), ceil(W/4)) in [0, 1]; 0.5 = no difference, above = the image has more of the family.
        """
        logits = self.fuse(*split_pyramid(self.encode(torch.cat((image, reference)))))
        return torch.sigmoid(crop_cells(logits, image.shape))


def pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column of (B, C, H, W) until both sides are multiples."""
    height, width = images.shape[-2:]
    right, bottom = -width % multiple, -height % multiple
    if torch.compiler.is_compiling() or right or bottom:  # sizes that are not known yet cannot be asked
        return F.pad(images, (0, right, 0, bottom), mode="replicate")
    return images


def split_pyramid(pyramid: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Split the pyramid of 2B stacked images into those of the first and of the last B."""
    halves = [level.chunk(2) for level in pyramid]
    return [first for first, _ in halves], [last for _, last in halves]


def crop_cells(cells: Tensor, size: Sequence[int]) -> Tensor:
    """Cut cells that lie wholly in the padding off a (B, C, h, w) map; ``size`` ends in (H, W) pixels."""
    height, width = size[-2], size[-1]
    # Not -(-height // MAP_STRIDE): exporters round quotients toward zero.
    return cells[..., : (height + MAP_STRIDE - 1) // MAP_STRIDE, : (width + MAP_STRIDE - 1) // MAP_STRIDE]
