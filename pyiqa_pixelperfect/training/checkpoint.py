"""Checkpoints that survive a crash: written whole or not at all, and resumed from the newest that can be read.

The only module that calls ``torch.load``, always with ``weights_only=True``: a checkpoint cannot run code.
"""

import hashlib
import io
import logging
import re
from pathlib import Path
from typing import Any

import torch

from pyiqa_pixelperfect.errors import WeightsError
from pyiqa_pixelperfect.weights import write_atomically

__all__ = ["latest_checkpoint", "load_checkpoint", "save_checkpoint"]

_NAME = re.compile(r"checkpoint-(\d{8})\.pt")
_MARK = b"sha256:"
_SEAL_LENGTH = len(_MARK) + 32
_log = logging.getLogger(__name__)


def save_checkpoint(folder: Path, step: int, state: dict[str, Any], keep: int = 2) -> Path:
    """Write ``checkpoint-<step>.pt`` atomically, then delete all but the newest ``keep``."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    path = folder / f"checkpoint-{step:08d}.pt"
    payload = buffer.getvalue()
    write_atomically(path, payload + _seal(payload))
    half_written = folder.glob(".checkpoint-*.pt.*")  # by a run that was killed
    for old in [*_checkpoints(folder)[keep:], *half_written]:
        old.unlink(missing_ok=True)
    return path


def _checkpoints(folder: Path) -> list[Path]:
    return sorted((path for path in folder.glob("checkpoint-*.pt") if _NAME.fullmatch(path.name)), reverse=True)


def _seal(payload: bytes) -> bytes:
    """Mark and SHA-256: ``torch.load`` does not check the checksums of its own format."""
    return _MARK + hashlib.sha256(payload).digest()


def _unsealed(content: bytes) -> bytes:
    if not content[-_SEAL_LENGTH:].startswith(_MARK):  # files written before there were seals have none
        return content
    payload, seal = content[:-_SEAL_LENGTH], content[-_SEAL_LENGTH:]
    if seal != _seal(payload):
        raise ValueError("its content does not fit its checksum")
    return payload


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read one checkpoint onto the CPU.

    Raises:
        WeightsError: it is missing or damaged.
    """
    try:
        payload = _unsealed(path.read_bytes())
        state: dict[str, Any] = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises a dozen types for damaged files
        raise WeightsError("checkpoint", "an intact training checkpoint", f"{str(path)!r} ({error})") from error
    return state


def latest_checkpoint(folder: Path) -> dict[str, Any] | None:
    """Read the newest checkpoint that is intact; older ones stand in for damaged ones, with a warning."""
    for path in _checkpoints(folder):
        try:
            return load_checkpoint(path)
        except WeightsError as error:
            _log.warning("skipping a damaged checkpoint: %s", error)
    return None
