"""Scores on disk, so that none is lost and none is computed twice: one line of JSON each, appended as it comes.

A key is the sha256 of image, reference, the way they are prepared, and the metric's identity; renaming a picture or a
set changes nothing, another picture or option changes the key. A process killed in the middle of a line leaves a line
that cannot be read; it is skipped, and its score computed anew. Every process appends to a file of its own and reads
those of all.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Entry", "ScoreBook", "score_key"]


@dataclass(frozen=True)
class Entry:
    """One score.

    Attributes:
        score: in the metric's own units; ``None`` if it failed.
        error: why it failed, or empty.
        seconds: how long it took.
        pixels: of the image.
    """

    score: float | None
    error: str
    seconds: float
    pixels: int


class ScoreBook:
    """All scores in a folder.

    Args:
        folder: where they are; made if missing.
        process: number of this process, which names the file it appends to.
    """

    def __init__(self, folder: Path, process: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._entries: dict[str, Entry] = {}
        for file in sorted(folder.glob("scores-*.jsonl")):
            self._read(file)
        own = folder / f"scores-{process:04d}.jsonl"
        torn = own.is_file() and own.stat().st_size > 0 and not own.read_bytes().endswith(b"\n")
        # Unbuffered and appending: a line is one write, with the kernel before `put` returns.
        self._file = own.open("ab", buffering=0)
        if torn:
            self._file.write(b"\n")

    def get(self, key: str) -> Entry | None:
        """Return what is known under a key."""
        return self._entries.get(key)

    def put(self, key: str, entry: Entry) -> None:
        """Remember an entry, here and on disk."""
        line = {"key": key, "score": entry.score, "error": entry.error,
                "seconds": round(entry.seconds, 6), "pixels": entry.pixels}  # fmt: skip
        self._file.write(json.dumps(line, allow_nan=False).encode() + b"\n")
        self._entries[key] = entry

    def close(self) -> None:
        """Flush to the disk itself and close."""
        os.fsync(self._file.fileno())
        self._file.close()

    def _read(self, file: Path) -> None:
        with file.open("rb") as stream:
            for line in stream:
                try:
                    found = json.loads(line)
                    key = found.pop("key")
                    self._entries[key] = Entry(**found)
                except (ValueError, TypeError, KeyError, AttributeError):  # torn by a kill
                    continue


def score_key(identity: str, image: str, reference: str, view: str) -> str:
    """Return the key of a score.

    Args:
        identity: of the metric.
        image: sha256 of the image's file.
        reference: of the reference's file; empty for metrics that look at one image.
        view: how the set prepares its pictures.
    """
    return hashlib.sha256(f"{identity}\n{image}\n{reference}\n{view}".encode()).hexdigest()[:40]
