import numpy as np
import pandas as pd
import pytest
import torch

from benchmark import localization
from benchmark.more_tools import ALL_TOOLS, MORE_TOOLS
from benchmark.photos import Photo, to_tensor
from benchmark.real_tools import HEADLINE_TOOLS
from pyiqa_pixelperfect.families import FAMILIES, family_index


class Oracle:
    """Knows every trial by its pixels and answers with the truth, or with a planted mistake.

    Args:
        family: ``"right"``, or ``"wrong"`` for the next channel.
        sign: factor on the true amount.
        place: ``"inside"``, or ``"outside"`` for the complement of the region.
        leak: amount that every channel has everywhere outside.
    """

    def __init__(self, trials, *, family="right", sign=1.0, place="inside", leak=0.0):
        self._trials = {trial.image.tobytes(): trial for trial in trials}
        self._family, self._sign, self._place, self._leak = family, sign, place, leak

    def maps(self, image, reference):
        pixels = (image[0] * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
        trial = self._trials[pixels.tobytes()]
        assert torch.equal(reference, to_tensor(trial.clean))
        channel = (family_index(trial.tool.family) + (self._family == "wrong")) % len(FAMILIES)
        where = trial.inside if self._place == "inside" else trial.outside
        signed = np.zeros((len(FAMILIES), *trial.inside.shape), np.float32)
        signed[:, trial.outside] = self._leak
        signed[channel, where] = 0.8 * trial.tool.direction * self._sign
        return torch.from_numpy(0.5 + 0.5 * signed)[None]


@pytest.fixture(scope="module")
def trials(photos):
    return list(localization.make_trials(photos, ALL_TOOLS, seed=0))


def figures(trials, **mistakes):
    return localization.headline(localization.measure(Oracle(trials, **mistakes), trials), repeats=20)


def test_oracle_is_perfect(trials):
    rows = localization.measure(Oracle(trials), trials)
    for headline in (True, False):
        part = rows[rows["headline"] == headline]
        assert part["auc"].min() == 1.0
        assert part["auc_to_edge"].min() > 0.75
        assert part["type"].min() == part["sign"].min() == 1.0
        assert part["leak"].max() == part["leak_all"].max() == part["crosstalk"].max() < 1e-6
        assert part["amount"].min() == pytest.approx(0.8, abs=1e-5)
    verdicts = localization.localization_targets(localization.headline(rows, repeats=20))
    assert [verdict.reached for verdict in verdicts] == [True] * 4


def test_oracle_in_the_wrong_place_fails(trials):
    measured = figures(trials, place="outside")
    assert measured["auc"]["mean"] == 0.0
    assert measured["type"]["mean"] == 0.0
    assert measured["leak"]["mean"] == pytest.approx(0.8, abs=1e-5)
    assert not any(verdict.reached for verdict in localization.localization_targets(measured))


def test_oracle_of_the_wrong_family_fails(trials):
    measured = figures(trials, family="wrong")
    assert measured["auc"]["mean"] == 0.5
    assert measured["type"]["mean"] == measured["sign"]["mean"] == 0.0
    assert measured["crosstalk"]["mean"] == pytest.approx(0.8 / 13, abs=1e-5)


def test_oracle_of_the_wrong_sign_finds_the_family_only(trials):
    measured = figures(trials, sign=-1.0)
    assert measured["type"]["mean"] == 1.0
    assert measured["sign"]["mean"] == measured["auc"]["mean"] == 0.0


def test_leak_counts_the_outside_only(trials):
    measured = figures(trials, leak=0.1)
    assert measured["leak"]["mean"] == pytest.approx(0.1, abs=1e-5)
    assert measured["leak_all"]["mean"] == pytest.approx(0.1, abs=1e-5)
    assert measured["type"]["mean"] == 1.0


def test_empty_maps_get_no_lucky_guess(trials):
    class Silent:
        def maps(self, image, reference):
            return torch.full((1, len(FAMILIES), *image.shape[-2:]), 0.5)

    rows = localization.measure(Silent(), trials)
    assert rows["type"].max() == 0.0
    assert set(rows["predicted"]) == {localization.NOTHING}
    assert (localization.confusion(rows)[localization.NOTHING] == 1.0).all()


def test_trials_follow_seed_photo_and_tool_alone(photos, trials):
    alone = next(localization.make_trials(photos[1:], [ALL_TOOLS[7]], seed=0))
    same = next(trial for trial in trials if trial.photo == photos[1].name and trial.tool is ALL_TOOLS[7])
    assert np.array_equal(alone.image, same.image)
    assert np.array_equal(alone.inside, same.inside)
    other = next(localization.make_trials(photos[1:], [ALL_TOOLS[7]], seed=1))
    assert not np.array_equal(other.inside, same.inside)


def test_image_differs_from_clean_inside_only(trials):
    for trial in trials:
        differs = (trial.image != trial.clean).any(axis=-1)
        assert not differs[trial.outside].any()
        assert not (trial.inside & trial.outside).any()
        assert trial.inside.any()
        assert trial.outside.any()


def test_truth_of_a_patchy_tool_is_what_it_changed(trials):
    for trial in trials:
        if trial.tool.patchy:
            assert (trial.image != trial.clean).any(axis=-1)[trial.inside].all()


def test_tools_without_effect_are_counted_and_not_scored(fake_metric):
    gray = Photo("gray.png", np.repeat(np.arange(96, dtype=np.uint8)[None, :, None], 96, axis=0).repeat(3, axis=2))
    color = [tool for tool in HEADLINE_TOOLS if tool.family == "saturation"]
    rows = localization.measure(fake_metric, localization.make_trials([gray], color, seed=0))
    assert rows["auc"].isna().all()
    table = localization.per_tool(rows)
    assert table["trials"].tolist() == [0, 0]
    assert table["unchanged"].tolist() == [1, 1]


def test_headline_is_the_mean_over_tools_and_leaves_other_tools_out(trials, fake_metric):
    rows = localization.measure(fake_metric, trials)
    measured = localization.headline(rows, repeats=200)
    table = localization.per_tool(rows)
    assert set(table[~table["headline"]]["tool"]) == {tool.name for tool in MORE_TOOLS}
    for figure in localization.FIGURES:
        assert measured[figure]["mean"] == pytest.approx(table[table["headline"]][figure].mean(), abs=1e-9)
        assert measured[figure]["low"] <= measured[figure]["mean"] <= measured[figure]["high"]


def test_confusion_rows_are_shares():
    rows = pd.DataFrame({"family": ["blur", "blur", "noise"], "predicted": ["blur", "noise", "noise"]})
    table = localization.confusion(rows)
    assert list(table.columns) == list(FAMILIES)
    assert table.loc["blur", ["blur", "noise"]].tolist() == [0.5, 0.5]
    assert table.sum(axis=1).tolist() == [1.0, 1.0]


def test_training_tools_are_marked(trials, fake_metric, monkeypatch):
    monkeypatch.setattr(localization, "TRAINING_TOOLS", frozenset({"pillow jpeg"}))
    table = localization.per_tool(localization.measure(fake_metric, trials)).set_index("tool")
    assert table["in_training"].to_dict()["pillow jpeg"]
    assert table["in_training"].sum() == 1
