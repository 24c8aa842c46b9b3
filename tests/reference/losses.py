"""Slow twins of the losses of Pixel Perfect: Python loops over numbers, written from formulas, not from code."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def map_target_loop(image: Array, reference: Array | None, stride: int) -> Array:
    """Amounts (B, K, H, W) to maps: per cell, half the mean clipped difference of its pixels, around 0.5."""
    batch, families, height, width = image.shape
    rows, columns = math.ceil(height / stride), math.ceil(width / stride)
    maps = np.empty((batch, families, rows, columns))
    for b in range(batch):
        for k in range(families):
            for row in range(rows):
                for column in range(columns):
                    differences = []
                    for y in range(row * stride, min((row + 1) * stride, height)):
                        for x in range(column * stride, min((column + 1) * stride, width)):
                            other = 0.0 if reference is None else float(reference[b, k, y, x])
                            differences.append(min(1.0, max(-1.0, float(image[b, k, y, x]) - other)))
                    maps[b, k, row, column] = 0.5 + math.fsum(differences) / len(differences) / 2.0
    return maps


def map_loss_loop(prediction: Array, target: Array, weight_high: float, beta: float) -> float:
    """Mean of w (F - M)^2 with w = weight_high where |M - 0.5| > beta, else 1."""
    terms = []
    for guess, truth in zip(prediction.ravel().tolist(), target.ravel().tolist(), strict=True):
        weight = weight_high if abs(truth - 0.5) > beta else 1.0
        terms.append(weight * (guess - truth) ** 2)
    return math.fsum(terms) / len(terms)


def family_loss_loop(prediction: Array, target: Array, sharpness: float) -> float:
    """-log of the right family's share among (|2F - 1| + 0.1)^sharpness, over cells that one family leads by half."""
    batch, families, rows, columns = prediction.shape
    terms = []
    for b in range(batch):
        for y in range(rows):
            for x in range(columns):
                true = [abs(2 * float(target[b, k, y, x]) - 1) for k in range(families)]
                right = max(range(families), key=lambda k: true[k])
                second = max(amount for k, amount in enumerate(true) if k != right)
                if true[right] < 0.1 or true[right] < 1.5 * second:
                    continue
                powers = [(abs(2 * float(prediction[b, k, y, x]) - 1) + 0.1) ** sharpness for k in range(families)]
                terms.append(-math.log(powers[right] / math.fsum(powers)))
    return math.fsum(terms) / len(terms) if terms else 0.0


def hinge_loop(better: Sequence[float], worse: Sequence[float], margin: float) -> float:
    """Mean of max(0, margin - (s_better - s_worse))."""
    return math.fsum(max(0.0, margin - (b - w)) for b, w in zip(better, worse, strict=True)) / len(better)


def info_nce_loop(anchors: Array, positives: Array, temperature: float) -> float:
    """-log of the positive's share among exp(cosine / temperature), seen from either side; mean of everything."""
    count = len(anchors)

    def similarity(i: int, j: int) -> float:
        products = [a * p for a, p in zip(anchors[i].tolist(), positives[j].tolist(), strict=True)]
        return math.fsum(products) / temperature

    terms = []
    for i in range(count):
        of_anchor = [similarity(i, j) for j in range(count)]
        of_positive = [similarity(j, i) for j in range(count)]
        for values in (of_anchor, of_positive):
            top = max(values)
            terms.append(top + math.log(math.fsum(math.exp(v - top) for v in values)) - values[i])
    return math.fsum(terms) / len(terms)
