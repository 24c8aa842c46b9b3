"""KADIS type 9: JPEG 2000 through Pillow, on the CPU and picture by picture."""

from functools import partial

import torch
from torch import Tensor

from pyiqa_pixelperfect.distortions.kadis_lanes import run_in_lanes
from pyiqa_pixelperfect.distortions.kadis_processes import code

__all__ = ["jpeg2000"]


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
