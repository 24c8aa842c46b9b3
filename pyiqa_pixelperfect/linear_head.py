"""A ridge-fitted linear map from features to a rating, as a module: scikit-learn fits it, torch alone uses it.

What the labels mean (their range, which end is better, where they come from) travels with the numbers: scores without
it cannot be read, and a head on DMOS would rank pictures upside down.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn

from pyiqa_pixelperfect.errors import ConfigError, DataError, MissingDependencyError, WeightsError
from pyiqa_pixelperfect.weights import load_weights, save_weights

__all__ = ["AlphaScore", "Labels", "LinearHead", "choose_alpha", "fit_ridge", "labels_from_card",
           "normal_scores"]  # fmt: skip

_CLASS = "LinearHead"


@dataclass(frozen=True)
class Labels:
    """What the numbers are that a head was fitted to.

    Attributes:
        low: lower end of the scale, ``None`` if unknown; predictions may leave it a little.
        high: upper end of the scale, likewise.
        lower_better: whether smaller labels mean better pictures, as with DMOS.
        source: which ratings, such as ``"BIQ2021, rows of split train"``; empty if unknown.
    """

    low: float | None = 0.0
    high: float | None = 1.0
    lower_better: bool = False
    source: str = ""


class LinearHead(nn.Module):
    """``label = features @ weight + bias``; the numbers are buffers, since nothing trains them by gradient.

    Args:
        features: how many numbers describe a picture.
        labels: what the head predicts.

    Attributes:
        labels: likewise.
        card: the model card if it came from a file, else empty.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, features: int, labels: Labels | None = None) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(features))
        self.register_buffer("bias", torch.zeros(()))
        self.labels = labels or Labels()
        self.card: dict[str, str] = {}

    def forward(self, features: Tensor) -> Tensor:
        """Predict labels (B,) on their own scale and in their own direction from features (B, D)."""
        label: Tensor = features @ self.weight + self.bias
        return label

    def quality(self, features: Tensor) -> Tensor:
        """Predict quality (B,): the label, its sign turned where lower labels are better; higher is always better."""
        label: Tensor = self(features)
        return -label if self.labels.lower_better else label

    def save(self, path: str | os.PathLike[str], card: Mapping[str, str] | None = None) -> None:
        """Write weight, bias (float32) and labels as safetensors; ``card`` adds entries to the model card.

        Raises:
            WeightsError: the numbers are not finite.
        """
        save_weights(
            path, self.state_dict(), {"class": _CLASS, "labels": json.dumps(asdict(self.labels)), **(card or {})}
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "LinearHead":
        """Read what ``save`` wrote.

        Raises:
            WeightsError: no such file, damaged, or not a head.
        """
        state, card = load_weights(path, _CLASS)
        try:
            head = cls(int(state["weight"].shape[0]), labels_from_card(card))
            head.load_state_dict(state, strict=True)
        except (KeyError, IndexError, RuntimeError) as error:
            raise WeightsError("head", "tensors of a linear head", f"{os.fspath(path)!r} ({error})") from error
        head.card = card
        return head


def labels_from_card(card: Mapping[str, str]) -> Labels:
    """Read what ``json.dumps(asdict(labels))`` wrote under ``labels``.

    Raises:
        WeightsError: nothing of the kind there.
    """
    try:
        return Labels(**json.loads(card["labels"]))
    except (KeyError, ValueError, TypeError) as error:
        raise WeightsError("head", "a card that says what its labels are", str(card.get("labels"))) from error


@dataclass(frozen=True)
class AlphaScore:
    """How well ridge with one ``alpha`` predicts ratings it has not seen: SRCC of every validation split."""

    alpha: float
    srcc: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean SRCC over the splits."""
        return float(np.mean(self.srcc))

    @property
    def spread(self) -> float:
        """Standard deviation of the SRCC over the splits."""
        return float(np.std(self.srcc))


def fit_ridge(
    features: NDArray[Any],
    labels: NDArray[Any],
    alpha: float,
    *,
    meaning: Labels | None = None,
    standardize: bool = False,
    normal: bool = False,
) -> LinearHead:
    """Fit a head by ridge regression (scikit-learn), as CONTRIQUE and GRepQ do.

    Args:
        features: (N, D), finite.
        labels: (N,), finite.
        alpha: weight of the squared norm of the coefficients, > 0.
        meaning: what the labels are.
        standardize: divide each feature by its standard deviation first, so that ``alpha`` weighs all alike; the
            division becomes part of the head's weight.
        normal: fit to ``normal_scores`` of the labels, so that a few extreme ones pull no harder than others.

    Raises:
        ConfigError: ``alpha`` is not above 0.
        DataError: shapes that do not fit, or values that are not finite.
        MissingDependencyError: scikit-learn is not installed.
    """
    if not alpha > 0:
        raise ConfigError("alpha", "a number above 0", repr(alpha))
    features, labels = np.asarray(features, np.float64), np.asarray(labels, np.float64)
    if features.ndim != 2 or labels.shape != features.shape[:1] or not len(labels):
        raise DataError("features", "(N, D) with one label each", f"{features.shape} and labels {labels.shape}")
    if not (np.isfinite(features).all() and np.isfinite(labels).all()):
        raise DataError("features", "finite features and labels", "NaN or infinity among them")
    scale = np.ones(features.shape[1])
    if standardize:
        deviation = features.std(axis=0)
        scale = np.where(deviation > 1e-12, deviation, 1.0)  # what never varies has nothing to say
    ridge = _ridge_class()(alpha=alpha).fit(features / scale, normal_scores(labels) if normal else labels)
    head = LinearHead(features.shape[1], meaning)
    head.weight.copy_(torch.from_numpy(ridge.coef_ / scale))
    head.bias.fill_(float(ridge.intercept_))
    return head


def normal_scores(labels: NDArray[Any]) -> NDArray[np.float64]:
    """Spread labels (N,) as a normal distribution is, in their order and with their own mean and deviation.

    Of equal labels all get the same. (Rank-based normal scores: van der Waerden 1952, with Hazen's places.)
    """
    labels = np.asarray(labels, np.float64)
    scores = stats.norm.ppf((stats.rankdata(labels) - 0.5) / len(labels))
    scores, deviation = scores - scores.mean(), scores.std()  # with many equal labels the middle is not at 0
    spread: NDArray[np.float64] = labels.mean() + labels.std() * scores / (deviation if deviation > 0 else 1.0)
    return spread


def choose_alpha(
    features: NDArray[Any],
    labels: NDArray[Any],
    splits: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    alphas: Sequence[float],
    *,
    standardize: bool = False,
    normal: bool = False,
) -> list[AlphaScore]:
    """Try every ``alpha`` on every split: fit on its first rows, rank the predictions for its others.

    Args:
        features: (N, D).
        labels: (N,).
        splits: rows to fit on and rows to validate on, such as ``data.rated.content_splits`` gives.
        alphas: candidates, each above 0.
        standardize: as for ``fit_ridge``.
        normal: likewise.

    Returns:
        One entry per ``alpha``, in order of falling mean SRCC; the first is the one to take.

    Raises:
        ConfigError: no candidates or no splits.
        DataError: as of ``fit_ridge``, or predictions or labels of a split that are all alike.
    """
    if not alphas or not splits:
        raise ConfigError("alphas", "at least one alpha and one split", f"{len(alphas)} and {len(splits)}")
    labels = np.asarray(labels, np.float64)
    scores: dict[float, list[float]] = {alpha: [] for alpha in alphas}
    for fitted, held in splits:
        for alpha, values in scores.items():
            head = fit_ridge(features[fitted], labels[fitted], alpha, standardize=standardize, normal=normal).double()
            predicted = head(torch.from_numpy(np.asarray(features[held], np.float64))).numpy()
            if np.ptp(predicted) == 0 or np.ptp(labels[held]) == 0:
                raise DataError("labels", "ratings that differ", f"one value for all {len(held)} rows of a split")
            values.append(float(stats.spearmanr(predicted, labels[held]).statistic))
    return sorted((AlphaScore(alpha, tuple(values)) for alpha, values in scores.items()), key=lambda s: -s.mean)


def _ridge_class() -> Any:
    try:
        from sklearn.linear_model import Ridge
    except ImportError as error:
        fix = "Install it: pip install 'pyiqa-pixelperfect[train]'."
        raise MissingDependencyError("scikit-learn", "scikit-learn, to fit a head", "no such package", fix) from error
    return Ridge
