import numpy as np
import pytest
from scipy import stats

from benchmark.leaderboard.bootstrap import ContentBootstrap
from benchmark.leaderboard.significance import compare_metrics, williams


def test_williams_is_the_published_value():
    # Steiger's example, as the psych package for R prints it: r.test(103, .4, .5, .1) -> t = -0.89, p < 0.37.
    value, chance = williams(0.4, 0.5, 0.1, 103)
    assert value == pytest.approx(-0.89, abs=0.005)
    assert chance == pytest.approx(0.37, abs=0.01)


@pytest.mark.parametrize(("first", "second", "between", "count"), [(0.9, 0.7, 0.2, 12), (0.5, -0.3, 0.4, 30)])
def test_williams_equals_the_formula_with_a_determinant(first, second, between, count):
    matrix = np.array([[1, first, second], [first, 1, between], [second, between, 1]])
    below = 2 * (count - 1) / (count - 3) * np.linalg.det(matrix) + (first + second) ** 2 / 4 * (1 - between) ** 3
    expected = (first - second) * np.sqrt((count - 1) * (1 + between) / below)
    assert williams(first, second, between, count)[0] == pytest.approx(expected, abs=1e-12)


def test_williams_is_antisymmetric_and_knows_its_limits():
    forth, back = williams(0.9, 0.8, 0.85, 50), williams(0.8, 0.9, 0.85, 50)
    assert forth[0] == -back[0]
    assert forth[1] == back[1]
    assert williams(0.7, 0.7, 1.0, 50) == (0.0, 1.0)
    assert np.isnan(williams(0.7, 0.6, 0.5, 3)).all()
    assert np.isnan(williams(np.nan, 0.6, 0.5, 30)).all()


def test_williams_keeps_its_level():
    generator = np.random.default_rng(0)
    chances = []
    for _ in range(1000):
        quality = generator.normal(size=40)
        first, second = (quality + generator.normal(size=40) for _ in range(2))
        r = [stats.pearsonr(*pair).statistic for pair in ((first, quality), (second, quality), (first, second))]
        chances.append(williams(*r, 40)[1])
    assert 0.03 <= np.mean(np.array(chances) < 0.05) <= 0.07


@pytest.fixture
def study(generator):
    contents = [f"c{number:02d}" for number in range(20) for _ in range(5)]
    ratings = generator.normal(size=100)
    good = ratings + 0.3 * generator.normal(size=100)
    bad = ratings + 2.0 * generator.normal(size=100)
    return {"good": good, "same": 2.0 * good, "bad": bad}, ratings, ContentBootstrap(contents, 200, seed=0)


def test_the_better_metric_is_ahead_and_a_monotone_copy_is_not(study):
    table = compare_metrics(*study, None).set_index(["first", "second"])
    ahead = table.loc["good", "bad"]
    assert ahead["difference"] > 0.2
    assert ahead["low"] > 0
    assert max(ahead["p"], ahead["williams_p"]) < 1e-4
    copy = table.loc["good", "same"]
    assert copy["difference"] == 0.0
    assert copy["williams_p"] == 1.0


def test_only_images_that_both_scored_count(study):
    scores, ratings, bootstrap = study
    holed = scores["bad"].copy()
    holed[:10] = np.nan
    table = compare_metrics({"good": scores["good"], "bad": holed}, ratings, bootstrap, None)
    assert table["n"].tolist() == [90]
    expected = (stats.spearmanr(scores["good"][10:], ratings[10:]).statistic
                - stats.spearmanr(holed[10:], ratings[10:]).statistic)  # fmt: skip
    assert table["difference"][0] == pytest.approx(expected, abs=1e-12)


def test_by_content_the_difference_is_the_mean_of_differences(study):
    scores, ratings, bootstrap = study
    each = {"good": np.full(20, 0.9), "bad": np.linspace(0.2, 0.6, 20)}
    pair = {name: scores[name] for name in each}
    table = compare_metrics(pair, ratings, bootstrap, each)
    assert table["difference"][0] == pytest.approx(0.5)
    assert table["low"][0] < 0.5 < table["high"][0]
