"""What can be computed once, before the first picture: normalization and color planes folded into convolutions."""

from torch import nn

from pyiqa_pixelperfect.pixelperfect.conv_encoder import ConvBlock, Encoder
from pyiqa_pixelperfect.pixelperfect.map_network import PairFusion

__all__ = ["fold_normalization"]


def fold_normalization(network: nn.Module) -> nn.Module:
    """Fold every batch normalization of an evaluation-mode network into its convolutions, in place; then the stem."""
    for module in network.modules():
        if isinstance(module, ConvBlock | PairFusion):
            module.fold()
    for module in network.modules():
        if isinstance(module, Encoder):
            module.fold()
    return network
