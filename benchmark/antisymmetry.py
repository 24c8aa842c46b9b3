"""Does exchanging the two images exactly mirror maps and score, and are identical images exactly equal?

Half the pairs are random noise, half are scikit-image's photos beside a version that an outside tool distorted; sizes
are odd and random. Everything runs in fp32 on the CPU.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmark.more_tools import ALL_TOOLS
from benchmark.photos import BUNDLED, load_photos, to_tensor
from benchmark.real_tools import apply_tool
from benchmark.report import target
from benchmark.schema import Target
from benchmark.subject import MapMetric, ScoreMetric

__all__ = ["SIDES", "Pair", "antisymmetry_targets", "make_pairs", "measure", "worst"]

SIDES = (33, 301)  # smallest and largest side of a pair, pixels; only odd ones are drawn


class _Metric(MapMetric, ScoreMetric, Protocol):
    """Maps and scores."""


@dataclass(frozen=True)
class Pair:
    """Two images of one size, ``(1, 3, H, W)`` each, and where they came from (``"noise"`` or ``"photo"``)."""

    origin: str
    first: Tensor
    second: Tensor


def make_pairs(count: int, seed: int = 0) -> Iterator[Pair]:
    """Draw pairs, noise and photographs in turn."""
    generator = np.random.default_rng(seed)
    photos = load_photos(BUNDLED)
    for number in range(count):
        height, width = (int(side) for side in 2 * generator.integers(SIDES[0] // 2, SIDES[1] // 2 + 1, size=2) + 1)
        if number % 2 == 0:
            first, second = generator.random((2, 1, 3, height, width), dtype=np.float32)
            yield Pair("noise", torch.from_numpy(first), torch.from_numpy(second))
            continue
        pixels = photos[int(generator.integers(len(photos)))].pixels
        rows, columns = pixels.shape[:2]
        height, width = min(height, rows - 1 + rows % 2), min(width, columns - 1 + columns % 2)
        top, left = int(generator.integers(rows - height + 1)), int(generator.integers(columns - width + 1))
        crop = pixels[top : top + height, left : left + width]
        tool = ALL_TOOLS[int(generator.integers(len(ALL_TOOLS)))]
        strength = tool.strengths[int(generator.integers(len(tool.strengths)))]
        distorted = apply_tool(tool, crop, strength, int(generator.integers(2**31)))
        yield Pair("photo", to_tensor(distorted), to_tensor(crop))


def measure(metric: _Metric, pairs: Iterator[Pair]) -> pd.DataFrame:
    """Return one row per pair with the largest violations: ``maps``, ``score``, ``identity_maps``, ``identity_score``.

    ``score_size`` is ``|S(a, b)|``, to see the violation of the score against.
    """
    rows = []
    with torch.inference_mode():
        for pair in pairs:
            first, second = pair.first, pair.second
            forward = metric(first, second)
            rows.append(
                {
                    "origin": pair.origin,
                    "height": first.shape[-2],
                    "width": first.shape[-1],
                    "maps": _largest(metric.maps(first, second) + metric.maps(second, first) - 1.0),
                    "score": _largest(forward + metric(second, first)),
                    "identity_maps": _largest(metric.maps(first, first) - 0.5),
                    "identity_score": _largest(metric(first, first)),
                    "score_size": _largest(forward),
                }
            )
    return pd.DataFrame(rows)


def worst(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the largest violation of each kind, by origin of the pairs."""
    columns = ["maps", "score", "identity_maps", "identity_score", "score_size"]
    table = rows.groupby("origin", sort=False)[columns].max().reset_index()
    table.insert(1, "pairs", rows.groupby("origin", sort=False).size().to_numpy())
    return table


def antisymmetry_targets(rows: pd.DataFrame) -> list[Target]:
    """Return the promised bounds beside the largest absolute violations; identity has to be exact."""
    named = {
        "largest F(a,b) + F(b,a) - 1": ("maps", 1e-6),
        "largest S(a,b) + S(b,a)": ("score", 1e-5),
        "largest F(a,a) - 0.5": ("identity_maps", 0.0),
        "largest S(a,a)": ("identity_score", 0.0),
    }
    return [
        target(name, float(rows[column].max()), bound, None, at_least=False) for name, (column, bound) in named.items()
    ]


def _largest(values: Tensor) -> float:
    return float(values.abs().max())
