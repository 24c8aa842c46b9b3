"""Few labels: ridge regression on the features of whole pictures, many times on labels drawn anew."""

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from scipy import stats
from torch import Tensor

from pyiqa_pixelperfect.data.rated import RatedImage, content_splits, ratings_digest, read_ratings
from pyiqa_pixelperfect.errors import DataError
from pyiqa_pixelperfect.grepq.config import GRepQRegression
from pyiqa_pixelperfect.grepq.metric import GRepQ
from pyiqa_pixelperfect.linear_head import Labels, LinearHead, choose_alpha, fit_ridge
from pyiqa_pixelperfect.training.distributed import join_processes
from pyiqa_pixelperfect.training.provenance import code_versions, current_commit
from pyiqa_pixelperfect.training.regression import describe_images
from pyiqa_pixelperfect.weights import bundled_weights, file_sha256, write_atomically

__all__ = ["FewLabels", "draw_rows", "fit_draws", "regress"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FewLabels:
    """What came of several draws.

    Attributes:
        srcc: Spearman's correlation of each draw on pictures whose labels were not drawn.
        alphas: chosen in each draw.
        head: of the first draw.
    """

    srcc: tuple[float, ...]
    alphas: tuple[float, ...]
    head: LinearHead

    @property
    def mean(self) -> float:
        """Mean correlation over the draws."""
        return float(np.mean(self.srcc))

    @property
    def spread(self) -> float:
        """Standard deviation of the correlation over the draws."""
        return float(np.std(self.srcc))


def regress(config: GRepQRegression) -> Path:
    """Fit heads and write that of the first draw to ``<output>/grepq-head.safetensors``.

    Mean and spread of the correlation are logged, and are on the card of the head.

    Raises:
        WeightsError: weights are missing or damaged.
        DataError: the ratings are missing or unusable, or there are fewer than asked for.
        MissingDependencyError: scikit-learn is not installed.
    """
    rows = read_ratings(config.ratings, config.images, config.split)
    tests = read_ratings(config.ratings, config.images, config.test) if config.test else []
    device = join_processes(config.device).device
    metric = GRepQ.load(config.weights, high=config.high).to(device)
    sources = [config.weights or bundled_weights("grepq-low"), *([config.high] if config.high else [])]
    origin = " ".join(file_sha256(source) for source in sources)
    features = _features(metric, config, rows + tests, origin, device)
    mos = np.array([row.mos for row in rows + tests])
    train, test = np.arange(len(rows)), np.arange(len(rows), len(mos))
    contents = [row.content for row in rows + tests]
    found = fit_draws(features.numpy(), mos, contents, train, test, config)
    count = config.n_labels or len(rows)
    _log.info("%d labels, %d draws: SRCC %.4f +- %.4f", count, len(found.srcc), found.mean, found.spread)
    path = config.output / "grepq-head.safetensors"
    found.head.save(path, _card(config, rows, found, origin))
    return path


def draw_rows(rows: NDArray[np.int64], count: int | None, draw: int, seed: int) -> NDArray[np.int64]:
    """Rows of one draw, sorted; a pure function of its arguments.

    Raises:
        DataError: fewer rows than that.
    """
    if count is None:
        return rows
    if count > len(rows):
        raise DataError("n_labels", f"at most the {len(rows)} rows there are", str(count))
    return np.sort(np.random.default_rng([seed, count, draw]).choice(rows, count, replace=False))


def fit_draws(
    features: NDArray[np.float32],
    mos: NDArray[np.float64],
    contents: list[str],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    config: GRepQRegression,
) -> FewLabels:
    """Fit a head on each draw of labels and correlate its predictions with labels it has not seen.

    Args:
        features: (N, D).
        mos: (N,).
        contents: what each picture shows.
        train: rows that labels are drawn from.
        test: rows to correlate on; the training rows that were not drawn if empty.
        config: how many labels and draws, and how to fit.

    Raises:
        DataError: fewer rows than asked for, or none left to correlate on.
    """
    meaning = Labels(*config.scale, config.lower_better, config.ratings.name)
    draws = config.draws if config.n_labels else 1  # all labels can be drawn in one way only
    srcc, alphas, heads = [], [], []
    for draw in range(draws):
        drawn = draw_rows(train, config.n_labels, draw, config.seed)
        held = test if len(test) else np.setdiff1d(train, drawn)
        if len(held) < 3:
            raise DataError("test", "at least three rows to correlate on", str(len(held)))
        splits = content_splits([contents[row] for row in drawn], config.splits, config.validation, config.seed)
        tried = choose_alpha(features[drawn], mos[drawn], splits, config.alphas, standardize=config.standardize)
        alphas.append(tried[0].alpha)
        head = fit_ridge(features[drawn], mos[drawn], alphas[-1], meaning=meaning, standardize=config.standardize)
        predicted = head.double()(torch.from_numpy(features[held].astype(np.float64))).numpy()
        srcc.append(float(stats.spearmanr(predicted, mos[held]).statistic))
        heads.append(head.float())
    return FewLabels(tuple(srcc), tuple(alphas), heads[0])


def _features(
    metric: GRepQ, config: GRepQRegression, rows: list[RatedImage], origin: str, device: torch.device
) -> Tensor:
    """Features of all pictures, from the output folder if they are there."""
    tag = hashlib.sha256(f"{origin} {config.branches} {ratings_digest(rows)}".encode()).hexdigest()
    path = config.output / f"features-{config.branches}.safetensors"
    try:
        with safe_open(path, "pt") as file:
            if (file.metadata() or {}).get("tag") == tag:
                kept: Tensor = file.get_tensor("features")
                return kept
    except (OSError, SafetensorError):
        pass  # not made yet, or damaged
    features = describe_images(lambda image: metric.features(image, config.branches), rows, device)
    write_atomically(path, save({"features": features.contiguous()}, {"tag": tag}))
    return features


def _card(config: GRepQRegression, rows: list[RatedImage], found: FewLabels, origin: str) -> dict[str, str]:
    figures = {"srcc": [round(value, 4) for value in found.srcc], "mean": round(found.mean, 4),
               "spread": round(found.spread, 4), "alphas": list(found.alphas)}  # fmt: skip
    return {
        "branches": config.branches,
        "features_sha256": origin,
        "figures": json.dumps(figures),
        "settings": config.model_dump_json(exclude={"output", "weights", "high", "ratings", "images", "device"}),
        "ratings_sha256": ratings_digest(rows),
        "commit": current_commit(),
        "versions": code_versions(),
    }
