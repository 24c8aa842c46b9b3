"""Both networks of Pixel Perfect in one weights file: written after training, read ready for use."""

import json
import os
from collections.abc import Mapping
from typing import Literal, TypeAlias

import torch
from torch import nn

from pyiqa_pixelperfect.backbones import seeded_weights
from pyiqa_pixelperfect.errors import ConfigError, WeightsError
from pyiqa_pixelperfect.families import FAMILIES
from pyiqa_pixelperfect.pixelperfect.folding import fold_normalization
from pyiqa_pixelperfect.pixelperfect.map_network import DistortionMapNet
from pyiqa_pixelperfect.pixelperfect.networks import build_maps, build_score, sizes_of
from pyiqa_pixelperfect.pixelperfect.score_network import RelationalScoreNet
from pyiqa_pixelperfect.weights import load_weights, save_weights

__all__ = ["Precision", "read_maps", "read_networks", "write_networks"]

Precision: TypeAlias = Literal["float32", "bfloat16"]

_CLASS = "PixelPerfect"
_MAPS, _SCORE = "map_network", "score_network"  # what names of tensors begin with
_PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def read_networks(
    path: str | os.PathLike[str], precision: Precision = "float32"
) -> tuple[DistortionMapNet, RelationalScoreNet, dict[str, str]]:
    """Read both networks, in evaluation mode, normalization folded, frozen, and their model card.

    Args:
        path: a file from ``write_networks``.
        precision: that the map network computes in.

    Raises:
        ConfigError: another precision.
        WeightsError: no such file, damaged, or not weights of these networks.
    """
    if precision not in _PRECISIONS:
        raise ConfigError("precision", " or ".join(_PRECISIONS), str(precision))
    state, card = load_weights(path, _CLASS)
    try:
        sizes = json.loads(card["sizes"])
        with seeded_weights(0):  # about to be overwritten, but drawing them must not disturb the caller's generator
            symmetric = sizes.get("antisymmetric", True)
            maps = build_maps(sizes["encoder"], sizes["decoder"], sizes["families"], antisymmetric=symmetric)
            score = build_score(sizes)
        both = _together(maps, score)
        both.load_state_dict({name: tensor.float() for name, tensor in state.items()}, strict=True)
    except (AttributeError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise WeightsError("weights", "tensors and sizes that fit the network", str(error)) from error
    if card.get("families") != ",".join(FAMILIES):
        raise WeightsError("weights", f"the families {','.join(FAMILIES)}", str(card.get("families")))
    with seeded_weights(0):  # folded convolutions are drawn before they are overwritten, too
        fold_normalization(both.eval().requires_grad_(False))
    both.to(memory_format=torch.channels_last)
    return maps.to(_PRECISIONS[precision]), score, card


def read_maps(path: str | os.PathLike[str], maps: DistortionMapNet) -> dict[str, str]:
    """Give a map network in training the weights from a file, and return the model card of these.

    Raises:
        WeightsError: no such file, damaged, or of a network of other sizes.
    """
    state, card = load_weights(path, _CLASS)
    part = {name.removeprefix(f"{_MAPS}."): tensor for name, tensor in state.items() if name.startswith(_MAPS)}
    try:
        maps.load_state_dict({name: tensor.to(maps.head.weight) for name, tensor in part.items()}, strict=True)
    except RuntimeError as error:
        fix = "Set network.kind and the sizes of the network to those of the file."
        raise WeightsError("maps.start", "weights of a network of these sizes", str(error), fix) from error
    return card


def write_networks(
    path: str | os.PathLike[str],
    maps: DistortionMapNet,
    score: RelationalScoreNet,
    card: Mapping[str, str],
    *,
    half: bool,
) -> None:
    """Write both networks and their model card.

    Args:
        path: file to write.
        maps: as training left it.
        score: likewise.
        card: entries beside those of the networks themselves.
        half: store convolution kernels in fp16 (half the size); normalization statistics stay fp32.

    Raises:
        WeightsError: the normalization of the map network is folded, so its layout is gone.
    """
    state = _together(maps, score).state_dict()
    if not any(name.endswith("running_mean") for name in state):
        raise WeightsError("save", "a network from training", "one from load(), its normalization folded")
    halved = {n: t for n, t in state.items() if half and t.dim() > 1 and t.is_floating_point()}
    stored = state | {n: t.half() for n, t in halved.items()}
    entries = {"class": _CLASS, "families": ",".join(FAMILIES), "sizes": json.dumps(sizes_of(maps, score))}
    save_weights(path, stored, {**entries, **card})


def _together(maps: DistortionMapNet, score: RelationalScoreNet) -> nn.ModuleDict:
    """Both under the names that tensors have in the file."""
    return nn.ModuleDict({_MAPS: maps, _SCORE: score})
