import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from benchmark.statistics import center_by_group, interval, reference_srccs, resample_groups, roc_auc, srcc


@pytest.mark.parametrize("levels", [None, 3, 50])
def test_auc_equals_scikit_learn_and_mann_whitney(levels, generator):
    positive, negative = generator.normal(0.4, 1.0, 301), generator.normal(0.0, 1.0, 777)
    if levels is not None:  # many ties
        positive, negative = (np.round(values * levels) / levels for values in (positive, negative))
    expected = roc_auc_score(np.r_[np.ones(301), np.zeros(777)], np.r_[positive, negative])
    assert roc_auc(positive, negative) == pytest.approx(expected, abs=1e-12)
    assert roc_auc(positive, negative) == pytest.approx(
        stats.mannwhitneyu(positive, negative).statistic / (301 * 777), abs=1e-12
    )


def test_auc_of_float32_maps_equals_scikit_learn(generator):
    values = generator.random((64, 64), dtype=np.float32)
    truth = generator.random((64, 64)) < 0.3
    assert roc_auc(values[truth], values[~truth]) == pytest.approx(roc_auc_score(truth.ravel(), values.ravel()))


def test_auc_corner_cases():
    assert roc_auc(np.array([2.0]), np.array([1.0])) == 1.0
    assert roc_auc(np.array([1.0]), np.array([2.0])) == 0.0
    assert roc_auc(np.ones(5), np.ones(7)) == 0.5
    assert np.isnan(roc_auc(np.array([]), np.ones(3)))


def test_srcc_is_scipys_and_skips_unknown_scores(generator):
    first, second = generator.normal(size=50), generator.normal(size=50)
    assert srcc(first, second) == pytest.approx(stats.spearmanr(first, second).statistic, abs=1e-12)
    holed = first.copy()
    holed[:10] = np.nan
    assert srcc(holed, second) == pytest.approx(stats.spearmanr(first[10:], second[10:]).statistic, abs=1e-12)
    assert np.isnan(srcc(np.ones(50), second))
    assert np.isnan(srcc(first[:2], second[:2]))


def test_within_reference_ignores_how_references_differ(generator):
    references = np.repeat(["a", "b", "c"], 6)
    quality = np.tile(np.arange(6.0), 3)
    appeal = np.repeat([0.0, 100.0, -50.0], 6)
    values = reference_srccs(quality, quality + appeal, list(references))
    assert list(values.index) == ["a", "b", "c"]
    assert values.tolist() == pytest.approx([1.0, 1.0, 1.0])
    assert reference_srccs(-quality, quality + appeal, list(references)).tolist() == pytest.approx([-1.0] * 3)


def test_centering_takes_group_means_off(generator):
    groups = list(np.repeat(["a", "b"], 5))
    centered = center_by_group(generator.normal(size=10), groups)
    assert pd.Series(centered).groupby(groups).mean().tolist() == pytest.approx([0.0, 0.0], abs=1e-12)


def test_bootstrap_draws_whole_groups():
    groups = ["a", "b", "b", "c", "c", "c"]
    for rows in resample_groups(groups, 50, seed=0):
        names = [groups[row] for row in rows]
        assert all(names.count(name) % groups.count(name) == 0 for name in set(names))
    assert not all(
        np.array_equal(*pair) for pair in zip(resample_groups(groups, 9, 0), resample_groups(groups, 9, 1), strict=True)
    )


def test_one_group_alone_has_no_interval():
    samples = resample_groups(["a", "a"], 50, seed=0)
    assert np.isnan(interval(lambda rows: float(rows.mean()), samples)).all()


def test_interval_covers_the_truth_about_as_often_as_it_says():
    hits = 0
    for seed in range(300):
        values = np.random.default_rng(seed).normal(size=40)
        samples = resample_groups([str(number) for number in range(40)], 200, seed)
        low, high = interval(lambda rows, values=values: float(values[rows].mean()), samples)
        hits += low <= 0.0 <= high
    assert 0.90 <= hits / 300 <= 0.98


def test_interval_leaves_unknown_values_out():
    samples = [np.array([number]) for number in range(5)]
    assert interval(lambda rows: float("nan") if rows[0] == 4 else 1.0, samples) == (1.0, 1.0)
    assert np.isnan(interval(lambda _: float("nan"), samples)).all()
