"""The metric a user holds: ``GRepQ`` scores pictures without a reference and without labels, or describes them.

torch only; pyiqa is not needed. The low-level part compares the Gaussian of a picture's patch features with that of
pristine patches; the high-level part, which needs CLIP weights of the user, asks whether the picture is closer to a
good photo than to a bad one. The score is the sum of the parts that are there; higher is better.
"""

import json
import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pyiqa_pixelperfect.backbones import seeded_weights
from pyiqa_pixelperfect.errors import DataError, ImageError, WeightsError
from pyiqa_pixelperfect.grepq.gaussians import deviation, deviation_score, fit_gaussian
from pyiqa_pixelperfect.grepq.high_metric import HighLevelMetric
from pyiqa_pixelperfect.grepq.networks import LowLevelNet
from pyiqa_pixelperfect.grepq.patches import PATCH, STRIDE, cut_patches, select_pristine
from pyiqa_pixelperfect.images import ImageInput, as_image, check_image
from pyiqa_pixelperfect.linear_head import LinearHead
from pyiqa_pixelperfect.weights import bundled_weights, load_weights, save_weights

__all__ = ["GRepQ", "GRepQScore"]

_CLASS = "GRepQ"
_CHUNK = 128  # patches described at once, to bound memory
_KEPT_EXACT = ("pristine_mean", "pristine_covariance")  # never stored in half precision


class GRepQScore(NamedTuple):
    """Parts of the score; higher is better in each."""

    low: Tensor  # (B,) in (0, 0.5]
    high: Tensor | None  # (B,) in (0, 1); None without CLIP weights

    @property
    def total(self) -> Tensor:
        """Sum of the parts, (B,)."""
        return self.low if self.high is None else self.low + self.high


