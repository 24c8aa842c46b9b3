"""What bfloat16 costs: answers of the metric in both precisions, side by side.

Whole held-out photos, each under some real tools at strengths drawn by the seed, are compared with the clean photo once
with the map network in float32 and once in bfloat16.
"""

from collections.abc import Iterable

import pandas as pd

from benchmark.photos import Photo, to_tensor
from benchmark.tool_versions import some_versions
from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect

__all__ = ["measure", "summarize"]


def measure(
    exact: PixelPerfect, quick: PixelPerfect, photos: Iterable[Photo], *, versions: int, seed: int
) -> pd.DataFrame:
    """Compare versions of photos in both precisions; a row per version.

    Returns:
        ``photo``, ``tool``, ``strength``; ``score`` in float32; ``moved``, how far it is off in bfloat16, and
        ``same_side``, whether both are above or both below 0; ``amount`` and ``amount_at_most``, mean and largest
        difference of signed amounts.
    """
    rows = []
    for photo in photos:
        clean = to_tensor(photo.pixels)
        for version in some_versions(photo, versions, seed):
            image = to_tensor(version.pixels)
            expected, found = exact.compare(image, clean), quick.compare(image, clean)
            apart = (found.signed - expected.signed).abs()
            before, after = expected.score.item(), found.score.item()
            rows.append(
                {
                    "photo": photo.name,
                    "tool": version.tool,
                    "strength": version.strength,
                    "score": before,
                    "moved": abs(after - before),
                    "same_side": before * after > 0 or before == after,
                    "amount": apart.mean().item(),
                    "amount_at_most": apart.max().item(),
                }
            )
    return pd.DataFrame(rows)


def summarize(rows: pd.DataFrame) -> dict[str, float]:
    """Means and largest values over all versions."""
    return {
        "pairs": len(rows),
        "score, mean": float(rows["moved"].mean()),
        "score, at most": float(rows["moved"].max()),
        "on the same side": float(rows["same_side"].mean()),
        "amount, mean": float(rows["amount"].mean()),
        "amount, at most": float(rows["amount_at_most"].max()),
    }
