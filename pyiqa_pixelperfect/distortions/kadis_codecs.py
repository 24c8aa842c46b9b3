"""KADIS types 9 and 10: JPEG 2000 through Pillow, on the CPU and picture by picture, and JPEG as tensors.

Both are ``(images (B, 3, H, W), parameter, seeds (B,)) -> images`` in [0, 1]; ``seeds`` are not used.
"""

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from pyiqa_pixelperfect.distortions.jpeg import UNIT, jpeg_at_quality
from pyiqa_pixelperfect.distortions.kadis_lanes import run_in_lanes
from pyiqa_pixelperfect.distortions.kadis_processes import code

__all__ = ["jpeg", "jpeg2000"]


def jpeg(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 10: JPEG of quality ``parameter`` with halved chroma. Oracle: Pillow (libjpeg)."""
    height, width = images.shape[-2:]
    rows, columns = math.ceil(height / UNIT), math.ceil(width / UNIT)
    padded = F.pad(images, (0, columns * UNIT - width, 0, rows * UNIT - height), mode="replicate")
    quality = torch.full((1, 1, rows, columns), parameter, dtype=images.dtype, device=images.device)
    return jpeg_at_quality(padded, quality)[..., :height, :width]


def jpeg2000(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 9: JPEG 2000 at a compression ratio of ``parameter``, the 9/7 wavelet, by Pillow's OpenJPEG.

    There is no sound code for accelerators: the pictures go to the CPU, through the codec, and back, as many of them
    at a time as torch has threads. Where it has one, OpenJPEG takes as many as the environment variable
    ``OPJ_NUM_THREADS`` says.
    """
    pixels = (images * 255.0).round_().to("cpu", torch.uint8).permute(0, 2, 3, 1).contiguous()
    decoded = torch.empty_like(pixels)

    def code_one(place: int) -> None:
        height, width = pixels.shape[1:3]
        coded = code(pixels[place].numpy().tobytes(), width, height, parameter)
        decoded[place] = torch.frombuffer(bytearray(coded), dtype=torch.uint8).reshape(height, width, 3)

    run_in_lanes([partial(code_one, place) for place in range(len(pixels))])
    return decoded.to(images.device).permute(0, 3, 1, 2).float().div_(255.0).contiguous()
