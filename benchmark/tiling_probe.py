"""Memory and time of one large comparison, measured in this process, which is started for nothing else.

``python -m benchmark.tiling_probe '{"image": ...}'`` reads two files, compares them, puts the result into words, as
``pixelperfect compare`` does, and prints JSON: ``peak`` resident memory of all of that, torch included, in MiB;
``before``, resident with the network loaded and no picture; seconds to ``read`` and to ``compare``; ``megapixels`` and
``score``.
"""

import gc
import json
import sys
import time

import torch

from benchmark.memory_probe import high_water, reset_high_water
from benchmark.subject import load_subject
from pyiqa_pixelperfect.images import as_picture

__all__ = ["probe"]


def probe(image: str, reference: str, threads: int, weights: str | None) -> dict[str, float]:
    """Return the figures named above; call it once per process."""
    torch.set_num_threads(threads)
    metric = load_subject(weights)
    gc.collect()
    before = reset_high_water()
    started = time.perf_counter()
    pictures = as_picture(image, "image"), as_picture(reference, "reference")
    read = time.perf_counter()
    result = metric.compare(*pictures)
    result.summary()
    finished = time.perf_counter()
    return {
        "megapixels": pictures[0].height * pictures[0].width / 1e6,
        "before": before,
        "peak": high_water(),
        "read": read - started,
        "compare": finished - read,
        "score": result.score.item(),
    }


if __name__ == "__main__":
    print(json.dumps(probe(**json.loads(sys.argv[1]))))
