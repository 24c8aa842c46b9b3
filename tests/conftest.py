"""What every test can rely on: `benchmark` is importable, and the package is the one that is meant to be tested."""

import os
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]

# One that is busy may take ten times as long as another, for the test as well as for making its examples.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_configure(config: pytest.Config) -> None:
    """Make `benchmark` and its configs importable, here and in child processes, without the checkout's package.

    The benchmark is not part of the wheel, and the folder it lies in also holds the package's sources, which must not
    shadow the installed wheel. So a folder with links to just these two goes on the path.
    """
    links = Path(tempfile.mkdtemp(prefix="pixelperfect-tests-"))
    for name in ("benchmark", "configs"):
        (links / name).symlink_to(ROOT / name, target_is_directory=True)
    sys.path.append(str(links))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH", ""), str(links)]))

    def remove() -> None:
        for link in links.iterdir():
            link.unlink()
        links.rmdir()

    config.add_cleanup(remove)


def pytest_report_header() -> str:
    """Say which copy of the package is under test."""
    import pyiqa_pixelperfect

    return f"package under test: {Path(pyiqa_pixelperfect.__file__).parent}"
