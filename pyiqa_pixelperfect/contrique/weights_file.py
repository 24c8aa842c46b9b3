"""The file of a CONTRIQUE encoder, with or without a head: how it is written, and how it is read back."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch

from pyiqa_pixelperfect.contrique.networks import Encoder
from pyiqa_pixelperfect.errors import ConfigError, WeightsError
from pyiqa_pixelperfect.linear_head import LinearHead, labels_from_card
from pyiqa_pixelperfect.weights import bundled_weights, load_weights, save_weights

__all__ = ["BUNDLED", "read_contrique", "write_contrique"]

BUNDLED = "contrique"
_CLASS = "Contrique"
_ENCODER, _HEAD = "encoder.", "head."


def write_contrique(
    path: str | os.PathLike[str],
    encoder: Encoder,
    head: LinearHead | None,
    card: Mapping[str, str],
    *,
    half: bool = True,
) -> None:
    """Write encoder, head and card.

    Args:
        path: safetensors file.
        encoder: its convolution kernels are stored in fp16 if ``half``; normalization stays float32.
        head: float32; ``None`` leaves it out.
        card: entries beside those that say how to build the networks.
        half: as above.

    Raises:
        WeightsError: a tensor holds NaN or infinity.
    """
    state = {
        _ENCODER + name: tensor.half() if half and tensor.dim() > 1 else tensor
        for name, tensor in encoder.state_dict().items()
    }
    entries = {"class": _CLASS, "network": json.dumps(encoder.settings), **card}
    if head is not None:
        state |= {_HEAD + name: tensor for name, tensor in head.state_dict().items()}
        entries["labels"] = json.dumps(asdict(head.labels))
    save_weights(path, state, entries)


def read_contrique(
    path: str | os.PathLike[str] | None, *, need_head: bool
) -> tuple[Encoder, LinearHead | None, dict[str, str]]:
    """Build the networks of a file, frozen and in evaluation mode.

    Args:
        path: what ``write_contrique`` wrote; ``None`` = the weights that come with the package.
        need_head: refuse a file without a head.

    Returns:
        Encoder, head or ``None``, and the model card.

    Raises:
        WeightsError: no such file, damaged, of another class, or without the head that is needed.
    """
    file = bundled_weights(BUNDLED) if path is None else Path(path)
    state, card = load_weights(file, _CLASS)
    head_state = {name.removeprefix(_HEAD): tensor for name, tensor in state.items() if name.startswith(_HEAD)}
    body = {name.removeprefix(_ENCODER): tensor for name, tensor in state.items() if name.startswith(_ENCODER)}
    try:
        settings = json.loads(card["network"])
        encoder = Encoder(
            settings["backbone"], settings["options"], levels=settings["levels"], deviation=settings["deviation"]
        )
        encoder.load_state_dict({n: t.float() if t.is_floating_point() else t for n, t in body.items()}, strict=True)
        head = LinearHead(encoder.features, labels_from_card(card)) if head_state else None
        if head is not None:
            head.load_state_dict(head_state, strict=True)
    except (KeyError, ValueError, TypeError, RuntimeError, ConfigError) as error:
        raise WeightsError("weights", "tensors and settings that fit the network", str(error)) from error
    if need_head and head is None:
        fix = "Fit one to ratings: pixelperfect regress contrique/regress.yaml encoder=FILE head.ratings=CSV"
        raise WeightsError("weights", "an encoder with a head", f"{file} without one", fix)
    for network in (encoder, head):
        if network is not None:
            network.eval().requires_grad_(False)
    return encoder.to(memory_format=torch.channels_last), head, card
