"""The log of a run: JSON lines are the truth, TensorBoard and the progress bar are views of it."""

import json
import logging
import math
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pyiqa_pixelperfect.weights import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FINAL", "Logbook"]

#: Name of the stage under which the figures of a finished run are logged.
FINAL = "final"

_log = logging.getLogger(__name__)


class Logbook:
    """Writes ``log.jsonl`` and TensorBoard events into a folder and shows progress.

    Args:
        folder: the run's folder.
        step: step the run starts or resumes at; log lines from later steps (of a killed run) are cut off.
        active: whether this process writes at all; the others pass everything by.
    """

    def __init__(self, folder: Path, step: int, *, active: bool = True) -> None:
        self.active, self._started = active, time.monotonic()
        self._path = folder / "log.jsonl"
        if not active:
            return
        folder.mkdir(parents=True, exist_ok=True)
        _truncate(self._path, step)
        self._board = _tensorboard(folder, step)
        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        self._progress = Progress(TextColumn("{task.description}"), *columns, refresh_per_second=2)

    def __enter__(self) -> "Logbook":
        if self.active:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.active:
            self._progress.stop()
            if self._board is not None:
                self._board.close()

    def stage(self, name: str, steps: int, done: int) -> None:
        """Begin a stage of ``steps`` steps, ``done`` of which lie behind."""
        if self.active:
            for task in self._progress.task_ids:
                self._progress.stop_task(task)
            self._task = self._progress.add_task(name, total=steps, completed=done)

    def advance(self, text: str) -> None:
        """One step is done."""
        if self.active:
            self._progress.update(self._task, advance=1, description=text)

    def write(self, step: int, stage: str, **numbers: float) -> None:
        """Log numbers of a step; those that are not finite are written as null, since JSON has no word for them."""
        if not self.active:
            return
        rounded = {name: float(f"{value:.6g}") if math.isfinite(value) else None for name, value in numbers.items()}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "stage": stage, **rounded}) + "\n")
        if self._board is not None:
            for name, value in numbers.items():
                self._board.add_scalar(f"{stage}/{name}", value, step)

    def picture(self, step: int, name: str, figure: "Figure") -> None:
        """Keep a picture: as ``previews/<name>-<step>.png`` and in TensorBoard."""
        if not self.active:
            return
        path = self._path.parent / "previews" / f"{name}-{step:08d}.png"
        path.parent.mkdir(exist_ok=True)
        figure.savefig(path, dpi=110)
        if self._board is not None:
            self._board.add_figure(name, figure, step)


def _truncate(path: Path, step: int) -> None:
    """Drop lines of steps that will be done again, so that a resumed log reads like an uninterrupted one."""
    if not path.is_file():
        return
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
            # A finished run that is started again writes its final figures again.
            if entry["step"] <= step and entry["stage"] != FINAL:
                kept.append(line)
        except (json.JSONDecodeError, KeyError, TypeError):  # the last line of a killed run may be cut off
            continue
    write_atomically(path, "".join(f"{line}\n" for line in kept).encode())


def _tensorboard(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        _log.info("tensorboard is not installed: logging to log.jsonl only")
        return None
    # Steps after `step` will be done again: TensorBoard hides what it has of them.
    return SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)