class GRepQ(nn.Module):
    """No-reference quality without labels (Srinath et al., WACV 2024, arXiv 2312.04838).

    Args:
        low: the low-level network; by default one of the paper's size, untrained.
        high: the high-level metric; ``None`` = low-level only.
        normalized: bring patch features to unit length before the Gaussians (ours; the original does not).
        seed: of the initial weights of a network that is not given.

    Attributes:
        card: the model card of the low-level weights, empty if untrained.
        lower_better: ``False``: a higher score means a better image.
    """

    lower_better = False
    pristine_mean: Tensor
    pristine_covariance: Tensor

    def __init__(
        self,
        low: LowLevelNet | None = None,
        high: HighLevelMetric | None = None,
        *,
        normalized: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        with seeded_weights(seed):
            self.low = LowLevelNet() if low is None else low
        self.high, self.normalized = high, normalized
        self.register_buffer("pristine_mean", torch.zeros(self.low.features))
        self.register_buffer("pristine_covariance", torch.eye(self.low.features))
        self.card: dict[str, str] = {}
        self.eval()

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        high: str | os.PathLike[str] | None = None,
        positions: str | None = None,
    ) -> "GRepQ":
        """Load weights, ready for use: evaluation mode, frozen.

        Args:
            path: low-level weights from training or conversion; ``None`` = those that come with the package.
            high: high-level weights from training or conversion; ``None`` = low-level score only.
            positions: what to do with CLIP's positional embedding, see ``HighLevelMetric.load``.

        Raises:
            ConfigError: no such way to treat positions.
            WeightsError: no such file, damaged, or not weights of this network.
        """
        state, card = load_weights(bundled_weights("grepq-low") if path is None else path, _CLASS)
        try:
            sizes = json.loads(card["sizes"])
            with seeded_weights(0):  # about to be overwritten, but drawing them must not disturb the caller's generator
                low = LowLevelNet(sizes["width"], sizes["features"])
            metric = cls(low, normalized=bool(sizes["normalized"]))
            metric.load_state_dict({name: tensor.float() for name, tensor in state.items()}, strict=True)
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
            raise WeightsError("weights", "tensors and sizes that fit the network", str(error)) from error
        metric.card = card
        metric.high = None if high is None else HighLevelMetric.load(high, positions)
        return metric.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def save(self, path: str | os.PathLike[str], card: Mapping[str, str] | None = None, *, half: bool = True) -> None:
        """Write the low-level weights, the pristine Gaussian and their card.

        Args:
            path: file to write.
            card: entries of the model card beside those of the network itself.
            half: store kernels in fp16 (half the size); normalization statistics and the Gaussian stay fp32.
        """
        state = {name: tensor for name, tensor in self.state_dict().items() if not name.startswith("high.")}
        stored = {n: t.half() if half and t.dim() > 1 and n not in _KEPT_EXACT else t for n, t in state.items()}
        sizes = json.dumps({"width": self.low.width, "features": self.low.features, "normalized": self.normalized})
        save_weights(path, stored, {"class": _CLASS, "sizes": sizes, **(card or {})})

    def forward(self, image: Tensor) -> Tensor:
        """Score images; differentiable.

        Args:
            image: (B, 3, H, W) RGB in [0, 1], one side at least 96 px and the other at least 144; gray works too.

        Returns:
            (B,) scores, higher is better: (0, 0.5] low-level only, (0, 1.5) with both parts.

        Raises:
            ImageError: wrong type, rank, channels or size, or not finite.
        """
        return self._score(_checked(image)).total

    @torch.no_grad()
    def parts(self, image: ImageInput) -> GRepQScore:
        """Score a picture (tensor, PIL image or path) and tell the parts.

        Raises:
            ImageError: as ``forward``, or values outside [0, 1].
            ImageReadError: a path that is no readable picture.
        """
        return self._score(_checked(as_image(image, "image")).to(self.pristine_mean.device))

    @torch.no_grad()
    def features(self, image: ImageInput, branches: str = "both") -> Tensor:
        """Describe whole pictures at their own size, for a regressor.

        Args:
            image: tensor, PIL image or path.
            branches: ``low`` (128 numbers in the paper's size), ``high`` (1024), or ``both``, high first; ``both`` is
                low alone where there is no high-level part.

        Returns:
            (B, D).

        Raises:
            WeightsError: ``high`` without a high-level part.
            ImageError: as ``parts``.
        """
        picture = as_image(image, "image").to(self.pristine_mean.device)
        if branches == "high" and self.high is None:
            raise WeightsError("branches", "high-level weights for the branch 'high'", "none", "Load them: high=PATH.")
        wanted = [] if branches == "low" or self.high is None else [self.high.features(picture)]
        if branches != "high":
            wanted.append(self.low(picture))
        return torch.cat(wanted, dim=1)

    def rate(self, image: ImageInput, head: LinearHead) -> Tensor:
        """Predict labels by a head from ``pixelperfect regress``: (B,), on the scale the head was fitted to.

        Raises:
            WeightsError: the head wants other features than this metric has.
            ImageError: as ``parts``.
        """
        features = self.features(image, head.card.get("branches", "low"))
        if features.shape[1] != len(head.weight):
            got = f"{features.shape[1]}, for a head of {len(head.weight)}"
            raise WeightsError("head", "as many features as it was fitted on", got, "Load the weights it came from.")
        label: Tensor = head.to(features.device)(features)
        return label

    @torch.no_grad()
    def fit_pristine(self, photos: Iterable[Tensor]) -> int:
        """Fit the pristine Gaussian to the sharp and colorful patches of clean photos, and return their number.

        Args:
            photos: (3, H, W) in [0, 1], each; those with a side below 96 px are passed over.

        Raises:
            DataError: fewer than two patches in all.
        """
        found = [self._patch_features(select_pristine(photo)) for photo in photos if min(photo.shape[-2:]) >= PATCH]
        count = sum(map(len, found))
        if count < 2:
            raise DataError("photos", "clean photos with at least two patches of 96 px", str(count))
        mean, covariance = fit_gaussian(_exact(torch.cat(found)))
        self.pristine_mean.copy_(mean)
        self.pristine_covariance.copy_(covariance)
        return count

    def _score(self, image: Tensor) -> GRepQScore:
        high = None if self.high is None else self.high(image)
        return GRepQScore(deviation_score(self._deviation(image)).to(image.dtype), high)

    def _deviation(self, image: Tensor) -> Tensor:
        """Distance from pristine, (B,)."""
        patches = cut_patches(image)
        features = self._patch_features(patches.flatten(0, 1)).reshape(*patches.shape[:2], -1)
        mean, covariance = fit_gaussian(_exact(features))
        return deviation(mean, covariance, self.pristine_mean.to(mean), self.pristine_covariance.to(mean))

    def _patch_features(self, patches: Tensor) -> Tensor:
        device = self.pristine_mean.device
        parts = [self.low(part.to(device)) for part in patches.split(_CHUNK)]
        features = torch.cat(parts)
        return F.normalize(features, dim=1) if self.normalized else features


def _checked(image: Tensor) -> Tensor:
    image = check_image(image, "image", check_range=False)
    short, long = sorted(image.shape[-2:])
    if short < PATCH or long < PATCH + STRIDE:
        expected = f"sides of at least {PATCH} and {PATCH + STRIDE} px, which hold two patches to compare"
        got = f"{image.shape[-2]} x {image.shape[-1]} (height x width)"
        raise ImageError("image", expected, got, "Use a larger picture; enlarging one changes what is measured.")
    return image


def _exact(features: Tensor) -> Tensor:
    """Double precision, where there is any: inverting a covariance of few patches needs it."""
    return features.float() if features.device.type == "mps" else features.double()
