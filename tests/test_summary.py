"""Maps in words: the right family, direction, strength and place, and silence about what nobody can see."""

import json

import pytest
import torch
from torch import Tensor

from pyiqa_pixelperfect.families import FAMILIES, family_index
from pyiqa_pixelperfect.summary import TIE, Summary, place_words, summarize

HEIGHT, WIDTH = 90, 144


def box(top: float, bottom: float, left: float, right: float, value: float = 1.0) -> Tensor:
    """Return an (H, W) field that is `value` inside a box given in shares of the picture."""
    field = torch.zeros(HEIGHT, WIDTH)
    field[round(top * HEIGHT) : round(bottom * HEIGHT), round(left * WIDTH) : round(right * WIDTH)] = value
    return field


def maps(**fields: Tensor) -> Tensor:
    """Return (K, H, W) signed maps with the named families set."""
    signed = torch.zeros(len(FAMILIES), HEIGHT, WIDTH)
    for name, field in fields.items():
        signed[family_index(name)] = field
    return signed


def test_verdict_reads_as_promised() -> None:
    signed = maps(compression=box(0.5, 1, 0, 0.5, 0.62), saturation=box(0, 1, 0, 1, -0.21))
    verdict = summarize(-1.3, signed).verdict
    assert verdict == "image is worse: more compression (0.62, lower left), less saturation (-0.21, everywhere)"


@pytest.mark.parametrize(
    ("family", "value", "phrase"),
    [
        ("blur", 0.5, "more blur (0.50, everywhere)"),
        ("blur", -0.5, "less blur (-0.50, everywhere)"),  # one-sided, but the reference may have more of it
        ("fringing", -0.3, "less color fringing (-0.30, everywhere)"),
        ("brightness", 0.4, "brighter (0.40, everywhere)"),
        ("brightness", -0.4, "darker (-0.40, everywhere)"),
        ("temperature", -0.25, "cooler (-0.25, everywhere)"),
        ("tint", 0.25, "more magenta (0.25, everywhere)"),
    ],
)
def test_direction_is_put_into_the_right_words(family: str, value: float, phrase: str) -> None:
    row = summarize(0.0, maps(**{family: box(0, 1, 0, 1, value)})).rows[family_index(family)]
    assert row.phrase == phrase
    assert (row.amount, row.strength, row.peak) == pytest.approx((value, value, value))
    assert row.share == 1.0


def test_both_directions_of_one_family_are_named() -> None:
    """Blurred on the left, and deblurred on the right: the mean is nearly zero, the difference is not."""
    row = summarize(0.0, maps(blur=box(0, 1, 0, 0.5, 0.6) + box(0, 1, 0.6, 1, -0.5))).rows[0]
    assert row.phrase == "more blur (0.60, left half) and less blur (-0.50, right half)"
    assert (row.strength, row.where) == (pytest.approx(0.6), "left half")
    assert row.share == pytest.approx(0.9, abs=0.01)
    assert row.amount == pytest.approx(0.1, abs=0.01)


def test_strength_is_told_where_the_picture_is_affected() -> None:
    row = summarize(-1.0, maps(noise=box(0, 0.5, 0.5, 1, 0.8))).rows[family_index("noise")]
    assert row.strength == pytest.approx(0.8)
    assert row.amount == pytest.approx(0.2)
    assert (row.share, row.where) == (pytest.approx(0.25), "upper right")


@pytest.mark.parametrize(
    "field",
    [box(0, 1, 0, 1, 0.09), box(0, 1, 0, 1, -0.09), box(0.5, 0.55, 0.5, 0.58, 0.9)],
    ids=["faint", "faint, negative", "a speck"],
)
def test_what_nobody_sees_is_not_mentioned(field: Tensor) -> None:
    summary = summarize(0.0, maps(blur=field))
    assert not summary.visible
    assert summary.verdict == "image and reference look the same"


def test_single_wild_pixels_do_not_set_the_peak() -> None:
    field = box(0, 1, 0, 1, 0.3)
    field[:2, :2] = -1.0
    assert summarize(0.0, maps(blur=field)).rows[0].peak == pytest.approx(0.3)
    assert summarize(0.0, maps(blur=box(0.5, 1, 0, 1, -0.7))).rows[0].peak == pytest.approx(-0.7)


