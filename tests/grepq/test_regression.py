"""Few labels: draws, figures and files, on pictures whose rating is known to follow from their features."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

from pyiqa_pixelperfect.errors import ConfigError, DataError
from pyiqa_pixelperfect.grepq import regression
from pyiqa_pixelperfect.grepq.metric import GRepQ
from pyiqa_pixelperfect.grepq.regression import draw_rows, regress
from pyiqa_pixelperfect.linear_head import LinearHead
from pyiqa_pixelperfect.systems import load_regression

pytest.importorskip("sklearn")


@pytest.fixture
def rated(low, photographs, tmp_path):
    """Forty training pictures and twelve test pictures; a rating is a linear function of the low-level features."""
    low.save(tmp_path / "low.safetensors", half=False)
    generator = np.random.default_rng(0)
    folder = tmp_path / "images"
    folder.mkdir()
    with (tmp_path / "ratings.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image_name", "mos", "official_split"])
        for number in range(52):
            noise = torch.from_numpy(generator.normal(size=(3, 64, 64)).astype(np.float32))
            picture = photographs[number % 3, :, :64, :64] * generator.random() + 0.2 * noise * generator.random()
            pixels = (picture.clamp(0, 1) * 255).round().byte()
            Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(folder / f"{number}.png")
            features = low.low(pixels[None] / 255)[0]
            table.writerow([f"{number}.png", float(features[0] - 2 * features[1]), "train" if number < 40 else "test"])
    return tmp_path


def config_of(folder, *overrides):
    settings = [
        f"ratings={folder / 'ratings.csv'}",
        f"output={folder / 'out'}",
        f"weights={folder / 'low.safetensors'}",
    ]
    return load_regression("grepq/regress.yaml", [*settings, "device=cpu", "draws=3", "alphas=[0.0000001]", *overrides])


def test_ratings_that_follow_from_features_are_learned_from_few(rated, photographs):
    head = LinearHead.load(regress(config_of(rated, "n_labels=20")))
    figures = json.loads(head.card["figures"])
    assert len(figures["srcc"]) == 3
    assert min(figures["srcc"]) > 0.98
    assert figures["spread"] == pytest.approx(np.std(figures["srcc"]), abs=1e-4)
    metric = GRepQ.load(rated / "low.safetensors")
    features = metric.low(photographs[:, :, :64, :64])
    rating = metric.rate(photographs[:, :, :64, :64], head)
    torch.testing.assert_close(rating, features[:, 0] - 2 * features[:, 1], rtol=0.02, atol=0.02)


def test_features_are_computed_once(rated, monkeypatch):
    regress(config_of(rated, "n_labels=20"))
    monkeypatch.setattr(regression, "describe_images", lambda *values: pytest.fail("computed again"))
    regress(config_of(rated, "n_labels=30"))
    all_of_them = LinearHead.load(regress(config_of(rated, "n_labels=null")))
    assert len(json.loads(all_of_them.card["figures"])["srcc"]) == 1  # there is one way to draw all


def test_damaged_features_are_computed_again(rated):
    first = LinearHead.load(regress(config_of(rated, "n_labels=20")))
    (rated / "out" / "features-low.safetensors").write_bytes(b"damaged")
    assert torch.equal(LinearHead.load(regress(config_of(rated, "n_labels=20"))).weight, first.weight)


def test_without_test_rows_the_rows_that_were_not_drawn_are_the_test(rated):
    regress(config_of(rated, "n_labels=20", "test=null"))
    with pytest.raises(DataError, match="test: expected at least three rows to correlate on"):
        regress(config_of(rated, "n_labels=null", "test=null"))


def test_draws_are_their_numbers_and_nothing_else():
    rows = np.arange(100)
    assert np.array_equal(draw_rows(rows, 30, 2, 0), draw_rows(rows, 30, 2, 0))
    assert not np.array_equal(draw_rows(rows, 30, 2, 0), draw_rows(rows, 30, 3, 0))
    assert len(set(draw_rows(rows, 30, 2, 0))) == 30
    assert np.array_equal(draw_rows(rows, None, 2, 0), rows)
    with pytest.raises(DataError, match="n_labels: expected at most the 100 rows there are, got 101"):
        draw_rows(rows, 101, 0, 0)


def test_the_high_branch_needs_its_weights(rated):
    with pytest.raises(ConfigError, match="high must name the high-level weights for branches=both"):
        config_of(rated, "branches=both")


def test_both_branches(rated, high):
    high.save(rated / "high.safetensors")
    path = regress(config_of(rated, "n_labels=20", "branches=both", f"high={rated / 'high.safetensors'}"))
    assert len(LinearHead.load(path).weight) == 8 + 6
