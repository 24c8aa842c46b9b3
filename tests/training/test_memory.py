"""Freed memory that is kept is not mapped again at every step."""

import platform
import subprocess
import sys

import pytest

from pyiqa_pixelperfect.training import memory
from pyiqa_pixelperfect.training.memory import keep_freed_memory

_STEPS = """
import resource, sys
import torch
from pyiqa_pixelperfect.pictures import return_memory
from pyiqa_pixelperfect.training.memory import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()
for _ in range(6):  # until all three tensors have found their places
    torch.ones(8, 1024, 1024).add(1.0).mul(2.0)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    torch.ones(8, 1024, 1024).add(1.0).mul(2.0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
resident = lambda: int(open("/proc/self/statm").read().split()[1])
before = resident()
return_memory()
print(before - resident())
"""


def _pages(how: str) -> tuple[int, int]:
    """Pages that were mapped while the same tensors were made five times, and pages that were given back after it."""
    environment = {"OMP_NUM_THREADS": "1", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-S", "-c", _STEPS, how], capture_output=True, text=True, check=True, env=environment
    )
    mapped, returned = map(int, done.stdout.split())
    return mapped, returned


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_pages_are_mapped_once_and_given_back_on_demand():
    mapped, returned = _pages("keep")
    # The first number stays small only if something else, a preloaded allocator say, keeps freed memory already.
    assert mapped < max(1000, _pages("give")[0] / 10)
    assert returned > 3 * 8000  # three tensors of 32 MiB in pages of 4 KiB


def test_elsewhere_nothing_happens(monkeypatch):
    monkeypatch.setattr(memory.platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed_memory()
