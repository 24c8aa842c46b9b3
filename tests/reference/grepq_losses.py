"""Slow twins of what GRepQ computes: Python loops over numbers, written from formulas, not from code."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    product = math.fsum(a * b for a, b in zip(one, other, strict=True))
    return product / math.sqrt(math.fsum(a * a for a in one) * math.fsum(b * b for b in other))


def weighted_contrastive_loop(
    anchors: Array, others: Array, weights: Array, temperature: float, cross_content: bool
) -> float:
    """Minus the logarithm of the weighted share of exp(cosine / temperature), over rows and over columns."""
    photos, versions, _ = anchors.shape
    items = [(photo, version) for photo in range(photos) for version in range(versions)]

    def weight(one: tuple[int, int], other: tuple[int, int]) -> float:
        return float(weights[one[0], one[1], other[1]]) if one[0] == other[0] else 0.0

    def term(item: tuple[int, int], column: bool) -> float:
        above, below = 0.0, 0.0
        for candidate in items:
            if candidate[0] != item[0] and not cross_content:
                continue
            row, col = (candidate, item) if column else (item, candidate)
            force = math.exp(cosine(anchors[row].tolist(), others[col].tolist()) / temperature)
            above += weight(row, col) * force
            below += force
        return -math.log(above / below)

    rows = [term(item, False) for item in items]
    columns = [term(item, True) for item in items]
    return math.fsum(rows) / len(rows) + math.fsum(columns) / len(columns)


def group_contrastive_loop(features: Array, labels: Sequence[float], group: int, temperature: float) -> float:
    """Best and worst of a batch: own group against the opposite one."""
    order = sorted(range(len(labels)), key=lambda i: -labels[i])
    best, worst = order[:group], order[-group:]
    terms = []
    for own, opposite in ((best, worst), (worst, best)):
        for i in own:
            within = [cosine(features[i].tolist(), features[j].tolist()) / temperature for j in own if j != i]
            positive = math.exp(math.fsum(within) / len(within))
            negative = [math.exp(cosine(features[i].tolist(), features[k].tolist()) / temperature) for k in opposite]
            terms.append(-math.log(positive / (positive + math.fsum(negative))))
    return math.fsum(terms) / len(terms)


def deviation_loop(patches: Array, pristine: Array, ridge: float) -> float:
    """Distance between the Gaussians of two sets of patch features, (N, D) each."""

    def fit(rows: Array) -> tuple[Array, Array]:
        count, length = rows.shape
        mean = np.array([math.fsum(rows[:, d].tolist()) / count for d in range(length)])
        covariance = np.empty((length, length))
        for a in range(length):
            for b in range(length):
                products = [(rows[n, a] - mean[a]) * (rows[n, b] - mean[b]) for n in range(count)]
                covariance[a, b] = math.fsum(products) / (count - 1)
        return mean, covariance

    (mean, covariance), (mean_clean, covariance_clean) = fit(patches), fit(pristine)
    pooled = (covariance + covariance_clean) / 2 + ridge * np.eye(len(mean))
    return math.sqrt((mean - mean_clean) @ np.linalg.inv(pooled) @ (mean - mean_clean))


def fragments_loop(images: Array, draws: Array, grid: int, cell: int) -> Array:
    """Cells of ``cell`` px from a grid of fields; images at least as large as the grid."""
    _, _, height, width = images.shape
    places = draws.reshape(2, grid, grid)
    whole = np.empty((*images.shape[:2], grid * cell, grid * cell), images.dtype)
    for row in range(grid):
        for column in range(grid):
            top, left = row * height // grid, column * width // grid
            room_down = (row + 1) * height // grid - top - cell
            room_across = (column + 1) * width // grid - left - cell
            top += math.floor(places[0, row, column] * (room_down + 1))
            left += math.floor(places[1, row, column] * (room_across + 1))
            for y in range(cell):
                for x in range(cell):
                    whole[:, :, row * cell + y, column * cell + x] = images[:, :, top + y, left + x]
    return whole
