"""Choices between two images, and whether people see a difference."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import precision_recall_curve

from benchmark.leaderboard.bootstrap import ContentBootstrap, rows_mean
from benchmark.leaderboard.choices import average_precision, choice_agreement, pair_credit, rows_average_precision
from benchmark.leaderboard.config import LeaderboardConfig
from benchmark.leaderboard.figures import run_figures
from benchmark.leaderboard.predictors import Predictor
from benchmark.leaderboard.rated_set import RatedSet
from benchmark.leaderboard.results import evaluate, read_published
from benchmark.leaderboard.runner import Scored
from benchmark.leaderboard.significance import compare_choices
from benchmark.leaderboard.standings import evaluate_set, headline_of
from benchmark.leaderboard.tables import run_tables


def accuracy(credit, contents=None):
    contents = contents or [f"c{number}" for number in range(len(credit))]
    return choice_agreement("accuracy", credit, lambda _: rows_mean(credit), ContentBootstrap(contents, 100, seed=0))


def test_credit_is_the_share_of_people_that_agree():
    credit = pair_credit(
        np.array([1.0, 1.0, 1.0, np.nan]), np.array([2.0, 0.0, 1.0, 1.0]), np.array([0.8, 0.8, 0.8, 1.0])
    )
    assert credit[:3] == pytest.approx([0.8, 0.2, 0.5])
    assert np.isnan(credit[3])


def test_accuracy_of_a_perfect_and_a_guessing_metric(generator):
    preferred = generator.integers(0, 2, 50).astype(float)
    figures = accuracy(pair_credit(np.zeros(50), preferred * 2 - 1, preferred))
    assert (figures["accuracy"], figures["accuracy_low"]) == (1.0, 1.0)
    guess = pair_credit(np.zeros(50), generator.normal(size=50), preferred)
    figures = accuracy(guess)
    assert figures["accuracy"] == pytest.approx(guess.mean(), abs=1e-12)
    assert figures["accuracy_low"] < 0.5 < figures["accuracy_high"]
    assert "fewer" in accuracy(guess[:3])["note"]


def slow_average_precision(scores, same):
    """PASCAL VOC's area, from its definition: at every recall the best precision at that recall or a later one."""
    order = np.argsort(-scores)
    hits, points = 0.0, []
    for rank, row in enumerate(order, start=1):
        hits += same[row]
        points.append((hits / same.sum(), hits / rank))
    area, before = 0.0, 0.0
    for place, (recall, _) in enumerate(points):
        area += (recall - before) * max(precision for _, precision in points[place:])
        before = recall
    return area


@pytest.mark.parametrize("people", [1, 3])
def test_average_precision_is_the_area_of_its_definition(people, generator):
    same = generator.integers(0, people + 1, 60) / people
    scores = same + generator.normal(size=60)
    assert average_precision(scores, same) == pytest.approx(slow_average_precision(scores, same), abs=1e-12)


def area_of_sklearns_curve(scores, same):
    """Every pair is a hit with the weight of those who called it the same, and a miss with that of the others."""
    truth, weights = np.repeat([1, 0], len(scores)), np.concatenate([same, 1.0 - same])
    precision, recall, _ = precision_recall_curve(truth, np.tile(scores, 2), sample_weight=weights)
    return -(np.diff(recall) * np.maximum.accumulate(precision[:-1])).sum()  # from the lowest threshold up


@pytest.mark.parametrize("levels", [None, 2])
def test_average_precision_of_samples_is_scikit_learns(levels, generator):
    same = generator.integers(0, 4, 60) / 3
    scores = same + generator.normal(size=60)
    if levels:  # many ties
        scores = np.round(scores * levels) / levels
    rows = generator.integers(0, 60, size=(20, 60))
    expected = [area_of_sklearns_curve(scores[row], same[row]) for row in rows]
    assert np.abs(rows_average_precision(same)(scores)(rows) - expected).max() <= 1e-12


def test_average_precision_of_perfect_and_of_constant_scores():
    same = np.array([1.0, 1.0, 0.0, 0.0, 0.0])
    assert average_precision(same, same) == 1.0
    assert average_precision(np.ones(5), same) == pytest.approx(0.4)  # ties: no order to gain from
    assert average_precision(-same, same) == pytest.approx(0.4)
    assert np.isnan(average_precision(np.arange(5.0), np.zeros(5)))


