"""Measure in a fresh process what this one could not: a high-water mark of memory cannot be unlearned."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["ask"]


def ask(probe: str, request: Mapping[str, Any], *, about: str, seconds: float) -> dict[str, Any]:
    """Run ``python -m benchmark.PROBE REQUEST`` and return what it printed last; both are JSON.

    Args:
        probe: name of the module.
        request: what it shall measure.
        about: what that is, for the message of an error.
        seconds: after which it is given up.

    Raises:
        RuntimeError: it failed; the message ends with what it complained about.
        subprocess.TimeoutExpired: it took longer.
    """
    finished = subprocess.run(
        [sys.executable, "-m", f"benchmark.{probe}", json.dumps(request)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if finished.returncode != 0:
        raise RuntimeError(f"{about} failed:\n{finished.stderr.strip()}")
    answer: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return answer
