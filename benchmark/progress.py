"""Progress of long loops: a live bar on a terminal, a line every so often in a log file."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

__all__ = ["track"]

_Item = TypeVar("_Item")
_LOG_SECONDS = 15.0  # between two lines when nobody watches a terminal


def track(items: Iterable[_Item], total: int, label: str, *, quiet: bool = False) -> Iterator[_Item]:
    """Yield ``items`` and report on standard error how many of ``total`` are done and how long the rest will take.

    Args:
        items: what to loop over.
        total: how many there are.
        label: what is being done, a few words.
        quiet: report nothing.
    """
    if quiet:
        yield from items
    elif sys.stderr.isatty():
        columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as bar:
            yield from bar.track(items, total=total)
    else:
        yield from _logged(items, total, label)


def _logged(items: Iterable[_Item], total: int, label: str) -> Iterator[_Item]:
    start = last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= _LOG_SECONDS or done == total:
            left = (now - start) / done * (total - done)
            print(f"{label}: {done}/{total}, {now - start:.0f} s, {left:.0f} s left", file=sys.stderr, flush=True)
            last = now
