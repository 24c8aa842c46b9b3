"""The weights that the authors of CONTRIQUE published, turned into ours.

Their checkpoint is a state dict of a ResNet-50 in a ``Sequential`` and a projector, which is dropped; their regressors
are pickles of scikit-learn's ``Ridge``. Neither file can run anything here. Names and layout are facts of the published
files; the files themselves come without a license, and fetching and using them is the user's decision.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from pyiqa_pixelperfect.contrique.networks import Encoder
from pyiqa_pixelperfect.contrique.ridge_reader import read_ridge
from pyiqa_pixelperfect.contrique.weights_file import write_contrique
from pyiqa_pixelperfect.errors import ConfigError, WeightsError
from pyiqa_pixelperfect.linear_head import Labels, LinearHead
from pyiqa_pixelperfect.training.checkpoint import load_checkpoint
from pyiqa_pixelperfect.training.provenance import code_versions
from pyiqa_pixelperfect.weights import file_sha256

__all__ = ["REGRESSORS", "convert", "read_head"]

#: What the published regressors predict, by the beginning of their names; those on differences end in ``_FR``.
REGRESSORS: Mapping[str, Labels] = {
    "koniq": Labels(0.0, 100.0, lower_better=False, source="KonIQ-10k (MOS), by the authors of CONTRIQUE"),
    "clive": Labels(0.0, 100.0, lower_better=False, source="CLIVE (MOS), by the authors of CONTRIQUE"),
    "live": Labels(0.0, 100.0, lower_better=True, source="LIVE (DMOS), by the authors of CONTRIQUE"),
    "csiq": Labels(0.0, 1.0, lower_better=True, source="CSIQ (DMOS), by the authors of CONTRIQUE"),
}

#: Places in the published ``Sequential`` and the names of the same parts in a ResNet.
_PLACES = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
_log = logging.getLogger(__name__)


def convert(files: tuple[Path, ...], output: Path, lower_better: bool | None) -> Path:
    """Write a published checkpoint, and a regressor if there is one, as weights of this package.

    Args:
        files: checkpoint, and maybe regressor.
        output: safetensors file to write.
        lower_better: direction of the regressor's labels; ``None`` takes it from the name of a published one.

    Returns:
        ``output``.

    Raises:
        ConfigError: not one or two files, or a regressor of an unknown name and no direction.
        WeightsError: a file is missing, damaged, or not what was published.
    """
    if len(files) not in (1, 2):
        raise ConfigError("files", "a checkpoint, and maybe a regressor", f"{len(files)} files")
    encoder = Encoder("resnet50")
    state = _rename(load_checkpoint(files[0]), files[0])
    try:
        encoder.pyramid.body.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise WeightsError("checkpoint", "the published ResNet-50 of CONTRIQUE", str(error)) from error
    card = {
        "origin": f"{files[0].name} as published by the authors of CONTRIQUE, sha256 {file_sha256(files[0])}",
        "license": "none stated by its authors",
        "versions": code_versions(),
    }
    head = None
    if len(files) == 2:
        head = read_head(files[1], lower_better, encoder.features)
        difference = files[1].stem.lower().endswith("_fr")
        card |= {"head_input": "difference" if difference else "features", "head_sha256": file_sha256(files[1])}
    write_contrique(output, encoder, head, card, half=False)
    _log.info("wrote %s", output)
    return output


def _rename(state: object, path: Path) -> dict[str, Tensor]:
    expected = "a state dict with names as encoder.4.0.conv1.weight and projector.0.weight"
    if not isinstance(state, Mapping):
        raise WeightsError("checkpoint", expected, f"a {type(state).__name__} in {str(path)!r}")
    renamed, strange = {}, []
    for name, tensor in state.items():
        parts = str(name).removeprefix("module.").split(".")  # the prefix is that of data-parallel training
        if not isinstance(tensor, Tensor) or parts[0] not in ("encoder", "projector") or len(parts) < 3:
            strange.append(str(name))
        elif parts[0] == "encoder" and parts[1] in _PLACES:
            renamed[".".join([_PLACES[parts[1]], *parts[2:]])] = tensor
        elif parts[0] == "encoder":
            strange.append(str(name))
    if strange or not renamed:
        raise WeightsError("checkpoint", expected, f"{', '.join(strange[:3]) or 'nothing'} in {str(path)!r}")
    return renamed


def read_head(path: Path, lower_better: bool | None, features: int) -> LinearHead:
    """Read a published regressor; arguments and errors as ``convert``, ``features`` as the encoder has."""
    numbers = read_ridge(path)
    if len(numbers.weight) != features:
        got = f"{len(numbers.weight)} of them in {str(path)!r}"
        raise WeightsError("regressor", f"{features} coefficients, as the encoder has features", got)
    known = REGRESSORS.get(path.stem.lower().removesuffix("_fr"))
    if lower_better is not None:
        known = Labels(None, None, lower_better, known.source if known else path.name)
    if known is None:
        fix = "Say what it predicts: --lower-better (DMOS) or --higher-better (MOS)."
        names = ", ".join(REGRESSORS)
        raise ConfigError("regressor", f"one of the published names ({names})", repr(path.name), fix)
    head = LinearHead(features, known)
    head.weight.copy_(torch.from_numpy(numbers.weight))
    head.bias.fill_(numbers.bias)
    return head
