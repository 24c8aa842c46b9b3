"""Two views of every picture of a step, each picture with the number of its class.

Synthetic pictures are windows of clean photos, distorted by the KADIS catalog; those of equal type and level are of one
class, whatever they show, and pristine ones and levels that change nothing are one class. Each authentic picture is a
class of its own. One view of a picture is cut from it at full size, the other at half size; each gets one of five color
treatments and is mirrored by chance. All of it is a pure function of the seed and the sample number.

The reference tosses a coin for which of its two inputs is the half-size one. Here both go through the encoder as one
batch and the loss treats them alike, so there is nothing to toss.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pyiqa_pixelperfect.contrique.color_treatments import TREATMENTS, treat
from pyiqa_pixelperfect.contrique.networks import half_size
from pyiqa_pixelperfect.distortions.counter import planned_seeds, planned_uniform
from pyiqa_pixelperfect.distortions.kadis_plan import KadisPlan, distort_kadis, draw_kadis

__all__ = ["Views", "plan_distortions", "synthetic_pictures", "two_views"]

_STREAM_SYNTHETIC, _STREAM_AUTHENTIC, _STREAM_NOISE = 300, 302, 304
_DRAWS = 6  # per picture: place of the full-size view, color of both views, whether they are mirrored


class Views(NamedTuple):
    """What the encoder sees in one step.

    Attributes:
        pixels: (2B, 3, crop, crop) in [0, 1]; rows i and B + i show the same picture.
        classes: (2B,) int64.
    """

    pixels: Tensor
    classes: Tensor


def plan_distortions(numbers: NDArray[np.int64], versions: int, repeat: int, seed: int) -> KadisPlan:
    """Draw what each version of each photo gets; ``repeat`` photos in a row get the same.

    With many versions of few photos no picture can be told by what it shows, which helps small batches.

    Args:
        numbers: (P,) sample numbers of the photos.
        versions: of each photo.
        repeat: photos with sample numbers of equal ``number // repeat`` share types and levels, never the noise.
        seed: of the run.

    Returns:
        Plan of P * versions pictures, the versions of a photo one after the other.
    """
    each = np.arange(versions, dtype=np.int64)
    drawn = draw_kadis(((numbers // repeat)[:, None] * versions + each).ravel(), seed)
    noise = planned_seeds(seed, 0, (numbers[:, None] * versions + each).ravel(), _STREAM_NOISE, 1)[:, 0]
    return KadisPlan(drawn.types, drawn.levels, torch.from_numpy(noise.copy()))


@torch.no_grad()
def synthetic_pictures(photos: Tensor, plan: KadisPlan) -> Tensor:
    """Distort windows (P, 3, W, W) in [0, 1]; (P * versions, 3, W, W)."""
    pictures = photos.repeat_interleave(len(plan.types) // len(photos), dim=0)
    return distort_kadis(pictures, plan.types, plan.levels, plan.seeds, out=pictures)


@torch.no_grad()
def two_views(
    synthetic: Tensor,
    authentic: Tensor,
    classes: Tensor,
    numbers: tuple[NDArray[np.int64], NDArray[np.int64]],
    seed: int,
) -> Views:
    """Cut, color and mirror both views of every picture.

    Args:
        synthetic: (S, 3, W, W) in [0, 1], W even.
        authentic: (A, 3, W, W).
        classes: (S + A,) int64 on the CPU; see ``KADIS_CLASSES`` for where authentic ones begin.
        numbers: sample numbers of the S synthetic and the A authentic pictures.
        seed: of the run.

    Returns:
        Views of side W // 2.
    """
    pictures = torch.cat((synthetic, authentic))
    streams = (_STREAM_SYNTHETIC, _STREAM_AUTHENTIC)
    draws = np.concatenate(
        [planned_uniform(seed, 0, some, stream, _DRAWS) for some, stream in zip(numbers, streams, strict=True)]
    )
    crop = pictures.shape[-1] // 2
    places = (draws[:, :2] * (pictures.shape[-1] - crop + 1)).astype(np.int64).tolist()
    full = torch.stack(
        [
            picture[:, top : top + crop, left : left + crop]
            for picture, (top, left) in zip(pictures, places, strict=True)
        ]
    )
    views = torch.cat((full, half_size(pictures)))
    colors = torch.from_numpy((draws[:, 2:4] * len(TREATMENTS)).astype(np.int64).T.ravel())
    mirrored = torch.from_numpy((draws[:, 4:6] < 0.5).T.ravel()).to(views.device)
    views = treat(views, colors)
    views = torch.where(mirrored[:, None, None, None], views.flip(-1), views)
    return Views(views, classes.to(views.device).repeat(2))
