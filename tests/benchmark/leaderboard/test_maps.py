"""Maps of differences, ours and the peers', and what is measured on them."""

import numpy as np
import pytest
import torch

from benchmark import localization
from benchmark.leaderboard.config import LeaderboardConfig, MetricEntry
from benchmark.leaderboard.costs import measure_costs, measure_memory
from benchmark.leaderboard.difference_maps import build_maps
from benchmark.leaderboard.map_tables import any_family_auc, sign_confusion, transitivity
from benchmark.leaderboard.predictors import Predictor, build_predictor
from benchmark.photos import center_crop, to_tensor
from benchmark.real_tools import HEADLINE_TOOLS
from pyiqa_pixelperfect.pixelperfect.comparison import Ranking


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


class RoundRobin:
    """A metric with given answers for every two versions."""

    def __init__(self, pairwise):
        self.pairwise = torch.as_tensor(pairwise, dtype=torch.float32)

    def rank(self, candidates, reference):
        return Ranking(order=list(range(len(candidates))), scores=torch.zeros(len(candidates)), pairwise=self.pairwise)


def test_an_order_has_no_circles_and_a_circle_is_found(photos):
    strength = torch.arange(9.0)
    ordered = transitivity(RoundRobin(strength[:, None] - strength), photos[:1], seed=0)
    assert (ordered["circles"], ordered["triples"]) == (0, 84)
    pairwise = strength[:, None] - strength
    pairwise[0, 2], pairwise[2, 0] = 1.0, -1.0  # 0 beats 2 beats 1 beats 0
    assert transitivity(RoundRobin(pairwise), photos[:1], seed=0)["circles"] == 1
    assert transitivity(RoundRobin(torch.zeros(9, 9)), photos[:1], seed=0)["circles"] == 0  # ties are none


def costs_config(**speed):
    return LeaderboardConfig(datasets=["tid2013"], metrics=["psnr", "piqe"], speed=speed)


def test_costs_of_every_size_and_metric():
    config = costs_config(sizes=[[64, 48], [96, 64]], rounds=3, memory=False)
    metrics = [build_predictor(entry, None, "cpu") for entry in config.metrics]
    table = measure_costs(config, metrics, quiet=True)
    assert table["size"].tolist() == ["64x48"] * 2 + ["96x64"] * 2
    assert (table["ms_low"] <= table["ms"]).all()
    assert (table["ms"] <= table["ms_high"]).all()
    assert table["ms_per_megapixel"][0] == pytest.approx(table["ms"][0] / (64 * 48 / 1e6))
    assert (table["rounds"] == 3).all()


def test_a_metric_that_tries_the_patience_is_left_out_from_there_on():
    import time

    slow = Predictor("psnr", "FR", False, "", lambda *_: time.sleep(0.2))
    config = costs_config(sizes=[[64, 48], [96, 64]], rounds=1, memory=False, patience=0.1)
    table = measure_costs(config, [slow], quiet=True)
    assert table["note"].str.startswith("left out").all()
    assert "ms" not in table


def test_memory_comes_from_a_fresh_process_and_failure_is_no_figure(monkeypatch):
    found = measure_memory(MetricEntry(name="psnr"), 512, 384, costs_config())
    assert 0.0 < found["extra_mib"] < found["peak_mib"]
    monkeypatch.setattr("sys.executable", "/bin/false")
    assert measure_memory(MetricEntry(name="psnr"), 64, 48, costs_config()) == {}
