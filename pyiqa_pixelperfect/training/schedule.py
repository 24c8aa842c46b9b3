"""Learning rate and weights over time, as pure functions of the step."""

import math

__all__ = ["geometric", "warmup_cosine"]


def warmup_cosine(step: int, steps: int, warmup: int) -> float:
    """Factor of the learning rate: linear from 0 over ``warmup`` steps, then half a cosine down to 0 at ``steps``."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))


def geometric(step: int, steps: int, start: float, end: float) -> float:
    """Move from ``start`` to ``end`` by a constant ratio per step."""
    return float(start * (end / start) ** min(1.0, step / max(1, steps - 1)))
