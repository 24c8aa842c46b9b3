"""Small networks that behave like trained ones, and pictures to score."""

import copy

import pytest
import torch
from skimage import data
from torch import Tensor, nn

from pyiqa_pixelperfect.backbones import seeded_weights
from pyiqa_pixelperfect.grepq.high_metric import HighLevelMetric
from pyiqa_pixelperfect.grepq.metric import GRepQ
from pyiqa_pixelperfect.grepq.networks import HighLevelNet, LowLevelNet


@pytest.fixture(scope="session")
def photographs() -> Tensor:
    """Three clean photographs, (3, 3, 150, 190)."""
    pictures = [data.astronaut()[20:170, 150:340], data.coffee()[100:250, 200:390], data.chelsea()[60:210, 120:310]]
    return torch.stack([torch.from_numpy(picture.copy()).permute(2, 0, 1) / 255 for picture in pictures])


def live_in(network: nn.Module, pictures: Tensor) -> None:
    """Give normalization uneven scales and running statistics of real pictures."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.6, 1.6, generator=generator)
                module.bias.normal_(0.0, 0.3, generator=generator)
        network.train()
        for _ in range(20):
            network(pictures)
        network.eval()


@pytest.fixture(scope="session")
def _low(photographs: Tensor) -> GRepQ:
    with seeded_weights(1):
        metric = GRepQ(LowLevelNet(4, 6))
    live_in(metric.low, photographs)
    metric.fit_pristine(photographs)
    return metric.requires_grad_(False)


@pytest.fixture(scope="session")
def _high(photographs: Tensor) -> HighLevelMetric:
    with seeded_weights(2):
        network = HighLevelNet((1, 1, 1, 1), 4, 8)
        live_in(network, photographs)
        network.prompts.copy_(torch.randn(2, 8))
    return HighLevelMetric(network).requires_grad_(False)


@pytest.fixture
def low(_low: GRepQ) -> GRepQ:
    """A small low-level metric, lived in, with the Gaussian of the photographs' patches."""
    return copy.deepcopy(_low)


@pytest.fixture
def high(_high: HighLevelMetric) -> HighLevelMetric:
    """A tower of CLIP's shape with random prompts, small."""
    return copy.deepcopy(_high)
