"""The throughput command: it compares like with like, tells a slow contestant, and counts what was done."""

import os

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from benchmark import __main__ as command_line
from benchmark import throughput
from benchmark.one_at_a_time import ONE_AT_A_TIME
from benchmark.report import read_record
from benchmark.throughput import BATCHED, MIX, USUAL
from pyiqa_pixelperfect.distortions import KADIS

# Largest mean difference between the two ways, in steps of 8 bit, where nothing is random.
SAME = {
    **dict.fromkeys(("gaussian_blur", "lens_blur", "mean_shift", "darken", "contrast_change", "pixelate"), 0.4),
    **dict.fromkeys(("saturation_1", "saturation_2", "color_diffusion", "quantization", "jpeg2000"), 0.6),
    "high_sharpen": 2.0,  # thirteenfold detail of pictures that were rounded to 8 bit before
    **dict.fromkeys(("jpeg", "brighten"), 1.0),
}
# The others draw noise, places or colors: the PSNR to the clean picture is alike, in dB, over so many draws of each
# picture. One draw of two blocks of any color, or of a motion in any direction, is far from the next.
ALIKE = 1.0
DRAWS = 20


@pytest.fixture(scope="module")
def pictures():
    return throughput.make_pictures(4, 96)


def noise_ratio(done, clean):
    return -10 * float((done - clean).square().mean().log10())


def both_ways(name, pictures):
    """Clean pictures, and both ways' results, (5 levels, N, 3, 96, 96)."""
    torch.manual_seed(0)
    [job] = throughput.make_jobs([name], pictures, mix=False)
    ours, theirs = (way(job.pictures, job.types, job.levels) for way in (throughput.batched, throughput.one_at_a_time))
    assert ours.shape == theirs.shape == (5 * len(pictures), 3, 96, 96)
    assert ours.dtype == theirs.dtype == torch.float32
    clean = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2) / 255
    return clean, ours.unflatten(0, (5, -1)), theirs.unflatten(0, (5, -1))


@pytest.mark.parametrize("name", [name for name in KADIS if name != "color_quantization"])
def test_both_ways_do_the_same(name, pictures):
    clean, ours, theirs = both_ways(name, pictures if name in SAME else pictures * DRAWS)
    for level in range(1, 6):
        one, other = ours[level - 1], theirs[level - 1]
        if level in KADIS[name].identity_levels:
            assert torch.equal(one, clean)
            assert torch.equal(other, clean)
        elif name in SAME:
            assert (one - other).abs().mean() * 255 < SAME[name]
        else:
            assert abs(noise_ratio(one, clean) - noise_ratio(other, clean)) < ALIKE


def test_palettes_are_at_least_as_good_as_those_of_the_other_way(pictures):
    clean, ours, theirs = both_ways("color_quantization", pictures)
    for one, other in zip(ours, theirs, strict=True):
        assert 0 <= noise_ratio(one, clean) - noise_ratio(other, clean) < 2.5


def test_there_is_a_function_for_every_type():
    assert len(ONE_AT_A_TIME) == len(KADIS)
    for function, name in zip(ONE_AT_A_TIME, KADIS, strict=True):
        assert function.__name__.strip("_") in {name, "patches"}


def test_the_mix_holds_every_type_and_level_equally_often(pictures):
    *entries, mix = throughput.make_jobs(list(KADIS), pictures[:2])
    assert mix.name == MIX
    assert [job.name for job in entries] == list(KADIS)
    assert torch.bincount(mix.types * 6 + mix.levels).unique().tolist() == [0, 2]
    assert mix.megapixels == pytest.approx(250 * 96 * 96 / 1e6)
    assert mix.types[:20].unique().numel() > 5  # in random order
    counts = {id(picture): sum(picture is other for other in mix.pictures) for picture in pictures[:2]}
    assert list(counts.values()) == [125, 125]


