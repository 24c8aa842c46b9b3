"""Peak memory of one score, measured in this process, which is started for nothing else.

``python -m benchmark.leaderboard.cost_probe JSON`` prints JSON, in MiB: ``peak_mib`` during two calls and
``extra_mib``, what they add to what was resident before. On an accelerator both are of its own memory.
"""

import gc
import json
import sys
from pathlib import Path
from typing import Any

import torch

from benchmark.leaderboard.config import MetricEntry
from benchmark.leaderboard.offline import no_network
from benchmark.leaderboard.predictors import Predictor, build_predictor
from benchmark.memory_probe import high_water, reset_high_water

__all__ = ["probe"]


def probe(request: dict[str, Any]) -> dict[str, float]:
    """Return ``peak_mib`` and ``extra_mib``; call it once per process."""
    torch.set_num_threads(request["threads"])
    device = torch.device(request["device"])
    entry, weights = MetricEntry.model_validate(request["entry"]), request["weights"]
    with no_network():
        metric = build_predictor(entry, None if weights is None else Path(weights), str(device))
    if not isinstance(metric, Predictor):
        raise SystemExit(metric.reason)
    image, reference = torch.rand(2, 1, 3, request["height"], request["width"], device=device)
    arguments = (image, reference) if metric.mode == "FR" else (image,)
    gc.collect()
    cuda = device.type == "cuda"
    before = torch.cuda.memory_allocated(device) / 2**20 if cuda else reset_high_water()
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)
    with torch.no_grad():
        for _ in range(2):
            metric.function(*arguments)
    peak = torch.cuda.max_memory_allocated(device) / 2**20 if cuda else high_water()
    return {"peak_mib": peak, "extra_mib": peak - before}


if __name__ == "__main__":
    print(json.dumps(probe(json.loads(sys.argv[1]))))
