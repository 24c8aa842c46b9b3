"""Which code a run was made by."""

import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from pyiqa_pixelperfect.training import provenance
from pyiqa_pixelperfect.training.provenance import UNKNOWN, code_versions, commits_of, current_commit

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "code.py"
    file.write_text("x = 1\n")
    git(tmp_path, "init", "-q")
    monkeypatch.setattr(provenance, "__file__", str(file))
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@needs_git
def test_a_checkout_is_named_by_its_commit_and_whether_it_was_changed(checkout):
    git(checkout, "add", "code.py")
    git(checkout, "commit", "-qm", "Begin")
    git(checkout, "tag", "v1")  # a tag must not replace the commit
    commit = git(checkout, "rev-parse", "HEAD")
    assert current_commit() == commit
    (checkout / "code.py").write_text("x = 2\n")
    assert current_commit() == f"{commit}-dirty"


@needs_git
def test_a_package_installed_inside_somebody_elses_repository_is_unknown(checkout):
    (checkout / "theirs.py").touch()
    git(checkout, "add", "theirs.py")
    git(checkout, "commit", "-qm", "Begin")
    assert current_commit() == UNKNOWN


def test_no_repository_and_no_git_are_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "code.py"))
    assert current_commit() == UNKNOWN
    monkeypatch.setenv("PATH", str(tmp_path))
    assert current_commit() == UNKNOWN


@pytest.mark.parametrize(
    ("saved", "current", "expected"),
    [
        ([], "a", ["a"]),
        (["a"], "a", ["a"]),
        (["a"], "b", ["a", "b"]),
        (["a", "b"], "b", ["a", "b"]),
        (["a", "b"], "a", ["a", "b", "a"]),
        ([UNKNOWN], "a", [UNKNOWN, "a"]),
    ],
)
def test_a_run_names_every_commit_that_made_it(saved, current, expected):
    assert commits_of(saved, current) == expected


def test_versions_are_named(monkeypatch):
    assert f"torch {torch.__version__}" in code_versions()

    def missing(name: str) -> str:
        raise provenance.PackageNotFoundError(name)

    monkeypatch.setattr(provenance, "version", missing)
    assert code_versions().startswith("pyiqa-pixelperfect not installed")
