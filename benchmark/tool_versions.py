"""Versions of clean photos as real tools leave them, for measurements that order many versions of one photo."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.photos import Photo, Pixels
from benchmark.real_tools import HEADLINE_TOOLS, RealTool, apply_tool, named_strengths, tool_seed

__all__ = ["ToolVersion", "every_version", "some_versions"]


@dataclass(frozen=True)
class ToolVersion:
    """A photo as a tool leaves it.

    Attributes:
        photo: name of the photo.
        tool: name of the tool.
        family: of what it does.
        strength: ``"mild"``, ``"medium"`` or ``"strong"``.
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
