"""The calls that are timed and weighed: ours in several forms, and the peers.

Imports happen inside ``build``, so that a process that weighs one contestant holds nothing else.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from torch import Tensor

__all__ = ["CONTESTANTS", "ON_REQUEST", "YARDSTICK", "Call", "build"]

Call: TypeAlias = Callable[[Tensor, Tensor], object]

CONTESTANTS = ("pixelperfect severity", "pixelperfect score", "pixelperfect maps+score", "pixelperfect compare",
               "lpips-squeeze", "vsi", "fsim", "mdsi", "haarpsi", "psnr")  # fmt: skip
#: Timed only if asked for: the first needs a C++ compiler, and minutes before its first answer; the second is slow on
#: processors that do not compute in bfloat16.
ON_REQUEST = ("pixelperfect compare, compiled", "pixelperfect compare, bfloat16")
YARDSTICK = "lpips-squeeze"


def build(name: str, weights: str | None = None, lpips_folder: Path | None = None) -> tuple[Call, str]:
    """Return a contestant as a call on ``(image, reference)``, and a note on it, or an empty one.

    Args:
        name: one of ``CONTESTANTS`` or ``ON_REQUEST``.
        weights: weights of Pixel Perfect, as ``load_subject`` takes them.
        lpips_folder: weights of LPIPS; random ones, equally fast, when not given.

    Raises:
        WeightsError: weights are missing, damaged or of another network.
    """
    if name.startswith("pixelperfect"):
        return _build_ours(name, weights)
    from benchmark.peers import closed_form, lpips_squeeze

    peer = lpips_squeeze(lpips_folder) if name == YARDSTICK else closed_form(name)
    return peer.function, peer.note


def _build_ours(name: str, weights: str | None) -> tuple[Call, str]:
    from benchmark.subject import load_subject

    if name.endswith("bfloat16"):
        note = "score and maps in one pass, map network in bfloat16"
        return load_subject(weights, precision="bfloat16").compare, note
    metric = load_subject(weights)
    if name.endswith("compiled"):
        metric.compile()
        return metric.compare, "score and maps in one pass, networks compiled by torch"
    if name.endswith("compare"):
        return metric.compare, "score and maps in one pass, inputs checked"
    if name.endswith("maps+score"):
        return lambda image, reference: (metric.maps(image, reference), metric(image, reference)), "two calls"
    if name.endswith("severity"):
        return metric.severity, "no maps, no verdict: the reference is the original"
    return metric, ""
