"""Which code a run was made by: for the model card, taken when the run starts."""

import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

__all__ = ["UNKNOWN", "code_versions", "commits_of", "current_commit"]

UNKNOWN = "unknown"


def current_commit() -> str:
    """Commit of the checkout this code runs from, ``-dirty`` if changed since; unknown for an installed wheel."""
    here = Path(__file__)

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(here.parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        # A wheel may lie inside somebody else's repository; only a repository that tracks this file is ours.
        git("ls-files", "--error-unmatch", here.name)
        return git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN


def commits_of(saved: Sequence[str], current: str) -> list[str]:
    """Commits a run was made by, in order: those of its checkpoint, then the current one unless it was the last."""
    commits = list(saved)
    return commits if commits[-1:] == [current] else [*commits, current]


def code_versions() -> str:
    """Versions of this package and of torch."""
    try:
        ours = version("pyiqa-pixelperfect")
    except PackageNotFoundError:  # a checkout that is on the path but not installed
        ours = "not installed"
    return f"pyiqa-pixelperfect {ours}, torch {torch.__version__}"
