"""Heads fitted to ratings: read the table, describe its pictures, choose ``alpha`` on splits by content, fit on all."""

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from rich.console import Console
from rich.progress import track
from torch import Tensor

from pyiqa_pixelperfect.config import Config
from pyiqa_pixelperfect.data.rated import RatedImage, content_splits, ratings_digest, read_ratings
from pyiqa_pixelperfect.errors import DataError
from pyiqa_pixelperfect.images import read_image
from pyiqa_pixelperfect.linear_head import AlphaScore, Labels, LinearHead, choose_alpha, fit_ridge
from pyiqa_pixelperfect.training.provenance import code_versions, current_commit

__all__ = ["HeadSettings", "describe_images", "few_labels", "fit_head", "log_spaced"]

_log = logging.getLogger(__name__)


def log_spaced(first: int, last: int, per_decade: int = 2) -> tuple[float, ...]:
    """Numbers from ``10^first`` to ``10^last``, evenly spaced in their logarithm."""
    count = (last - first) * per_decade + 1
    return tuple(float(f"{value:.4g}") for value in np.logspace(first, last, count))


class HeadSettings(Config):
    """Which ratings a head is fitted to, and how."""

    ratings: Path  # CSV table; see ``data.rated.read_ratings``
    images: Path | None = None  # folder of its pictures, if not beside it
    split: str | None = "train"  # rows to use; null = all
    limit: Annotated[int, Field(ge=10)] | None = None  # use only so many rows, drawn by the seed (few labels)
    low: float = 0.0  # the scale of the ratings
    high: float = 1.0
    lower_better: bool = False  # as with DMOS
    alphas: Annotated[tuple[Annotated[float, Field(gt=0.0)], ...], Field(min_length=1)] = log_spaced(-4, 4)
    splits: Annotated[int, Field(ge=1)] = 10  # by content, to choose alpha and to report the spread
    validation: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2  # share of the contents
    standardize: bool = False
    normal: bool = False  # fit to normal scores of the ratings: see ``fit_ridge``
    seed: int = 0


def few_labels(rows: list[RatedImage], limit: int | None, seed: int) -> list[RatedImage]:
    """Draw ``limit`` rows at random, in the order of the table; the first of a larger draw are not a smaller one's.

    Raises:
        DataError: fewer rows than that.
    """
    if limit is None:
        return rows
    if limit > len(rows):
        raise DataError("limit", f"at most the {len(rows)} rows there are", str(limit))
    chosen = np.random.default_rng([seed, limit]).choice(len(rows), limit, replace=False)
    return [rows[place] for place in sorted(chosen)]


@torch.no_grad()
def describe_images(describe: Callable[[Tensor], Tensor], rows: list[RatedImage], device: torch.device) -> Tensor:
    """Features (N, D) float32 on the CPU; one whole picture at a time, since sizes differ.

    Args:
        describe: maps (1, 3, H, W) in [0, 1] to (1, D).
        rows: the pictures.
        device: where to compute.

    Raises:
        ImageReadError: a file that is no picture.
        DataError: features that are not finite.
    """
    shown = track(rows, "features", console=Console(stderr=True), transient=True)
    found = [describe(read_image(row.path).to(device))[0].float().cpu() for row in shown]
    features = torch.stack(found)
    if not bool(features.isfinite().all()):
        raise DataError("features", "finite features of every picture", "NaN or infinity: are the weights sound?")
    return features


def fit_head(describe: Callable[[Tensor], Tensor], settings: HeadSettings, device: torch.device) -> LinearHead:
    """Fit a head, ``alpha`` chosen by mean SRCC over validation splits; its card says how.

    Args:
        describe: as for ``describe_images``.
        settings: which ratings, and how.
        device: where ``describe`` computes.

    Raises:
        DataError: the ratings are missing or unusable.
        MissingDependencyError: scikit-learn is not installed.
    """
    rows = few_labels(read_ratings(settings.ratings, settings.images, settings.split), settings.limit, settings.seed)
    features = describe_images(describe, rows, device).numpy()
    mos = np.array([row.mos for row in rows])
    splits = content_splits([row.content for row in rows], settings.splits, settings.validation, settings.seed)
    how = {"standardize": settings.standardize, "normal": settings.normal}
    tried = choose_alpha(features, mos, splits, settings.alphas, **how)
    best = tried[0]
    _log.info("alpha %g: SRCC %.4f +- %.4f over %d splits", best.alpha, best.mean, best.spread, len(splits))
    subset = f"rows of split {settings.split!r}" if settings.split else "all rows"
    source = f"{settings.ratings.name}, {subset}, {len(rows)} pictures"
    labels = Labels(settings.low, settings.high, settings.lower_better, source)
    head = fit_ridge(features, mos, best.alpha, meaning=labels, **how)
    head.card = _card(settings, rows, best, tried)
    return head


def _card(settings: HeadSettings, rows: list[RatedImage], best: AlphaScore, tried: list[AlphaScore]) -> dict[str, str]:
    figures: Mapping[str, object] = {
        "alpha": best.alpha,
        "validation_srcc": round(best.mean, 4),
        "validation_srcc_spread": round(best.spread, 4),
        "splits": [round(value, 4) for value in best.srcc],
        "alphas": {f"{score.alpha:g}": round(score.mean, 4) for score in sorted(tried, key=lambda s: s.alpha)},
    }
    return {
        "head_figures": json.dumps(figures),
        "head_settings": settings.model_dump_json(exclude={"ratings", "images"}),
        "head_ratings_sha256": ratings_digest(rows),
        "head_commit": current_commit(),
        "head_versions": code_versions(),
    }
