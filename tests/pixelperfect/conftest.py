"""Networks that behave like trained ones: what holds only for fresh weights, whose answers are all "equal", is worth
little.
"""

import copy

import pytest
import torch
from torch import nn

from pyiqa_pixelperfect.pixelperfect.map_network import DistortionMapNet
from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect
from pyiqa_pixelperfect.pixelperfect.score_network import RelationalScoreNet


def live_in(metric: PixelPerfect, side: int = 64) -> PixelPerfect:
    """Give it running statistics, uneven normalization and a head with decided answers."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for module in metric.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.6, 1.6, generator=generator)
                module.bias.normal_(0.0, 0.3, generator=generator)
        metric.train()
        for _ in range(12):
            smooth = torch.rand(4, 3, side // 8, side // 8, generator=generator)
            images = nn.functional.interpolate(smooth, size=(side, side), mode="bicubic").clamp(0, 1)
            noisy = (images + 0.2 * torch.randn(images.shape, generator=generator)).clamp(0, 1)
            metric.map_network(images, noisy)
        metric.eval()
        logits = metric.map_network(images, noisy).logit()
        metric.map_network.head.weight.mul_(0.25 / logits.std())
        for parameter in metric.score_network.parameters():
            parameter.add_(0.3 * parameter.abs().mean() * torch.randn(parameter.shape, generator=generator))
        metric.score_network.spread.uniform_(0.05, 0.3, generator=generator)
    return metric


@pytest.fixture(scope="session")
def lived_in() -> PixelPerfect:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return live_in(PixelPerfect()).requires_grad_(False)


@pytest.fixture(scope="session")
def _small() -> PixelPerfect:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        maps = DistortionMapNet(14, (4, 6, 8, 8, 12), (8, 8, 12, 12))
        return live_in(PixelPerfect(maps, RelationalScoreNet(hidden=6, embedding=5)))


@pytest.fixture
def metric(lived_in: PixelPerfect) -> PixelPerfect:
    """The default networks, lived in, frozen, in evaluation mode."""
    return copy.deepcopy(lived_in)


@pytest.fixture
def small(_small: PixelPerfect) -> PixelPerfect:
    """Small networks, lived in, in evaluation mode."""
    return copy.deepcopy(_small)
