"""Names beside points: none is lost, and none covers another one where there is room."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.leaderboard.point_labels import DOT, GAP, LETTER, LINE, PointLabel, point_labels

SIZE = (5.7, 3.1)
DRAWN = st.lists(
    st.tuples(st.text("abc", min_size=1, max_size=12), st.floats(0.2, 4.5), st.floats(0.1, 3.0)),
    min_size=1,
    max_size=18,
)


def covers(one, other):
    """Whether some place lies in both, by definition."""
    return one.left < other.right and other.left < one.right and one.bottom < other.top and other.bottom < one.top


@given(DRAWN)
def test_every_name_stands_beside_its_point_within_the_axes(drawn):
    names, points = [name for name, *_ in drawn], [(x, y) for _, x, y in drawn]
    for name, (x, y), label in zip(names, points, point_labels(names, points, SIZE), strict=True):
        assert label.top - label.bottom == pytest.approx(LINE)
        assert label.right - label.left == pytest.approx(LETTER * len(name))
        assert label.middle == pytest.approx(y) or (label.bottom >= 0 and label.top <= SIZE[1] + 1e-9)
        assert (label.left - x if label.beside == "right" else x - label.right) == pytest.approx(GAP)


def test_a_name_alone_is_at_the_height_of_its_point():
    assert point_labels(["psnr"], [(1.0, 2.0)], SIZE) == [
        PointLabel(1.0 + GAP, 2.0 - LINE / 2, 1.0 + GAP + 4 * LETTER, 2.0 + LINE / 2, "right")
    ]


@given(st.lists(st.tuples(st.floats(1.5, 2.0), st.floats(1.4, 1.7)), min_size=2, max_size=7))
def test_crowded_names_cover_neither_each_other_nor_a_point(points):
    labels = point_labels([f"metric {number}" for number in range(len(points))], points, SIZE)
    for one, other in combinations(labels, 2):
        assert not covers(one, other)
        assert one.overlap(other) == 0.0
    dots = [PointLabel(x - DOT, y - DOT, x + DOT, y + DOT, "") for x, y in points]
    assert not any(covers(label, dot) for label in labels for dot in dots)


@pytest.mark.parametrize("height", [0.0, 0.5, SIZE[1]])
def test_crowds_at_an_edge_are_moved_inward(height):
    labels = point_labels(["metric"] * 9, [(2.0, height)] * 9, SIZE)
    moved = [label for label in labels if label.middle != height]
    assert len(moved) >= 7
    assert all(label.bottom >= 0.0 and label.top <= SIZE[1] + 1e-9 for label in moved)


def test_what_two_places_share_is_an_area():
    one, other = PointLabel(0.0, 0.0, 2.0, 1.0, ""), PointLabel(1.0, 0.5, 4.0, 2.0, "")
    assert one.overlap(other) == other.overlap(one) == 0.5
    assert one.overlap(PointLabel(2.0, 0.0, 3.0, 1.0, "")) == 0.0
