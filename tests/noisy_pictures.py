"""Pictures to compare: smooth ones, with more and more noise."""

import torch
import torch.nn.functional as F
from torch import Tensor


def pictures(seed: int, count: int, height: int = 64, width: int = 80) -> list[Tensor]:
    """One smooth picture with more and more noise."""
    generator = torch.Generator().manual_seed(seed)
    smooth = torch.rand(1, 3, height // 8, width // 8, generator=generator)
    clean = F.interpolate(smooth, size=(height, width), mode="bicubic").clamp(0, 1)
    noise = torch.randn(clean.shape, generator=generator)
    return [(clean + 0.1 * i * noise).clamp(0, 1) for i in range(count)]
