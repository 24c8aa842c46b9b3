"""Do features know the distortion? Linear probes for the type and the level of KADIS distortions of held-out photos.

The photos are divided in two halves; classifiers are fitted on one, their penalty chosen by cross-validation over its
photos, and measured on the other. Levels that leave a picture as it is are left out.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.photos import Photo, to_tensor
from pyiqa_pixelperfect.contrique.networks import Encoder
from pyiqa_pixelperfect.distortions import KADIS, KADIS_LEVELS, apply_kadis

__all__ = ["Sheet", "describe_sheets", "distorted_sheets", "probe_accuracy"]

Features: TypeAlias = NDArray[np.float64]
Numbers: TypeAlias = NDArray[np.int64]

ALPHAS = (10.0, 100.0, 1000.0, 10000.0)  # of the classifiers, chosen on photos to fit on
FOLDS = 3


class Sheet(NamedTuple):
    """All versions of one photo: (N, 3, H, W), with the number of the type and the level of each, and the photo's."""

    images: Tensor
    types: Numbers
    levels: Numbers
    photo: int


def distorted_sheets(photos: Sequence[Photo], seed: int) -> Iterator[Sheet]:
    """Distort each photo by every type at every level that changes it."""
    for number, photo in enumerate(photos):
        clean = to_tensor(photo.pixels)
        pairs = [
            (entry.number, level)
            for entry in KADIS.values()
            for level in range(1, KADIS_LEVELS + 1)
            if level not in entry.identity_levels
        ]
        seeds = [torch.tensor([seed * 1_000_003 + number * 211 + place]) for place in range(len(pairs))]
        images = [apply_kadis(clean, kind, level, draw) for (kind, level), draw in zip(pairs, seeds, strict=True)]
        types, levels = (np.array(values) for values in zip(*pairs, strict=True))
        yield Sheet(torch.cat(images), types, levels, number)


def describe_sheets(encoders: dict[str, Encoder], sheets: Iterable[Sheet]) -> tuple[pd.DataFrame, dict[str, Features]]:
    """Describe all versions by every encoder, in bfloat16.

    Returns:
        One row per version with ``photo``, ``type`` and ``level``, and features (rows, D) by name of the encoder.
    """
    rows: list[pd.DataFrame] = []
    found: dict[str, list[Features]] = {name: [] for name in encoders}
    for sheet in sheets:
        rows.append(pd.DataFrame({"photo": sheet.photo, "type": sheet.types, "level": sheet.levels}))
        pixels = sheet.images.contiguous(memory_format=torch.channels_last)
        for name, encoder in encoders.items():
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
                parts = [encoder.describe(part).double() for part in pixels.split(16)]
            found[name].append(torch.cat(parts).numpy())
    return pd.concat(rows, ignore_index=True), {name: np.concatenate(parts) for name, parts in found.items()}


def probe_accuracy(rows: pd.DataFrame, features: Features) -> dict[str, float]:
    """Accuracy on the second half of the photos of classifiers fitted on the first.

    Returns:
        ``type``: of 25 types; ``level``: of the level, by a classifier for each type, mean over types; ``type_chance``
        and ``level_chance``: of guessing the most frequent.
    """
    photos = rows["photo"].to_numpy()
    fitted = photos % 2 == 0
    held = ~fitted
    types, levels = rows["type"].to_numpy(), rows["level"].to_numpy()
    by_type = []
    chance = []
    for kind in np.unique(types):
        one, other = fitted & (types == kind), held & (types == kind)
        by_type.append(_accuracy(features[one], levels[one], photos[one], features[other], levels[other]))
        chance.append(1.0 / len(np.unique(levels[one])))
    return {
        "type": _accuracy(features[fitted], types[fitted], photos[fitted], features[held], types[held]),
        "type_chance": float(np.bincount(types[held]).max() / held.sum()),
        "level": float(np.mean(by_type)),
        "level_chance": float(np.mean(chance)),
    }


def _accuracy(
    train: Features, labels: Numbers, photos: Numbers, test: Features, truth: Numbers, *, folds: int = FOLDS
) -> float:
    from sklearn.linear_model import RidgeClassifier
    from sklearn.model_selection import GridSearchCV, GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    count = min(folds, len(np.unique(photos)))
    classifier = make_pipeline(StandardScaler(), RidgeClassifier(alpha=ALPHAS[0]))
    if count > 1:
        tried = {"ridgeclassifier__alpha": list(ALPHAS)}
        search = GridSearchCV(classifier, tried, cv=GroupKFold(count)).fit(train, labels, groups=photos)
        return float((search.predict(test) == truth).mean())
    return float((classifier.fit(train, labels).predict(test) == truth).mean())
