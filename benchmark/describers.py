"""Ways to describe one picture by numbers, for heads to be fitted on: encoders, and classical statistics."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.progress import track
from benchmark.subject import weights_hash
from pyiqa_pixelperfect.contrique.networks import Encoder, half_size
from pyiqa_pixelperfect.data.rated import RatedImage
from pyiqa_pixelperfect.images import read_image

__all__ = ["Describer", "describe_rows", "natural_scene_statistics", "of_encoder", "piqe"]

Features = NDArray[np.float64]


@dataclass(frozen=True)
class Describer:
    """Something that describes pictures.

    Attributes:
        name: row name.
        function: (1, 3, H, W) in [0, 1] -> (1, D).
        key: changes whenever the numbers do; names cached features.
    """

    name: str
    function: Callable[[Tensor], Tensor]
    key: str


def of_encoder(name: str, encoder: Encoder, *, half: bool = False) -> Describer:
    """Describe by an encoder, in bfloat16 if ``half``, which changes features by less than a hundredth."""

    def function(image: Tensor) -> Tensor:
        pixels = image.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            return encoder.describe(pixels)

    return Describer(name, function, f"{weights_hash(encoder)} {encoder.settings} {half}")


def natural_scene_statistics() -> Describer:
    """The 36 statistics of BRISQUE (Mittal et al., 2012): shapes of local contrast and its products, at two scales."""
    from pyiqa.archs.brisque_arch import natural_scene_statistics as statistics
    from pyiqa.utils.color_util import to_y_channel

    def function(image: Tensor) -> Tensor:
        scales = (image, half_size(image))
        return torch.cat([statistics(to_y_channel(scale, 255.0)) for scale in scales], dim=-1).reshape(1, -1)

    return Describer("36 statistics of BRISQUE", function, "brisque statistics")


def piqe() -> Describer:
    """PIQE (Venkatanath et al., 2015), one number without any fitting: block-wise distortion, lower is better."""
    import pyiqa

    metric: nn.Module = pyiqa.create_metric("piqe", device=torch.device("cpu"))
    return Describer("PIQE", lambda image: metric(image).reshape(1, 1), "piqe")


def describe_rows(
    describer: Describer, rows: Sequence[RatedImage], cache: Path | None, *, quiet: bool = False
) -> Features:
    """Features (N, D) of rated pictures, kept in and taken from ``cache`` where there is one."""
    names = [f"{row.path.name} {row.path.stat().st_size}" for row in rows]
    digest = hashlib.sha256("\n".join([describer.key, *names]).encode()).hexdigest()
    file = None
    if cache is not None:
        file = cache / f"{digest[:32]}.npy"
        if file.is_file():
            kept: Features = np.load(file, allow_pickle=False)
            return kept
    with torch.inference_mode():
        shown = track(rows, len(rows), describer.name, quiet=quiet)
        found: list[Any] = [describer.function(read_image(row.path))[0].double().numpy() for row in shown]
    features: Features = np.stack(found)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, features)
    return features
