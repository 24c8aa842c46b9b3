"""Slow twin of the supervised NT-Xent loss: Python loops over numbers, written from the formula, not from code."""

import math
from collections.abc import Sequence


def cosine(first: Sequence[float], second: Sequence[float]) -> float:
    product = math.fsum(a * b for a, b in zip(first, second, strict=True))
    return product / math.sqrt(math.fsum(a * a for a in first)) / math.sqrt(math.fsum(b * b for b in second))


def supervised_nt_xent_loop(rows: Sequence[Sequence[float]], classes: Sequence[int], temperature: float) -> float:
    """Mean over anchors with a partner: log sum over the others of e^s, minus the mean s of those of its class."""
    terms = []
    for i, anchor in enumerate(rows):
        similar = {j: cosine(anchor, row) / temperature for j, row in enumerate(rows) if j != i}
        partners = [similar[j] for j in similar if classes[j] == classes[i]]
        if partners:
            top = max(similar.values())
            everything = top + math.log(math.fsum(math.exp(s - top) for s in similar.values()))
            terms.append(everything - math.fsum(partners) / len(partners))
    return math.fsum(terms) / len(terms) if terms else 0.0
