"""What an installed package costs those who do not use it, and those who only import it.

The start-up hook runs whenever that Python starts, for whatever program; ``import pyiqa_pixelperfect`` loads neither
torch nor pyiqa. Both are timed in fresh processes, in turn, beside the start of Python itself.
"""

import subprocess
import sys
import time

import numpy as np
import pandas as pd

from benchmark.progress import track
from benchmark.report import target
from benchmark.schema import Target

__all__ = ["PARTS", "measure", "startup_targets", "summarize"]

_TIMED = """
import time
begun = time.perf_counter()
{}
print(time.perf_counter() - begun)
"""
_HOOK = "import pyiqa_pixelperfect_boot as boot; boot.install()"
# Python has run the hook by then: what it left is taken out, so that it is found, read and run once more.
_AGAIN = """
import sys
sys.modules.pop("pyiqa_pixelperfect_boot", None)
sys.meta_path[:] = [finder for finder in sys.meta_path if not hasattr(finder, "adds_pixelperfect_rows")]
"""

#: What is timed, and the program that prints its seconds; what Python takes to start is timed from outside.
PARTS = {
    "Python starts": "pass",
    "the start-up hook": _AGAIN + _TIMED.format(_HOOK),
    "import pyiqa_pixelperfect": _TIMED.format("import pyiqa_pixelperfect"),
}


def measure(*, rounds: int, quiet: bool = False) -> pd.DataFrame:
    """Seconds of each part, one row per round; a first round, which may have to compile, is left out.

    Raises:
        RuntimeError: a program fails.
    """
    turns = track(range(rounds + 1), rounds + 1, "starts", quiet=quiet)
    rows = [{part: _seconds(code) for part, code in PARTS.items()} for _ in turns]
    return pd.DataFrame(rows[1:])


def _seconds(code: str) -> float:
    begun = time.perf_counter()
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    lasted = time.perf_counter() - begun
    if finished.returncode != 0:
        raise RuntimeError(f"python -c {code!r} failed:\n{finished.stderr.strip()}")
    return float(finished.stdout or lasted)


def summarize(seconds: pd.DataFrame) -> pd.DataFrame:
    """Milliseconds (median, quartiles) of each part, and its median beside that of starting Python."""
    low, median, high = (1000.0 * np.percentile(seconds, share, axis=0) for share in (25, 50, 75))
    beside = median / median[0]
    return pd.DataFrame({"part": seconds.columns, "ms": median, "ms_low": low, "ms_high": high, "x Python": beside})


def startup_targets(table: pd.DataFrame) -> list[Target]:
    """What was promised: 1 ms for the hook, 50 ms for the import."""
    _, hook, package = table["ms"]
    return [
        target("the start-up hook, ms", hook, 1.0, None, at_least=False),
        target("import pyiqa_pixelperfect, ms", package, 50.0, None, at_least=False),
    ]
