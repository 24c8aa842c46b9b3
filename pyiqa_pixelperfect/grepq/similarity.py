"""FSIM between all versions of a photo (Zhang et al., IEEE TIP 20 (8), 2011), from the parts of piq's own.

``piq.fsim`` of all pairs would compute the phase congruency of V versions V - 1 times; here it is computed once each,
which is where the time goes. The result is that of ``piq.fsim`` (a test holds it there).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from pyiqa_pixelperfect.errors import MissingDependencyError

__all__ = ["fsim_matrix"]

_PHASE, _GRADIENT, _COLOR, _CHROMA = 0.85, 160.0, 200.0, 0.03  # T1, T2, T3 = T4 and lambda of the paper


@torch.no_grad()
def fsim_matrix(images: Tensor) -> Tensor:
    """FSIM of every pair, with color (FSIMc).

    Args:
        images: (V, 3, H, W) in [0, 1], of one size.

    Returns:
        (V, V) float32, symmetric, 1 on the diagonal; about 1 for pairs that look the same, lower for others.

    Raises:
        MissingDependencyError: piq is not installed.
    """
    try:
        from piq.fsim import _construct_filters, _phase_congruency
        from piq.functional import gradient_map, rgb2yiq, scharr_filter, similarity_map
    except ImportError as error:
        fix = "pip install 'pyiqa-pixelperfect[train]'"
        raise MissingDependencyError("similarity", "the package piq", "none", fix) from error
    images = F.avg_pool2d(images * 255.0, max(1, round(min(images.shape[-2:]) / 256)))
    luma, *chroma = rgb2yiq(images).split(1, dim=1)
    phase = torch.cat([_phase_congruency(one, _construct_filters(one)) for one in luma.split(1)])
    scharr = scharr_filter(device=images.device, dtype=images.dtype)
    gradient = gradient_map(luma, torch.stack((scharr, scharr.transpose(-1, -2))))
    count = len(images)
    matrix = torch.eye(count, device=images.device)
    for row in range(1, count):
        rest = slice(0, row)
        largest = torch.maximum(phase[row], phase[rest])
        alike = similarity_map(gradient[row], gradient[rest], _GRADIENT)
        alike = alike * similarity_map(phase[row], phase[rest], _PHASE) * largest
        color = torch.ones_like(alike)
        for plane in chroma:
            color = color * similarity_map(plane[row], plane[rest], _COLOR)
        alike = (alike * color.abs() ** _CHROMA).sum(dim=(1, 2, 3)) / largest.sum(dim=(1, 2, 3))
        matrix[row, rest] = matrix[rest, row] = alike
    return matrix.cpu()
