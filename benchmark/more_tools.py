"""Outside tools for the families that no common codec or slider covers; reported beside the headline, never in it.

Their operations are so plain (channel gains, resampling, drawn shapes) that any engine, ours included, does something
much alike. They still come from other libraries, and they show whether a family works at all.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from benchmark.photos import Pixels, eight_bit
from benchmark.real_tools import HEADLINE_TOOLS, RealTool

__all__ = ["ALL_TOOLS", "MORE_TOOLS"]


def _bilateral(pixels: Pixels, sigma: float, _: np.random.Generator) -> Pixels:
    return np.asarray(cv2.bilateralFilter(pixels, 9, sigma, 4.0), dtype=np.uint8)


def _gains(pixels: Pixels, red: float, green: float, blue: float) -> Pixels:
    gained = pixels.astype(np.float32) * np.array([red, green, blue], np.float32)
    return eight_bit(gained)


def _warm(pixels: Pixels, gain: float, _: np.random.Generator) -> Pixels:
    return _gains(pixels, 1.0 + gain, 1.0, 1.0 - gain)


def _cool(pixels: Pixels, gain: float, _: np.random.Generator) -> Pixels:
    return _gains(pixels, 1.0 - gain, 1.0, 1.0 + gain)


def _magenta(pixels: Pixels, gain: float, _: np.random.Generator) -> Pixels:
    return _gains(pixels, 1.0 + 0.5 * gain, 1.0 - gain, 1.0 + 0.5 * gain)


def _green(pixels: Pixels, gain: float, _: np.random.Generator) -> Pixels:
    return _gains(pixels, 1.0 - 0.5 * gain, 1.0 + gain, 1.0 - 0.5 * gain)


def _displace(pixels: Pixels, reach: float, generator: np.random.Generator) -> Pixels:
    height, width = pixels.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    offsets = []
    for _ in range(2):
        offset = ndimage.gaussian_filter(generator.standard_normal((height, width)).astype(np.float32), 8.0)
        offsets.append(offset * (reach / float(offset.std())))
    return _resample(pixels, np.stack([rows + offsets[0], columns + offsets[1]]))


def _fringe(pixels: Pixels, reach: float, generator: np.random.Generator) -> Pixels:
    angle = float(generator.uniform(0.0, 2.0 * np.pi))
    shift = (reach * np.sin(angle), reach * np.cos(angle))
    red = ndimage.shift(pixels[..., 0].astype(np.float32), shift, order=1, mode="reflect")
    blue = ndimage.shift(pixels[..., 2].astype(np.float32), (-shift[0], -shift[1]), order=1, mode="reflect")
    shifted = np.stack([red, pixels[..., 1].astype(np.float32), blue], axis=-1)
    return eight_bit(shifted)


def _shapes(pixels: Pixels, count: float, generator: np.random.Generator) -> Pixels:
    picture = Image.fromarray(pixels)
    draw = ImageDraw.Draw(picture)
    short = min(picture.size)
    for number in range(int(count)):  # the first shapes of a larger count are those of a smaller one
        x, y = generator.uniform(0, picture.width), generator.uniform(0, picture.height)
        half_width, half_height = generator.uniform(0.02, 0.07, size=2) * short
        box = (x - half_width, y - half_height, x + half_width, y + half_height)
        color = tuple(int(value) for value in generator.integers(0, 256, size=3))
        (draw.ellipse if number % 2 else draw.rectangle)(box, fill=color)
    return np.asarray(picture)


def _resample(pixels: Pixels, coordinates: NDArray[np.float32]) -> Pixels:
    planes = [
        ndimage.map_coordinates(pixels[..., channel].astype(np.float32), coordinates, order=1, mode="reflect")
        for channel in range(3)
    ]
    return eight_bit(np.stack(planes, axis=-1))


_GAINS = (0.03, 0.06, 0.1, 0.16, 0.26)

MORE_TOOLS: tuple[RealTool, ...] = (
    RealTool("opencv bilateral", "blur", 1, (25, 40, 60, 90, 140), _bilateral, "color sigma, gray levels"),
    RealTool("numpy warmer", "temperature", 1, _GAINS, _warm, "gain of red, loss of blue"),
    RealTool("numpy cooler", "temperature", -1, _GAINS, _cool, "gain of blue, loss of red"),
    RealTool("numpy magenta", "tint", 1, _GAINS, _magenta, "loss of green"),
    RealTool("numpy green", "tint", -1, _GAINS, _green, "gain of green"),
    RealTool("scipy warp", "displacement", 1, (0.7, 1.2, 2.0, 3.5, 6.0), _displace, "offset, px RMS per axis"),
    RealTool("scipy channel shift", "fringing", 1, (0.7, 1.2, 2.0, 3.0, 5.0), _fringe, "shift of red and blue, px"),
    RealTool("pillow shapes", "occlusion", 1, (20, 35, 55, 80, 120), _shapes, "shapes drawn", patchy=True),
)

ALL_TOOLS: tuple[RealTool, ...] = HEADLINE_TOOLS + MORE_TOOLS