def test_pictures_are_cut_where_the_seed_says():
    first, again, other = (throughput.make_pictures(5, 64, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
    assert {picture.shape for picture in first} == {(64, 64, 3)}
    assert throughput.make_pictures(3, 700)[2].shape == (700, 700, 3)  # larger than the photographs


def test_a_slow_contestant_changes_the_ratio(pictures, clock):
    jobs = throughput.make_jobs(["jpeg", "jpeg2000"], pictures)
    ratios = {}
    for slow in (0.004, 0.012):
        ways = {BATCHED: clock.lasting(0.004), USUAL: clock.lasting(slow)}
        table = throughput.summarize(throughput.measure(ways, jobs, rounds=3, threads=1, quiet=True), jobs)
        ratios[slow] = table.set_index("name")["ratio"]
    assert list(ratios[0.004].index) == ["jpeg", "jpeg2000", "compression", MIX]
    assert ratios[0.004].tolist() == pytest.approx([1] * 4)
    assert ratios[0.012].tolist() == pytest.approx([3] * 4)


def test_speeds_and_ratios_are_those_of_the_seconds(pictures):
    jobs = throughput.make_jobs(["jpeg", "jpeg2000"], pictures)
    rows = []
    for number, pace in ((1, 1.0), (2, 1.0), (3, 10.0)):  # the machine gets ten times slower in the last round
        for job, ours, theirs in (("jpeg", 0.1, 0.2), ("jpeg2000", 0.3, 0.3), (MIX, 0.4, 2.0)):
            rows += [(number, job, BATCHED, pace * ours), (number, job, USUAL, pace * theirs)]
    seconds = pd.DataFrame(rows, columns=["round", "job", "contestant", "seconds"])
    table = throughput.summarize(seconds, jobs).set_index("name")
    assert table["ratio"].to_dict() == pytest.approx({"jpeg": 2, "jpeg2000": 1, "compression": 1.25, MIX: 5})
    assert table.loc["compression", ["ratio_low", "ratio_high"]].tolist() == pytest.approx([1.25, 1.25])
    megapixels = 20 * 96 * 96 / 1e6
    assert table.loc["jpeg", BATCHED] == pytest.approx(megapixels / 0.1)
    assert table.loc["compression", USUAL] == pytest.approx(2 * megapixels / 0.5)
    assert table.loc[MIX, USUAL] == pytest.approx(2 * megapixels / 2.0)
    [verdict] = throughput.throughput_targets(table.reset_index())
    assert (verdict.measured, verdict.first_cut, verdict.reached) == (pytest.approx(5), 3.0, True)
    assert throughput.throughput_targets(table.reset_index()[:2]) == []


def test_all_libraries_get_the_same_threads_and_then_their_own_again(pictures, monkeypatch):
    monkeypatch.delenv("OPJ_NUM_THREADS", raising=False)
    before, seen = (torch.get_num_threads(), cv2.getNumThreads()), []

    def look(pictures, types, levels):
        seen.append((torch.get_num_threads(), cv2.getNumThreads(), os.environ["OPJ_NUM_THREADS"]))

    jobs = throughput.make_jobs(["jpeg"], pictures, mix=False)
    throughput.measure({BATCHED: look, USUAL: look}, jobs, rounds=1, threads=2, quiet=True)
    assert set(seen) == {(2, 2, "2")}
    assert len(seen) == 4
    assert (torch.get_num_threads(), cv2.getNumThreads()) == before
    assert "OPJ_NUM_THREADS" not in os.environ


def test_crops_per_second_counts_crops(pictures):
    table = throughput.crops_per_second(pictures, device="cpu", batch=6, rounds=2, threads=1, quiet=True)
    assert len(table) == 2
    assert (table["crops_per_second"] > 0).all()
    assert table["plan_share"].between(0, 1).all()
    [verdict] = throughput.crops_targets(pd.DataFrame({"crops_per_second": [19000.0, 21000.0, 22000.0]}))
    assert (verdict.measured, verdict.first_cut, verdict.reached) == (21000.0, 20000.0, True)


def run(tmp_path, *arguments):
    out = tmp_path / "record.json"
    result = CliRunner().invoke(command_line.app, ["throughput", *arguments, "--out", str(out), "--quiet"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result, out


def test_the_command(tmp_path):
    sizes = ("--crop", "32", "--pictures", "1", "--rounds", "1", "--threads", "1")
    result, out = run(tmp_path, *sizes)
    assert result.exit_code == 0, result.output
    record = read_record(out)
    rows = {row["name"]: row for row in record.results["speeds"]}
    assert {*KADIS, MIX, "blur", "compression"} <= set(rows)
    assert [item.figure for item in record.targets] == [f"megapixels per second of the {MIX}, batched / one at a time"]
    assert record.targets[0].measured == pytest.approx(rows[MIX]["ratio"])
    for text in ("## Mix", "## Families", "## Entries", "color_diffusion"):
        assert text in result.output


def test_the_command_on_an_accelerator(tmp_path, monkeypatch):
    if torch.cuda.is_available():
        device = "cuda"
    else:  # everything but the device itself
        device = "meta"
        on_cpu = throughput.crops_per_second
        monkeypatch.setattr(
            throughput, "crops_per_second", lambda pictures, device, **rest: on_cpu(pictures, device="cpu", **rest)
        )
    result, out = run(tmp_path, "--device", device, "--crop", "48", "--batch", "5", "--rounds", "2")
    assert result.exit_code == 0, result.output
    record = read_record(out)
    assert len(record.results["batches"]) == 2
    assert "crops of 224 x 224 per second" in result.output
    assert not record.targets[0].reached or device == "cuda"


def test_one_entry_alone_and_unknown_ones(tmp_path):
    sizes = ("--crop", "32", "--pictures", "1", "--rounds", "1", "--threads", "1")
    result, out = run(tmp_path, *sizes, "--entry", "pixelate")
    assert result.exit_code == 0
    record = read_record(out)
    assert [row["name"] for row in record.results["speeds"]] == ["pixelate", "pixelation"]
    assert record.targets == []
    assert run(tmp_path, *sizes, "--entry", "nothing")[0].exit_code == 2
