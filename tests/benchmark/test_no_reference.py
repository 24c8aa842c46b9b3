"""Agreement of no-reference scores with ratings: the statistics, and heads that see training rows only."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmark.describers import Describer, describe_rows, natural_scene_statistics
from benchmark.no_reference import agreement, growth, predict_by_ridge, quality_targets
from pyiqa_pixelperfect.data.rated import RatedImage


def rows(count: int, seed: int = 0) -> list[RatedImage]:
    values = np.random.default_rng(seed).uniform(size=count)
    return [RatedImage(Path(f"{number}.png"), float(value), str(number)) for number, value in enumerate(values)]


def test_correlations_are_those_of_scipy_and_lie_in_their_intervals():
    rated = rows(80)
    mos = np.array([row.mos for row in rated])
    scores = mos + 0.3 * np.random.default_rng(1).normal(size=80)
    figures = agreement(scores, rated, repeats=200, seed=0)
    assert figures["srcc"] == pytest.approx(stats.spearmanr(scores, mos).statistic)
    assert figures["plcc"] == pytest.approx(stats.pearsonr(scores, mos).statistic)
    for name in ("srcc", "plcc"):
        assert figures[f"{name}_low"] < figures[name] < figures[f"{name}_high"]
    assert agreement(scores, rated, repeats=200, seed=0) == figures


def test_constant_scores_agree_with_nobody():
    figures = agreement(np.ones(30), rows(30), repeats=20, seed=0)
    assert np.isnan(figures["srcc"])
    assert np.isnan(figures["plcc"])


def test_ridge_predicts_what_features_know_whatever_their_size():
    train, test = rows(100), rows(40, seed=5)
    generator = np.random.default_rng(2)

    def features(rated: list[RatedImage]) -> np.ndarray:
        mos = np.array([row.mos for row in rated])
        return np.stack([1e-3 * mos, 1e3 * generator.normal(size=len(rated))], axis=1)

    predicted, chosen = predict_by_ridge(features(train), features(test), train, seed=0)
    assert stats.spearmanr(predicted, [row.mos for row in test]).statistic > 0.99
    assert chosen["standardize"]
    assert chosen["validation"] > 0.99


def test_features_are_kept_and_taken_back(tmp_path, photos):
    from PIL import Image

    Image.fromarray(photos[0].pixels[:64, :64]).save(tmp_path / "a.png")
    rated = [RatedImage(tmp_path / "a.png", 0.5, "a")]
    calls = []

    def function(image):
        calls.append(image)
        return image.mean((2, 3))

    for key in ("one", "one", "two"):
        found = describe_rows(Describer("mean", function, key), rated, tmp_path / "cache", quiet=True)
        assert found.shape == (1, 3)
    assert len(calls) == 2


def test_classical_statistics_describe_noise_and_blur_differently(photos):
    import torch
    from torchvision.transforms.functional import gaussian_blur

    clean = torch.tensor(photos[0].pixels).permute(2, 0, 1)[None].float() / 255
    describe = natural_scene_statistics().function
    assert describe(clean).shape == (1, 36)
    assert (describe(clean) - describe(gaussian_blur(clean, [7, 7]))).abs().max() > 0.05


def test_targets_are_the_promised_ones():
    import pandas as pd

    table = pd.DataFrame([{"metric": "ours", "srcc": 0.66}, {"metric": "fresh", "srcc": 0.60}])
    reached = {item.figure: item.reached for item in quality_targets(table, "ours", "fresh")}
    assert list(reached.values()) == [True, False]


def test_growth_is_the_gain_per_doubling():
    assert growth([100, 200, 800], [0.4, 0.45, 0.55]) == pytest.approx(0.05)
    assert growth([0, 100], [0.1, 0.4]) is None
    assert growth([], []) is None
