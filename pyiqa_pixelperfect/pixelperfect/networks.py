"""The two networks of Pixel Perfect (Khan et al., arXiv 2605.02863): distortion maps, then a relational score.

``DistortionMapNet`` predicts ``F(image, reference)``, one channel per distortion family, 0.5 meaning "equal".
``RelationalScoreNet`` turns the same fused features into ``S(image, reference)``, positive when the image is better.

Deviations from the paper, and why:

* Anti-symmetry holds by construction, ``F = sigmoid(g(a, b) - g(b, a))`` and ``S = q(a, b) - q(b, a)``, where the
  paper learns it by swapping the pair with probability 0.25. It is then exact, and half the work is shared.
* A small convolutional encoder trained from scratch replaces SwinV2 + Mask2Former, so that the default metric needs
  no download, runs at any size and is quick on a CPU. Batch normalization folds into the convolutions at inference
  and, unlike group or layer normalization, never looks across the picture, which exact tiling needs.
* ``q`` pools an error density: a score that is independent of picture size and can be shown as a map.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pyiqa_pixelperfect.families import FAMILY_TABLE

__all__ = ["DistortionMapNet", "Encoder", "FusedFeatures", "FusionDecoder", "RelationalScoreNet", "seeded_weights"]

STRIDE = 32  # of the deepest encoder level: sides are padded to a multiple of it
MAP_STRIDE = 4  # one map cell per 4x4 pixels
DENSITY_STRIDE = 8  # one cell of the error density per 8x8 pixels

# Luma (BT.601) and two color differences, the latter doubled: photographs have far less chroma than luma contrast,
# and families such as saturation, temperature, tint and fringing live in chroma alone.
OPPONENT = ((0.299, 0.587, 0.114), (1.0, -0.5, -0.5), (0.5, -1.0, 0.5))


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
            out = out + residual
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

    opponent: Tensor

    def __init__(self, widths: Sequence[int] = (16, 40, 80, 128, 192)) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.register_buffer("opponent", torch.tensor(OPPONENT).reshape(3, 3, 1, 1), persistent=False)
        self.stem = ConvBlock(12, widths[0])
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
        # Unshuffling keeps every pixel: noise and pixelation must survive the first stride.
        features = self.stem(F.pixel_unshuffle(F.conv2d(images - 0.5, self.opponent), 2))  # (B, 12 -> C, H/2, W/2)
        pyramid = []
        for stage in self.stages:
            features = stage(features)
            pyramid.append(features)
        return pyramid


class FusedFeatures(NamedTuple):
    """What the decoder knows of B ordered pairs, in both orders: rows [0, B) are (a, b), rows [B, 2B) are (b, a)."""

    fine: Tensor  # (2B, C, H/4, W/4)
    coarse: Tensor  # (2B, C', H/8, W/8)
    logits: Tensor  # (B, K, H/4, W/4), g(a, b) - g(b, a)


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
        both = torch.cat((image, reference))
        own, other = self.own(both), self.other(both).roll(image.shape[0], 0)
        # The squared difference does not know the order, so it is computed once and used for both.
        difference = self.difference((image - reference).square()).repeat(2, 1, 1, 1)
        return F.relu(self.norm(own + other + difference))


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

    def forward(self, image: Sequence[Tensor], reference: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Fuse two pyramids of B images into features of B pairs in both orders (2B rows), at strides 4 and 8."""
        fused = [fusion(a, b) for fusion, a, b in zip(self.fusions, image, reference, strict=True)]
        features = fused[-1]
        outputs = []
        for level in (2, 1, 0):
            lifted = F.interpolate(self.lateral[level](features), scale_factor=2.0, mode="nearest")
            features = self.refine[level](fused[level] + lifted)
            outputs.append(features)
        return outputs[2], outputs[1]


