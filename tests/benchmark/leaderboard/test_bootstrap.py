import numpy as np
import pytest
from scipy import stats

from benchmark.leaderboard.bootstrap import ContentBootstrap, rows_mean, rows_plcc, rows_srcc, student_interval
from benchmark.leaderboard.choices import average_precision, rows_average_precision


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


class Studies:
    """Studies drawn from one population: a quality, and two metrics with errors that versions of a content share."""

    def __init__(self, versions, shared):
        self.versions, self.shared, self.generator = versions, shared, np.random.default_rng(7)

    def draw(self, contents):
        quality, common = self._normal(contents), self._errors(contents)
        first = 0.8 * quality + 0.6 * (0.7 * common + 0.71 * self._errors(contents))
        second = 0.6 * quality + 0.8 * (0.7 * common + 0.71 * self._errors(contents))
        return quality.ravel(), first.ravel(), second.ravel()

    def _errors(self, contents):
        return self.shared * self._normal(contents, 1) + np.sqrt(1 - self.shared**2) * self._normal(contents)

    def _normal(self, contents, versions=None):
        return self.generator.normal(size=(contents, versions or self.versions))


def of_rows(statistic):
    def measure(study, bootstrap):
        function = statistic(*study)
        every = np.arange(len(study[0]))[None]
        value = float(function(every)[0])
        return value, None if bootstrap is None else bootstrap.replicate(function, np.ones(every.size, dtype=bool))

    return measure


def difference_of_two(study, bootstrap):
    quality, first, second = study
    (one, ours), (other, theirs) = (
        of_rows(lambda q, s: rows_srcc(s, q))((quality, s), bootstrap) for s in (first, second)
    )
    return one - other, None if bootstrap is None else ours - theirs


def mean_within(versions):
    def measure(study, bootstrap):
        quality, first, _ = study
        each = rows_srcc(first, quality)(np.arange(len(first)).reshape(-1, versions))
        return float(each.mean()), None if bootstrap is None else bootstrap.replicate_means(each)

    return measure


def credit(quality, first, second):
    """Two pictures, five people with noise of their own; 2a - 1 as in ``choice_agreement``."""
    votes = (stats.norm.cdf(2.0 * quality) * 5).round() / 5
    return rows_mean(2.0 * np.where(first > 0, votes, 1.0 - votes) - 1.0)


STATISTICS = [
    (60, 1, 0.0, of_rows(lambda q, s, _: rows_srcc(s, q)), True),
    (25, 4, 0.6, of_rows(lambda q, s, _: rows_srcc(s, q)), True),
    (25, 4, 0.6, of_rows(lambda q, s, _: rows_plcc(s, q)), True),
    (25, 6, 0.6, mean_within(6), True),
    (100, 1, 0.0, of_rows(credit), True),
    (25, 4, 0.6, difference_of_two, False),
]
NAMES = ["srcc", "srcc of versions", "plcc", "within", "accuracy", "difference"]


@pytest.mark.parametrize(("contents", "versions", "shared", "measure", "fisher"), STATISTICS, ids=NAMES)
def test_b1_intervals_cover_the_truth_as_often_as_they_say(contents, versions, shared, measure, fisher):
    studies, hits, trials = Studies(versions, shared), 0, 1000
    truth = measure(studies.draw(40_000), None)[0]
    names = list(np.repeat([f"c{number:03d}" for number in range(contents)], versions))
    for trial in range(trials):
        value, replicates = measure(studies.draw(contents), ContentBootstrap(names, 200, seed=trial))
        low, high, _ = student_interval(value, replicates, contents, fisher=fisher)
        hits += low <= truth <= high
    assert 0.93 <= hits / trials <= 0.97


def test_intervals_of_average_precision_cover_the_truth_as_often_as_they_say():
    generator = np.random.default_rng(7)

    def draw(pairs):
        """Likeness by a metric, and the share of three people who see no difference."""
        difference = generator.normal(size=pairs)
        likeness = -0.8 * difference + 0.6 * generator.normal(size=pairs)
        return likeness, generator.binomial(3, stats.norm.cdf(-1.2 * difference - 0.3)) / 3

    # The area is a correlation turned to [0, 1], as in ``choice_agreement``; each of its values takes a sort, so there
    # are fewer studies here than above. With 1,000 of 200 pairs it was 94.9 %.
    truth, hits, trials, pairs = average_precision(*draw(200_000)), 0, 400, 120
    for trial in range(trials):
        scores, same = draw(pairs)
        bootstrap = ContentBootstrap([f"c{number:03d}" for number in range(pairs)], 100, seed=trial)
        replicates = bootstrap.replicate(rows_average_precision(same)(scores), np.ones(pairs, dtype=bool))
        value = average_precision(scores, same)
        low, high, _ = student_interval(2.0 * value - 1.0, 2.0 * replicates - 1.0, pairs)
        hits += 0.5 * (low + 1.0) <= truth <= 0.5 * (high + 1.0)
    assert 0.93 <= hits / trials <= 0.97


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
