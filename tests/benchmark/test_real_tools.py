import itertools

import numpy as np
import pytest

from benchmark.more_tools import ALL_TOOLS, MORE_TOOLS
from benchmark.photos import to_tensor
from benchmark.rated_types import RATED_TYPES
from benchmark.real_tools import (
    HEADLINE_TOOLS,
    STRENGTH_NAMES,
    TRAINING_TOOLS,
    apply_tool,
    named_strengths,
    tool_seed,
)
from pyiqa_pixelperfect.families import FAMILIES, SIGNED

EVERY_TOOL = pytest.mark.parametrize("tool", ALL_TOOLS + RATED_TYPES, ids=lambda tool: tool.name)


@EVERY_TOOL
def test_result_is_a_changed_picture_of_the_same_size(tool, photos):
    pixels = photos[0].pixels
    before = pixels.copy()
    for strength in tool.strengths:
        result = apply_tool(tool, pixels, strength, seed=1)
        assert result.shape == pixels.shape
        assert result.dtype == np.uint8
        assert (result != pixels).any(axis=-1).mean() > 0.005
        image = to_tensor(result)
        assert 0.0 <= float(image.min()) <= float(image.max()) <= 1.0
    assert np.array_equal(pixels, before)


@EVERY_TOOL
def test_stronger_is_farther_from_the_photo(tool, photos):
    for photo in photos:
        results = [apply_tool(tool, photo.pixels, strength, seed=1).astype(float) for strength in tool.strengths]
        errors = [float(((result - photo.pixels) ** 2).mean()) for result in results]
        assert all(later > earlier for earlier, later in itertools.pairwise(errors)), errors


@EVERY_TOOL
def test_same_seed_same_picture(tool, photos):
    first, second, other = (apply_tool(tool, photos[0].pixels, tool.strengths[2], seed) for seed in (3, 3, 4))
    assert np.array_equal(first, second)
    drawn = ("motion", "denoised", "made up", "lost parts", "compressed noise")
    random = tool.family in {"noise", "displacement", "occlusion", "fringing"} or any(d in tool.name for d in drawn)
    assert np.array_equal(first, other) is not random


@pytest.mark.parametrize(
    ("name", "statistic"),
    [
        ("pillow brighter", lambda pixels: pixels.mean()),
        ("pillow darker", lambda pixels: pixels.mean()),
        ("pillow contrast up", lambda pixels: pixels.std()),
        ("pillow contrast down", lambda pixels: pixels.std()),
        ("pillow color up", lambda pixels: pixels.std(axis=-1).mean()),
        ("pillow color down", lambda pixels: pixels.std(axis=-1).mean()),
        ("numpy warmer", lambda pixels: (pixels[..., 0] - pixels[..., 2]).mean()),
        ("numpy cooler", lambda pixels: (pixels[..., 0] - pixels[..., 2]).mean()),
        ("numpy magenta", lambda pixels: (pixels[..., 0] + pixels[..., 2] - 2 * pixels[..., 1]).mean()),
        ("numpy green", lambda pixels: (pixels[..., 0] + pixels[..., 2] - 2 * pixels[..., 1]).mean()),
    ],
)
def test_signed_tools_go_in_the_direction_they_claim(name, statistic, photos):
    tool = next(tool for tool in ALL_TOOLS if tool.name == name)
    pixels = photos[0].pixels.astype(float)
    result = apply_tool(tool, photos[0].pixels, tool.strengths[1], seed=0).astype(float)
    assert np.sign(statistic(result) - statistic(pixels)) == tool.direction


def test_table_covers_every_family_with_unique_names():
    assert {tool.family for tool in ALL_TOOLS} == set(FAMILIES)
    assert len({tool.name for tool in ALL_TOOLS}) == len(ALL_TOOLS)
    assert not set(MORE_TOOLS) & set(HEADLINE_TOOLS)
    for tool in ALL_TOOLS:
        assert tool.direction in {1, -1}
        assert tool.direction == 1 or tool.family in SIGNED
    directions = {(tool.family, tool.direction) for tool in ALL_TOOLS}
    assert all((family, -1) in directions and (family, 1) in directions for family in SIGNED)


def test_headline_holds_the_tools_that_were_promised():
    libraries = {"jpeg", "webp", "jpeg2000", "avif", "blur", "gaussian", "brighter", "darker", "contrast", "color"}
    libraries |= {"posterize", "unsharp", "down-up"}
    words = {word for tool in HEADLINE_TOOLS for word in tool.name.split()}
    assert libraries <= words


def test_no_training_tool_is_unknown():
    assert {tool.name for tool in ALL_TOOLS} >= TRAINING_TOOLS


def test_named_strengths_are_first_middle_last():
    jpeg = HEADLINE_TOOLS[0]
    assert named_strengths(jpeg) == dict(zip(STRENGTH_NAMES, (60, 25, 8), strict=True))


def test_seed_depends_on_all_three_and_stays():
    seeds = {tool_seed(seed, photo, tool) for seed in (0, 1) for photo in "ab" for tool in "xy"}
    assert len(seeds) == 8
    assert tool_seed(0, "a", "x") == 2592444551  # results of old and new runs stay comparable


@pytest.mark.parametrize("tool", [tool for tool in RATED_TYPES if not tool.patchy], ids=lambda tool: tool.name)
def test_rated_types_do_no_more_to_the_border_than_to_the_rest(tool, photos):
    """Filters by Fourier transforms join opposite borders, and ring there unless the picture is mirrored."""
    for photo in photos:
        changed = np.abs(apply_tool(tool, photo.pixels, tool.strengths[-1], seed=1) - photo.pixels.astype(float))
        rest = changed[4:-4, 4:-4].mean()
        for border in (changed[:4], changed[-4:], changed[:, :4], changed[:, -4:]):
            assert border.mean() < 2.5 * rest + 2.0
