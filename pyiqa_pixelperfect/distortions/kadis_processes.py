"""Helper processes that code JPEG 2000 beside this one, so that lanes do not wait for each other's pictures.

Only lanes use them, each at most one at a time, and only once some pictures were coded: a helper takes as long to
start as a dozen of them. Without helpers (none can be started, one dies) the result is the same and comes later.
"""

import atexit
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO, cast

from pyiqa_pixelperfect.distortions import kadis_coder
from pyiqa_pixelperfect.distortions.kadis_lanes import in_lane

__all__ = ["PATIENCE", "code"]

PATIENCE = 12  # pictures coded in lanes before helpers are started


class _Helpers:
    """The helpers of this process, started when needed and used by one thread at a time.

    Attributes:
        idle: those that no thread uses now.
        every: all that were started.
        coded: pictures that lanes have asked for.
        works: false once a helper failed; then no helper is used again.
    """

    def __init__(self) -> None:
        self.idle: list[subprocess.Popen[bytes]] = []
        self.every: list[subprocess.Popen[bytes]] = []
        self.coded = 0
        self.works = bool(sys.executable)
        self.lock = threading.Lock()

    def take(self) -> subprocess.Popen[bytes] | None:
        """An idle helper or a new one; None as long as it does not pay, or if there is none to be had."""
        with self.lock:
            self.coded += 1
            if not self.works or self.coded <= PATIENCE:
                return None
            if self.idle:
                return self.idle.pop()
            try:
                helper = _start()
            except OSError:
                self.works = False
                return None
            self.every.append(helper)
            return helper

    def close(self) -> None:
        """Stop all helpers."""
        self.works = False
        for helper in self.every:
            helper.kill()
            helper.communicate()


def _start() -> subprocess.Popen[bytes]:
    # Isolated: the search path is handed over, and the folder of the program is not on it. Lanes are the threads.
    command = [sys.executable, "-I", kadis_coder.__file__, *(path or str(Path.cwd()) for path in sys.path)]
    environment = {**os.environ, "OPJ_NUM_THREADS": "1"}
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nowhere, env=environment)


_helpers = _Helpers()
_of_parent: list[_Helpers] = []


def _forget() -> None:
    """After a fork the helpers are still the parent's, who is using them."""
    global _helpers  # noqa: PLW0603
    _of_parent.append(_helpers)  # kept, for nobody waits for processes that are not children
    _helpers = _Helpers()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


@atexit.register
def _close() -> None:
    _helpers.close()


def code(pixels: bytes, width: int, height: int, ratio: float) -> bytes:
    """``kadis_coder.code``, in a helper if this is one of several lanes."""
    helpers = _helpers
    helper = helpers.take() if in_lane() else None
    if helper is None:
        return kadis_coder.code(pixels, width, height, ratio)
    requests, replies = cast("BinaryIO", helper.stdin), cast("BinaryIO", helper.stdout)
    try:
        requests.write(kadis_coder.HEADER.pack(width, height, ratio) + pixels)
        requests.flush()
        done = replies.read(len(pixels))
    except OSError:
        done = b""
    if len(done) == len(pixels):
        with helpers.lock:
            helpers.idle.append(helper)
        return done
    helpers.works = False
    return kadis_coder.code(pixels, width, height, ratio)
