"""CONTRIQUE as metrics: ``Contrique`` looks at one picture, ``ContriqueFR`` compares it with a reference.

torch only; pyiqa is not needed.
"""

import os
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pyiqa_pixelperfect.contrique.networks import Encoder
from pyiqa_pixelperfect.contrique.weights_file import read_contrique, write_contrique
from pyiqa_pixelperfect.errors import WeightsError
from pyiqa_pixelperfect.images import ImageInput, as_image, check_image, check_pair
from pyiqa_pixelperfect.linear_head import LinearHead

__all__ = ["Contrique", "ContriqueFR"]


class Contrique(nn.Module):
    """No-reference quality: a linear head on features learned without labels (arXiv 2110.13266).

    Args:
        encoder: by default one of the published size, untrained.
        head: by default one that answers 0.

    Attributes:
        card: the model card of the weights, empty if untrained. Its entry ``labels`` says what the score predicts.
        lower_better: ``False``: a higher score means a better picture, also where the ratings were DMOS.

    Raises:
        WeightsError: a head for features of another length.
    """

    lower_better = False

    def __init__(self, encoder: Encoder | None = None, head: LinearHead | None = None) -> None:
        super().__init__()
        self.encoder = Encoder() if encoder is None else encoder
        self.head = LinearHead(self.encoder.features) if head is None else head
        _check_fit(self.encoder, self.head)
        self.card: dict[str, str] = {}
        self.eval()

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None) -> "Contrique":
        """Load encoder and head, frozen, in evaluation mode.

        Args:
            path: a safetensors file from ``pixelperfect regress`` or ``convert``; ``None`` = the bundled weights.

        Raises:
            WeightsError: no such file, damaged, of another network, or without a head.
        """
        encoder, head, card = read_contrique(path, need_head=True)
        if card.get("head_input") == "difference":
            fix = "Use it as contrique-fr, or convert or fit another head."
            raise WeightsError("weights", "a head for the features of one picture", "one for differences of two", fix)
        metric = cls(encoder, head)
        metric.card = card
        return metric

    def save(self, path: str | os.PathLike[str], card: Mapping[str, str] | None = None, *, half: bool = True) -> None:
        """Write encoder and head; ``half`` stores convolution kernels in fp16."""
        write_contrique(path, self.encoder, self.head, card or {}, half=half)

    def forward(self, image: Tensor) -> Tensor:
        """Score pictures; differentiable.

        Args:
            image: (B, 3, H, W) RGB in [0, 1], sides at least 32 px; gray (B, 1, H, W) works too.

        Returns:
            (B,), higher is better, on the scale of the ratings the head was fitted to (the bundled one: about 0 to 1);
            heads on DMOS give minus what they predict.

        Raises:
            ImageError: wrong type, rank, channels or size, or values that are not finite.
        """
        return self.head.quality(self.features(image))

    def features(self, image: Tensor) -> Tensor:
        """Describe pictures (B, 3, H, W) by (B, D) features; arguments and errors as ``forward``."""
        return self.encoder.describe(check_image(image, "image", check_range=False))

    @torch.no_grad()
    def score(self, image: ImageInput) -> Tensor:
        """Score a path, a PIL image or a tensor; (B,).

        Raises:
            ImageError: not a picture of the accepted kind.
            ImageReadError: the file could not be read.
        """
        score: Tensor = self(as_image(image, "image").to(self.head.bias.device))
        return score


class ContriqueFR(nn.Module):
    """Full-reference distance between the features of two pictures.

    Without a head it is label-free: 1 minus the cosine of image and reference in each cell of the feature maps,
    averaged over cells, over all levels but the stem, and over full and half size. The paper pools the features over
    the picture first and fits a ridge head on the absolute differences to DMOS; converted weights with such a head do
    that. Without a head, cells order ladders of rising distortion better than pooled features do (``python -m benchmark
    contrique-ladders``): where a distortion moves or covers something, what is pooled may stay the same. The price is
    that both pictures must show the same thing at the same place.

    Args:
        encoder: by default one of the published size, untrained.
        head: predicts DMOS from absolute differences; ``None`` = the label-free distance.

    Attributes:
        card: the model card of the weights, empty if untrained.
        lower_better: ``True``: a distance; 0 = identical (with a head: its intercept).

    Raises:
        WeightsError: a head for features of another length.
    """

    lower_better = True

    def __init__(self, encoder: Encoder | None = None, head: LinearHead | None = None) -> None:
        super().__init__()
        self.encoder = Encoder() if encoder is None else encoder
        self.head = head
        if head is not None:
            _check_fit(self.encoder, head)
        self.card: dict[str, str] = {}
        self.eval()

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None) -> "ContriqueFR":
        """Load an encoder, and a head if it is one for differences; arguments and errors as ``Contrique.load``."""
        encoder, head, card = read_contrique(path, need_head=False)
        metric = cls(encoder, head if card.get("head_input") == "difference" else None)
        metric.card = card
        return metric

    def forward(self, image: Tensor, reference: Tensor) -> Tensor:
        """Measure how far images are from their references; differentiable.

        Args:
            image: (B, 3, H, W) RGB in [0, 1], sides at least 32 px; gray (B, 1, H, W) works too.
            reference: same shape.

        Returns:
            (B,), lower is better. The label-free distance is in [0, 1], symmetric, and exactly 0 for identical
            pictures; with a head it is on the scale of its labels.

        Raises:
            ImageError: wrong type, rank, channels or size, not finite, or shapes that differ.
        """
        image, reference = check_pair(image, reference, check_range=False)
        # One after the other, not as one batch: equal pictures then go exactly the same way, and differ by exactly 0.
        if self.head is not None:
            difference = (self.encoder.describe(image) - self.encoder.describe(reference)).abs()
            return -self.head.quality(difference)
        pairs = list(zip(self.encoder.cells(image), self.encoder.cells(reference), strict=True))
        # Half the squared difference of unit vectors is 1 minus their cosine, and exactly 0 for equal ones.
        parts = [0.5 * (one - other).square().sum(dim=1).mean(dim=(1, 2)) for one, other in pairs]
        return torch.stack(parts).mean(dim=0)

    @torch.no_grad()
    def compare(self, image: ImageInput, reference: ImageInput) -> Tensor:
        """Distance (B,) of paths, PIL images or tensors; errors as ``forward`` and ``Contrique.score``."""
        device = next(self.encoder.parameters()).device
        distance: Tensor = self(as_image(image, "image").to(device), as_image(reference, "reference").to(device))
        return distance


def _check_fit(encoder: Encoder, head: LinearHead) -> None:
    if len(head.weight) != encoder.features:
        got = f"one for {len(head.weight)}"
        raise WeightsError("head", f"a head for the {encoder.features} features of the encoder", got)