@pytest.mark.parametrize(
    ("score", "field", "outcome", "words"),
    [
        (1.0, 0.5, "better", "image is better: more blur (0.50, everywhere)"),
        (-1.0, 0.5, "worse", "image is worse: more blur (0.50, everywhere)"),
        (TIE / 2, 0.5, "equal", "image and reference are about equally good: more blur (0.50, everywhere)"),
        (-TIE / 2, 0.0, "same", "image and reference look the same"),
        (-1.0, 0.0, "worse", "image is worse, but no single distortion stands out"),
    ],
)
def test_every_outcome_has_its_words(score: float, field: float, outcome: str, words: str) -> None:
    summary = summarize(score, maps(blur=box(0, 1, 0, 1, field)))
    assert (summary.outcome, summary.verdict) == (outcome, words)


def test_most_prominent_first_and_no_endless_sentences() -> None:
    fields = {name: box(0, 1, 0, 1, 0.2 + 0.05 * place) for place, name in enumerate(FAMILIES[:8])}
    summary = summarize(-1.0, maps(**fields))
    assert [row.family for row in summary.visible] == list(reversed(FAMILIES[:8]))
    assert summary.verdict.startswith("image is worse: more occlusion (0.55, everywhere), more displacement (0.50")
    assert summary.verdict.endswith("more banding (0.35, everywhere), and 3 more")
    assert [row.family for row in summary.rows] == list(FAMILIES)


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ((0, 1, 0, 1), "everywhere"),
        ((0.1, 0.9, 0.1, 0.9), "everywhere"),
        ((0, 0.4, 0, 0.4), "upper left"),
        ((0, 0.5, 0.5, 1), "upper right"),
        ((0.5, 1, 0, 0.5), "lower left"),
        ((0.9, 1, 0.9, 1), "lower right"),
        ((0, 0.5, 0, 1), "upper half"),
        ((0.5, 1, 0, 1), "lower half"),
        ((0, 1, 0, 0.5), "left half"),
        ((0, 1, 0.5, 1), "right half"),
        ((0, 0.15, 0.4, 0.6), "top"),
        ((0.8, 1, 0.4, 0.6), "bottom"),
        ((0.4, 0.6, 0, 0.2), "left"),
        ((0.4, 0.6, 0.8, 1), "right"),
        ((0.9, 1, 0, 1), "along the bottom"),
        ((0, 1, 0, 0.1), "along the left"),
        ((0.4, 0.6, 0.4, 0.6), "center"),
        ((0.2, 0.8, 0.2, 0.8), "center"),
        ((0.4, 0.6, 0, 1), "across the middle"),
        ((0, 1, 0.4, 0.6), "down the middle"),
    ],
)
def test_places(region: tuple[float, float, float, float], words: str) -> None:
    assert place_words(box(*region)) == words


def test_frames_dots_and_nothing() -> None:
    frame = box(0, 1, 0, 1) - box(0.15, 0.85, 0.15, 0.85)
    assert place_words(frame) == "around the edges"
    dots = sum(
        (box(y, y + 0.05, x, x + 0.05) for y, x in [(0.1, 0.1), (0.8, 0.85), (0.45, 0.5), (0.1, 0.8), (0.9, 0.1)]),
        torch.zeros(HEIGHT, WIDTH),
    )
    assert place_words(dots) == "scattered"
    assert place_words(torch.zeros(HEIGHT, WIDTH)) == ""


def test_place_depends_on_weight_not_only_on_coverage() -> None:
    assert place_words(box(0, 1, 0, 1, 0.11) + box(0.6, 1, 0.6, 1, 0.9)) == "lower right"


def test_large_maps_are_told_like_small_ones() -> None:
    signed = maps(compression=box(0.5, 1, 0, 0.5, 0.62))
    large = torch.nn.functional.interpolate(signed[None], scale_factor=9.0, mode="nearest")[0]
    assert summarize(-1.0, large).verdict == summarize(-1.0, signed).verdict


def test_dictionary_and_table() -> None:
    summary = summarize(-1.25, maps(blur=box(0, 1, 0, 1, 0.5)))
    data = json.loads(json.dumps(summary.to_dict()))
    assert (data["score"], data["outcome"], data["verdict"]) == (-1.25, "worse", summary.verdict)
    assert [row["family"] for row in data["families"]] == list(FAMILIES)
    assert data["families"][0]["visible"] is True
    lines = str(summary).splitlines()
    assert lines[:2] == ["score -1.250", summary.verdict]
    assert lines[-1].split() == ["blur", "+0.50", "+0.50", "+0.50", "100%", "everywhere"]
    assert str(Summary(-1e-5, ())) == "score +0.000\nimage and reference look the same"
