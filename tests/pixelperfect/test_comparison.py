"""The result classes hold what they promise, refuse what does not fit, and turn into text and JSON."""

import dataclasses
import json

import pytest
import torch

from pyiqa_pixelperfect.errors import ImageError
from pyiqa_pixelperfect.families import FAMILIES
from pyiqa_pixelperfect.pixelperfect.comparison import Comparison

MAPS = torch.full((2, len(FAMILIES), 40, 48), 0.5)
MAPS[0, 0] = 0.75
COMPARISON = Comparison(torch.tensor([-1.0, 0.0]), MAPS)


def test_signed_is_centered_on_equal() -> None:
    assert torch.equal(COMPARISON.signed[0, 0], torch.full((40, 48), 0.5))
    assert torch.equal(COMPARISON.signed[1], torch.zeros(len(FAMILIES), 40, 48))


def test_each_pair_has_its_own_summary() -> None:
    assert COMPARISON.summary().verdict == "image is worse: more blur (0.50, everywhere)"
    assert COMPARISON.summary(1).verdict == "image and reference look the same"
    assert COMPARISON.summary(-1) == COMPARISON.summary(1)
    with pytest.raises(IndexError, match="expected -2 to 1, got 2"):
        COMPARISON.summary(2)


def test_text_and_dictionary_cover_the_batch() -> None:
    assert str(COMPARISON).count("score ") == len(COMPARISON) == 2
    pairs = json.loads(json.dumps(COMPARISON.to_dict()))["pairs"]
    assert [pair["outcome"] for pair in pairs] == ["worse", "same"]
    assert repr(COMPARISON) == "Comparison(score=[-1.0, 0.0], maps=(2, 14, 40, 48))"


def test_gradients_do_not_stop_the_words() -> None:
    maps = MAPS.clone().requires_grad_()
    assert Comparison(torch.zeros(2, requires_grad=True), maps).summary().visible


def test_results_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        COMPARISON.score = torch.zeros(2)  # type: ignore[misc]


@pytest.mark.parametrize(("scores", "maps"), [((3,), (2, 14, 8, 8)), ((2,), (2, 3, 8, 8)), ((2, 1), (2, 14, 8, 8))])
def test_shapes_that_do_not_fit_are_refused(scores: tuple[int, ...], maps: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match=r"maps: expected score \(B,\) and maps \(B, 14, H, W\), got score"):
        Comparison(torch.zeros(scores), torch.zeros(maps))
