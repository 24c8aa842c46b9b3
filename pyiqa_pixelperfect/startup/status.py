"""How the registration in pyiqa stands in this process: what ``pixelperfect doctor`` shows.

The start-up hook never speaks and never raises, so this is where its troubles become visible. Nothing here imports
pyiqa: what it has not loaded yet is reported as waiting.
"""

import sys
from dataclasses import dataclass
from importlib import metadata, util

from pyiqa_pixelperfect.startup import boot
from pyiqa_pixelperfect.startup.late import foreign_metrics
from pyiqa_pixelperfect.startup.rows import METRIC_ROWS

__all__ = ["RegistrationStatus", "registration_status"]


@dataclass(frozen=True)
class RegistrationStatus:
    """What is in place for pyiqa to find our metrics.

    Attributes:
        hook_installed: the boot module is importable, as after any normal install.
        hook_off: the environment variable ``PIXELPERFECT_NO_HOOK`` switches the registration off.
        waiting: the hook waits for pyiqa to be imported.
        entry_point: pyiqa can find our network classes through the entry point group ``pyiqa.archs``.
        pyiqa_version: the installed pyiqa, or None.
        registered: our metrics in pyiqa's table; empty before pyiqa is imported.
        foreign: names of ours that another package took first; theirs stay in place.
    """

    hook_installed: bool
    hook_off: bool
    waiting: bool
    entry_point: bool
    pyiqa_version: str | None
    registered: tuple[str, ...]
    foreign: tuple[str, ...]

    def problems(self) -> list[str]:
        """Return one sentence with a remedy for each thing that keeps pyiqa from finding a metric of ours."""
        found = []
        if self.pyiqa_version is None:
            found.append("pyiqa is not installed in this environment: pip install 'pyiqa>=0.1.16'.")
        if self.hook_off:
            found.append(f"{boot.OFF_VARIABLE} is set, so pyiqa does not see our metrics: unset it.")
        if not self.hook_installed:
            found.append("The start-up hook is not installed: import pyiqa_pixelperfect before you create a metric.")
        if not self.entry_point:
            found.append("The entry point is not installed: pip install the package instead of putting it on the path.")
        found += [
            f"Another package registered a metric named {name!r} in pyiqa first; it was left in place."
            for name in self.foreign
        ]
        return found


def registration_status() -> RegistrationStatus:
    """Look at this process and its environment; import nothing but this package."""
    table = getattr(sys.modules.get(boot.METRIC_TABLE), "DEFAULT_CONFIGS", {})
    foreign = foreign_metrics()
    return RegistrationStatus(
        hook_installed=util.find_spec("pyiqa_pixelperfect_boot") is not None,
        hook_off=boot.is_off(),
        waiting=boot.is_waiting(),
        entry_point=any(
            entry.value.startswith("pyiqa_pixelperfect.") for entry in metadata.entry_points(group="pyiqa.archs")
        ),
        pyiqa_version=_version_of("pyiqa"),
        registered=tuple(name for name in METRIC_ROWS if name in table and name not in foreign),
        foreign=foreign,
    )


def _version_of(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
