"""The systems that can be trained, by the name in the ``system`` key of their configurations.

A new system is one more function and one more row here.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pyiqa_pixelperfect.config import Config, build_config, read_settings
from pyiqa_pixelperfect.errors import ConfigError

__all__ = ["SYSTEMS", "System", "load_config", "train"]


class System(NamedTuple):
    """What it takes to train a system."""

    config_class: type[Config]
    train: Callable[[Any], Path]  # takes an instance of ``config_class``, returns the path of the weights


def _pixelperfect() -> System:
    # Imported on use: a trainer imports torch, and most commands need neither.
    from pyiqa_pixelperfect.pixelperfect.config import PixelPerfectConfig
    from pyiqa_pixelperfect.pixelperfect.trainer import train

    return System(PixelPerfectConfig, train)


SYSTEMS: Mapping[str, Callable[[], System]] = {"pixelperfect": _pixelperfect}


def _system(name: object) -> System:
    if not isinstance(name, str) or name not in SYSTEMS:
        raise ConfigError("system", f"one of {', '.join(SYSTEMS)}", repr(name))
    return SYSTEMS[name]()


def load_config(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Config:
    """Read the configuration of any system.

    Args:
        path: a YAML file, or the name of a shipped one such as ``pixelperfect/default.yaml``.
        overrides: ``key=value`` strings; see ``config.read_settings``.

    Raises:
        ConfigError: no such file, an unknown system, or wrong values.
    """
    settings = read_settings(path, overrides)
    return build_config(_system(settings.get("system")).config_class, settings)


def train(config: Config) -> Path:
    """Train the system that ``config`` belongs to and return the path of its weights.

    Raises:
        ConfigError: ``config`` belongs to no system.
        PixelPerfectError: whatever the trainer of the system says.
    """
    return _system(getattr(config, "system", None)).train(config)
