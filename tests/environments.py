"""Small virtual environments with the wheel in them, for the tests of what an installation does.

They borrow torch, pyiqa and the rest from the environment the tests run in, through a path line in a `.pth` file. Such
a line does not make Python read the `.pth` files of the borrowed folder, so any hook that runs is the new one's own.
"""

import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Environment:
    """A virtual environment without pip; the pip of the running environment works on it."""

    folder: Path

    @classmethod
    def create(cls, folder: Path, *, borrow: bool = True) -> "Environment":
        venv.create(folder, with_pip=False, symlinks=os.name != "nt")
        made = cls(folder)
        if borrow:
            borrowed = [entry for entry in sys.path if Path(entry).name in {"site-packages", "dist-packages"}]
            (made.site_packages / "borrowed.pth").write_text("\n".join(borrowed) + "\n")
        return made

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def site_packages(self) -> Path:
        return Path(sysconfig.get_path("purelib", vars={"base": str(self.folder), "platbase": str(self.folder)}))

    def pip(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "pip", "--quiet", "--python", str(self.python), *arguments]
        finished = subprocess.run(command, env=plain_environment(), capture_output=True, text=True, check=False)
        assert finished.returncode == 0, finished.stderr

    def install(self, *what: str) -> None:
        """Install without dependencies and without an index, whether or not the borrowed folder has it as well."""
        self.pip("install", "--no-deps", "--no-index", "--ignore-installed", *what)

    def run(self, code: str, *options: str, **variables: str) -> str:
        """Run `code` in a new interpreter; return what it printed, and fail if it complained about anything."""
        finished = subprocess.run(
            [str(self.python), *options, "-c", code],
            env=plain_environment() | variables,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
        )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    def files(self) -> set[str]:
        """Return every file in site-packages, relative to it."""
        return {str(path.relative_to(self.site_packages)) for path in self.site_packages.rglob("*") if path.is_file()}


def plain_environment() -> dict[str, str]:
    """Return the environment variables without those that change which packages Python sees."""
    return {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PIXELPERFECT_NO_HOOK"}}


def built_wheel(folder: Path) -> Path:
    """Return the wheel under test: the one `make test` built, else one built now from this checkout."""
    given = os.environ.get("PIXELPERFECT_TEST_WHEEL")
    if given:
        return Path(given)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    finished = subprocess.run(command, env=plain_environment(), capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return next(folder.glob("*.whl"))
