"""What can be computed once, before the first picture: normalization and color planes folded into convolutions."""

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pyiqa_pixelperfect.pixelperfect.conv_encoder import ConvBlock, Encoder
from pyiqa_pixelperfect.pixelperfect.map_network import PairFusion

__all__ = ["fold_normalization"]


def fold_normalization(network: nn.Module) -> nn.Module:
    """Fold every batch normalization of an evaluation-mode network into its convolutions, in place; then the stem."""
    for module in network.modules():
        if isinstance(module, ConvBlock):
            module.fold()
        elif isinstance(module, PairFusion) and isinstance(module.norm, nn.BatchNorm2d):
            fold_pair_fusion(module)
    for module in network.modules():
        if isinstance(module, Encoder):
            module.fold()
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
