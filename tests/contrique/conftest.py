"""Small encoders that have seen some pictures, so that their features differ."""

import copy

import pytest
import torch

from contrique.small import SMALL, live_in
from pyiqa_pixelperfect.contrique.networks import Encoder
from pyiqa_pixelperfect.linear_head import Labels, LinearHead


@pytest.fixture(scope="session")
def _encoder() -> Encoder:
    return live_in(Encoder("resnet18", SMALL, levels=2, deviation=True, seed=1))


@pytest.fixture
def encoder(_encoder: Encoder) -> Encoder:
    """Two levels with deviations, in evaluation mode."""
    return copy.deepcopy(_encoder)


@pytest.fixture
def head(encoder: Encoder) -> LinearHead:
    head = LinearHead(encoder.features, Labels(source="nobody"))
    head.weight.normal_(generator=torch.Generator().manual_seed(6))
    head.bias.fill_(0.5)
    return head
