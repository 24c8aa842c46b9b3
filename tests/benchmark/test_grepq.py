"""Measurements of GRepQ: what is compared, and that the figures are those of the pictures."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from benchmark.corrections import NORMALIZED, correction_table, summarize
from benchmark.few_labels import few_label_table
from benchmark.opinion_unaware import TO_REACH, ahead, niqe, of_metric, untrained_like, zero_shot_targets
from benchmark.photos import BUNDLED, center_crop, load_photos
from pyiqa_pixelperfect.data.rated import RatedImage
from pyiqa_pixelperfect.errors import DataError
from pyiqa_pixelperfect.grepq.metric import GRepQ
from pyiqa_pixelperfect.grepq.networks import LowLevelNet


@pytest.fixture(scope="module")
def clean():
    return [center_crop(photo, 200) for photo in load_photos(BUNDLED, count=4)]


def test_the_control_is_the_same_network_before_training(clean):
    metric = GRepQ(LowLevelNet(4, 6))
    one, two = (untrained_like(metric, clean, seed) for seed in (0, 1))
    assert one.low.width == 4
    assert torch.equal(untrained_like(metric, clean, 0).pristine_mean, one.pristine_mean)
    assert not torch.equal(one.pristine_mean, two.pristine_mean)
    assert one.low.encoder.bn1.running_mean.abs().sum() > 0  # batch statistics are those of photos
    describer = of_metric("ours", one)
    image = torch.rand(1, 3, 150, 150)
    assert torch.equal(describer.function(image), one(image)[:, None])
    assert describer.key != of_metric("ours", two).key


def test_niqe_takes_published_parameters_and_knows_blur(tmp_path, clean):
    pytest.importorskip("pyiqa")
    generator = np.random.default_rng(0)
    np.savez(tmp_path / "niqe.npz", mu_pris_param=generator.random((1, 36)), cov_pris_param=np.eye(36))
    image = torch.from_numpy(clean[0].pixels.copy()).permute(2, 0, 1)[None] / 255
    score = niqe(tmp_path / "niqe.npz").function(image)
    assert score.shape == (1, 1)
    assert score.isfinite().all()


@pytest.mark.parametrize("how", ["missing", "text", "other names", "other sizes"])
def test_other_files_are_no_parameters_of_niqe(tmp_path, how):
    path = tmp_path / "niqe.npz"
    if how == "text":
        path.write_text("nothing")
    elif how == "other names":
        np.savez(path, mean=np.zeros(36))
    elif how == "other sizes":
        np.savez(path, mu_pris_param=np.zeros(18), cov_pris_param=np.eye(18))
    with pytest.raises(DataError, match="niqe: expected an npz file with mu_pris_param"):
        niqe(path)


def test_ahead_is_a_difference_with_an_interval_around_it():
    generator = np.random.default_rng(0)
    mos = generator.random(100)
    good, bad = mos + 0.1 * generator.normal(size=100), mos + 2 * generator.normal(size=100)
    lead = ahead(good, bad, mos, repeats=200, seed=0)
    assert 0 < lead["ahead_low"] < lead["ahead"] < lead["ahead_high"]
    assert ahead(good, good, mos, repeats=50, seed=0) == {"ahead": 0.0, "ahead_low": 0.0, "ahead_high": 0.0}


def test_targets_say_what_was_promised():
    table = pd.DataFrame({"metric": ["ours", "NIQE", "PIQE"], "srcc": [0.5, 0.3, 0.6], "ahead": [np.nan, 0.2, -0.1]})
    first, *peers = zero_shot_targets(table, "ours")
    assert pytest.approx(0.417) == TO_REACH
    assert first.reached
    assert [peer.reached for peer in peers] == [True, False]


def test_features_that_know_the_rating_win_at_every_number_of_labels():
    pytest.importorskip("sklearn")
    generator = np.random.default_rng(0)
    mos = generator.random(150)
    rows = [RatedImage(Path(f"{place}.png"), float(value), str(place)) for place, value in enumerate(mos)]
    features = {
        "knowing": mos[:, None] + 0.05 * generator.normal(size=(150, 6)),
        "random": generator.normal(size=(150, 6)),
    }
    table = few_label_table(features, rows, 100, [20, None], draws=4, seed=0)
    wide = table.pivot_table(index="features", columns="labels", values="srcc")
    assert (wide.loc["knowing"] > 0.9).all()
    assert (wide.loc["random"] < 0.6).all()
    assert sorted(table["draws"].unique()) == [1, 4]


def test_corrections_are_trained_and_measured(clean, tmp_path, monkeypatch):
    pytest.importorskip("piq")
    from pyiqa_pixelperfect.training import logbook

    monkeypatch.setattr(logbook, "_tensorboard", lambda folder, step: None)
    photos = tmp_path / "photos"
    photos.mkdir()
    rows = []
    for place in range(5):
        picture = np.roll(clean[place % 4].pixels, 40 * place, axis=0)
        Image.fromarray(picture).save(photos / f"{place}.png")
        rows.append(RatedImage(photos / f"{place}.png", float(place), str(place)))
    table = correction_table([photos], rows, tmp_path, tmp_path / "versions", steps=1, sets=2, seeds=2)
    assert table["correction"].value_counts().to_dict() == {
        "as published": 2, "negatives across contents": 2, NORMALIZED: 2
    }  # fmt: skip
    assert len(list((tmp_path / "versions").iterdir())) == 2  # the same for all
    summary = summarize(table).set_index("correction")
    assert summary.loc["as published", "change"] == 0
    values = table[table["correction"] == NORMALIZED]["srcc"]
    assert summary.loc[NORMALIZED, "srcc"] == pytest.approx(values.mean())
