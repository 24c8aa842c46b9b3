"""Peak memory of one comparison, measured in this process, which is started for nothing else.

``python -m benchmark.memory_probe '{"name": ...}'`` builds the contestant and the pair, notes the resident memory,
compares twice (the second call shows what the first one leaves behind) and prints JSON, all in MiB: ``before``,
resident just before the calls, most of it torch itself; ``peak`` during them; ``extra``, the difference: what comparing
takes.

On Linux the peak is the kernel's high-water mark ``VmHWM``, set back just before the calls. ``getrusage``'s
``ru_maxrss`` would mislead there: a child inherits its parent's mark over ``exec``, so a large parent hides everything
that the child does. Elsewhere ``ru_maxrss`` is all there is, and ``extra`` is then its growth.
"""

import contextlib
import gc
import json
import resource
import sys
from pathlib import Path

import torch

from benchmark.contestants import build

__all__ = ["high_water", "probe", "reset_high_water"]

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5): writing 5 sets VmHWM back to the present resident size


def probe(
    name: str, width: int, height: int, threads: int, weights: str | None, lpips_folder: str | None
) -> dict[str, float]:
    """Return ``before``, ``peak`` and ``extra`` in MiB for one contestant; call it once per process."""
    torch.set_num_threads(threads)
    call, _ = build(name, weights, None if lpips_folder is None else Path(lpips_folder))
    image, reference = torch.rand(2, 1, 3, height, width)  # contents do not matter to memory
    gc.collect()
    before = reset_high_water()
    with torch.inference_mode():
        for _ in range(2):
            call(image, reference)
    peak = high_water()
    return {"before": before, "peak": peak, "extra": peak - before}


def reset_high_water() -> float:
    """Forget the peak so far and return the present resident memory, MiB."""
    with contextlib.suppress(OSError):  # not Linux, or forbidden: growth of the old mark is the best there is
        _CLEAR.write_text(_RESET_PEAK)
    return high_water()


def high_water() -> float:
    """Return the peak of resident memory, MiB."""
    try:
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) / 1024.0  # kB
    except OSError:
        pass
    unit = 1024.0**2 if sys.platform == "darwin" else 1024.0  # ru_maxrss counts bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


if __name__ == "__main__":
    print(json.dumps(probe(**json.loads(sys.argv[1]))))
