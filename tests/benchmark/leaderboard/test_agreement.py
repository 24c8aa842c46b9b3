import numpy as np
import pytest
from scipy import stats

from benchmark.leaderboard.agreement import Opinions, rating_agreement
from benchmark.leaderboard.bootstrap import ContentBootstrap


def opinions(ratings, contents, by_reference=True):
    return Opinions(np.asarray(ratings, dtype=float), contents, by_reference, ContentBootstrap(contents, 100, seed=0))


@pytest.fixture
def study(generator):
    contents = [f"c{number:02d}" for number in range(12) for _ in range(6)]
    ratings = generator.normal(3.0, 1.0, 72)
    return ratings + generator.normal(0.0, 0.5, 72), opinions(ratings, contents)


def test_b1_statistics_are_scipys(study):
    scores, people = study
    figures = rating_agreement(scores, people)
    for name, theirs in (("srcc", stats.spearmanr), ("krcc", stats.kendalltau), ("plcc", stats.pearsonr)):
        assert figures[name] == pytest.approx(theirs(scores, people.ratings).statistic, abs=1e-12)
    assert figures["srcc_low"] < figures["srcc"] < figures["srcc_high"]
    assert figures["plcc4"] >= figures["plcc"] - 1e-3  # a straight line is nearly one of the curves
    assert figures["rmse4"] <= people.ratings.std()
    each = [stats.spearmanr(scores[i : i + 6], people.ratings[i : i + 6]).statistic for i in range(0, 72, 6)]
    assert figures["within"] == pytest.approx(np.mean(each), abs=1e-12)
    own, theirs = (
        values.reshape(12, 6) - values.reshape(12, 6).mean(1)[:, None] for values in (scores, people.ratings)
    )
    assert figures["centered"] == pytest.approx(stats.spearmanr(own.ravel(), theirs.ravel()).statistic, abs=1e-12)


def test_signs_are_kept(study):
    scores, people = study
    forth, back = (rating_agreement(sign * scores, people) for sign in (1.0, -1.0))
    for name in ("srcc", "krcc", "plcc", "within", "centered"):
        assert forth[name] == pytest.approx(-back[name], abs=1e-12)
    assert back["plcc4"] == pytest.approx(forth["plcc4"], abs=1e-3)  # the curve turns with it


def test_b3_failed_scores_are_counted_and_left_out(study):
    scores, people = study
    holed = scores.copy()
    holed[[0, 10, 20]] = np.nan
    figures = rating_agreement(holed, people)
    known = ~np.isnan(holed)
    assert (figures["n"], figures["failed"]) == (69, 3)
    expected = stats.spearmanr(scores[known], people.ratings[known]).statistic
    assert figures["srcc"] == pytest.approx(expected, abs=1e-12)
    assert not np.isnan(figures["centered_low"])


@pytest.mark.parametrize(("scores", "reason"), [(np.ones(72), "constant"), (np.full(72, np.nan), "fewer than 5")])
def test_b3_what_has_no_figure_has_a_reason(scores, reason, study):
    figures = rating_agreement(scores, study[1])
    assert reason in figures["note"]
    assert "srcc" not in figures


def test_appeal_of_contents_drowns_srcc_but_not_within(generator):
    contents = [f"c{number:02d}" for number in range(12) for _ in range(6)]
    quality = np.tile(np.arange(6.0), 12)
    appeal = np.repeat(generator.normal(0.0, 30.0, 12), 6)
    figures = rating_agreement(quality, opinions(quality + appeal, contents))
    assert figures["within"] == pytest.approx(1.0)
    assert figures["centered"] > 0.95
    assert abs(figures["srcc"]) < 0.5
