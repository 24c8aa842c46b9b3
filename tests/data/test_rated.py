"""Tables of ratings: what is read, what is refused, and splits that keep contents apart."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyiqa_pixelperfect.data.rated import content_splits, ratings_digest, read_ratings
from pyiqa_pixelperfect.errors import ConfigError, DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def table(folder: Path, text: str) -> Path:
    path = folder / "ratings.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_are_read_with_their_split(folder):
    path = table(folder, "image_name,mos,official_split\na.png,0.5,train\nb.png,0.25,test\nc.png,1,train\n")
    rows = read_ratings(path)
    assert [(row.path.name, row.mos, row.split, row.content) for row in rows] == [
        ("a.png", 0.5, "train", "a.png"),
        ("b.png", 0.25, "test", "b.png"),
        ("c.png", 1.0, "train", "c.png"),
    ]
    assert [row.path.name for row in read_ratings(path, split="train")] == ["a.png", "c.png"]


def test_pictures_lie_beside_the_table_or_in_images_or_where_one_says(folder):
    path = table(folder, "image,mos\na.png,1\n")
    assert read_ratings(path)[0].path == folder / "a.png"
    (folder / "images").mkdir()
    (folder / "images" / "a.png").write_bytes(b"x")
    assert read_ratings(path)[0].path == folder / "images" / "a.png"
    assert read_ratings(path, images=folder)[0].path == folder / "a.png"


def test_contents_come_from_their_column(folder):
    rows = read_ratings(table(folder, "image,dmos,reference\na.png,1,r\nb.png,2,r\n"))
    assert [row.content for row in rows] == ["r", "r"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("picture,mos\na.png,1\n", "a column named image or"),
        ("image,rating\na.png,1\n", "a column named mos or"),
        ("", "a column named image or"),
        ("image,mos\n", "at least one row, got none"),
        ("image,mos\na.png,good\n", "a finite number as rating, got 'good' in line 2"),
        ("image,mos\na.png,nan\n", "a finite number"),
        ("image,mos\na.png\n", "a finite number as rating, got None"),
        ("image,mos\na.png,1\nz.png,2\n", "1 missing, first"),
        ("image,mos\na.png,1\na.png,2\n", "every picture once, got 1 named again"),
        ('image,mos\n"a.png\x00",1\n', "ratings|images"),
    ],
)
def test_unusable_tables_are_refused(folder, text, message):
    with pytest.raises(DataError, match=message):
        read_ratings(table(folder, text))


def test_a_split_that_is_not_there_is_refused(folder):
    with pytest.raises(DataError, match="a table with a column 'split'"):
        read_ratings(table(folder, "image,mos\na.png,1\n"), split="train")
    with pytest.raises(DataError, match="at least one row of split 'training'"):
        read_ratings(table(folder, "image,mos,split\na.png,1,train\n"), split="training")


def test_no_table_and_no_text_are_refused(folder):
    with pytest.raises(DataError, match="which is no file"):
        read_ratings(folder / "nowhere.csv")
    (folder / "bytes.csv").write_bytes(b"image,mos\n\xff\xfe,1\n")
    with pytest.raises(DataError, match="a CSV table"):
        read_ratings(folder / "bytes.csv")


@given(st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=40), st.floats(0.05, 0.95), st.integers(0, 99))
def test_no_content_is_on_both_sides_and_no_row_is_lost(contents, share, seed):
    if len(set(contents)) < 2:
        with pytest.raises(DataError, match="at least two contents"):
            content_splits(contents, 1, share, seed)
        return
    for fitted, held in content_splits(contents, 3, share, seed):
        assert sorted([*fitted, *held]) == list(range(len(contents)))
        assert {contents[i] for i in fitted}.isdisjoint(contents[i] for i in held)
        assert len(fitted) > 0
        assert len(held) > 0


def test_splits_are_a_function_of_seed_and_number():
    contents = [str(i) for i in range(50)]
    three, five = content_splits(contents, 3, 0.2, 7), content_splits(contents, 5, 0.2, 7)
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(three, five, strict=False))
    assert not np.array_equal(five[0][1], five[1][1])
    assert not np.array_equal(five[0][1], content_splits(contents, 1, 0.2, 8)[0][1])
    assert len(five[0][1]) == 10


@pytest.mark.parametrize(("count", "share"), [(0, 0.2), (1, 0.0), (1, 1.0)])
def test_splits_that_make_no_sense_are_refused(count, share):
    with pytest.raises(ConfigError, match="splits"):
        content_splits(["a", "b"], count, share, 0)


def test_the_digest_knows_names_and_ratings(folder):
    one = read_ratings(table(folder, "image,mos\na.png,1\nb.png,2\n"))
    other = read_ratings(table(folder, "image,mos\na.png,1\nb.png,2.5\n"))
    assert len({ratings_digest(one), ratings_digest(other), ratings_digest(one[:1])}) == 3
