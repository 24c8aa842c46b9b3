"""Fitting a head from a table of ratings, with features that are plain statistics."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from pyiqa_pixelperfect.config import build_config
from pyiqa_pixelperfect.data.rated import read_ratings
from pyiqa_pixelperfect.errors import DataError, ImageReadError
from pyiqa_pixelperfect.training.regression import HeadSettings, describe_images, few_labels, fit_head, log_spaced

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def ratings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty pictures of several sizes whose rating is how bright they are; a quarter of them not for training."""
    folder = tmp_path_factory.mktemp("rated")
    generator = np.random.default_rng(0)
    lines = ["image_name,mos,official_split"]
    for number in range(40):
        level = generator.uniform(20, 230)
        pixels = np.clip(generator.normal(level, 10, (40 + number % 3, 36, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{pixels.mean() / 255:.6f},{'test' if number % 4 == 0 else 'train'}")
    (folder / "ratings.csv").write_text("\n".join(lines))
    return folder / "ratings.csv"


def statistics(image: Tensor) -> Tensor:
    return torch.cat((image.mean((2, 3)), image.std((2, 3))), dim=1)


def settings(ratings: Path, **changes: object) -> HeadSettings:
    return build_config(HeadSettings, {"ratings": ratings, "splits": 4, "alphas": [1e-4, 1.0], **changes})


def test_a_head_learns_what_the_features_know_and_its_card_says_how(ratings):
    head = fit_head(statistics, settings(ratings), CPU)
    test = read_ratings(ratings, split="test")
    predicted = head(describe_images(statistics, test, CPU))
    assert (predicted - torch.tensor([row.mos for row in test])).abs().max() < 0.02
    figures = json.loads(head.card["head_figures"])
    assert figures["alpha"] == 1e-4
    assert figures["validation_srcc"] > 0.99
    assert len(figures["splits"]) == 4
    assert head.labels.source == "ratings.csv, rows of split 'train', 30 pictures"
    assert str(ratings.parent) not in json.dumps(head.card)


def test_the_same_settings_give_the_same_head_and_the_seed_another(ratings):
    one, again = (fit_head(statistics, settings(ratings, limit=20), CPU) for _ in range(2))
    other = fit_head(statistics, settings(ratings, limit=20, seed=1), CPU)
    assert torch.equal(one.weight, again.weight)
    assert one.card["head_figures"] == again.card["head_figures"]
    assert not torch.equal(one.weight, other.weight)


def test_few_labels_are_rows_of_the_table_in_order(ratings):
    rows = read_ratings(ratings)
    assert few_labels(rows, None, 0) == rows
    chosen = few_labels(rows, 12, 3)
    assert chosen == [row for row in rows if row in chosen]
    assert len(chosen) == 12
    with pytest.raises(DataError, match="at most the 40 rows"):
        few_labels(rows, 41, 0)


def test_features_that_are_not_finite_and_files_that_are_no_pictures_are_refused(ratings, tmp_path):
    rows = read_ratings(ratings)[:2]
    with pytest.raises(DataError, match="finite features"):
        describe_images(lambda image: statistics(image) / 0.0, rows, CPU)
    (tmp_path / "x.png").write_bytes(b"no picture")
    (tmp_path / "r.csv").write_text("image,mos\nx.png,1\n")
    with pytest.raises(ImageReadError):
        describe_images(statistics, read_ratings(tmp_path / "r.csv"), CPU)


def test_spacing_is_even_in_the_logarithm():
    assert log_spaced(-1, 1) == (0.1, 0.3162, 1.0, 3.162, 10.0)
