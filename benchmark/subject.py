"""The metric under test: the interface that every measurement relies on, and how to load the real thing."""

import hashlib
import tempfile
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect
from pyiqa_pixelperfect.pixelperfect.stored import Precision

__all__ = ["UNTRAINED", "MapMetric", "ScoreMetric", "load_subject", "signed_maps", "weights_hash"]

UNTRAINED = "untrained"  # in place of a weights file: a freshly initialized network, to try a command out


class ScoreMetric(Protocol):
    """Anything that scores an image relative to a reference."""

    def __call__(self, image: Tensor, reference: Tensor, /) -> Tensor:
        """Return scores ``(B,)`` of images ``(B, 3, H, W)`` in ``[0, 1]``; higher is better."""
        ...


class MapMetric(Protocol):
    """Anything that maps distortion families, channels in the order of ``FAMILIES``."""

    def maps(self, image: Tensor, reference: Tensor, /) -> Tensor:
        """Return ``(B, K, H, W)`` in ``[0, 1]``; 0.5 where image and reference have equally much of a family."""
        ...


def load_subject(weights: str | Path | None, device: str = "cpu", *, precision: Precision = "float32") -> PixelPerfect:
    """Return the metric in evaluation mode.

    Args:
        weights: a safetensors file; ``None`` for the bundled weights; ``"untrained"`` for random ones.
        device: torch device.
        precision: of the map network.

    Raises:
        WeightsError: the weights are missing, damaged or of another network.
    """
    metric = _untrained(precision) if str(weights) == UNTRAINED else PixelPerfect.load(weights, precision=precision)
    return metric.eval().to(torch.device(device))


def _untrained(precision: Precision) -> PixelPerfect:
    # Through a file, so that it takes the same way as trained weights (folded, frozen) and times mean the same.
    with torch.random.fork_rng(devices=[]), tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        file = Path(folder) / "untrained.safetensors"
        PixelPerfect().save(file, half=False)
        return PixelPerfect.load(file, precision=precision)


def signed_maps(metric: MapMetric, image: Tensor, reference: Tensor) -> Tensor:
    """Return the maps as signed amounts ``2F - 1``: ``(B, K, H, W)`` in ``[-1, 1]``, 0 for no difference."""
    with torch.inference_mode():
        return 2.0 * metric.maps(image, reference) - 1.0


def weights_hash(network: nn.Module) -> str:
    """Return the sha256 over names and values of all parameters and buffers, whatever file they came from."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
