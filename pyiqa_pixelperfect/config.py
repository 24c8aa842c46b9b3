"""Configurations: frozen, typed, read from YAML with ``key=value`` overrides; every error of a file at once."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from pyiqa_pixelperfect.errors import ConfigError

__all__ = ["Config", "build_config", "find_config", "read_settings"]

ConfigT = TypeVar("ConfigT", bound="Config")


class Config(BaseModel):
    """Base of all configurations: unknown keys are errors, values do not change after reading."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def find_config(path: str | os.PathLike[str]) -> Path:
    """Return ``path`` if it is a file, else the file of that name among the configurations shipped in the package.

    Raises:
        ConfigError: neither exists.
    """
    given = Path(path)
    if given.is_file():
        return given
    parts = given.parts[1:] if given.parts[:1] == ("configs",) else given.parts
    here = Path(__file__).resolve().parent
    # Installed, the configurations lie in the package; in a checkout (editable install) beside it.
    for folder in (here / "configs", here.parent / "configs"):
        candidate = folder.joinpath(*parts)
        if candidate.is_file():
            return candidate
    raise ConfigError(
        "config", "a YAML file, or a shipped name such as pixelperfect/default.yaml", repr(os.fspath(path))
    )


def read_settings(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Read a YAML mapping and lay ``key=value`` overrides over it.

    Args:
        path: as for ``find_config``.
        overrides: such as ``maps.steps=100``; dots descend, values are YAML.

    Raises:
        ConfigError: no such file, not YAML, not a mapping, or an override that is not ``key=value``.
    """
    file = find_config(path)
    try:
        settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError("config", "a YAML file", f"{os.fspath(path)!r}: {error}") from error
    if not isinstance(settings, dict):
        raise ConfigError("config", "a YAML mapping", type(settings).__name__)
    for override in overrides:
        _override(settings, override)
    return settings


def _override(settings: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError("override", "key=value, such as maps.steps=100", repr(override))
    *folders, leaf = key.strip().split(".")
    for folder in folders:
        settings = settings.setdefault(folder, {})
        if not isinstance(settings, dict):
            raise ConfigError("override", f"a section at {folder!r}", f"{override!r}, where it is a plain value")
    try:
        settings[leaf] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError("override", "a YAML value", repr(override)) from error


def build_config(config_class: type[ConfigT], settings: dict[str, Any]) -> ConfigT:
    """Check settings against a configuration class.

    Raises:
        ConfigError: naming every wrong or unknown key at once.
    """
    try:
        return config_class.model_validate(settings)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigError("config", f"a valid {config_class.__name__}", problems) from error
