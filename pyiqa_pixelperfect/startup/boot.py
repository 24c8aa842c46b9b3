"""Add our rows to pyiqa's metric table at the moment pyiqa creates it.

This file is installed at the root of site-packages as ``pyiqa_pixelperfect_boot`` and runs at every start of that
Python, also in programs that have nothing to do with pictures. Hence the rules: nothing imported that the interpreter
has not loaded already, no output, no exception, well under a millisecond. The environment variable
``PIXELPERFECT_NO_HOOK=1`` keeps it from doing anything, and with it our metrics out of pyiqa.
"""

import os
import sys

TYPE_CHECKING = False  # type checkers know this name; importing typing at every start would cost more than all the rest
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["METRIC_TABLE", "OFF_VARIABLE", "RowFinder", "add_rows", "install", "is_off", "is_waiting"]

METRIC_TABLE = "pyiqa.default_model_configs"  # its DEFAULT_CONFIGS is the dictionary pyiqa checks every name against
OFF_VARIABLE = "PIXELPERFECT_NO_HOOK"


class RowFinder:
    """An import finder that finds one module, with the finders that come after it, and adds our rows to it."""

    adds_pixelperfect_rows = True  # by this a second copy of this file, say in a checkout, knows the first one

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        """Find pyiqa's metric table and arrange for our rows to follow it; leave every other module alone."""
        if name != METRIC_TABLE:
            return None
        try:
            spec = self._find_with_others(name, path, target)
            if spec is not None and spec.loader is not None:
                self._append_to(spec)
        except Exception:
            return None  # the regular import goes on as if we were not there
        return spec

    def _find_with_others(
        self, name: str, path: "Sequence[str] | None", target: "ModuleType | None"
    ) -> "ModuleSpec | None":
        for finder in sys.meta_path:
            if not getattr(finder, "adds_pixelperfect_rows", False):
                spec = finder.find_spec(name, path, target)
                if spec is not None:
                    return spec
        return None

    def _append_to(self, spec: "ModuleSpec") -> None:
        loader = spec.loader
        execute = loader.exec_module  # type: ignore[union-attr]  # the caller has checked

        def execute_and_add(module: "ModuleType") -> None:
            execute(module)
            add_rows(module)
            if self in sys.meta_path:  # done; a second import of the table would be a reload, which keeps our rows
                sys.meta_path.remove(self)

        loader.exec_module = execute_and_add  # type: ignore[union-attr, method-assign]


def install() -> None:
    """Make our metrics known to pyiqa: now if it is loaded, otherwise as soon as it is. Safe to call again."""
    try:
        if is_off():
            return
        table = sys.modules.get(METRIC_TABLE)
        if table is not None:
            add_rows(table)
        elif not is_waiting():
            sys.meta_path.insert(0, RowFinder())
    except Exception:
        pass  # nothing of ours may break the start of a Python; `pixelperfect doctor` tells what is missing


def add_rows(table: "ModuleType") -> None:
    """Add the rows of ``METRIC_ROWS`` that ``table.DEFAULT_CONFIGS`` lacks; a name that is taken stays as it is."""
    try:
        from pyiqa_pixelperfect.startup.rows import METRIC_ROWS

        for name, row in METRIC_ROWS.items():
            # A copy, because pyiqa's users do edit the rows they find in its table.
            table.DEFAULT_CONFIGS.setdefault(name, {**row, "metric_opts": dict(row["metric_opts"])})
    except Exception:
        pass  # see install()


def is_off() -> bool:
    """Return whether the user switched the registration off."""
    return os.environ.get(OFF_VARIABLE, "") not in {"", "0"}


def is_waiting() -> bool:
    """Return whether a finder of ours waits for pyiqa."""
    return any(getattr(finder, "adds_pixelperfect_rows", False) for finder in sys.meta_path)
