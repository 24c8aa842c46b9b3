import pandas as pd
import pytest
import torch

from benchmark import speed
from benchmark.contestants import CONTESTANTS, ON_REQUEST, YARDSTICK, build
from benchmark.subject import UNTRAINED
from pyiqa_pixelperfect import PixelPerfect


def test_ratios_are_those_of_the_calls(clock):
    calls = {"slow": clock.lasting(0.02), YARDSTICK: clock.lasting(0.01)}
    before = torch.get_num_threads()
    image, reference = speed.pair_for_timing(40, 32)
    seconds = speed.measure_time(calls, image, reference, rounds=7, threads=1, quiet=True)
    assert torch.get_num_threads() == before
    assert seconds.shape == (7, 2)
    table = speed.summarize(seconds, {"slow": {"peak": 300.0, "extra": 20.0}}, {"slow": "note"}).set_index("metric")
    assert table.loc["slow", "ms"] == pytest.approx(20)
    assert table.loc["slow", "ratio"] == pytest.approx(2)
    assert table.loc[YARDSTICK, "ratio"] == 1.0
    assert table.loc["slow", ["peak_mib", "extra_mib", "note"]].tolist() == [300.0, 20.0, "note"]


def test_ratios_are_formed_within_rounds():
    # The machine gets ten times slower half way; the ratio of the two does not change.
    seconds = pd.DataFrame({"ours": [0.01, 0.01, 0.1, 0.1], YARDSTICK: [0.02, 0.02, 0.2, 0.2]})
    table = speed.summarize(seconds, {}, {}).set_index("metric")
    assert table.loc["ours", ["ratio_low", "ratio", "ratio_high"]].tolist() == pytest.approx([0.5, 0.5, 0.5])


def test_every_contestant_takes_its_turn_in_changing_order():
    order = []
    calls = {name: (lambda image, reference, name=name: order.append(name)) for name in "abc"}
    speed.measure_time(calls, *speed.pair_for_timing(40, 32), rounds=6, threads=1, quiet=True)
    rounds = [tuple(order[start : start + 3]) for start in range(0, 21, 3)]
    assert all(sorted(names) == ["a", "b", "c"] for names in rounds)
    assert len(set(rounds)) > 1


def test_pair_is_a_distorted_photo_of_the_size_asked_for():
    image, reference = speed.pair_for_timing(101, 67)
    assert image.shape == reference.shape == (1, 3, 67, 101)
    assert 0.0 < float((image - reference).abs().mean()) < 0.1


def test_memory_probe_sees_what_a_call_takes():
    large = speed.measure_memory("psnr", 3000, 2000, threads=1, weights=None, lpips_folder=None)
    picture = 3000 * 2000 * 3 * 4 / 2**20  # MiB of one fp32 image; psnr holds a few differences of two
    assert picture < large["extra"] < 20 * picture
    assert large["peak"] > large["extra"]


def test_probe_failures_are_told():
    with pytest.raises(RuntimeError, match="memory probe of 'no such metric' failed"):
        speed.measure_memory("no such metric", 64, 64, threads=1, weights=None, lpips_folder=None)


def test_targets_compare_the_whole_comparison():
    table = pd.DataFrame({"metric": ["pixelperfect compare"], "ratio": [0.7], "peak_mib": [2000.0]})
    assert [verdict.reached for verdict in speed.speed_targets(table)] == [True, False]
    assert speed.speed_targets(pd.DataFrame({"metric": ["psnr"]})) == []


def test_only_the_contestant_that_says_so_is_compiled(monkeypatch):
    compiled = []

    def remember(metric):
        compiled.append(metric)

    monkeypatch.setattr(PixelPerfect, "compile", remember)
    ours = [name for name in CONTESTANTS if name.startswith("pixelperfect")]
    for name in ours:
        build(name, UNTRAINED)
    assert not compiled
    call, note = build(ON_REQUEST[0], UNTRAINED)
    assert len(compiled) == 1
    assert "compiled" in note
    assert call == compiled[0].compare


def test_only_the_contestant_that_says_so_computes_in_bfloat16():
    for name in (CONTESTANTS[3], ON_REQUEST[1]):
        call, note = build(name, UNTRAINED)
        found = call.__self__.map_network.head.weight.dtype
        assert (found == torch.bfloat16) == ("bfloat16" in note) == ("bfloat16" in name)
