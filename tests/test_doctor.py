"""The doctor: finds what is missing, blames nothing that is in place, and never fails itself."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pyiqa_pixelperfect import doctor
from pyiqa_pixelperfect.errors import WeightsError
from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect
from pyiqa_pixelperfect.startup.rows import METRIC_ROWS, architectures
from pyiqa_pixelperfect.startup.status import RegistrationStatus

OURS = {name: str(row["metric_opts"]["type"]) for name, row in METRIC_ROWS.items()}


def status(**changes: object) -> RegistrationStatus:
    """A registration in which all is well, but for the changes."""
    well = {"hook_installed": True, "hook_off": False, "waiting": True, "entry_point": True, "pyiqa_version": "0.1.16"}
    return RegistrationStatus(**{**well, "registered": (), "foreign": (), **changes})


@pytest.fixture
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Return a function that sets what the doctor finds: registration, pyiqa's list in a fresh Python, weights."""
    path = tmp_path / "weights.safetensors"

    def set_up(listed: object, weights: bool = True, **changes: object) -> doctor.Diagnosis:
        def interpreter(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
            if isinstance(listed, Exception):
                raise listed
            return subprocess.CompletedProcess([], 0, f"some noise of pyiqa's\n{json.dumps(listed)}\n", "")

        def load() -> PixelPerfect:
            if not weights:
                raise WeightsError("weights", "bundled weights 'pixelperfect'", "no such file", "Reinstall it.")
            network = PixelPerfect.load(path)
            network.forward = _scores  # an untrained network cannot know that blur is worse
            return network

        PixelPerfect().save(path, {"data": "nothing"})
        monkeypatch.setattr(doctor, "registration_status", lambda: status(**changes))
        monkeypatch.setattr(doctor.subprocess, "run", interpreter)
        monkeypatch.setattr(doctor, "bundled_weights", lambda name: path)
        monkeypatch.setattr(doctor, "PixelPerfect", type("Stub", (), {"load": staticmethod(load)}))
        return doctor.diagnose()

    return set_up


def _scores(image, reference):
    return (image - reference).abs().mean().neg().reshape(1)


def test_a_good_installation_has_no_problems(surroundings) -> None:
    found = surroundings({"psnr": "PSNR", **OURS})
    assert found.problems == []
    assert set(found.metrics.values()) == {"in pyiqa's list, with no other import"}
    assert len(found.weights["weights sha256"]) == 64
    assert found.weights["card data"] == "nothing"
    assert found.check["score of equals"] == "0.0000"
    assert found.versions["torch"] != "not installed"
    assert {"cpu", "gpu", "cpu bfloat16"} <= set(found.hardware)


def test_an_unlisted_metric_is_a_problem(surroundings) -> None:
    found = surroundings({"psnr": "PSNR"})
    assert found.metrics["metric pixelperfect"] == "not in pyiqa's list"
    assert any("does not list 'pixelperfect'" in problem for problem in found.problems)


def test_a_foreign_metric_of_our_name_is_named(surroundings) -> None:
    found = surroundings({**OURS, "pixelperfect": "SomebodyElse"})
    assert found.metrics["metric pixelperfect"] == "taken by another package (SomebodyElse)"
    assert len(found.problems) == 1
    assert "Another package registered a metric named 'pixelperfect'" in found.problems[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pyiqa_version": None}, "pyiqa is not installed"),
        ({"hook_installed": False}, "start-up hook is not installed"),
        ({"hook_off": True}, "PIXELPERFECT_NO_HOOK is set"),
        ({"entry_point": False}, "entry point is not installed"),
    ],
)
def test_what_is_missing_is_told_once(surroundings, changes: dict[str, object], words: str) -> None:
    found = surroundings({"psnr": "PSNR"} if "hook_off" in changes else OURS, **changes)
    assert [problem for problem in found.problems if words in problem]
    assert len(found.problems) == 1


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (
            subprocess.CalledProcessError(1, [], stderr="Traceback\nImportError: torchvision::nms"),
            "ImportError: torchvision::nms",
        ),
        (subprocess.TimeoutExpired([], 300), "timed out"),
        (OSError("no interpreter"), "no interpreter"),
    ],
)
def test_a_broken_pyiqa_is_a_problem_and_not_a_crash(surroundings, failure: Exception, words: str) -> None:
    found = surroundings(failure)
    assert any(problem.startswith("pyiqa cannot be imported") and words in problem for problem in found.problems)


def test_missing_weights_are_a_problem(surroundings) -> None:
    found = surroundings(OURS, weights=False)
    assert found.weights["weights"] == "unusable"
    assert not any(key.startswith("card") for key in found.weights)
    assert found.problems == ["weights: expected bundled weights 'pixelperfect', got no such file. Reinstall it."]


@pytest.mark.parametrize("name", ["contrique", "grepq-low"])
def test_the_weights_of_every_system_are_looked_at(surroundings, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    found = surroundings(OURS)
    assert len(found.weights[f"{name} weights sha256"]) == 64
    assert found.weights[f"{name} card commit"]

    def missing(wanted: str) -> Path:
        raise WeightsError("weights", f"bundled weights {wanted!r}", "no such file in the package", "Reinstall it.")

    monkeypatch.setattr(doctor, "bundled_weights", missing)
    again = doctor.Diagnosis()
    doctor._look_at_other_weights(again)
    assert again.weights[f"{name} weights"] == "unusable"
    assert (
        f"weights: expected bundled weights '{name}', got no such file in the package. Reinstall it." in again.problems
    )


def test_everything_can_be_printed(
    surroundings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyiqa_pixelperfect.commands import doctor as command

    found = surroundings(OURS)
    monkeypatch.setattr(command, "diagnose", lambda: found)
    assert command.doctor(as_json=False) == 0
    assert "all is well" in capsys.readouterr().out
    assert command.doctor(as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["metrics"] == found.metrics
    found.problems.append("The sky falls: look up.")
    assert command.doctor(as_json=False) == 1
    assert "The sky falls: look up." in capsys.readouterr().out


@pytest.mark.slow
def test_the_listing_runs_in_a_real_python() -> None:
    pytest.importorskip("pyiqa")
    problems: list[str] = []
    listed = doctor._fresh_listing(problems)
    assert problems == []
    assert listed is not None
    assert listed["psnr"] == "PSNR"
    assert set(architectures()).isdisjoint(set(listed) - set(METRIC_ROWS))
    assert sys.executable
