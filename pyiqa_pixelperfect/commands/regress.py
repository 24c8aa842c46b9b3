"""``pixelperfect regress``: fit a head to ratings."""

import logging
import sys
from collections.abc import Sequence

import typer

from pyiqa_pixelperfect import systems
from pyiqa_pixelperfect.training.memory import keep_freed_memory

__all__ = ["regress"]


def regress(config: str, settings: Sequence[str]) -> None:
    """Fit the head that a configuration describes and print the path of its weights.

    Args:
        config: a YAML file or a shipped name.
        settings: ``key=value`` strings laid over it.

    Raises:
        PixelPerfectError: whatever is wrong with configuration or ratings.
    """
    keep_freed_memory()  # this process does nothing else
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    typer.echo(systems.regress(systems.load_regression(config, settings)))
