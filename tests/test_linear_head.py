"""Heads: ridge regression against its closed form, labels that travel with the numbers, files that are refused."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pyiqa_pixelperfect.errors import ConfigError, DataError, WeightsError
from pyiqa_pixelperfect.linear_head import Labels, LinearHead, choose_alpha, fit_ridge, normal_scores
from pyiqa_pixelperfect.weights import save_weights

DMOS = Labels(0.0, 100.0, lower_better=True, source="a study")


@pytest.fixture
def rated() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(60, 7)) * [1, 2, 5, 1, 1, 1, 0.01]
    return features, features @ generator.normal(size=7) + 3.0 + 0.1 * generator.normal(size=60)


@pytest.mark.parametrize("alpha", [1e-3, 1.0, 50.0])
def test_ridge_is_its_closed_form_with_a_free_intercept(rated, alpha):
    features, labels = rated
    x, y = features - features.mean(0), labels - labels.mean()
    weight = np.linalg.solve(x.T @ x + alpha * np.eye(7), x.T @ y)
    head = fit_ridge(features, labels, alpha)
    assert np.allclose(head.weight.numpy(), weight, rtol=1e-5, atol=1e-6)
    assert np.isclose(head.bias.item(), labels.mean() - features.mean(0) @ weight, rtol=1e-5)


def test_a_standardized_fit_does_not_depend_on_units(rated):
    features, labels = rated
    units = np.array([1, 10, 1e-3, 1, 1e4, 1, 1])
    one = fit_ridge(features, labels, 10.0, standardize=True)
    other = fit_ridge(features * units, labels, 10.0, standardize=True)
    assert np.allclose(one.weight.numpy(), other.weight.numpy() * units, rtol=1e-4)
    assert not np.allclose(one.weight.numpy(), fit_ridge(features, labels, 10.0).weight.numpy(), rtol=1e-2)


def test_a_feature_that_never_varies_does_no_harm(rated):
    features, labels = rated
    features = np.concatenate((features, np.full((60, 1), 7.0)), axis=1)
    head = fit_ridge(features, labels, 1.0, standardize=True)
    assert head.weight[-1] == 0
    assert head.weight.isfinite().all()


@given(labels=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_normal_scores_keep_order_mean_and_deviation(labels):
    labels = np.array(labels)
    scores = normal_scores(labels)
    assert np.isclose(scores.mean(), labels.mean(), rtol=1e-9, atol=1e-6)
    assert np.isclose(scores.std(), labels.std(), rtol=1e-9, atol=1e-6)
    assert (np.diff(scores[np.argsort(labels)]) >= -1e-9 * (1 + np.ptp(labels))).all()
    for value in labels:
        assert np.ptp(scores[labels == value]) <= 1e-9 * (1 + np.ptp(labels))


def test_normal_scores_are_quantiles_of_a_normal_distribution():
    generator = np.random.default_rng(2)
    labels = 50.0 + 3.0 * generator.normal(size=4000)
    inner = abs(labels - 50.0) < 6.0  # beyond two deviations chance decides how far apart labels are
    assert np.allclose(normal_scores(labels)[inner], labels[inner], atol=0.3)
    bent = normal_scores(np.exp(labels / 3.0))
    assert np.corrcoef(bent, labels)[0, 1] > 0.999
    assert np.ptp(normal_scores(np.ones(5))) == 0


def test_a_fit_to_normal_scores_does_not_depend_on_how_far_an_extreme_is_off(rated):
    features, labels = rated
    far = np.where(labels == labels.max(), labels.max() + 1000.0 * np.ptp(labels), labels)

    def predicted(labels, **options):
        head = fit_ridge(features, labels, 1.0, **options)
        return head(torch.from_numpy(features).float()).numpy()

    def agreement(**options):
        return stats.spearmanr(predicted(labels, **options), predicted(far, **options)).statistic

    assert agreement(normal=True) > 0.999
    assert agreement() < 0.9
    one, other = (predicted(values, normal=True) for values in (labels, far))
    assert np.allclose((one - one.mean()) / one.std(), (other - other.mean()) / other.std(), atol=1e-3)
    splits = [(np.arange(0, 40), np.arange(40, 60))]
    by_order = choose_alpha(features, labels, splits, [1.0], normal=True)[0]
    assert by_order.srcc == pytest.approx(choose_alpha(features, np.exp(labels), splits, [1.0], normal=True)[0].srcc)


def test_quality_is_higher_for_better_pictures_whatever_the_labels(rated):
    features = torch.from_numpy(rated[0]).float()
    mos, dmos = fit_ridge(*rated, 1.0), fit_ridge(*rated, 1.0, meaning=DMOS)
    assert torch.equal(mos(features), dmos(features))
    assert torch.equal(mos.quality(features), mos(features))
    assert torch.equal(dmos.quality(features), -dmos(features))


def test_a_head_survives_its_file(rated, tmp_path):
    head = fit_ridge(*rated, 1.0, meaning=DMOS)
    head.save(tmp_path / "h.safetensors", {"note": "x"})
    again = LinearHead.load(tmp_path / "h.safetensors")
    assert torch.equal(again.weight, head.weight)
    assert torch.equal(again.bias, head.bias)
    assert again.labels == DMOS
    assert again.card["note"] == "x"


@pytest.mark.parametrize(
    ("state", "labels"),
    [
        ({"weight": torch.zeros(3)}, None),
        ({"weight": torch.zeros(3), "bias": torch.zeros(2)}, None),
        ({"weight": torch.zeros(()), "bias": torch.zeros(())}, None),
        ({"weight": torch.zeros(3), "bias": torch.zeros(())}, "{"),
        ({"weight": torch.zeros(3), "bias": torch.zeros(())}, '{"lowest": 3}'),
    ],
)
def test_files_that_are_no_head_are_refused(tmp_path, state, labels):
    card = {"class": "LinearHead", "labels": labels or json.dumps(dataclasses.asdict(DMOS))}
    save_weights(tmp_path / "h.safetensors", state, card)
    with pytest.raises(WeightsError, match="head: expected"):
        LinearHead.load(tmp_path / "h.safetensors")


def test_noise_wants_a_large_alpha_and_plain_facts_a_small_one(rated):
    features, labels = rated
    splits = [(np.arange(0, 40), np.arange(40, 60)), (np.arange(20, 60), np.arange(20))]
    facts = choose_alpha(features, labels, splits, [1e-3, 1e6])
    assert facts[0].alpha == 1e-3
    assert facts[0].mean > 0.99
    assert len(facts[0].srcc) == 2
    assert facts[0].spread < 0.01
    generator = np.random.default_rng(1)
    many = generator.normal(size=(60, 39))  # as many as there are rows to fit on: without a penalty they fit the noise
    noisy = many @ np.ones(39) + 6.0 * generator.normal(size=60)
    best, worst = choose_alpha(many, noisy, splits, [1e-6, 30.0])
    assert (best.alpha, worst.alpha) == (30.0, 1e-6)


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan")])
def test_alpha_is_above_zero(rated, alpha):
    with pytest.raises(ConfigError, match="alpha: expected a number above 0"):
        fit_ridge(*rated, alpha)


def test_unusable_data_is_refused(rated):
    features, labels = rated
    with pytest.raises(DataError, match="one label each"):
        fit_ridge(features, labels[:-1], 1.0)
    with pytest.raises(DataError, match="NaN or infinity"):
        fit_ridge(np.where(features == features[3, 3], np.nan, features), labels, 1.0)
    with pytest.raises(DataError, match="ratings that differ"):
        choose_alpha(features, np.ones(60), [(np.arange(30), np.arange(30, 60))], [1.0])
    with pytest.raises(ConfigError, match="at least one alpha"):
        choose_alpha(features, labels, [], [1.0])
