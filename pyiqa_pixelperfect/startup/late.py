"""What ``import pyiqa_pixelperfect`` does when pyiqa was there first.

Somebody works with pyiqa, installs this package meanwhile and imports it: the start-up hook did not run in this
process, and pyiqa may have read its entry points already and will not read them again.
"""

import logging
import sys
from typing import Protocol

from pyiqa_pixelperfect.startup import boot
from pyiqa_pixelperfect.startup.rows import METRIC_ROWS, architectures

__all__ = ["ArchitectureRegistry", "foreign_metrics", "join_loaded_pyiqa", "register_architectures"]

logger = logging.getLogger(__name__)


class ArchitectureRegistry(Protocol):
    """The part of pyiqa's registry of network classes that we use."""

    def register_lazy(self, name: str, import_path: str) -> None:
        """Remember where the class ``name`` lives; AssertionError when the name is taken."""


def join_loaded_pyiqa() -> None:
    """Add rows and network classes to a pyiqa that is loaded; warn of names that others took. Imports nothing."""
    if boot.is_off():
        return
    boot.install()
    registry = getattr(sys.modules.get("pyiqa.utils.registry"), "ARCH_REGISTRY", None)
    if registry is not None:
        register_architectures(registry)
    for name in foreign_metrics():
        logger.warning("pyiqa already has a metric named %r from another package; ours is not registered.", name)


def register_architectures(registry: ArchitectureRegistry) -> None:
    """Register our network classes by name; a class that is there already stays in place."""
    for name, import_path in architectures().items():
        try:
            registry.register_lazy(name, import_path)
        except AssertionError:  # asking the registry first would make it load every plugin
            logger.debug("pyiqa already knows the network class %s", name)


def foreign_metrics() -> tuple[str, ...]:
    """Return the names of ours that mean another metric in pyiqa's table; none before pyiqa is imported."""
    table = getattr(sys.modules.get(boot.METRIC_TABLE), "DEFAULT_CONFIGS", {})
    ours = architectures()
    return tuple(name for name in METRIC_ROWS if name in table and table[name]["metric_opts"].get("type") not in ours)
