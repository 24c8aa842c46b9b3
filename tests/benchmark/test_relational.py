"""Calibration, transitivity and consensus: what they count, on cases whose answer is known."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from benchmark.photos import center_crop
from pyiqa_pixelperfect.distortions.engine import DistortionEngine
from pyiqa_pixelperfect.distortions.kadis import KADIS
from pyiqa_pixelperfect.distortions.plan import PlanSettings
from pyiqa_pixelperfect.families import FAMILIES


@pytest.fixture
def engine():
    return DistortionEngine(PlanSettings(kinds=("gaussian_blur", "exposure"), untouched=0.0))


class Oracle:
    """Answers with the truth times a slope."""

    def __init__(self, truths, slope):
        self.truths, self.slope = [row for truth in truths for row in truth], slope

    def maps(self, image, reference):
        return 0.5 + 0.5 * self.slope * self.truths.pop(0)[None]


def test_the_truth_is_calibrated_and_half_of_it_is_not(photos, engine):
    from benchmark import calibration

    pairs = list(calibration.versioned_pairs(photos, engine, 3))
    assert [tuple(part.shape) for part in pairs[0]] == [(3, 3, 128, 128), (3, 3, 128, 128), (3, 14, 128, 128)]
    for slope in (1.0, 0.5):
        sums = calibration.measure(Oracle([truth for *_, truth in pairs], slope), pairs)
        table = calibration.by_family(sums).set_index("family")
        seen = table[table["error present"].notna()]
        assert set(seen.index) <= {"blur", "brightness"}
        assert len(seen)
        for family, row in seen.iterrows():
            every = torch.cat([torch.nn.functional.avg_pool2d(t, 4)[:, FAMILIES.index(family)] for *_, t in pairs])
            cells, present = every.double(), every[(every != 0).flatten(1).any(1)].double()
            error, error_present = ((1 - slope) * part.abs() for part in (cells, present))
            assert row["cells"] == cells.numel()
            assert row["error"] == pytest.approx(error.mean().item(), abs=1e-6)
            assert row["error present"] == pytest.approx(error_present.mean().item(), abs=1e-6)
            assert row["error affected"] == pytest.approx(error[cells.abs() > 0.05].mean().item(), abs=1e-6)
            assert row["nothing"] == pytest.approx(cells.abs().mean().item(), abs=1e-6)
            assert row["bias"] == pytest.approx((slope - 1) * cells.mean().item(), abs=1e-6)
            # Every bin is off in one direction.
            assert row["gap"] == pytest.approx(error.mean().item(), abs=1e-6)
            assert row["gap present"] == pytest.approx(error_present.mean().item(), abs=1e-6)
        assert (calibration.overall(table)["error"] < 1e-6) == (slope == 1.0)


def test_calibration_does_not_see_errors_that_cancel_within_a_bin():
    from benchmark import calibration

    sums = np.zeros((len(FAMILIES), 2, calibration.BINS, 7))
    calibration._add(sums[0], np.full(4, 0.52), np.array([0.32, 0.72, 0.52, 0.52]))
    row = calibration.by_family(sums).iloc[0]
    assert row["error"] == row["error present"] == pytest.approx(0.1)
    assert row["gap"] == row["gap present"] == pytest.approx(0.0, abs=1e-12)


def test_calibration_tells_pairs_that_have_a_family_from_all():
    from benchmark import calibration

    sums = np.zeros((len(FAMILIES), 2, calibration.BINS, 7))
    calibration._add(sums[0], np.array([0.3, 0.5]), np.array([0.5, 0.5]))
    calibration._add(sums[0], np.array([0.1, -0.1, 0.0, 0.35, 0.0, 0.0]), np.zeros(6))
    row = calibration.by_family(sums).iloc[0]
    assert row["cells"] == 8
    assert row["error"] == pytest.approx((0.2 + 0.55) / 8)
    assert row["error present"] == pytest.approx(0.1)
    assert row["error affected"] == pytest.approx(0.1)
    # 0.3 and 0.35 share a bin: together they said 0.65 of 0.5.
    assert row["gap"] == pytest.approx((0.15 + 0.1 + 0.1) / 8)
    assert row["gap present"] == pytest.approx(0.1)
    reliability = calibration.reliability(sums)
    assert reliability["cells"].sum() == 8


def test_scores_that_are_differences_are_transitive():
    from benchmark import transitivity

    quality = np.array([3.0, 2.0, -1.0, 0.5, 1.0])
    row = transitivity.photo_row(quality[:, None] - quality[None])
    assert row["triples"] == row["consistent"] == 60
    assert (row["cycles"], row["triads"]) == (0, 10)
    assert row["gap"] == pytest.approx(0.0)
    assert row["agreement"] == pytest.approx(1.0)
    assert (row["best"], row["found"]) == (1.0, 1.0)


def test_without_the_clean_photo_versions_are_ranked_as_the_metric_does():
    """Means of each row would name version 2 the best: it wins against the damaged ones by more."""
    from benchmark import transitivity

    pairwise = np.zeros((5, 5))
    pairwise[0, 1:] = 0.1, 0.2, 0.5, 0.6  # the clean photo against its versions
    pairwise[1, 2:], pairwise[2, 3:], pairwise[3, 4] = (0.1, 0.3, 0.4), 0.9, 0.1
    row = transitivity.photo_row(pairwise - pairwise.T)
    assert row["agreement"] == pytest.approx(1.0)
    assert (row["best"], row["found"]) == (1.0, 1.0)
    pairwise[0, 4] = -0.6  # a version that is called better than the clean photo, which is then not the least beaten
    row = transitivity.photo_row(pairwise - pairwise.T)
    assert row["agreement"] == pytest.approx(stats.spearmanr([0, -1, -3, -4], [-1, -2, -5, 6]).statistic)
    assert (row["best"], row["found"]) == (0.0, 0.0)


def test_rock_paper_scissors_is_not():
    from benchmark import transitivity

    row = transitivity.photo_row(np.array([[0.0, 1, -1], [-1, 0, 1], [1, -1, 0]]))
    assert (row["triples"], row["consistent"], row["cycles"]) == (6, 0, 1)
    direct, detour = transitivity.triples(np.array([[0.0, 1, 5], [-1, 0, 2], [-5, -2, 0]]))
    assert sorted(zip(direct, detour, strict=True)) == [(-5, -3), (-2, -4), (-1, -3), (1, 3), (2, 4), (5, 3)]


def test_ties_are_left_out():
    from benchmark import transitivity

    quality = np.array([0.0, 0.01, 1.0])
    assert transitivity.photo_row(quality[:, None] - quality[None])["triples"] == 4


def test_versions_are_by_different_tools_and_repeatable(photos):
    from benchmark.tool_versions import every_version, some_versions

    chosen, again = (some_versions(photos[0], 5, 7) for _ in range(2))
    assert len({version.tool for version in chosen}) == 5
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(chosen, again, strict=True))
    every = list(every_version(photos[0], 7))
    assert len(every) == 63
    assert sum(any(np.array_equal(a.pixels, b.pixels) for b in every) for a in chosen) == 5


def test_versions_of_kadis_are_all_types_and_levels_that_change_a_photo(photos):
    from benchmark.tool_versions import every_kadis_version

    photo = center_crop(photos[0], 96)
    made, again = (list(every_kadis_version(photo, 7)) for _ in range(2))
    expected = {(e.name, f"level {i}") for e in KADIS.values() for i in range(1, 6) if i not in e.identity_levels}
    assert {(version.tool, version.strength) for version in made} == expected
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(made, again, strict=True))
    assert all(version.family == KADIS[version.tool].family for version in made)


def test_versions_called_better_are_those_above_0_the_surest_first():
    from benchmark.consensus import called_better

    rows = pd.DataFrame({"pixelperfect": [-0.1, 0.2, 0.0, 0.7], "photo": list("abcd"), "tool": "t", "strength": "mild"})
    assert called_better(rows)["photo"].tolist() == ["d", "b"]


def test_the_consensus_is_the_mean_of_ranks():
    from benchmark import consensus

    generator = np.random.default_rng(0)
    rows = pd.DataFrame(generator.normal(size=(12, 4)), columns=list(consensus.JUDGES))
    rows["pixelperfect"] = consensus.consensus_of(rows) * 2 + 1
    rows["photo"], rows["family"] = ["a"] * 6 + ["b"] * 6, ["x", "y"] * 6
    ranks = sum(stats.rankdata(rows[name]) for name in consensus.JUDGES) / 4
    assert np.allclose(consensus.consensus_of(rows), ranks)
    table = consensus.summarize(rows, ["pixelperfect", "vsi"], repeats=10).set_index("metric")
    assert table.loc["pixelperfect", "overall"] == table.loc["pixelperfect", "within"] == pytest.approx(1.0)
    assert table.loc["pixelperfect", "in x"] == pytest.approx(1.0)
    without = sum(stats.rankdata(rows[name]) for name in consensus.JUDGES if name != "vsi") / 3
    assert table.loc["vsi", "others"] == pytest.approx(stats.spearmanr(rows["vsi"], without).statistic)
    assert consensus.consensus_targets(table.reset_index())[0].reached
