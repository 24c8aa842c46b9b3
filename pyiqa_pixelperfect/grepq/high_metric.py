"""The high-level part of GRepQ as a metric: a fine-tuned CLIP image tower and two prompts, at native size."""

import json
import os
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pyiqa_pixelperfect.backbones import seeded_weights
from pyiqa_pixelperfect.errors import ConfigError, WeightsError
from pyiqa_pixelperfect.grepq.losses import pseudo_labels
from pyiqa_pixelperfect.grepq.networks import HighLevelNet
from pyiqa_pixelperfect.weights import load_weights, save_weights

__all__ = ["HIGH_CLASS", "HighLevelMetric"]

HIGH_CLASS = "GRepQHigh"


class HighLevelMetric(nn.Module):
    """How much closer a picture is to "A good photo." than to "A bad photo.", in CLIP's space.

    Args:
        network: tower and prompts.

    Attributes:
        card: the model card of the weights, empty if untrained.
    """

    def __init__(self, network: HighLevelNet) -> None:
        super().__init__()
        self.network = network
        self.card: dict[str, str] = {}
        self.eval()

    @classmethod
    def load(cls, path: str | os.PathLike[str], positions: str | None = None) -> "HighLevelMetric":
        """Load weights from training or conversion, ready for use.

        Args:
            path: safetensors file.
            positions: ``none`` or ``interpolated``, see ``HighLevelNet``; ``None`` = as the weights were trained.

        Raises:
            ConfigError: no such way to treat positions.
            WeightsError: no such file, damaged, or not weights of this network.
        """
        if positions not in (None, "none", "interpolated"):
            raise ConfigError("positions", "none or interpolated", repr(positions))
        state, card = load_weights(path, HIGH_CLASS)
        try:
            sizes = json.loads(card["sizes"])
            with seeded_weights(0):
                metric = cls(HighLevelNet(**sizes, positions=positions or card["positions"]))
            metric.network.load_state_dict({name: tensor.float() for name, tensor in state.items()}, strict=True)
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
            raise WeightsError("weights", "tensors and sizes that fit the network", str(error)) from error
        metric.card = card
        return metric.eval().requires_grad_(False)

    def save(self, path: str | os.PathLike[str], card: Mapping[str, str] | None = None, *, half: bool = True) -> None:
        """Write tower, prompts and card; ``half`` stores kernels in fp16, but never the prompts."""
        state = self.network.state_dict()
        stored = {n: t.half() if half and t.dim() > 1 and n != "prompts" else t for n, t in state.items()}
        entries = {"class": HIGH_CLASS, "sizes": json.dumps(self.network.sizes), "positions": self.network.positions}
        save_weights(path, stored, {**entries, **(card or {})})

    def forward(self, image: Tensor) -> Tensor:
        """Score checked images (B, 3, H, W): (B,) in (0, 1), ``sigmoid(10 (cos_good - cos_bad))``."""
        return pseudo_labels(self.network(image), self.network.prompts)

    @torch.no_grad()
    def features(self, image: Tensor) -> Tensor:
        """Features of the tower, (B, D), of checked images."""
        features: Tensor = self.network(image)
        return features
