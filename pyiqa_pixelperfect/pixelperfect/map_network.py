"""The distortion-map network of Pixel Perfect (Khan et al., arXiv 2605.02863).

``DistortionMapNet`` predicts ``F(image, reference)``, one channel per distortion family, 0.5 meaning "equal".

Deviations from the paper, and why:

* Anti-symmetry holds by construction, ``F = sigmoid(g(a, b) - g(b, a))``, where the paper learns it by swapping the
  pair with probability 0.25. It is then exact, and half the work is shared.
* A small convolutional encoder trained from scratch replaces SwinV2 + Mask2Former, so that the default metric needs
  no download, runs at any size and is quick on a CPU. Batch normalization folds into the convolutions at inference
  and, unlike group or layer normalization, never looks across the picture, which exact tiling needs.
* Finished maps are calibrated: see ``calibration``.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pyiqa_pixelperfect.pixelperfect.calibration import Calibration
from pyiqa_pixelperfect.pixelperfect.conv_encoder import STRIDE, ConvBlock, Encoder
from pyiqa_pixelperfect.pixelperfect.inference import plus_and_minus, plus_enlarged
from pyiqa_pixelperfect.pixelperfect.map_cells import crop_cells

__all__ = ["DistortionMapNet", "FusionDecoder", "PairFusion", "pad_to_multiple", "split_pyramid"]


class PairFusion(nn.Module):
    """Joins one pyramid level of both images: ``relu(norm(own(a) + other(b) + difference((a - b)^2)))``.

    With ``s = (own + other) / 2`` and ``d = (own - other) / 2`` the order (a, b) is ``s(a + b) + d(a - b)``, the order
    (b, a) is ``s(a + b) - d(a - b)``: each convolution is done once for both.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.own = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.other = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.difference = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(out_channels, momentum=0.05)

    def forward(self, image: Tensor, reference: Tensor) -> Tensor:
        """Map two (B, C, h, w) to (2B, C', h, w): order (image, reference), then order (reference, image)."""
        own, other = self.own.weight, self.other.weight
        apart = image - reference
        turning = F.conv2d(apart, (own - other) / 2.0)
        square = apart.square() if turning.requires_grad else apart.square_()
        alike = F.conv2d(image + reference, (own + other) / 2.0, self.own.bias).add_(self.difference(square))
        out = self.norm(plus_and_minus(alike, turning))
        return F.relu(out, inplace=not out.requires_grad)

    def fold(self) -> None:
        """Fold the normalization into the convolutions: all are scaled, the sum is shifted once.

        Evaluation mode only, and not to be undone.
        """
        norm = self.norm
        if not isinstance(norm, nn.BatchNorm2d):
            return
        neutral = nn.BatchNorm2d(norm.num_features, eps=norm.eps).to(norm.weight).eval()
        neutral.load_state_dict({**norm.state_dict(), "running_mean": torch.zeros_like(norm.bias)})
        neutral.bias.data.zero_()
        self.own = fuse_conv_bn_eval(self.own, norm)
        self.other = fuse_conv_bn_eval(self.other, neutral)
        self.difference = fuse_conv_bn_eval(self.difference, neutral)
        self.norm = nn.Identity()


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
            features = self.refine[level](plus_enlarged(fused[level], self.lateral[level](features)))
        return features


class DistortionMapNet(nn.Module):
    """Siamese network for signed distortion maps, ``F(a, b) = sigmoid(c(g(a, b) - g(b, a)))``.

    Here ``c`` is the ``calibration``, fitted when the network has learned; what reads logits, the score, does without.

    Args:
        families: number of map channels K.
        encoder_widths: channels of the convolutional encoder at strides 2, 4, 8, 16, 32.
        decoder_widths: channels at strides 4, 8, 16, 32.
        encoder: another encoder in its place, a module that is a ``MapEncoder``.
        antisymmetric: ``False`` gives ``F(a, b) = sigmoid(c(2 g(a, b)))``, for the ablation in which anti-symmetry is
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
        self.calibration = Calibration()
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

    def maps_of(self, logits: Tensor) -> Tensor:
        """Calibrated maps in [0, 1] of logits from ``fuse``."""
        return torch.sigmoid(self.calibration(logits))

    def forward(self, image: Tensor, reference: Tensor) -> Tensor:
        """Predict the distortion map.

        Args:
            image: (B, 3, H, W) RGB in [0, 1], H and W at least 32.
            reference: same shape as ``image``.

        Returns:
            (B, K, ceil(H/4), ceil(W/4)) in [0, 1]; 0.5 = no difference, above = the image has more of the family.
        """
        logits = self.fuse(*split_pyramid(self.encode(torch.cat((image, reference)))))
        return self.maps_of(crop_cells(logits, image.shape))


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
