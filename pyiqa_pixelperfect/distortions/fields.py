"""Amount fields: where an image gets how much of a family. Perlin noise (Perlin, SIGGRAPH 1985) and simple shapes.

A field is built in three steps, each batched and on the device: a smooth pattern per image, a soft threshold that
covers a drawn share of the picture, and a variation of the amount inside the covered part. Outside it the field is
exactly zero, so that the engine can leave those pixels bit-identical.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pyiqa_pixelperfect.distortions.counter import hashed, hashed_uniform
from pyiqa_pixelperfect.errors import ConfigError

__all__ = ["FIELD_SHAPES", "FieldSettings", "amount_fields", "perlin_field", "perlin_noise"]

#: What ``FieldSettings.shape`` counts: ``global`` covers everything, ``gradient`` grows steadily across the picture,
#: ``halfplane`` and ``blob`` cover a side or a disk-like object, ``blocks`` covers whole 16 px blocks, ``perlin``
#: islands.
FIELD_SHAPES = ("perlin", "global", "gradient", "halfplane", "blob", "blocks")

_GRID = 4  # patterns are smooth: computed on every fourth pixel and interpolated
_BLOCK = 4  # points of that grid on a side of a block
_OCTAVES = 3


@dataclass(frozen=True)
class FieldSettings:
    """Per-image settings of B fields; every attribute is a (B,) tensor.

    Attributes:
        shape: int64 index into ``FIELD_SHAPES``.
        scale: size of the largest Perlin cells in pixels, above 4: patterns are made on every fourth pixel.
        persistence: weight of each octave relative to the one before, in [0, 1]; 0 = one octave.
        coverage: share of the picture covered, in (0, 1].
        softness: width of the border between covered and not, relative to the pattern's range, > 0.
        variation: how much the amount varies inside the covered part, in [0, 1).
        seeds: int64 seeds.
    """

    shape: Tensor
    scale: Tensor
    persistence: Tensor
    coverage: Tensor
    softness: Tensor
    variation: Tensor
    seeds: Tensor

    def select(self, rows: Tensor) -> "FieldSettings":
        """Return the settings of some rows, (R,) int64."""
        return FieldSettings(**{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})

    def to(self, device: torch.device) -> "FieldSettings":
        """Return a copy on ``device``."""
        moved = {n: getattr(self, n).to(device, non_blocking=True) for n in self.__dataclass_fields__}
        return FieldSettings(**moved)


def _fade(distance: Tensor) -> Tensor:
    return distance**3 * (distance * (distance * 6.0 - 15.0) + 10.0)


def _lattice_dot(seeds: Tensor, cell_y: Tensor, cell_x: Tensor, dy: Tensor, dx: Tensor, stream: int) -> Tensor:
    """Dot product of the hashed unit gradient at lattice points (cells) with the offset to them."""
    bits = hashed(seeds, cell_y * 8191 + cell_x, stream)
    angle = ((bits >> 8) & 0xFFFFFF).to(torch.float32) * (2.0 * math.pi * 2.0**-24)
    return angle.sin() * dy + angle.cos() * dx


def perlin_noise(
    seeds: Tensor, scale: Tensor, height: int, width: int, stream: int = 0, *, offset: float = 0.0
) -> Tensor:
    """One octave of gradient noise.

    Args:
        seeds: (B,) int64.
        scale: (B,) lattice spacing in pixels.
        height: rows of the result.
        width: columns of the result.
        stream: separates octaves.
        offset: moves the lattice, in cells.

    Returns:
        (B, H, W), about [-0.7, 0.7], zero at lattice points.
    """
    spacing = scale.reshape(-1, 1, 1)
    y = torch.arange(height, device=seeds.device, dtype=torch.float32).reshape(1, -1, 1) / spacing + offset
    x = torch.arange(width, device=seeds.device, dtype=torch.float32).reshape(1, 1, -1) / spacing + offset
    cell_y, cell_x = y.floor(), x.floor()
    dy, dx = y - cell_y, x - cell_x
    iy, ix = cell_y.to(torch.int32), cell_x.to(torch.int32)
    corners = [[_lattice_dot(seeds, iy + j, ix + i, dy - j, dx - i, stream) for i in (0, 1)] for j in (0, 1)]
    wy, wx = _fade(dy), _fade(dx)
    top = torch.lerp(corners[0][0], corners[0][1], wx.expand_as(corners[0][0]))
    bottom = torch.lerp(corners[1][0], corners[1][1], wx.expand_as(corners[0][0]))
    return torch.lerp(top, bottom, wy.expand_as(top))


def _octaves(settings: FieldSettings, height: int, width: int, stream: int) -> Tensor:
    total = torch.zeros(len(settings.seeds), height, width, device=settings.seeds.device)
    for octave in range(_OCTAVES):
        weight = settings.persistence.reshape(-1, 1, 1) ** octave if octave else 1.0
        scale = (settings.scale / _GRID / 2.0**octave).clamp_min(1.0)
        total = total + weight * perlin_noise(settings.seeds, scale, height, width, stream + octave)
    return total


def _ramp(settings: FieldSettings, height: int, width: int) -> Tensor:
    """Coordinate along a random direction through the center; both sides of the picture span [-1, 1]."""
    angle = hashed_uniform(settings.seeds, (1, 1), 11) * (2.0 * math.pi)
    y, x = _centered(height, width, settings.seeds.device)
    return angle.sin() * y + angle.cos() * x


def _disk(settings: FieldSettings, height: int, width: int) -> Tensor:
    """Minus the distance to a random center, its outline wobbled by noise so that it looks like an object."""
    center = hashed_uniform(settings.seeds, (2, 1, 1), 12) * 1.2 - 0.6
    y, x = _centered(height, width, settings.seeds.device)
    return -((y - center[:, 0]).square() + (x - center[:, 1]).square()).sqrt()


def _centered(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    y = torch.linspace(-1.0, 1.0, height, device=device).reshape(1, -1, 1)
    x = torch.linspace(-1.0, 1.0, width, device=device).reshape(1, 1, -1)
    return y, x


def _patterns(settings: FieldSettings, height: int, width: int) -> Tensor:
    noise = _octaves(settings, height, width, stream=20)
    shape = settings.shape.reshape(-1, 1, 1)
    pattern = noise
    ramp = _ramp(settings, height, width)
    pattern = torch.where(shape == FIELD_SHAPES.index("gradient"), ramp, pattern)
    pattern = torch.where(shape == FIELD_SHAPES.index("halfplane"), ramp + 0.1 * noise, pattern)
    pattern = torch.where(shape == FIELD_SHAPES.index("blob"), _disk(settings, height, width) + 0.35 * noise, pattern)
    coarse = F.avg_pool2d(noise.unsqueeze(1), _BLOCK, _BLOCK, ceil_mode=True)
    blocks = coarse.repeat_interleave(_BLOCK, 2).repeat_interleave(_BLOCK, 3)[:, 0, :height, :width]
    return torch.where(shape == FIELD_SHAPES.index("blocks"), blocks, pattern)


def _block_threshold(settings: FieldSettings, pattern: Tensor, spread: Tensor) -> Tensor:
    """Value (B, 1, 1) of the first whole block that is not covered; the next to the number asked for, at least one."""
    ordered = pattern[:, ::_BLOCK, ::_BLOCK].flatten(1).sort(dim=1, descending=True).values
    blocks = ordered.shape[1]
    covered = (settings.coverage * blocks).round().long().clamp(1, blocks)[:, None]
    below = ordered.gather(1, covered.clamp_max(blocks - 1))[:, :, None]
    return torch.where(covered[:, :, None] < blocks, below, ordered[:, -1:, None] - spread)


def amount_fields(settings: FieldSettings, height: int, width: int) -> Tensor:
    """Draw B amount fields.

    Args:
        settings: per-image settings, on the device where the fields are wanted.
        height: rows of the pictures.
        width: columns of the pictures.

    Returns:
        (B, 1, H, W) in [0, 1], exactly 0 outside the covered part; scale it by a signed peak to get an amount.
    """
    rows, columns = -(-height // _GRID), -(-width // _GRID)
    pattern = _patterns(settings, rows, columns)
    spread = pattern.std((1, 2), keepdim=True).clamp_min(1e-6)
    # A quantile of the pattern itself gives the coverage that was asked for, whatever the shape.
    ordered = pattern.flatten(1).sort(dim=1, descending=True).values
    last = ((settings.coverage * rows * columns).long() - 1).clamp(0, rows * columns - 1)
    threshold = ordered.gather(1, last[:, None])[:, :, None]
    blocky = (settings.shape == FIELD_SHAPES.index("blocks")).reshape(-1, 1, 1)
    threshold = torch.where(blocky, _block_threshold(settings, pattern, spread), threshold)
    inside = _upsample(pattern - threshold, height, width, settings)
    # A gradient rises over all of its covered part; the other shapes rise over a narrow border.
    top = (ordered[:, :1, None] - threshold).unsqueeze(1)
    steady = (settings.shape == FIELD_SHAPES.index("gradient")).reshape(-1, 1, 1, 1)
    border = torch.where(steady, top.clamp_min(1e-6), (settings.softness.reshape(-1, 1, 1) * spread).unsqueeze(1))
    mask = (inside / border).clamp(0.0, 1.0)
    wobble = _octaves(settings, rows, columns, stream=30)
    wobble = (_upsample(wobble, height, width, settings) * 0.7 + 0.5).clamp(0.0, 1.0)
    field = mask * (1.0 - settings.variation.reshape(-1, 1, 1, 1) * wobble)
    whole = (settings.shape == FIELD_SHAPES.index("global")).reshape(-1, 1, 1, 1)
    return torch.where(whole, torch.ones_like(field), field)


def _upsample(grid: Tensor, height: int, width: int, settings: FieldSettings) -> Tensor:
    """(B, h, w) pattern to (B, 1, H, W): bilinear, but nearest for blocks, whose borders stay straight."""
    grid = grid.unsqueeze(1)
    size = (grid.shape[2] * _GRID, grid.shape[3] * _GRID)
    smooth = F.interpolate(grid, size=size, mode="bilinear", align_corners=False)
    hard = F.interpolate(grid, size=size, mode="nearest")
    blocky = (settings.shape == FIELD_SHAPES.index("blocks")).reshape(-1, 1, 1, 1)
    return torch.where(blocky, hard, smooth)[..., :height, :width]


def perlin_field(
    seed: int,
    height: int,
    width: int,
    *,
    shape: str = "perlin",
    scale: float = 96.0,
    persistence: float = 0.5,
    coverage: float = 0.35,
    softness: float = 0.4,
    variation: float = 0.0,
) -> Tensor:
    """One field (1, 1, H, W) in [0, 1] from plain numbers.

    Args:
        seed: in [0, 2^32): the bits that are hashed.
        height: rows, at least 8.
        width: columns, at least 8.
        shape: one of ``FIELD_SHAPES``.
        scale: as in ``FieldSettings``, like all that follow; finite.
        persistence: in [0, 1].
        coverage: in (0, 1].
        softness: above 0, finite.
        variation: in [0, 1).

    Raises:
        ConfigError: ``shape`` is not one of ``FIELD_SHAPES``, or a number is outside its range.
    """
    if shape not in FIELD_SHAPES:
        raise ConfigError("shape", f"one of {', '.join(FIELD_SHAPES)}", repr(shape))
    numbers = {"scale": scale, "persistence": persistence, "coverage": coverage}
    numbers |= {"softness": softness, "variation": variation}
    # Comparisons with what is not a number are false, so that it is refused as well.
    for name, value, fits, expected in (
        ("seed", seed, 0 <= seed < 2**32 and seed == int(seed), "a whole number in [0, 2^32)"),
        ("height", height, height >= 2 * _GRID, f"at least {2 * _GRID} pixels"),
        ("width", width, width >= 2 * _GRID, f"at least {2 * _GRID} pixels"),
        ("scale", scale, _GRID < scale < math.inf, f"a number of pixels above {_GRID}"),
        ("persistence", persistence, 0.0 <= persistence <= 1.0, "a number in [0, 1]"),
        ("coverage", coverage, 0.0 < coverage <= 1.0, "a share of the picture in (0, 1]"),
        ("softness", softness, 0.0 < softness < math.inf, "a number above 0"),
        ("variation", variation, 0.0 <= variation < 1.0, "a number in [0, 1)"),
    ):
        if not fits:
            raise ConfigError(name, expected, f"{value!r}")
    settings = FieldSettings(
        shape=torch.tensor([FIELD_SHAPES.index(shape)]),
        seeds=torch.tensor([int(seed)]),
        **{name: torch.tensor([float(value)]) for name, value in numbers.items()},
    )
    return amount_fields(settings, height, width)
