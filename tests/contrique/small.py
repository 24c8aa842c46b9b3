"""An encoder of a few thousand parameters, and statistics as if it had seen pictures."""

import torch
from torch import nn

from pyiqa_pixelperfect.contrique.networks import Encoder

#: Residual branches that begin at zero would hide what is behind them from the first gradient.
SMALL = {"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 24], "zero_init_last": False}


def live_in(encoder: Encoder) -> Encoder:
    """Give normalization statistics that are not those of a fresh network."""
    generator = torch.Generator().manual_seed(5)
    encoder.train()
    with torch.no_grad():
        for module in encoder.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.6, 1.6, generator=generator)
                module.bias.normal_(0.0, 0.3, generator=generator)
        for _ in range(10):
            coarse = torch.rand(4, 3, 12, 12, generator=generator)
            images = nn.functional.interpolate(coarse, size=(96, 96), mode="bicubic").clamp(0, 1)
            encoder.pyramid((images + 0.1 * torch.randn(images.shape, generator=generator)).clamp(0, 1))
    return encoder.eval()
