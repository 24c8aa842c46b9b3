"""Maps of differences, ours and the peers', and what is measured on them."""

import numpy as np
import pytest

from benchmark import localization
from benchmark.leaderboard.difference_maps import build_maps
from benchmark.leaderboard.map_tables import any_family_auc, map_results, sign_confusion
from benchmark.photos import center_crop, to_tensor
from benchmark.real_tools import HEADLINE_TOOLS


@pytest.fixture
def trials(photos):
    tools = [tool for tool in HEADLINE_TOOLS if tool.name in ("skimage gaussian", "pillow brighter")]
    return list(localization.make_trials([center_crop(photo, 96) for photo in photos], tools, seed=0))


def test_maps_are_zero_where_nothing_differs_and_large_where_something_does(trials, fake_metric):
    maps, reasons = build_maps(fake_metric, None)
    assert set(maps) == {"pixelperfect", "ssim", "difference"}
    assert "set weights=" in reasons["lpips"]
    image, clean = to_tensor(trials[0].image), to_tensor(trials[0].clean)
    for function in maps.values():
        field = function(image, clean)
        assert field.shape == trials[0].inside.shape
        assert np.abs(function(clean, clean)).max() <= 1e-6
        assert field[trials[0].inside].mean() > field[trials[0].outside].mean()


def test_missing_lpips_weights_are_a_reason(tmp_path):
    assert "squeezenet1_1_features" in build_maps(None, tmp_path)[1]["lpips"]


def test_the_difference_of_pixels_finds_noise_exactly_and_a_blind_map_finds_nothing(trials):
    maps = {"difference": build_maps(None, None)[0]["difference"], "blind": lambda image, _: np.zeros(image.shape[-2:])}
    table = any_family_auc(maps, trials, seed=0, quiet=True).set_index("map")
    assert table.index[0] == "difference"
    assert table.loc["difference", "auc"] > 0.9
    assert table.loc["blind", ["auc", "noise", "brightness"]].tolist() == [0.5, 0.5, 0.5]
    assert table.loc["blind", "trials"] == len(trials)


def test_signs_are_shares_of_trials(trials, fake_metric):
    rows = localization.measure(fake_metric, trials)
    table = sign_confusion(rows).set_index("family")
    assert (table["right"] + table["wrong"]).tolist() == [1.0] * len(table)
    assert table["trials"].sum() == len(trials)


def test_everything_that_maps_show_is_laid_out(photos, settings, monkeypatch):
    from dataclasses import replace

    from benchmark.leaderboard import map_tables
    from benchmark.leaderboard.machine_tables import machine_tables
    from benchmark.leaderboard.run import run
    from benchmark.subject import load_subject

    monkeypatch.setattr(map_tables, "_PAIRS", 4)
    monkeypatch.setattr(map_tables, "_VERSIONS", 4)
    metric = load_subject("untrained")
    small = [center_crop(photo, 64) for photo in photos]
    maps, reasons = build_maps(metric, None)
    found = map_results(metric, maps, small, seed=0, quiet=True) | {"unavailable": dict(reasons), "photo_count": 2}
    results = replace(run(settings(), quiet=True), maps=found)
    tables = {table.name: table.frame for table in machine_tables(results)}
    assert list(tables) == ["times", "maps-where", "maps-figures", "maps-tools", "maps-types", "maps-signs",
                            "maps-antisymmetry", "maps-transitivity"]  # fmt: skip
    assert set(tables["maps-where"]["map"]) == {"pixelperfect", "ssim", "difference"}
    assert tables["maps-figures"]["figure"].tolist()[:3] == ["auc", "type", "sign"]
    assert not tables["maps-figures"]["mean (95 %)"].str.contains(r"\.\.").any()  # two photos give no interval
    many = {table.name: table.frame for table in machine_tables(replace(results, maps=found | {"photo_count": 8}))}
    assert many["maps-figures"]["mean (95 %)"].str.contains(r"\.\.").all()
    assert tables["maps-tools"]["tool"].tolist() == [tool.name for tool in HEADLINE_TOOLS]
    assert all(frame.map(lambda cell: isinstance(cell, str)).all(axis=None) for frame in tables.values())
