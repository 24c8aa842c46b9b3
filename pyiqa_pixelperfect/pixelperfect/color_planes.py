"""The color planes that both networks see: luma and two color differences."""

import torch
from torch import Tensor

__all__ = ["OPPONENT", "opponent_planes"]

# Luma (BT.601) and two color differences, the latter doubled: photographs have far less chroma than luma contrast,
# and families such as saturation, temperature, tint and fringing live in chroma alone.
OPPONENT = ((0.299, 0.587, 0.114), (1.0, -0.5, -0.5), (0.5, -1.0, 0.5))


def opponent_planes(images: Tensor) -> Tensor:
    """Luma and two color differences, (B, 3, H, W), of (B, 3, H, W) RGB."""
    red, green, blue = images.unbind(1)
    # Written out: a convolution of three channels takes ten times as long.
    return torch.stack([(r * red).add_(green, alpha=g).add_(blue, alpha=b) for r, g, b in OPPONENT], dim=1)
