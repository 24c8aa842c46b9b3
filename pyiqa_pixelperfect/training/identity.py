"""Whether a folder holds the run that is asked for, so that nothing resumes on settings or pictures of another."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pyiqa_pixelperfect.config import Config
from pyiqa_pixelperfect.errors import ConfigError, DataError

__all__ = ["FREE", "check_same_run", "fingerprint"]

#: Settings that may change between the parts of a run: where it runs, and how often it reports.
FREE = frozenset({"output", "device", "log_every", "checkpoint_every"})


def fingerprint(
    config: Config, free: Collection[str] = FREE, parts: Mapping[str, Collection[str]] | None = None
) -> str:
    """What must not change between the parts of a run, as JSON.

    Args:
        config: the whole configuration.
        free: its entries that may change.
        parts: entries of its sections that may change.
    """
    nested = {name: dict.fromkeys(entries, True) for name, entries in (parts or {}).items()}
    return config.model_dump_json(exclude={**dict.fromkeys(free, True), **nested})


def check_same_run(output: Path, settings: str, photos: str, saved: Mapping[str, Any]) -> None:
    """Compare a run with the checkpoint it is to go on from.

    Args:
        output: the run's folder, for the message.
        settings: ``fingerprint`` of the run; ``data.workers`` may differ.
        photos: digest of its pictures.
        saved: the checkpoint, with entries ``config`` and ``photos``; empty if there is none.

    Raises:
        ConfigError: settings differ.
        DataError: pictures differ.
    """
    if not saved:
        return
    before, now = (_flat(json.loads(text)) for text in (saved["config"], settings))
    now["data.workers"] = before.get("data.workers")  # they change nothing
    changed = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
    if changed:
        got = ", ".join(f"{key}={now.get(key)} (was {before.get(key)})" for key in changed)
        fix = "Give another output folder, or delete the old run."
        raise ConfigError("output", f"the configuration of the run in {output}", got, fix)
    if saved.get("photos", photos) != photos:  # runs of before did not note it
        fix = "Put them back, or give another output folder."
        raise DataError("photos", f"those that the run in {output} began with", "others", fix)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat
