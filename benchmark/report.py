"""Records on disk and tables on screen: the same two forms for every command."""

import json
import math
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmark.schema import SCHEMA_VERSION, Device, Record, Target, finite

__all__ = ["RESULTS", "default_output", "make_record", "markdown_table", "read_record", "rows_of", "spread",
           "spreads", "target", "targets_table", "write_record"]  # fmt: skip

RESULTS = Path(__file__).parent / "results"

_PACKAGES = ("torch", "torchvision", "numpy", "scipy", "pillow", "opencv-python-headless", "opencv-python",
             "scikit-image", "scikit-learn", "pandas", "piq", "lpips", "pyiqa", "pyiqa-pixelperfect")  # fmt: skip


def make_record(
    command: str,
    settings: Mapping[str, Any],
    data: Mapping[str, str],
    results: Mapping[str, Any],
    targets: Iterable[Target] = (),
    device: str = "cpu",
) -> Record:
    """Join a command's results with everything needed to judge and repeat them.

    Args:
        command: name of the subcommand.
        settings: its options; paths are cut to their last part, since folders of one machine mean nothing on another.
        data: sha256 of each input, by role.
        results: the command's figures; non-finite numbers become ``None``.
        targets: promised figures beside the measured ones.
        device: the torch device used.
    """
    return Record(
        schema_version=SCHEMA_VERSION,
        command=command,
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        commit=_commit(),
        versions=_versions(),
        device=_device(device),
        settings={key: _portable(value) for key, value in settings.items()},
        data=dict(data),
        targets=list(targets),
        results=finite(results),
    )


def write_record(record: Record, path: Path) -> None:
    """Write a record as JSON; a crash leaves the old file or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(record.model_dump(mode="json"), indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(temporary).chmod(0o644)  # mkstemp makes private files; results are for everyone
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_record(path: Path) -> Record:
    """Read and check a record.

    Raises:
        pydantic.ValidationError: the file is not a record of this schema version.
    """
    return Record.model_validate_json(path.read_text(encoding="utf-8"))


def default_output(command: str) -> Path:
    """Return where a command's record goes unless ``--out`` says otherwise."""
    return RESULTS / f"{command}.json"


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a frame as a list of rows for a record."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict(orient="records")]


def target(figure: str, measured: float, first_cut: float, later: float | None, *, at_least: bool) -> Target:
    """Return a promised figure with the verdict on its first-cut value; a NaN never reaches its target."""
    reached = measured >= first_cut if at_least else measured <= first_cut
    return Target(
        figure=figure,
        measured=finite(float(measured)),
        first_cut=first_cut,
        later=later,
        at_least=at_least,
        reached=bool(reached),
    )


def targets_table(targets: Iterable[Target]) -> str:
    """Lay promised figures out as a Markdown table."""
    rows = [
        {
            "figure": item.figure,
            "measured": "-" if item.measured is None else f"{item.measured:.4g}",
            "to reach": f"{'>=' if item.at_least else '<='} {item.first_cut:g}",
            "later": "" if item.later is None else f"{item.later:g}",
            "": "reached" if item.reached else "NOT reached",
        }
        for item in targets
    ]
    return markdown_table(pd.DataFrame(rows))


def markdown_table(frame: pd.DataFrame, digits: int = 3) -> str:
    """Lay a frame out as an aligned Markdown table (index not shown); floats get ``digits`` decimals."""
    if frame.empty:
        return "(nothing)"
    header = [str(column) for column in frame.columns]
    body = [[_cell(value, digits) for value in row] for row in frame.itertuples(index=False)]
    right = [all(_is_number(value) for value in frame[column]) for column in frame.columns]
    widths = [max(len(row[column]) for row in [header, *body]) for column in range(len(header))]

    def line(cells: list[str]) -> str:
        padded = [
            cell.rjust(width) if flush else cell.ljust(width)
            for cell, width, flush in zip(cells, widths, right, strict=True)
        ]
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * (width - 1) + (":" if flush else "-") for width, flush in zip(widths, right, strict=True)]
    return "\n".join([line(header), line(rule), *(line(row) for row in body)])


def spread(value: float, low: float, high: float, digits: int = 3) -> str:
    """Write a value with the ends of its interval, if it has any; nothing if it is unknown."""
    if math.isnan(value):
        return ""
    ends = "" if math.isnan(low) or math.isnan(high) else f" ({low:.{digits}f} .. {high:.{digits}f})"
    return f"{value:.{digits}f}{ends}"


def spreads(table: pd.DataFrame, column: str, digits: int = 3) -> list[str]:
    """Write a column of a table with its intervals, ``column_low`` to ``column_high``."""
    cells = zip(table[column], table[f"{column}_low"], table[f"{column}_high"], strict=True)
    return [spread(*cell, digits) for cell in cells]


def _cell(value: object, digits: int) -> str:
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.{digits}f}"
    return "-" if value is None else str(value)


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _portable(value: Any) -> Any:
    if isinstance(value, Path) or (isinstance(value, str) and os.sep in value):
        return Path(value).name
    if isinstance(value, (list, tuple)):
        return [_portable(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _portable(item) for key, item in value.items()}
    return value


def _commit() -> str:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(RESULTS.parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()

    try:
        # Records themselves change with every run and say nothing about the code, so they do not count as changes.
        changed = git("status", "--porcelain", "--", ":/", ":!/benchmark/results")
        return git("rev-parse", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _device(device: str) -> Device:
    kind = torch.device(device).type
    name = torch.cuda.get_device_name(device) if kind == "cuda" else _processor()
    return Device(
        kind=kind,
        name=name,
        cpu_count=os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        system=f"{platform.system()} {platform.machine()}",
    )


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
