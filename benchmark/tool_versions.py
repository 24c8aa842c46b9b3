"""Versions of clean photos as real tools or KADIS-700k leave them, for measurements that order many versions of one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from benchmark.photos import Photo, Pixels, to_pixels, to_tensor
from benchmark.real_tools import HEADLINE_TOOLS, RealTool, apply_tool, named_strengths, tool_seed
from pyiqa_pixelperfect.distortions.kadis import KADIS, KADIS_LEVELS
from pyiqa_pixelperfect.distortions.kadis_plan import apply_kadis

__all__ = ["ToolVersion", "every_kadis_version", "every_version", "some_versions"]


@dataclass(frozen=True)
class ToolVersion:
    """A photo as a tool leaves it.

    Attributes:
        photo: name of the photo.
        tool: name of the tool, or of the type of KADIS-700k.
        family: of what it does.
        strength: ``"mild"``, ``"medium"`` or ``"strong"``; ``"level 1"`` to ``"level 5"`` of KADIS-700k.
        pixels: ``(H, W, 3)``.
    """

    photo: str
    tool: str
    family: str
    strength: str
    pixels: Pixels


def every_version(photo: Photo, seed: int, tools: Sequence[RealTool] = HEADLINE_TOOLS) -> Iterator[ToolVersion]:
    """Apply every tool at every named strength; what a tool leaves bit-equal is left out."""
    for tool in tools:
        draw = tool_seed(seed, photo.name, tool.name)
        for strength, value in named_strengths(tool).items():
            pixels = apply_tool(tool, photo.pixels, value, draw)
            if not np.array_equal(pixels, photo.pixels):
                yield ToolVersion(photo.name, tool.name, tool.family, strength, pixels)


def every_kadis_version(photo: Photo, seed: int) -> Iterator[ToolVersion]:
    """Apply every type of KADIS-700k at every level; what a type leaves bit-equal is left out."""
    clean = to_tensor(photo.pixels)
    for entry in KADIS.values():
        draw = torch.tensor([tool_seed(seed, photo.name, f"kadis {entry.name}")])
        for level in range(1, KADIS_LEVELS + 1):
            pixels = to_pixels(apply_kadis(clean, entry.name, level, draw)[0])
            if not np.array_equal(pixels, photo.pixels):
                yield ToolVersion(photo.name, entry.name, entry.family, f"level {level}", pixels)


def some_versions(photo: Photo, count: int, seed: int) -> list[ToolVersion]:
    """Apply ``count`` different tools, drawn by seed and photo, each at a strength drawn likewise."""
    generator = np.random.default_rng(tool_seed(seed, photo.name, "versions"))
    chosen = generator.permutation(len(HEADLINE_TOOLS))
    versions: list[ToolVersion] = []
    for number in chosen:
        strength = int(generator.integers(3))
        found = list(every_version(photo, seed, [HEADLINE_TOOLS[number]]))
        versions += found[strength : strength + 1]
        if len(versions) == count:
            break
    return versions
