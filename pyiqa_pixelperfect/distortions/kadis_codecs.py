"""KADIS types 9 and 10: JPEG 2000 through Pillow, on the CPU and picture by picture, and JPEG as tensors.

Both are ``(images (B, 3, H, W), parameter, seeds (B,)) -> images`` in [0, 1]; ``seeds`` are not used.
"""

import io
import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pyiqa_pixelperfect.distortions.jpeg import UNIT, jpeg_at_quality

__all__ = ["jpeg", "jpeg2000"]


def jpeg(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 10: JPEG of quality ``parameter`` with halved chroma. Oracle: Pillow (libjpeg)."""
    height, width = images.shape[-2:]
    rows, columns = math.ceil(height / UNIT), math.ceil(width / UNIT)
    padded = F.pad(images, (0, columns * UNIT - width, 0, rows * UNIT - height), mode="replicate")
    quality = torch.full((1, 1, rows, columns), parameter, dtype=images.dtype, device=images.device)
    return jpeg_at_quality(padded, quality)[..., :height, :width]


def _code(pixels: NDArray[np.uint8], ratio: float) -> NDArray[np.uint8]:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG2000", quality_mode="rates", quality_layers=[ratio], irreversible=True)
    with Image.open(file, formats=["JPEG2000"]) as decoded:
        return np.asarray(decoded)


def jpeg2000(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 9: JPEG 2000 at a compression ratio of ``parameter``, the 9/7 wavelet, by Pillow's OpenJPEG.

    There is no sound code for accelerators: the pictures go to the CPU, one after the other through the codec, and
    back. OpenJPEG takes as many threads as the environment variable ``OPJ_NUM_THREADS`` says.
    """
    pixels = (images * 255.0).round().to("cpu", torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    decoded = np.stack([_code(picture, parameter) for picture in pixels])
    return torch.from_numpy(decoded).to(images.device).permute(0, 3, 1, 2).float().div_(255.0).contiguous()
