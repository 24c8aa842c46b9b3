"""KADIS types 19 to 21 and 23: jitter, moved patches, pixelation and color blocks, each at one strength for a batch.

Every operation is ``(images (B, 3, H, W), parameter, seeds (B,)) -> images`` in [0, 1]. Patches and blocks of a level
are those of the level before and some more, which lie under them, so that a ladder rises for each single picture.
"""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from pyiqa_pixelperfect.distortions.counter import hashed_uniform
from pyiqa_pixelperfect.distortions.kadis_noise import short_bits

__all__ = ["BLOCK", "PATCH", "PATCH_REACH", "color_blocks", "fetch", "jitter", "owners", "patches", "pixelate"]

JITTER_ROUNDS = 5
PATCH = 16  # px
PATCH_REACH = 8  # px
BLOCK = 32  # px


def jitter(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 19: five times over, every pixel fetched from a random place up to ``parameter`` px away along each axis.

    Places are drawn evenly and read with linear interpolation, edges replicated. Oracle: scipy.ndimage.
    """
    height, width = images.shape[-2:]
    centers = _centers(height, width, images.device)
    reach = torch.tensor((2.0 / (width - 1), 2.0 / (height - 1)), device=images.device).mul_(parameter / 32768.0)
    reach = reach.repeat(width)  # rows of two would be multiplied two at a time
    for shifts in short_bits(seeds, JITTER_ROUNDS * centers.numel(), 119).chunk(JITTER_ROUNDS, 1):
        grid = shifts.float().reshape(-1, height, 2 * width).mul_(reach).add_(centers).unflatten(2, (width, 2))
        images = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=True)
    return images.clamp_(0.0, 1.0)


@lru_cache(maxsize=8)
def _centers(height: int, width: int, device: torch.device) -> Tensor:
    """(H, 2 W): x and y of each pixel in the units of ``grid_sample``, in which pixel centers run from -1 to 1."""
    with torch.inference_mode(mode=False):  # what is kept must serve outside of it too
        y = torch.linspace(-1.0, 1.0, height, device=device)[:, None].expand(-1, width)
        x = torch.linspace(-1.0, 1.0, width, device=device).expand(height, -1)
        return torch.stack((x, y), dim=-1).flatten(1)


def fetch(images: Tensor, places: Tensor) -> Tensor:
    """Put together pictures from pixels of (B, C, H, W).

    Args:
        images: (B, C, H, W).
        places: (1 or B, h * w) int32, row * W + column of the pixel to take; the same in each channel.

    Returns:
        (B, C, h * w). Flat and by int32, since a CPU looks up several times as fast so as by ``gather``.
    """
    batch, channels, height, width = images.shape
    starts = torch.arange(batch * channels, dtype=torch.int32, device=images.device).mul_(height * width)
    flat = (places[:, None] + starts.reshape(batch, channels, 1)).flatten()
    return images.flatten().index_select(0, flat).reshape(batch, channels, -1)


def owners(tops: Tensor, lefts: Tensor, side: int, height: int, width: int) -> Tensor:
    """Which of N squares lies on top of each pixel.

    Args:
        tops: (B, N) int64 first row of each square.
        lefts: (B, N) int64 first column.
        side: of the squares, px.
        height: of the picture, px.
        width: of the picture, px.

    Returns:
        (B, H * W) int32: 0 = no square, k = the k-th (from 1), the later one where squares overlap.
    """
    along = torch.arange(side, device=tops.device)
    rows, columns = tops[..., None] + along, lefts[..., None] + along
    covered = (rows[..., :, None] * width + columns[..., None, :]).flatten(1)
    numbers = torch.arange(1, tops.shape[1] + 1, dtype=torch.int32, device=tops.device).repeat_interleave(side * side)
    ground = torch.zeros(len(tops), height * width, dtype=torch.int32, device=tops.device)
    return ground.scatter_reduce_(1, covered, numbers.expand(len(tops), -1), "amax")


def patches(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 20, non-eccentricity patches: ``parameter`` patches of 16 px, each copied to a spot within 8 px.

    Patches are copied from the picture as it was, each by 1 to 8 px either way along both axes.
    """
    height, width = images.shape[-2:]
    count = round(parameter)
    draws = hashed_uniform(seeds, (count, 4), 120).flip(1)  # the first lies on top
    tops = (draws[..., 0] * (height - PATCH + 1)).long()
    lefts = (draws[..., 1] * (width - PATCH + 1)).long()
    # From -8 to 8 without 0, kept inside the picture by turning around where there is no room.
    steps = (draws[..., 2:] * (2 * PATCH_REACH)).long() - PATCH_REACH
    steps += (steps >= 0).long()
    ends = torch.tensor((height - PATCH, width - PATCH), device=images.device)
    starts = torch.stack((tops, lefts), dim=-1)
    outside = ((starts + steps) < 0) | ((starts + steps) > ends)
    steps *= 1 - 2 * outside.long()
    owner = owners(tops, lefts, PATCH, height, width)
    moves = F.pad(steps[..., 0] * width + steps[..., 1], (1, 0))  # owner 0 stays where it is
    source = fetch(moves.int()[:, None, None], owner)[:, 0]
    source += torch.arange(height * width, dtype=torch.int32, device=images.device)
    return fetch(images, source).reshape(images.shape)


def pixelate(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 21: shrunk by 0.95 - ``parameter`` ** 0.6 and enlarged again, nearest pixels both times. Oracle: Pillow."""
    scale = 0.95 - parameter**0.6
    places = []
    for side in images.shape[2:]:
        small = max(1, round(scale * side))
        down = ((2 * torch.arange(small, device=images.device) + 1) * side) // (2 * small)
        up = ((2 * torch.arange(side, device=images.device) + 1) * small) // (2 * side)
        places.append(down[up].int())
    return fetch(images, (places[0][:, None] * images.shape[3] + places[1]).reshape(1, -1)).reshape(images.shape)


def color_blocks(images: Tensor, parameter: float, seeds: Tensor) -> Tensor:
    """Type 23: ``parameter`` squares of 32 px, each of one color; places and colors are drawn evenly."""
    height, width = images.shape[-2:]
    draws = hashed_uniform(seeds, (round(parameter), 5), 123).flip(1)  # the first lies on top
    tops = (draws[..., 0] * (height - BLOCK + 1)).long()
    lefts = (draws[..., 1] * (width - BLOCK + 1)).long()
    owner = owners(tops, lefts, BLOCK, height, width)
    colors = fetch(F.pad(draws[..., 2:].mT, (1, 0))[:, :, None], owner).reshape(images.shape)
    bare = (1 - owner).clamp_(0, 1).to(images.dtype).reshape(-1, 1, height, width)
    return colors.addcmul_(images, bare)
