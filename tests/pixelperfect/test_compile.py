"""``PixelPerfect.compile``: the compiler is asked for both networks, and answers stay what they were."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pyiqa_pixelperfect import PixelPerfect


@pytest.fixture
def compiled() -> tuple[PixelPerfect, list[int]]:
    """The bundled metric under a backend that notes how many operations it is given, and runs them as they are."""
    graphs: list[int] = []

    def backend(graph: torch.fx.GraphModule, _: list[Tensor]) -> Callable[..., Any]:
        graphs.append(sum(node.op.startswith("call") for node in graph.graph.nodes))
        return graph.forward

    metric = PixelPerfect.load()
    metric.compile(backend=backend)
    return metric, graphs


@pytest.mark.parametrize("size", [(64, 96), (77, 101)])
def test_answers_are_those_of_the_uncompiled_metric_and_antisymmetric(
    compiled: tuple[PixelPerfect, list[int]], size: tuple[int, int]
) -> None:
    metric, graphs = compiled
    image, reference = torch.rand(2, 1, 3, *size, generator=torch.Generator().manual_seed(3)).unbind(0)
    expected = PixelPerfect.load().compare(image, reference)
    found, back = metric.compare(image, reference), metric.compare(reference, image)
    torch.testing.assert_close(found.maps, expected.maps, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.score, expected.score, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.maps, 1 - back.maps, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.score, -back.score, atol=1e-6, rtol=0)
    assert len(graphs) == 2, "encoder and decoder, each in one piece"
    assert min(graphs) > 15
