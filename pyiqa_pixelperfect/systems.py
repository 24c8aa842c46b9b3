"""What can be trained, fitted and converted, by the name in the ``system`` key of configurations.

A new system is one more function and one more row here.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pyiqa_pixelperfect.config import Config, build_config, read_settings
from pyiqa_pixelperfect.errors import ConfigError

__all__ = ["SYSTEMS", "Conversion", "System", "convert", "load_config", "load_regression", "regress", "train"]


class Conversion(NamedTuple):
    """Files of other people to turn into ours.

    Attributes:
        files: what they published, in the order that the system wants.
        output: weights file to write.
        lower_better: whether the labels of a head among them are lower for better pictures; ``None`` = by its name.
    """

    files: Sequence[Path]
    output: Path
    lower_better: bool | None = None


class System(NamedTuple):
    """What a system can do; each function returns the path of the weights it wrote."""

    config_class: type[Config]
    train: Callable[[Any], Path]  # takes an instance of ``config_class``
    regress_class: type[Config] | None = None
    regress: Callable[[Any], Path] | None = None  # takes an instance of ``regress_class``
    convert: Callable[[Conversion], Path] | None = None


def _pixelperfect() -> System:
    # Imported on use: a trainer imports torch, and most commands need neither.
    from pyiqa_pixelperfect.pixelperfect.config import PixelPerfectConfig
    from pyiqa_pixelperfect.pixelperfect.trainer import train

    return System(PixelPerfectConfig, train)


def _contrique() -> System:
    from pyiqa_pixelperfect.contrique.config import ContriqueConfig, ContriqueRegression
    from pyiqa_pixelperfect.contrique.published import convert
    from pyiqa_pixelperfect.contrique.regression import regress
    from pyiqa_pixelperfect.contrique.trainer import train

    def convert_files(asked: Conversion) -> Path:
        return convert(tuple(asked.files), asked.output, asked.lower_better)

    return System(ContriqueConfig, train, ContriqueRegression, regress, convert_files)


def _grepq() -> System:
    from pyiqa_pixelperfect.grepq.config import GRepQRegression, LowLevelConfig
    from pyiqa_pixelperfect.grepq.published import convert
    from pyiqa_pixelperfect.grepq.regression import regress
    from pyiqa_pixelperfect.grepq.trainer import train

    return System(LowLevelConfig, train, GRepQRegression, regress, lambda job: convert(list(job.files), job.output))


def _grepq_high() -> System:
    from pyiqa_pixelperfect.grepq.config import HighLevelConfig
    from pyiqa_pixelperfect.grepq.high_trainer import train

    return System(HighLevelConfig, train)


SYSTEMS: Mapping[str, Callable[[], System]] = {
    "pixelperfect": _pixelperfect,
    "contrique": _contrique,
    "grepq": _grepq,
    "grepq-high": _grepq_high,
}


def _system(name: object) -> System:
    if not isinstance(name, str) or name not in SYSTEMS:
        raise ConfigError("system", f"one of {', '.join(SYSTEMS)}", repr(name))
    return SYSTEMS[name]()


def load_config(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Config:
    """Read the training configuration of any system.

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


def load_regression(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Config:
    """Read the configuration of a head to be fitted to ratings; arguments as for ``load_config``.

    Raises:
        ConfigError: no such file, an unknown system or one without heads, or wrong values.
    """
    settings = read_settings(path, overrides)
    config_class = _system(settings.get("system")).regress_class
    if config_class is None:
        raise ConfigError("system", "one that has heads to fit to ratings", repr(settings.get("system")))
    return build_config(config_class, settings)


def regress(config: Config) -> Path:
    """Fit the head that ``config`` describes and return the path of its weights.

    Raises:
        ConfigError: ``config`` belongs to no system that has heads.
        PixelPerfectError: whatever the system says.
    """
    fit = _system(getattr(config, "system", None)).regress
    if fit is None:
        raise ConfigError("system", "one that has heads to fit to ratings", repr(getattr(config, "system", None)))
    return fit(config)


def convert(system: str, conversion: Conversion) -> Path:
    """Turn published files of a system into weights of this package and return their path.

    Raises:
        ConfigError: an unknown system, or one that nothing was published of.
        PixelPerfectError: whatever the system says of the files.
    """
    conversion_of = _system(system).convert
    if conversion_of is None:
        raise ConfigError("system", "one that has published files to convert", repr(system))
    return conversion_of(conversion)
