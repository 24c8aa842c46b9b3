import numpy as np
import pytest
from scipy import stats

from benchmark.leaderboard.bootstrap import ContentBootstrap, rows_mean, rows_plcc, rows_srcc, student_interval


@pytest.mark.parametrize("levels", [None, 4])
def test_correlations_of_samples_are_scipys(levels, generator):
    scores, ratings = generator.normal(size=50), generator.normal(size=50)
    if levels:  # many ties
        scores, ratings = np.round(scores * levels) / levels, np.round(ratings * levels) / levels
    rows = generator.integers(0, 50, size=(20, 50))
    for statistic, theirs in ((rows_srcc, stats.spearmanr), (rows_plcc, stats.pearsonr)):
        values = statistic(scores, ratings)(rows)
        expected = [theirs(scores[row], ratings[row]).statistic for row in rows]
        assert np.abs(values - expected).max() <= 1e-12


def test_a_constant_sample_has_no_correlation():
    assert np.isnan(rows_srcc(np.ones(5), np.arange(5.0))(np.arange(5)[None])).all()


def test_samples_of_equal_size_and_one_by_one_agree(generator):
    contents = list(np.repeat([f"c{number:02d}" for number in range(10)], 3))
    scores, ratings = generator.normal(size=30), generator.normal(size=30)
    bootstrap = ContentBootstrap(contents, 40, seed=1)
    known = np.ones(30, dtype=bool)
    together = bootstrap.replicate(rows_srcc(scores, ratings), known)
    places = {name: np.flatnonzero(np.array(contents) == name) for name in bootstrap.names}
    rows = [np.concatenate([places[bootstrap.names[place]] for place in draw]) for draw in bootstrap.draws]
    alone = [stats.spearmanr(scores[row], ratings[row]).statistic for row in rows]
    assert np.abs(together - alone).max() <= 1e-12
    known[4] = False  # contents of unequal size go the other way
    ragged = bootstrap.replicate(rows_srcc(scores, ratings), known)
    kept = [row[row != 4] for row in rows]
    assert np.abs(ragged - [stats.spearmanr(scores[row], ratings[row]).statistic for row in kept]).max() <= 1e-12


def test_the_same_seed_draws_the_same_samples_whatever_the_order_of_names():
    first, second = (ContentBootstrap(names, 9, seed=3) for names in (["a", "b", "b"], ["b", "a", "b"]))
    assert np.array_equal(first.draws, second.draws)
    assert first.names == second.names


def coverage(contents, versions, shared, trials):
    """How often the interval holds the correlation of all data that could be drawn; `shared` errors within contents."""
    generator = np.random.default_rng(7)

    def draw(count):
        quality = generator.normal(size=(count, versions))
        own = np.sqrt(1 - shared**2) * generator.normal(size=(count, versions))
        error = shared * generator.normal(size=(count, 1)) + own
        return quality.ravel(), (0.8 * quality + 0.6 * error).ravel()

    truth = stats.spearmanr(*draw(40_000)).statistic
    names, hits = list(np.repeat([f"c{number:03d}" for number in range(contents)], versions)), 0
    for trial in range(trials):
        scores, ratings = draw(contents)
        bootstrap = ContentBootstrap(names, 200, seed=trial)
        replicates = bootstrap.replicate(rows_srcc(scores, ratings), np.ones(len(names), dtype=bool))
        low, high, _ = student_interval(stats.spearmanr(scores, ratings).statistic, replicates, contents)
        hits += low <= truth <= high
    return hits / trials


@pytest.mark.parametrize(("contents", "versions", "shared"), [(60, 1, 0.0), (25, 4, 0.6)])
def test_b1_intervals_cover_the_truth_as_often_as_they_say(contents, versions, shared):
    assert 0.93 <= coverage(contents, versions, shared, trials=1000) <= 0.97


def test_too_few_contents_give_no_interval(generator):
    assert np.isnan(student_interval(0.5, generator.normal(size=50), 7)).all()
    assert not np.isnan(student_interval(0.5, generator.uniform(0, 0.9, 50), 8)).any()


def test_what_never_varies_has_no_width():
    assert student_interval(1.0, np.ones(50), 20) == (1.0, 1.0, 0.0)


def test_a_difference_far_from_zero_is_no_chance(generator):
    low, high, chance = student_interval(0.3, generator.normal(0.3, 0.05, 500), 30, fisher=False)
    assert low < 0.3 < high
    assert chance < 1e-4
    assert student_interval(0.0, generator.normal(0.0, 0.05, 500), 30, fisher=False)[2] == pytest.approx(1.0)


def test_means_leave_unknown_contents_out():
    bootstrap = ContentBootstrap(["a", "b", "c"], 30, seed=0)
    values = np.array([1.0, np.nan, 1.0])
    means = bootstrap.replicate_means(values)
    assert set(means[~np.isnan(means)]) == {1.0}
    assert np.isnan(means).sum() == (bootstrap.draws == 1).all(axis=1).sum()
    assert rows_mean(np.arange(4.0))(np.array([[0, 2], [1, 1]])).tolist() == [1.0, 1.0]
