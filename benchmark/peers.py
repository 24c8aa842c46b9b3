"""Ours and the metrics beside it, piq's closed-form ones and LPIPS with SqueezeNet, all with one calling sequence."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from pyiqa_pixelperfect.errors import WeightsError
from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect

__all__ = ["CLOSED_FORM", "LPIPS_CHECK_VALUES", "PairFunction", "Peer", "closed_form", "lpips_squeeze",
           "lpips_squeeze_map", "ours"]  # fmt: skip

PairFunction: TypeAlias = Callable[[Tensor, Tensor], Tensor]

CLOSED_FORM = ("psnr", "ssim", "fsim", "vsi", "mdsi", "haarpsi")
LPIPS_CHECK_VALUES = (0.1024, 0.0938)  # torchmetrics' documented values of net_type="squeeze" on _check_batch()
_LPIPS_FILES = ("squeezenet1_1_features.pth", "lpips_v0.1_squeeze_heads.pth")
_LOWER_IS_BETTER = frozenset({"mdsi"})


@dataclass(frozen=True)
class Peer:
    """A full-reference metric.

    Attributes:
        name: row name.
        function: ``(image, reference) -> (B,)`` on ``(B, 3, H, W)`` in ``[0, 1]``, in its own units and direction.
        higher_is_better: direction of those units.
        note: what a reader of a table has to know, or empty.
    """

    name: str
    function: PairFunction
    higher_is_better: bool = True
    note: str = ""

    def oriented(self, image: Tensor, reference: Tensor) -> Tensor:
        """Return scores ``(B,)`` with the sign turned so that higher is better."""
        with torch.inference_mode():
            scores = self.function(image, reference).flatten()
        return scores if self.higher_is_better else -scores


def ours(metric: PixelPerfect) -> list[Peer]:
    """Return the metric under test, and its severity alone, for which the reference is the original."""
    return [Peer("pixelperfect", metric), Peer("pixelperfect severity", metric.severity, higher_is_better=False)]


def closed_form(name: str) -> Peer:
    """Return one of piq's metrics by its name in ``CLOSED_FORM``, with piq's defaults and one score per image."""
    import piq  # costs seconds; commands without peers need not pay

    return Peer(name, partial(getattr(piq, name), reduction="none", data_range=1.0), name not in _LOWER_IS_BETTER)


def lpips_squeeze(folder: Path | None, device: str = "cpu") -> Peer:
    """Return LPIPS v0.1 with SqueezeNet 1.1.

    Args:
        folder: where torchvision's backbone features (``squeezenet1_1_features.pth``) and the heads
            (``lpips_v0.1_squeeze_heads.pth``) lie. ``None`` gives random weights, good for timing only;
            the note says so.
        device: torch device.

    Raises:
        WeightsError: a file is missing, or the loaded network misses the published check values.
    """
    import lpips

    with warnings.catch_warnings():
        # lpips 0.1.4 builds its backbone by torchvision's old argument names; the user cannot do anything about it.
        warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")
        network = lpips.LPIPS(net="squeeze", pnet_rand=True, pretrained=False, verbose=False).eval()
    network.requires_grad_(False)
    function = partial(_lpips_distance, network)
    if folder is None:
        network.to(torch.device(device))
        return Peer("lpips-squeeze", function, higher_is_better=False, note="random weights: time only")
    _load_lpips(network, folder)
    values = function(*_check_batch()).tolist()
    if any(abs(value - known) > 1e-4 for value, known in zip(values, LPIPS_CHECK_VALUES, strict=True)):
        raise WeightsError(str(folder), f"LPIPS check values {LPIPS_CHECK_VALUES}", f"{values}", "Get the files anew.")
    network.to(torch.device(device))
    return Peer("lpips-squeeze", function, higher_is_better=False)


def lpips_squeeze_map(folder: Path) -> PairFunction:
    """Return the spatial form of LPIPS with SqueezeNet: the distance at every pixel, ``(B, 1, H, W)``.

    Raises:
        WeightsError: as ``lpips_squeeze``.
    """
    distance = lpips_squeeze(folder).function
    network: Any = distance.args[0]  # type: ignore[attr-defined]
    network.spatial = True
    return lambda image, reference: network(image, reference, normalize=True).detach()


def _lpips_distance(network: nn.Module, image: Tensor, reference: Tensor) -> Tensor:
    distance: Tensor = network(image, reference, normalize=True)  # normalize: [0, 1] in, [-1, 1] inside
    return distance.flatten()


def _load_lpips(network: Any, folder: Path) -> None:
    backbone, heads = (_read_state(folder / name) for name in _LPIPS_FILES)
    for name, stage in network.net.named_children():
        if not name.startswith("slice"):
            continue
        for place, module in stage.named_children():  # places count as in torchvision's `features`
            prefix = f"{place}."
            part = {key.removeprefix(prefix): value for key, value in backbone.items() if key.startswith(prefix)}
            module.load_state_dict(part, strict=True)
    for name, value in heads.items():
        head, parameter = name.split(".", 1)
        getattr(network, head).load_state_dict({parameter: value}, strict=True)


def _read_state(file: Path) -> Mapping[str, Tensor]:
    if not file.is_file():
        raise WeightsError(
            str(file), "a file with LPIPS weights", "nothing there", f"Needed: {', '.join(_LPIPS_FILES)}."
        )
    state: Mapping[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    return state


def _check_batch() -> tuple[Tensor, Tensor]:
    # The documented inputs are `2 * rand - 1`; before the scaling of [0, 1] to [-1, 1] that is just `rand`.
    generator = torch.Generator().manual_seed(42)
    first, second = (torch.rand(2, 3, 100, 100, generator=generator) for _ in range(2))
    return first, second
