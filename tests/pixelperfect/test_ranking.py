"""Rankings hold what they promise, and find what stands in for a reference that is not at hand."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pyiqa_pixelperfect.errors import ImageError
from pyiqa_pixelperfect.pixelperfect.ranking import Ranking, least_beaten

RANKING = Ranking(
    [2, 0, 1], torch.tensor([0.1, -0.5, 0.3]), torch.tensor([[0, 0.6, -0.2], [-0.6, 0, -0.8], [0.2, 0.8, 0]])
)


@st.composite
def tournaments(draw: st.DrawFn) -> Tensor:
    """(N, N) scores of each against each."""
    count, seed = draw(st.integers(1, 8)), draw(st.integers(0, 2**31))
    scores = torch.randn(count, count, generator=torch.Generator().manual_seed(seed))
    return torch.tanh(scores - scores.T)


def test_ranking_tells_best_first() -> None:
    assert RANKING.best == 2
    assert RANKING.wins == [1, 0, 2]
    rows = json.loads(json.dumps(RANKING.to_dict(["a.png", "b.png", "c.png"])))["ranking"]
    assert [(row["rank"], row["name"], row["wins"]) for row in rows] == [
        (1, "c.png", 2),
        (2, "a.png", 1),
        (3, "b.png", 0),
    ]
    lines = RANKING.table(["a.png", "b.png", "c.png"]).splitlines()
    assert [line.split()[1] for line in lines[1:]] == ["c.png", "a.png", "b.png"]
    assert "candidate 2" in str(RANKING).splitlines()[1]


def test_rankings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ImageError, match="permutation of N"):
        Ranking([0, 0], torch.zeros(2), torch.zeros(2, 2))
    with pytest.raises(ImageError, match="pairwise"):
        Ranking([0, 1], torch.zeros(2), torch.zeros(2, 3))
    with pytest.raises(ImageError, match="expected 3 names, got 1"):
        RANKING.table(["a.png"])
    with pytest.raises(ImageError, match="stands_in: expected a position from 0 to 1, got 2"):
        Ranking([0, 1], torch.zeros(2), torch.zeros(2, 2), stands_in=2)


def test_what_stands_in_is_told() -> None:
    ranking = Ranking([1, 0], torch.tensor([-0.5, 0.0]), torch.tensor([[0, -0.5], [0.5, 0]]), stands_in=1)
    assert ranking.table(["a.png", "b.png"]).splitlines()[-1] == "no reference: b.png stands in for it"
    assert ranking.to_dict(["a.png", "b.png"])["stands_in"] == "b.png"
    assert RANKING.to_dict()["stands_in"] is None
    assert "stands in" not in RANKING.table()


@settings(max_examples=50, derandomize=True, database=None)
@given(tournaments())
def test_an_original_among_its_versions_is_found(pairwise: Tensor) -> None:
    """It loses to none of them, and whatever else they do to one another does not matter."""
    for place in range(len(pairwise)):
        scores = pairwise.clone()
        scores[place], scores[:, place] = pairwise[place].abs(), -pairwise[place].abs()
        assert least_beaten(scores) == place


@settings(max_examples=50, derandomize=True, database=None)
@given(tournaments())
def test_least_beaten_is_the_minimax_rule(pairwise: Tensor) -> None:
    """By its words: no other candidate's worst defeat is milder."""
    defeats = [max([0.0, *(-score for score in row)]) for row in pairwise.tolist()]
    assert defeats[least_beaten(pairwise)] == min(defeats)


def test_many_weak_versions_do_not_vote() -> None:
    """The second wins against four damaged ones by more than the original does; it still loses to the original."""
    pairwise = torch.zeros(6, 6)
    pairwise[0, 1], pairwise[0, 2:], pairwise[1, 2:] = 0.2, 0.3, 0.9
    pairwise = pairwise - pairwise.T
    assert pairwise.mean(1).argmax() == 1
    assert least_beaten(pairwise) == 0
    assert least_beaten(torch.zeros(3, 3)) == 0
