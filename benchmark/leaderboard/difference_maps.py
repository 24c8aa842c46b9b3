"""Maps of where two images differ, ours and the peers', all alike: ``(H, W)``, larger where more is wrong.

Only ours know which family a difference belongs to; so that all can be measured by one yardstick, ours enters as the
largest absolute amount over the families. SSIM is the map of scikit-image with the Gaussian window of the paper (Wang,
Bovik, Sheikh, Simoncelli, 2004), turned around; LPIPS its own spatial form (Zhang et al., CVPR 2018); ``difference`` is
the mean absolute difference of the pixels, the map that anybody can draw. MILO and other learned masks publish weights
that are not on machines without a network; a map of theirs is one more row here.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.metrics import structural_similarity
from torch import Tensor

from benchmark.peers import lpips_squeeze_map
from benchmark.subject import MapMetric, signed_maps
from pyiqa_pixelperfect.errors import PixelPerfectError

__all__ = ["DifferenceMap", "build_maps"]

DifferenceMap: TypeAlias = Callable[[Tensor, Tensor], NDArray[np.float32]]
"""Image and reference ``(1, 3, H, W)`` in ``[0, 1]`` to a map ``(H, W)``."""


def build_maps(ours: MapMetric | None, weights: Path | None) -> tuple[dict[str, DifferenceMap], Mapping[str, str]]:
    """Return all maps that can be had by name, and the reasons for those that cannot.

    Args:
        ours: the metric under test; left out when not given.
        weights: folder of local weights, with ``lpips_squeeze/`` in it.
    """
    maps: dict[str, DifferenceMap] = {}
    reasons: dict[str, str] = {}
    if ours is not None:
        maps["pixelperfect"] = lambda image, reference: _array(signed_maps(ours, image, reference)[0].abs().amax(dim=0))
    maps["ssim"] = _ssim
    maps["difference"] = lambda image, reference: _array((image - reference)[0].abs().mean(dim=0))
    if weights is None:
        reasons["lpips"] = "weights not available: set weights= to the folder that holds lpips_squeeze/"
    else:
        try:
            spatial = lpips_squeeze_map(weights / "lpips_squeeze")
            maps["lpips"] = lambda image, reference: _array(spatial(image, reference)[0, 0])
        except PixelPerfectError as error:
            reasons["lpips"] = str(error)
    return maps, reasons


def _ssim(image: Tensor, reference: Tensor) -> NDArray[np.float32]:
    first, second = (part[0].permute(1, 2, 0).cpu().numpy() for part in (image, reference))
    _, similarity = structural_similarity(first, second, full=True, channel_axis=2, data_range=1.0, sigma=1.5,
                                          gaussian_weights=True, use_sample_covariance=False)  # fmt: skip
    turned: NDArray[np.float32] = (1.0 - similarity.mean(axis=2)).astype(np.float32)
    return turned


def _array(field: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = field.detach().to("cpu", torch.float32).numpy()
    return array
