"""Work in lanes: threads that each take a share of the pictures through all of their operations.

Torch shares each operation out among threads and waits for all of them, again and again, on batches that leave the
processor's cache between any two operations. A lane takes few pictures at a time and meets the others only at the end.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch

__all__ = ["in_lane", "run_in_lanes"]

_MOST = 8  # more lanes would wait for the interpreter, which starts one operation at a time
_here = threading.local()


def in_lane() -> bool:
    """Whether this thread is one of several lanes."""
    return getattr(_here, "lane", False)


def run_in_lanes(tasks: Sequence[Callable[[], None]]) -> None:
    """Run tasks that do not depend on each other, in as many lanes as torch has threads, and wait for them.

    In a lane torch has its share of the threads, and gradients and inference mode are as in the caller. Every other
    lane takes tasks from the end: where those at the beginning are of another kind, lanes that share a core or its
    way to memory do not want the same of it at the same time. An exception of a task is raised here, and tasks that
    have not started then are not run.
    """
    threads = torch.get_num_threads()
    lanes = min(threads, _MOST, len(tasks))
    if lanes < 2 or in_lane():
        for task in tasks:
            task()
        return
    gradients, inference = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
    waiting = deque(tasks)

    def run(number: int) -> None:
        _here.lane = True
        torch.set_num_threads(threads // lanes)
        take = waiting.pop if number % 2 else waiting.popleft
        with torch.inference_mode(inference), torch.set_grad_enabled(gradients):
            try:
                while True:
                    try:
                        task = take()
                    except IndexError:  # another lane may have taken the last one meanwhile
                        return
                    task()
            except BaseException:
                waiting.clear()
                raise

    try:
        with ThreadPoolExecutor(lanes) as pool:
            for _ in pool.map(run, range(lanes)):
                waiting.clear()
    finally:
        torch.set_num_threads(threads)  # a lane's number is also that of threads which first use torch later on
