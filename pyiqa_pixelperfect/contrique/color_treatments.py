"""The five color treatments of CONTRIQUE: gray, Lab, HSV, local contrast, or none, each as three planes in [0, 1].

They take color, and with local contrast also brightness, away as an easy way to recognize a picture. Planes are rounded
to 8 bit, as those of the libraries that the reference used.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from pyiqa_pixelperfect.distortions.kadis_color import to_lab
from pyiqa_pixelperfect.distortions.tone import luma

__all__ = ["TREATMENTS", "gray", "hsv", "lab", "local_contrast", "treat"]

REACH, SIGMA = 3, 7.0 / 6.0  # px of the window of local contrast
SMALLEST_RANGE = 1e-3  # added to the range that local contrast is stretched from


def gray(images: Tensor) -> Tensor:
    """BT.601 luma in all three planes."""
    return luma(images).expand_as(images)


def lab(images: Tensor) -> Tensor:
    """CIE Lab in 8 bit: L from 0 to 100, a and b from -128 to 127."""
    a, lightness, b = to_lab(images).unbind(1)
    return torch.stack(
        ((116.0 * lightness - 16.0) / 100.0, (500.0 * a + 128.0) / 255.0, (200.0 * b + 128.0) / 255.0), dim=1
    ).clamp(0.0, 1.0)


def hsv(images: Tensor) -> Tensor:
    """Hue (a full turn is 1; 0 for grays), saturation and value. Oracle: matplotlib."""
    value, strongest = images.max(dim=1)
    spread = value - images.amin(dim=1)
    red, green, blue = images.unbind(1)
    safe = spread.clamp_min(1e-12)
    turns = torch.stack((green - blue, blue - red, red - green), dim=1) / safe[:, None]
    sixth = turns.gather(1, strongest[:, None])[:, 0] + 2.0 * strongest
    return torch.stack(((sixth / 6.0) % 1.0, spread / value.clamp_min(1e-12), value), dim=1)


def local_contrast(images: Tensor) -> Tensor:
    """Each plane minus its local mean (7 x 7 Gaussian of 7/6 px, mirrored edges), stretched to its own extremes."""
    offsets = torch.arange(-REACH, REACH + 1, device=images.device)
    taps = torch.exp(-0.5 * (offsets / SIGMA).square())
    taps = taps / taps.sum()
    planes = images.flatten(0, 1)[:, None]
    padded = F.pad(planes, (REACH, REACH, REACH, REACH), mode="reflect")
    mean = F.conv2d(F.conv2d(padded, taps.reshape(1, 1, -1, 1)), taps.reshape(1, 1, 1, -1))
    detail = (planes - mean).reshape(images.shape)
    low, high = detail.amin((2, 3), keepdim=True), detail.amax((2, 3), keepdim=True)
    return (detail - low) / (high - low + SMALLEST_RANGE)


def _none(images: Tensor) -> Tensor:
    return images


#: In the order of their numbers.
TREATMENTS: tuple[Callable[[Tensor], Tensor], ...] = (gray, lab, hsv, local_contrast, _none)


@torch.no_grad()
def treat(images: Tensor, numbers: Tensor) -> Tensor:
    """Give each picture (B, 3, H, W) the treatment of its number (B,), on the CPU, 0 to 4; values stay in [0, 1]."""
    done = torch.empty_like(images)
    for number, treatment in enumerate(TREATMENTS):
        rows = (numbers == number).nonzero()[:, 0].to(images.device)
        if len(rows):
            done[rows] = (treatment(images[rows]) * 255.0).round_().div_(255.0)
    return done
