"""Measure in a fresh process what this one could not: a high-water mark of memory cannot be unlearned."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["answer_of", "ask", "run_probe"]


def ask(probe: str, request: Mapping[str, Any], *, about: str, seconds: float) -> dict[str, Any]:
    """Return what a probe answers, as JSON on its last line.

    Args:
        probe: as for ``run_probe``.
        request: likewise.
        about: what is measured, for the message of an error.
        seconds: as for ``run_probe``.

    Raises:
        RuntimeError: it failed; the message ends with what it complained about.
        subprocess.TimeoutExpired: it took longer.
    """
    finished = run_probe(probe, request, seconds=seconds)
    if finished.returncode != 0:
        raise RuntimeError(f"{about} failed:\n{finished.stderr.strip()}")
    return answer_of(finished)


def run_probe(probe: str, request: Mapping[str, Any], *, seconds: float) -> subprocess.CompletedProcess[str]:
    """Run ``python -m benchmark.PROBE REQUEST``, the request as JSON.

    Args:
        probe: name of the module.
        request: what it shall measure.
        seconds: after which it is given up.

    Raises:
        subprocess.TimeoutExpired: it took longer.
    """
    command = [sys.executable, "-m", f"benchmark.{probe}", json.dumps(request)]
    folder = Path(__file__).parents[1]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=seconds, check=False)


def answer_of(finished: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What a probe that did not fail answered, as JSON on its last line."""
    answer: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return answer