class DistortionMapNet(nn.Module):
    """Siamese network for signed distortion maps, ``F(a, b) = sigmoid(g(a, b) - g(b, a))``.

    Args:
        families: number of map channels K.
        encoder_widths: channels at strides 2, 4, 8, 16, 32.
        decoder_widths: channels at strides 4, 8, 16, 32.
    """

    def __init__(
        self,
        families: int = 14,
        encoder_widths: Sequence[int] = (16, 40, 80, 128, 192),
        decoder_widths: Sequence[int] = (48, 64, 96, 96),
    ) -> None:
        super().__init__()
        self.encoder = Encoder(encoder_widths)
        self.decoder = FusionDecoder(encoder_widths[1:], decoder_widths)
        # No bias: it would cancel in g(a, b) - g(b, a).
        self.head = nn.Conv2d(decoder_widths[0], families, 1, bias=False)

    def encode(self, images: Tensor) -> list[Tensor]:
        """Encode (B, 3, H, W) images of any size from 32 px; sides are padded by replication to a multiple of 32."""
        height, width = images.shape[-2:]
        padded = F.pad(images, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")
        pyramid: list[Tensor] = self.encoder(padded)
        return pyramid

    def fuse(self, image: Sequence[Tensor], reference: Sequence[Tensor]) -> FusedFeatures:
        """Fuse two encoded pyramids; see ``FusedFeatures``. Padding is still there."""
        fine, coarse = self.decoder(image, reference)
        forth, back = self.head(fine).chunk(2)
        return FusedFeatures(fine, coarse, forth - back)

    def forward(self, image: Tensor, reference: Tensor) -> Tensor:
        """Predict the distortion map.

        Args:
            image: (B, 3, H, W) RGB in [0, 1], H and W at least 32.
            reference: same shape as ``image``.

        Returns:
            (B, K, ceil(H/4), ceil(W/4)) in [0, 1]; 0.5 = no difference, above = the image has more of the family.
        """
        fused = self.fuse(*split_pyramid(self.encode(torch.cat((image, reference)))))
        return torch.sigmoid(crop_cells(fused.logits, image.shape, MAP_STRIDE))


class RelationalScoreNet(nn.Module):
    """Relational score from fused features: pooled difference of two error densities.

    ``q(a, b)`` is minus the mean of a density, "how much worse is a where it differs from b": a learned term, and half
    of a weighted sum of the signed maps. So ``S(a, b) = q(a, b) - q(b, a)`` is positive when ``a`` is better, exactly
    anti-symmetric, and 0 for equal images.

    Args:
        decoder_widths: decoder channels at strides 4 and 8 (further ones are ignored).
        hidden: channels of the density network.
        embedding: length of the vector the contrastive loss compares.
        families: map channels K; the signed maps are inputs too, since they already say most of what is worse.
    """

    def __init__(
        self,
        decoder_widths: Sequence[int] = (48, 64),
        hidden: int = 64,
        embedding: int = 64,
        families: int = 14,
    ) -> None:
        super().__init__()
        self.mix = nn.Conv2d(decoder_widths[0] + decoder_widths[1] + families, hidden, 3, padding=1)
        # More of a one-sided family is worse by definition, so the score starts from there, but not far: noise also
        # looks like less blur. More of a signed family may be better or worse, depending on which of the two pictures
        # is off: that has to be learned.
        one_sided = [0.0 if family.signed else 0.5 for family in FAMILY_TABLE[:families]]
        self.family_weights = nn.Parameter(torch.tensor(one_sided).reshape(-1, 1, 1))
        self.deepen = nn.Conv2d(hidden, hidden, 1)
        self.rate = nn.Conv2d(hidden, 1, 1)
        self.project = nn.Linear(hidden, embedding)

    def hidden(self, fused: FusedFeatures) -> Tensor:
        """Per-cell description of the pair, (2B, hidden, H/8, W/8)."""
        signed = torch.tanh(fused.logits / 2.0)  # 2F - 1; of the swapped pair it is the negative
        fine = torch.cat((fused.fine, torch.cat((signed, -signed))), dim=1)
        joined = torch.cat((F.avg_pool2d(fine, 2), fused.coarse), dim=1)
        return F.relu(self.deepen(F.relu(self.mix(joined))))

    def density(self, hidden: Tensor, fused: FusedFeatures) -> Tensor:
        """Signed error density, (B, 1, H/8, W/8); its mean is the score, positive where the image is better."""
        forth, back = F.softplus(self.rate(hidden)).chunk(2)  # badness of a seen from b, of b seen from a
        signed = F.avg_pool2d(torch.tanh(fused.logits / 2.0), 2)
        density: Tensor = back - forth - (self.family_weights * signed).sum(1, keepdim=True)
        return density

    def embed(self, hidden: Tensor) -> Tensor:
        """Unit vectors (B, E) that describe the relation of each image to its reference, for InfoNCE."""
        forth, back = hidden.mean((2, 3)).chunk(2)
        return F.normalize(self.project(forth - back), dim=1)

    def forward(self, fused: FusedFeatures, size: Sequence[int] | None = None) -> Tensor:
        """Score B pairs.

        Args:
            fused: both orders of the pairs.
            size: shape of the unpadded pictures, so that padding does not count; ``None`` = nothing was padded.

        Returns:
            (B,) scores; > 0 = the image is better than the reference, higher is better.
        """
        density = self.density(self.hidden(fused), fused)
        if size is not None:
            density = crop_cells(density, size, DENSITY_STRIDE)
        return density.mean((1, 2, 3))


@contextmanager
def seeded_weights(seed: int) -> Iterator[None]:
    """Networks built inside get initial weights drawn from ``seed``; the caller's generators are left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # not torch.manual_seed, which would seed the GPUs too
        yield


def split_pyramid(pyramid: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Split the pyramid of 2B stacked images into those of the first and of the last B."""
    halves = [level.chunk(2) for level in pyramid]
    return [first for first, _ in halves], [last for _, last in halves]


def crop_cells(grid: Tensor, size: Sequence[int], stride: int) -> Tensor:
    """Cut cells that lie wholly in the padding off a (B, C, h, w) grid; ``size`` ends in (H, W) pixels."""
    height, width = size[-2], size[-1]
    return grid[..., : -(-height // stride), : -(-width // stride)]


def fold_normalization(network: nn.Module) -> nn.Module:
    """Fold every batch normalization of an evaluation-mode network into its convolutions, in place."""
    for module in network.modules():
        if isinstance(module, ConvBlock):
            module.fold()
        elif isinstance(module, PairFusion) and isinstance(module.norm, nn.BatchNorm2d):
            fold_pair_fusion(module)
    return network


def fold_pair_fusion(fusion: PairFusion) -> None:
    """The three convolutions of a fusion are summed before the normalization: scale all, shift once."""
    norm = fusion.norm
    if isinstance(norm, nn.BatchNorm2d):
        fusion.own = fuse_conv_bn_eval(fusion.own, norm)
        neutral = nn.BatchNorm2d(norm.num_features, eps=norm.eps).eval()
        # Same scale, no shift: the shift already sits in `own`.
        neutral.load_state_dict({**norm.state_dict(), "running_mean": torch.zeros_like(norm.bias)})
        neutral.bias.data.zero_()
        fusion.other = fuse_conv_bn_eval(fusion.other, neutral)
        fusion.difference = fuse_conv_bn_eval(fusion.difference, neutral)
        fusion.norm = nn.Identity()
