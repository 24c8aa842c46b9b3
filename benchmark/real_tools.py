"""Independent tools that distort photos: the codecs, filters and sliders that people really use.

None of them shares code with the training engine, so localizing what they did cannot be learned by heart. Each tool has
strengths from "visible on a close look" to "nobody would keep this"; the first, middle and last are called mild, medium
and strong. All work on 8-bit RGB, as files do, and draw everything random from the generator they are given, so that
the same seed gives the same noise field or motion direction at every strength.
"""

import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from skimage.util import random_noise

from benchmark.photos import Pixels, eight_bit

__all__ = ["HEADLINE_TOOLS", "STRENGTH_NAMES", "TRAINING_TOOLS", "RealTool", "apply_tool", "code_jpeg",
           "named_strengths", "tool_seed"]  # fmt: skip

ToolFunction: TypeAlias = Callable[[Pixels, float, np.random.Generator], Pixels]

STRENGTH_NAMES = ("mild", "medium", "strong")

# Names of tools that the training of the measured weights used as well; results mark them. The engine is written in
# torch and calls no outside codec, filter or slider, so there are none. Whoever trains with one adds its name here.
# Constants of the engine's codecs were set beside what three of them do, see ``distortions/codec.py``.
TRAINING_TOOLS: frozenset[str] = frozenset()


@dataclass(frozen=True)
class RealTool:
    """One outside tool.

    Attributes:
        name: library and operation; seeds derive from it.
        family: the family of ``FAMILIES`` that its result belongs to.
        direction: ``+1`` if its result has more of the family than the clean photo, ``-1`` if less.
        strengths: parameter values, rising in strength.
        function: ``(pixels, strength, generator) -> pixels``.
        parameter: what a strength is, with unit.
        patchy: the tool changes only parts of a photo (drawn shapes); the truth is then what it changed.
    """

    name: str
    family: str
    direction: int
    strengths: tuple[float, ...]
    function: ToolFunction
    parameter: str
    patchy: bool = False


def apply_tool(tool: RealTool, pixels: Pixels, strength: float, seed: int) -> Pixels:
    """Return the photo as the tool leaves it: ``(H, W, 3)`` 8-bit RGB like the input, which stays untouched."""
    return tool.function(pixels, strength, np.random.default_rng(seed))


def tool_seed(seed: int, photo: str, tool: str) -> int:
    """Return the seed of a (photo, tool) pair: the same in every run, whatever else is measured."""
    return zlib.crc32(f"{seed}/{photo}/{tool}".encode())


