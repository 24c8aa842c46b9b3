"""What several metrics say of one pair, scores and maps, for the side-by-side picture."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from benchmark.leaderboard.config import MetricEntry
from benchmark.leaderboard.difference_maps import build_maps
from benchmark.leaderboard.predictors import Predictor, Unavailable, build_predictor, whole_reason
from benchmark.leaderboard.side_by_side import Said
from benchmark.subject import load_subject

__all__ = ["opinions_of"]

_LPIPS = ("lpips", "lpips-squeeze")


def opinions_of(
    names: Sequence[str], image: Tensor, reference: Tensor, weights: Path | None, device: str
) -> list[Said]:
    """Ask every metric for its score and, where it has one, its map.

    Args:
        names: of metrics; ``lpips`` takes LPIPS-SqueezeNet from ``weights`` where pyiqa's own cannot be had, and its
            panel says so. ``difference`` is the difference of the pixels, a map without a score.
        image: ``(1, 3, H, W)`` in ``[0, 1]``.
        reference: the same shape.
        weights: folder of local weights.
        device: torch device of the scores; maps are drawn on the CPU.
    """
    ours = load_subject(None) if "pixelperfect" in names else None
    maps, _ = build_maps(ours, weights)
    there = image.to(device), reference.to(device)
    said = []
    for name in names:
        field = maps.get("lpips" if name in _LPIPS else name)
        drawn = None if field is None else field(image, reference)
        if name == "difference":
            said.append(Said(name, None, True, drawn, "mean absolute difference of the pixels"))
            continue
        title, found = _build(name, weights, device)
        if not isinstance(found, Predictor):
            said.append(Said(title, None, False, drawn, found.reason))
            continue
        try:
            score = found.score(*there)
        except Exception as error:  # noqa: BLE001 - one metric that fails must not cost the picture
            said.append(Said(title, None, found.lower_better, drawn, whole_reason(error)))
            continue
        said.append(Said(title, score, found.lower_better, drawn))
    return said


def _build(name: str, weights: Path | None, device: str) -> tuple[str, Predictor | Unavailable]:
    local = MetricEntry(name="lpips-squeeze", source="lpips-squeeze")
    if name == local.name:
        return name, build_predictor(local, weights, device)
    found = build_predictor(MetricEntry(name=name), weights, device)
    if name == "lpips" and isinstance(found, Unavailable) and weights is not None:
        return "lpips (SqueezeNet)", build_predictor(local, weights, device)
    return name, found
