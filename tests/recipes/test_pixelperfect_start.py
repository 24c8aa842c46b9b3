"""What a training of Pixel Perfect needs is checked before it starts."""

import sys

import pytest

from pyiqa_pixelperfect.errors import DataError, MissingDependencyError, WeightsError
from pyiqa_pixelperfect.pixelperfect import validation
from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect
from pyiqa_pixelperfect.pixelperfect.trainer import train
from recipes.runs import BRIEF, config_of


def test_a_missing_drawing_library_is_noticed_at_the_start(photos, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("pyiqa_pixelperfect.plots")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match=r"preview_every: expected matplotlib.*preview_every=0"):
        train(config_of(photos, tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    with pytest.raises(MissingDependencyError):
        validation.require_previews()


def test_missing_photos_are_noticed_at_the_start(tmp_path):
    with pytest.raises(DataError, match="photos"):
        train(config_of(tmp_path / "none", tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_maps_of_other_sizes_are_no_start(smoke, photos, tmp_path):
    start = f"maps.start={smoke / 'pixelperfect.safetensors'}"
    with pytest.raises(WeightsError, match=r"maps\.start: expected weights of a network of these sizes"):
        train(config_of(photos, tmp_path, *BRIEF, start, "network.encoder_widths=[8, 12, 16, 24, 40]"))


def test_without_score_steps_or_holdout_there_are_still_weights(photos, tmp_path):
    train(config_of(photos, tmp_path, *BRIEF, "maps.steps=1", "score.steps=0", "data.holdout=false"))
    card = PixelPerfect.load(tmp_path / "pixelperfect.safetensors").card
    assert card["photos"] == "6 of 6 photos trained on, none held out"