def named_strengths(tool: RealTool) -> dict[str, float]:
    """Return the tool's mild, medium and strong parameter: its first, middle and last strength."""
    picked = (tool.strengths[0], tool.strengths[len(tool.strengths) // 2], tool.strengths[-1])
    return dict(zip(STRENGTH_NAMES, picked, strict=True))


def _codec(image_format: str, options: Callable[[float], dict[str, Any]]) -> ToolFunction:
    def function(pixels: Pixels, strength: float, _: np.random.Generator) -> Pixels:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, image_format, **options(strength))
        with Image.open(buffer, formats=[image_format]) as decoded:
            return np.asarray(decoded.convert("RGB"))

    return function


def _pillow(operation: Callable[[Image.Image, float], Image.Image]) -> ToolFunction:
    return lambda pixels, strength, _: np.asarray(operation(Image.fromarray(pixels), strength))


def _opencv(operation: Callable[[Pixels, float], Any]) -> ToolFunction:
    return lambda pixels, strength, _: np.asarray(operation(pixels, strength), dtype=np.uint8)


def _noise(mode: str, argument: str) -> ToolFunction:
    def function(pixels: Pixels, strength: float, generator: np.random.Generator) -> Pixels:
        return eight_bit(255.0 * random_noise(pixels / 255.0, mode=mode, rng=generator, **{argument: strength}))

    return function


def _poisson(pixels: Pixels, photons: float, generator: np.random.Generator) -> Pixels:
    # scikit-image counts as many photons at white as the image has gray levels, up to a power of two; changing the
    # exposure beforehand and undoing it afterwards sets the count.
    exposure = photons / float(2 ** np.ceil(np.log2(len(np.unique(pixels)))))
    noisy = random_noise(pixels / 255.0 * exposure, mode="poisson", rng=generator, clip=False)
    return eight_bit(255.0 * (noisy / exposure))


def _motion_blur(pixels: Pixels, length: float, generator: np.random.Generator) -> Pixels:
    size, angle = int(length), float(generator.uniform(0.0, np.pi))
    center, reach = size // 2, 0.5 * (size - 1)
    step = np.array([np.cos(angle), np.sin(angle)]) * reach
    kernel = np.zeros((size, size), np.uint8)
    start, end = (tuple(int(value) for value in np.rint(center + sign * step)) for sign in (-1, 1))
    cv2.line(kernel, start, end, 255, thickness=1, lineType=cv2.LINE_AA)
    weights = kernel.astype(np.float32) / float(kernel.sum())
    return np.asarray(cv2.filter2D(pixels, -1, weights, borderType=cv2.BORDER_REFLECT), dtype=np.uint8)


def _nearest_down_up(image: Image.Image, factor: float) -> Image.Image:
    small = (max(1, round(image.width / factor)), max(1, round(image.height / factor)))
    return image.resize(small, Image.Resampling.NEAREST).resize(image.size, Image.Resampling.NEAREST)


code_jpeg = _codec("JPEG", lambda quality: {"quality": int(quality)})
_WEBP = _codec("WEBP", lambda quality: {"quality": int(quality)})
_JPEG2000 = _codec("JPEG2000", lambda ratio: {"quality_mode": "rates", "quality_layers": [ratio], "irreversible": True})
_AVIF = _codec("AVIF", lambda quality: {"quality": int(quality), "speed": 8})
_GAUSSIAN = _opencv(lambda pixels, sigma: cv2.GaussianBlur(pixels, (0, 0), sigma))
_BOX = _opencv(lambda pixels, size: cv2.blur(pixels, (int(size), int(size))))
_MEDIAN = _opencv(lambda pixels, size: cv2.medianBlur(pixels, int(size)))
_BRIGHTNESS = _pillow(lambda image, factor: ImageEnhance.Brightness(image).enhance(factor))
_CONTRAST = _pillow(lambda image, factor: ImageEnhance.Contrast(image).enhance(factor))
_COLOR = _pillow(lambda image, factor: ImageEnhance.Color(image).enhance(factor))
_POSTERIZE = _pillow(lambda image, bits: ImageOps.posterize(image, int(bits)))
_UNSHARP = _pillow(lambda image, percent: image.filter(ImageFilter.UnsharpMask(2, int(percent), 0)))

HEADLINE_TOOLS: tuple[RealTool, ...] = (
    RealTool("pillow jpeg", "compression", 1, (60, 40, 25, 15, 8), code_jpeg, "quality"),
    RealTool("pillow webp", "compression", 1, (50, 30, 18, 8, 2), _WEBP, "quality"),
    RealTool("pillow jpeg2000", "compression", 1, (25, 45, 70, 110, 170), _JPEG2000, "compression ratio"),
    RealTool("pillow avif", "compression", 1, (50, 38, 28, 18, 8), _AVIF, "quality"),
    RealTool("opencv gaussian blur", "blur", 1, (0.8, 1.2, 1.8, 2.6, 4.0), _GAUSSIAN, "sigma, px"),
    RealTool("opencv box blur", "blur", 1, (3, 5, 7, 9, 13), _BOX, "side, px"),
    RealTool("opencv median", "blur", 1, (3, 5, 7, 9, 11), _MEDIAN, "side, px"),
    RealTool("opencv motion blur", "blur", 1, (5, 7, 11, 15, 21), _motion_blur, "length, px"),
    RealTool("skimage gaussian", "noise", 1, (5e-4, 1.5e-3, 4e-3, 0.01, 0.03), _noise("gaussian", "var"), "variance"),
    RealTool("skimage s&p", "noise", 1, (0.004, 0.01, 0.025, 0.06, 0.12), _noise("s&p", "amount"), "share of pixels"),
    RealTool("skimage speckle", "noise", 1, (0.002, 0.006, 0.016, 0.045, 0.12), _noise("speckle", "var"), "variance"),
    RealTool("skimage poisson", "noise", 1, (1000, 400, 150, 60, 25), _poisson, "photons at white"),
    RealTool("pillow brighter", "brightness", 1, (1.12, 1.22, 1.35, 1.5, 1.8), _BRIGHTNESS, "factor"),
    RealTool("pillow darker", "brightness", -1, (0.88, 0.78, 0.66, 0.52, 0.38), _BRIGHTNESS, "factor"),
    RealTool("pillow contrast up", "contrast", 1, (1.15, 1.3, 1.5, 1.75, 2.1), _CONTRAST, "factor"),
    RealTool("pillow contrast down", "contrast", -1, (0.85, 0.72, 0.58, 0.44, 0.3), _CONTRAST, "factor"),
    RealTool("pillow color up", "saturation", 1, (1.25, 1.5, 1.8, 2.2, 3.0), _COLOR, "factor"),
    RealTool("pillow color down", "saturation", -1, (0.78, 0.6, 0.4, 0.2, 0.0), _COLOR, "factor"),
    RealTool("pillow posterize", "banding", 1, (5, 4, 3, 2), _POSTERIZE, "bits"),
    RealTool("pillow unsharp mask", "oversharpening", 1, (80, 140, 220, 340, 520), _UNSHARP, "percent at radius 2 px"),
    RealTool("pillow nearest down-up", "pixelation", 1, (2, 3, 4, 6, 10), _pillow(_nearest_down_up), "factor"),
)