def scored(kind, scores, **columns):
    """A set of that kind; of pairs, the scores are of first and second one after the other."""
    count = len(next(iter(columns.values())))
    names = [f"i{number}" for number in range(count)]
    rows = pd.DataFrame({"reference": [f"r{number}" for number in range(count)], **columns})
    rows["content"], rows["distortion"] = rows["reference"], ["cnn", "traditional"] * (count // 2)
    if kind == "pairs":
        rows["first"], rows["second"] = names, [f"{name}b" for name in names]
    else:
        rows["image"] = names
    rated = RatedSet("bapps", kind, rows, folder=None)
    index = pd.MultiIndex.from_tuples(rated.pictures(), names=["image", "reference"])
    if kind == "pairs":  # pictures come pair by pair
        scores = {name: np.stack(np.split(values, 2), axis=1).ravel() for name, values in scores.items()}
    return Scored(rated, pd.DataFrame(scores, index=index), {}, {}, "", 0)


def test_a_set_of_pairs_has_accuracies_by_type_and_differences(generator):
    preferred = generator.integers(0, 2, 40).astype(float)
    good, bad = preferred * 2 - 1, generator.normal(size=40)
    item = scored("pairs", {"bad": np.concatenate([np.zeros(40), bad]), "good": np.concatenate([np.zeros(40), good])},
                  second_preferred=preferred)  # fmt: skip
    standing = evaluate_set(item, 200, 0)
    figures = standing.figures.set_index(["metric", "distortion"])["accuracy"]
    agree = (bad > 0) == (preferred == 1.0)
    assert headline_of(item) == "accuracy"
    assert figures["good"].tolist() == [1.0, 1.0, 1.0]
    assert figures["bad", "all"] == pytest.approx(agree.mean())
    assert figures["bad", "traditional"] == pytest.approx(agree[1::2].mean())
    ahead = standing.differences.iloc[0]
    assert ahead["difference"] == pytest.approx(agree.mean() - 1.0)
    assert ahead["high"] < 0.0
    assert ahead["p"] < 0.01
    assert np.isnan(ahead["williams_p"])


def test_a_set_of_same_or_different_has_average_precisions(generator):
    same = generator.integers(0, 4, 40) / 3
    good, holed = same + 0.05 * generator.normal(size=40), generator.normal(size=40)
    holed[3] = np.nan
    item = scored("same", {"good": good, "holed": holed}, same=same)
    standing = evaluate_set(item, 100, 0)
    figures = standing.figures.set_index(["metric", "distortion"])
    assert headline_of(item) == "ap"
    assert figures.loc[("good", "all"), "ap"] == average_precision(good, same)
    assert figures.loc[("good", "cnn"), "ap"] == average_precision(good[::2], same[::2])
    assert figures.loc[("good", "all"), "ap_low"] < figures.loc[("good", "all"), "ap"]
    assert figures["failed"].tolist() == [0, 0, 0, 1, 0, 1]
    known = np.arange(40) != 3
    expected = average_precision(good[known], same[known]) - average_precision(holed[known], same[known])
    assert standing.differences["difference"].tolist() == [pytest.approx(expected, abs=1e-12)]
    assert standing.differences["n"].tolist() == [39]


def test_nobody_sees_the_same():
    standing = evaluate_set(scored("same", {"any": np.arange(8.0)}, same=np.zeros(8)), 20, 0)
    assert standing.figures["note"].str.contains("nobody took any pair").any()
    assert standing.figures["ap"].isna().all()


def test_equal_metrics_do_not_differ(generator):
    scores = generator.normal(size=30)
    same = generator.integers(0, 4, 30) / 3
    bootstrap = ContentBootstrap([f"c{number}" for number in range(30)], 50, seed=0)
    table = compare_choices({"a": scores, "b": 2 * scores}, rows_average_precision(same), bootstrap)
    assert table[["difference", "low", "high"]].to_numpy().tolist() == [[0.0, 0.0, 0.0]]
    assert table["p"].tolist() == [1.0]


def test_choices_and_ratings_have_boards_of_their_own(generator):
    config = LeaderboardConfig(datasets=["bapps"], metrics=["good", "none"])
    metrics = [Predictor(name, mode, False, "", len) for name, mode in (("good", "FR"), ("none", "NR"))]
    share = generator.integers(0, 2, 20).astype(float)
    both = {"good": generator.normal(size=40), "none": generator.normal(size=40)}
    pairs = scored("pairs", both, second_preferred=share)
    same = scored("same", {name: values[:20] for name, values in both.items()}, same=share)
    same = replace(same, rated=replace(same.rated, name="bapps-jnd"))
    results = evaluate(config, [pairs, same], metrics, [], [], read_published(None))
    assert list(results.boards) == ["forced choices between two images", "just noticeable differences"]
    columns = [list(board.columns) for board in results.boards.values()]
    assert columns == [["metric", "rank", name, "average", "note"] for name in ("bapps", "bapps-jnd")]
    names = [table.name for table in run_tables(results)]
    assert names[:2] == ["board-choices", "board-same"]
    assert len(set(names)) == len(names) == 8  # and per set: figures, types, differences
    assert set(run_figures(results)) == {
        f"{name}-{kind}" for name in ("bapps", "bapps-jnd") for kind in ("bars", "types")
    }
