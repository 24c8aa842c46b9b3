import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmark import ratings
from benchmark.peers import Peer, closed_form
from pyiqa_pixelperfect.errors import DataError


@pytest.fixture
def table(tmp_path, photos, generator):
    """Two references, five noise strengths and five contrast strengths each, rated by their strength."""
    rows = []
    for photo in photos:
        Image.fromarray(photo.pixels).save(tmp_path / photo.name)
        appeal = 2.0 if photo is photos[0] else 0.0
        for step in range(1, 6):
            for kind in ("noise", "contrast"):
                name = f"{kind}_{step}_{photo.name}"
                pixels = photo.pixels.astype(float)
                if kind == "noise":
                    pixels += generator.normal(0.0, 4.0 * step, pixels.shape)
                else:
                    pixels = 128 + (pixels - 128) * (1 - 0.1 * step)
                Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(tmp_path / name)
                rows.append((name, photo.name, appeal - step + 0.01 * (kind == "noise"), kind))
    path = tmp_path / "pairs.csv"
    pd.DataFrame(rows, columns=["image", "reference", "mos", "distortion"]).to_csv(path, index=False)
    return path


def test_a_metric_that_agrees_and_one_that_does_not(table, fake_metric):
    pairs = ratings.read_pairs(table)
    psnr = closed_form("psnr")
    wrong = Peer("wrong", psnr.function, higher_is_better=False)
    scored = ratings.score_pairs(pairs, table.parent, [psnr, wrong], quiet=True)
    result = ratings.summarize(scored, ["wrong", "psnr"], ours="psnr", repeats=50, seed=0)
    assert result["metric"].tolist() == ["psnr", "wrong"]
    best, worst = result.iloc[0], result.iloc[1]
    assert best["within noise"] == best["within contrast"] == pytest.approx(1.0)
    assert worst["within noise"] == pytest.approx(-1.0)
    assert best["within"] == pytest.approx(-worst["within"])
    assert best["centered"] == pytest.approx(-worst["centered"])
    assert best["centered"] > 0.5
    assert best["across"] > 0.5
    assert best["within_low"] <= best["within"] <= best["within_high"]
    assert worst["ahead"] == pytest.approx(best["within"] - worst["within"])
    assert best["failed"] == 0


def test_scores_are_those_of_a_direct_call(table):
    from benchmark.photos import to_tensor

    pairs = ratings.read_pairs(table)
    psnr = closed_form("psnr")
    scored = ratings.score_pairs(pairs, table.parent, [psnr], quiet=True)
    row = scored.iloc[7]
    image, reference = (to_tensor(np.asarray(Image.open(table.parent / row[key]))) for key in ("image", "reference"))
    assert row["psnr"] == pytest.approx(float(psnr.function(image, reference)), abs=1e-5)


def test_failed_scores_are_counted(table):
    def moody(image, reference):
        raise RuntimeError("no")

    pairs = ratings.read_pairs(table)
    scored = ratings.score_pairs(pairs, table.parent, [Peer("moody", moody), closed_form("psnr")], quiet=True)
    result = ratings.summarize(scored, ["moody", "psnr"], ours="psnr", repeats=10, seed=0).set_index("metric")
    assert result.loc["moody", "failed"] == len(pairs)
    assert np.isnan(result.loc["moody", "within"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,reference\na,b\n", "none called mos"),
        ("image,reference,mos\n", "a finite number as mos"),
        ("image,reference,mos\na.png,b.png,good\n", "a finite number as mos"),
        ("image,reference,mos\na.png,b.png,1\n", "existing image files"),
    ],
)
def test_bad_tables_are_refused(tmp_path, text, message):
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        ratings.read_pairs(path)
    with pytest.raises(DataError, match="a CSV file"):
        ratings.read_pairs(tmp_path / "other.csv")


def test_hash_sees_pictures_and_ratings(table):
    pairs = ratings.read_pairs(table)
    before = ratings.table_hash(table, pairs)
    first = table.parent / pairs["image"][0]
    first.write_bytes(first.read_bytes() + b"x")
    assert ratings.table_hash(table, pairs) != before
