"""The files that the authors of GRepQ published, and CLIP's own, turned into ours; none of them can run anything here.

Two kinds of weights can be written. The low-level branch comes from ``low_level_model_weights.tar`` and the pristine
patches, ``pristine_patches_096_0.75_0.80.hdf5``. The high-level branch comes from a file that the user writes with CLIP
(the image tower and the features of both prompts, see the README), and, if there is one, from
``high_level_model_weights.pth``, whose tower then takes the place of CLIP's.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pyiqa_pixelperfect.errors import ConfigError, WeightsError
from pyiqa_pixelperfect.grepq.gaussians import fit_gaussian
from pyiqa_pixelperfect.grepq.high_metric import HighLevelMetric
from pyiqa_pixelperfect.grepq.metric import GRepQ
from pyiqa_pixelperfect.grepq.networks import HighLevelNet, LowLevelNet
from pyiqa_pixelperfect.grepq.pristine_patches import read_patches
from pyiqa_pixelperfect.training.checkpoint import load_checkpoint
from pyiqa_pixelperfect.training.provenance import code_versions
from pyiqa_pixelperfect.weights import file_sha256

__all__ = ["convert"]

PROMPTS = ("A good photo.", "A bad photo.")  # of the published scores

_ENCODER = "encoder.base_model."  # the same tensors stand again under encoder.resnet18
_ENCODER_AGAIN = "encoder.resnet18."
_HDF5 = (".hdf5", ".h5")
_CHUNK = 128
_EXPECTED = "the low-level tar with the pristine hdf5, or CLIP's tower and prompts, maybe with the high-level pth"
_log = logging.getLogger(__name__)


def convert(files: Sequence[Path], output: Path) -> Path:
    """Write published files as weights of this package; their content tells what they are, and order does not matter.

    Args:
        files: the low-level checkpoint and the pristine patches, or CLIP's tower with prompts and maybe the
            high-level checkpoint.
        output: safetensors file to write.

    Returns:
        ``output``.

    Raises:
        ConfigError: not one of these sets of files.
        MissingDependencyError: h5py is needed to read the pristine patches and is not installed.
        WeightsError: a file is missing, damaged, or not what was published.
    """
    patches = [path for path in files if path.suffix.lower() in _HDF5]
    loaded = {path: load_checkpoint(path) for path in files if path not in patches}
    low = {path: state for path, state in loaded.items() if "model" in state}
    clip = {path: state for path, state in loaded.items() if "prompts" in state}
    tower = {path: state for path, state in loaded.items() if path not in low and path not in clip}
    if len(low) == len(patches) == len(files) - 1 == 1:
        metric = _low_level(*low.popitem(), patches[0])
        metric.save(output, _card(files), half=False)
    elif len(clip) == 1 and not patches and not low and len(tower) <= 1:
        path, state = clip.popitem()
        high = _high_level(path, state, tower)
        high.save(output, {**_card(files), "prompts": json.dumps(PROMPTS)}, half=False)
    else:
        raise ConfigError("files", _EXPECTED, ", ".join(path.name for path in files) or "none")
    _log.info("wrote %s", output)
    return output


def _card(files: Sequence[Path]) -> dict[str, str]:
    origin = "; ".join(f"{path.name}, sha256 {file_sha256(path)}" for path in files)
    return {
        "source": f"converted from {origin}",
        "license": "that of the files: MIT for GRepQ's and for CLIP's, as their authors state",
        "versions": code_versions(),
    }


def _low_level(path: Path, checkpoint: Mapping[str, Any], patches: Path) -> GRepQ:
    model = checkpoint["model"]
    state = _tensors(model.get("state_dict") if isinstance(model, Mapping) else None, path)
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name.startswith((_ENCODER_AGAIN, f"{_ENCODER}fc.")):
            continue  # the same again, and ImageNet's classifier, which is never used
        renamed[name.replace(_ENCODER, "encoder.", 1)] = tensor
    metric = GRepQ(LowLevelNet())
    _load(metric.low, renamed, path, "the published low-level network")
    features = torch.cat([_describe(metric, part) for part in read_patches(patches).split(_CHUNK)])
    mean, covariance = fit_gaussian(features.double())
    metric.pristine_mean.copy_(mean)
    metric.pristine_covariance.copy_(covariance)
    return metric


@torch.no_grad()
def _describe(metric: GRepQ, patches: Tensor) -> Tensor:
    features: Tensor = metric.low(patches)
    return features


def _high_level(path: Path, clip: Mapping[str, Any], tower: Mapping[Path, Mapping[str, Any]]) -> HighLevelMetric:
    prompts = clip["prompts"]
    if not isinstance(prompts, Tensor) or prompts.dim() != 2 or len(prompts) != 2 or not prompts.is_floating_point():
        got = f"{tuple(prompts.shape)}" if isinstance(prompts, Tensor) else type(prompts).__name__
        raise WeightsError("prompts", "text features (2, D) of a good and of a bad photo", f"{got} in {str(path)!r}")
    source, state = next(iter(tower.items()), (path, clip.get("visual")))
    visual = _tensors(state, source)
    if "attnpool.positional_embedding" not in visual:  # leaving it out is what GRepQ does to CLIP
        own = clip.get("visual")
        own = own.get("attnpool.positional_embedding") if isinstance(own, Mapping) else None
        visual["attnpool.positional_embedding"] = own if isinstance(own, Tensor) else _no_positions(visual, source)
    network = _tower_like(visual, source)
    if prompts.shape[1] != network.prompts.shape[1]:
        expected = f"as many numbers as the tower's features, {network.prompts.shape[1]}"
        raise WeightsError("prompts", expected, f"{prompts.shape[1]} in {str(path)!r}")
    _load(network.tower, _timm_names(visual, network), source, "CLIP's ResNet image tower")
    network.prompts.copy_(prompts)
    return HighLevelMetric(network)


def _tensors(state: object, path: Path) -> dict[str, Tensor]:
    """Float32 copies of a state dict, whatever prefix data-parallel training left.

    Raises:
        WeightsError: it is no mapping of names to tensors.
    """
    if not isinstance(state, Mapping) or not state:
        raise WeightsError("checkpoint", "a state dict", f"{type(state).__name__} in {str(path)!r}")
    strange = [str(name) for name, value in state.items() if not (isinstance(name, str) and isinstance(value, Tensor))]
    if strange:
        raise WeightsError("checkpoint", "tensors by name", f"{strange[0]!r} in {str(path)!r}, which is none")
    return {
        name.removeprefix("module."): tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
    }


def _no_positions(visual: Mapping[str, Tensor], path: Path) -> Tensor:
    weight = visual.get("attnpool.k_proj.weight")
    if weight is None or weight.dim() != 2:
        raise WeightsError("checkpoint", "CLIP's ResNet image tower", f"no attnpool.k_proj.weight in {str(path)!r}")
    return torch.zeros(50, weight.shape[1])


def _tower_like(visual: Mapping[str, Tensor], path: Path) -> HighLevelNet:
    """A tower of the sizes of the tensors."""
    try:
        width = visual["conv3.weight"].shape[0]
        features = visual["attnpool.c_proj.weight"].shape[0]
        places = visual["attnpool.positional_embedding"].shape[0] - 1
        layers = [
            1 + max(int(name.split(".")[1]) for name in visual if name.startswith(f"layer{stage}."))
            for stage in (1, 2, 3, 4)
        ]
    except (KeyError, ValueError, IndexError) as error:
        raise WeightsError("checkpoint", "CLIP's ResNet image tower", f"{error} in {str(path)!r}") from error
    if not (0 < width <= 256 and 0 < features <= 4096 and max(layers) <= 64 and 0 < places <= 4096):
        got = f"width {width}, {features} features, layers {layers}, {places} places in {str(path)!r}"
        raise WeightsError("checkpoint", "CLIP's ResNet image tower", got)
    return HighLevelNet(layers, width, features, 32 * round(places**0.5))


def _timm_names(visual: Mapping[str, Tensor], network: HighLevelNet) -> dict[str, Tensor]:
    from timm.models.byobnet import checkpoint_filter_fn

    named = {f"visual.{name}": tensor for name, tensor in visual.items()}
    renamed: dict[str, Tensor] = checkpoint_filter_fn(named, network.tower)
    return renamed


def _load(network: nn.Module, state: Mapping[str, Tensor], path: Path, expected: str) -> None:
    try:
        network.load_state_dict(dict(state), strict=True)
    except RuntimeError as error:
        raise WeightsError("checkpoint", expected, f"{str(error)[:500]} in {str(path)!r}") from error
