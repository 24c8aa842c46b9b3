"""Loads ``benchmark`` from the checkout without putting the checkout on the path.

With the checkout on the path, ``import pyiqa_pixelperfect`` would mean the sources there instead of what is installed.
"""

import importlib.util
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

_ROOT = Path(__file__).parents[2]


def _load_benchmark():
    known = sys.modules.get("benchmark")
    if known is not None and getattr(known, "__file__", None):
        return
    folder = _ROOT / "benchmark"
    spec = importlib.util.spec_from_file_location(
        "benchmark", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["benchmark"] = module
    spec.loader.exec_module(module)


_load_benchmark()


class FakeMetric(torch.nn.Module):
    """A metric with the right interface and symmetry and no knowledge: one random convolution."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = torch.nn.Parameter(0.1 * torch.randn(14, 6, 5, 5, generator=generator))

    def _difference(self, image, reference):
        pairs = torch.cat([image, reference], dim=1), torch.cat([reference, image], dim=1)
        first, second = (torch.nn.functional.conv2d(pair, self.weight, padding=2) for pair in pairs)
        return first - second

    def maps(self, image, reference):
        return torch.sigmoid(self._difference(image, reference))

    def forward(self, image, reference):
        return self._difference(image, reference).mean(dim=(1, 2, 3))

    def compare(self, image, reference):
        return self(image, reference), self.maps(image, reference)


@pytest.fixture
def fake_metric():
    return FakeMetric().eval()


@pytest.fixture(scope="session")
def photos():
    """Two small crops of real photographs."""
    from benchmark.photos import BUNDLED, center_crop, load_photos

    return [center_crop(photo, 128) for photo in load_photos(BUNDLED, count=2)]


class Clock:
    """A clock that stands still until something is said to take its time."""

    def __init__(self):
        self.now = 0.0

    def lasting(self, seconds):
        """What takes so long, whatever it is called with."""

        def call(*_):
            self.now += seconds

        return call


@pytest.fixture
def clock(monkeypatch):
    """What is timed takes as long as the test says, on a busy machine as well."""
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", lambda: clock.now)
    return clock


@pytest.fixture
def generator():
    return np.random.default_rng(0)
