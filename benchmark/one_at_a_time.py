"""The KADIS distortions the usual way: one 8-bit picture after the other through OpenCV, Pillow, torchvision and numpy.

Each function does what ``pyiqa_pixelperfect.distortions.KADIS`` says of its type, by the fastest library call that
does it, with tables and kernels made once. Where no library has the operation (multi-Otsu of many levels, wavelet
shrinkage, moved patches) it is numpy, without a loop over pixels. Results are 8-bit, or float32 in [0, 1] where the
operation has to compute with fractions.
"""

import io
import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.interpolate import PchipInterpolator
from torchvision.transforms.v2 import functional as transforms

from benchmark.photos import Pixels

__all__ = ["ONE_AT_A_TIME", "Result"]

Result: TypeAlias = NDArray[Any]  # 8-bit, or float32 in [0, 1]
Function: TypeAlias = Callable[[Pixels, float, np.random.Generator], Result]

_EDGE = cv2.BORDER_REPLICATE
_STUDIO = np.array([255 / 219, 255 / 224, 255 / 224], np.float32)  # steps of studio-swing YCbCr in full-swing steps


def _unit(pixels: NDArray[Any]) -> NDArray[Any]:
    return np.multiply(pixels, np.float32(1 / 255), dtype=np.float32)


def _noise(pixels: Pixels, generator: np.random.Generator, deviation: float) -> NDArray[Any]:
    return generator.standard_normal(pixels.shape, np.float32) * np.float32(deviation)


def _size(sigma: float) -> tuple[int, int]:
    return (2 * math.ceil(2 * sigma) + 1,) * 2


def _gaussian_blur(pixels: Pixels, sigma: float, _: np.random.Generator) -> Result:
    return np.asarray(cv2.GaussianBlur(pixels, _size(sigma), sigma, borderType=_EDGE))


@lru_cache(maxsize=8)
def _disk(radius: float) -> NDArray[Any]:
    reach = math.ceil(radius - 0.5)
    points = (np.arange((2 * reach + 1) * 16) + 0.5) / 16 - reach - 0.5
    inside = points[:, None] ** 2 + points[None, :] ** 2 <= radius**2
    area = inside.reshape(2 * reach + 1, 16, -1, 16).mean((1, 3))
    return np.asarray(area / area.sum(), np.float32)


def _lens_blur(pixels: Pixels, radius: float, _: np.random.Generator) -> Result:
    return np.asarray(cv2.filter2D(pixels, -1, _disk(radius), borderType=_EDGE))


def _motion_blur(pixels: Pixels, length: float, generator: np.random.Generator) -> Result:
    angle, reach = generator.uniform(0, math.pi), math.ceil((length + 1) / 2)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along, across = np.abs(x * math.cos(angle) + y * math.sin(angle)), np.abs(y * math.cos(angle) - x * math.sin(angle))
    kernel = np.maximum(1 - across, 0) * np.clip((length + 1) / 2 - along, 0, 1)
    return np.asarray(cv2.filter2D(pixels, -1, kernel / kernel.sum(), borderType=_EDGE))


def _from_lab(lab: NDArray[Any]) -> Result:
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB).clip(0, 1), np.float32)


def _color_diffusion(pixels: Pixels, factor: float, _: np.random.Generator) -> Result:
    lab: NDArray[Any] = cv2.cvtColor(_unit(pixels), cv2.COLOR_RGB2LAB)
    sigma = 1.5 * factor + 2
    lab[..., 1:] = cv2.GaussianBlur(lab[..., 1:], _size(sigma), sigma, borderType=_EDGE) * factor
    return _from_lab(lab)


def _color_shift(pixels: Pixels, reach: float, generator: np.random.Generator) -> Result:
    angle = generator.uniform(0, math.pi / 2)
    down, right = round(math.sin(angle) * reach), round(math.cos(angle) * reach)
    height, width = pixels.shape[:2]
    green = np.ascontiguousarray(pixels[..., 1])
    moved = cv2.copyMakeBorder(green, down, 0, right, 0, _EDGE)[:height, :width].astype(np.float32)
    gray = _unit(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
    slope_y, slope_x = np.zeros_like(gray), np.zeros_like(gray)
    np.subtract(gray[1:], gray[:-1], out=slope_y[:-1])
    np.subtract(gray[:, 1:], gray[:, :-1], out=slope_x[:, :-1])
    change = cv2.GaussianBlur(cv2.magnitude(slope_y, slope_x), _size(3.0), 3.0, borderType=_EDGE) * np.float32(reach)
    out = pixels.copy()
    out[..., 1] = cv2.add(green, (moved - green) * (change / (change + np.float32(0.1))), dtype=cv2.CV_8U)
    return out


def _color_quantization(pixels: Pixels, colors: float, _: np.random.Generator) -> Result:
    few = Image.fromarray(pixels).quantize(int(colors), dither=Image.Dither.NONE)  # median cut, Pillow's default
    return np.array(few.convert("RGB"))


def _saturation_1(pixels: Pixels, factor: float, _: np.random.Generator) -> Result:
    hsv: NDArray[Any] = cv2.cvtColor(_unit(pixels), cv2.COLOR_RGB2HSV)
    hsv[..., 1] *= factor
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).clip(0, 1), np.float32)


def _saturation_2(pixels: Pixels, factor: float, _: np.random.Generator) -> Result:
    lab: NDArray[Any] = cv2.cvtColor(_unit(pixels), cv2.COLOR_RGB2LAB)
    lab[..., 1:] *= factor
    return _from_lab(lab)


def _code(pixels: Pixels, kind: str, **options: Any) -> Result:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    with Image.open(file, formats=[kind]) as decoded:
        return np.array(decoded)  # a copy, since torch takes no array that is not to be written to


def _jpeg2000(pixels: Pixels, ratio: float, _: np.random.Generator) -> Result:
    return _code(pixels, "JPEG2000", quality_mode="rates", quality_layers=[ratio], irreversible=True)


def _jpeg(pixels: Pixels, quality: float, _: np.random.Generator) -> Result:
    return _code(pixels, "JPEG", quality=int(quality))


def _white_noise(pixels: Pixels, variance: float, _: np.random.Generator) -> Result:
    # torchvision draws faster than numpy does; its generator is torch's own.
    image = torch.from_numpy(pixels).to(torch.float32).div_(255.0)
    return np.asarray(transforms.gaussian_noise(image, sigma=math.sqrt(variance)).numpy())


def _color_noise(pixels: Pixels, variance: float, generator: np.random.Generator) -> Result:
    planes: NDArray[Any] = cv2.cvtColor(_unit(pixels), cv2.COLOR_RGB2YCrCb)
    planes += _noise(pixels, generator, math.sqrt(variance)) * _STUDIO
    return np.asarray(cv2.cvtColor(planes, cv2.COLOR_YCrCb2RGB).clip(0, 1), np.float32)


def _impulse_noise(pixels: Pixels, density: float, generator: np.random.Generator) -> Result:
    draws = generator.random(pixels.shape, np.float32)
    out = pixels.copy()
    out[draws < density / 2] = 0
    out[draws > 1 - density / 2] = 255
    return out


def _multiplicative_noise(pixels: Pixels, variance: float, generator: np.random.Generator) -> Result:
    noise = _noise(pixels, generator, math.sqrt(variance))
    noise += 1
    return (_unit(pixels) * noise).clip(0, 1)


@lru_cache(maxsize=8)
def _spread_taps(gap: int) -> NDArray[Any]:
    taps = np.zeros(4 * gap + 1, np.float32)
    taps[::gap] = np.array([1, 4, 6, 4, 1], np.float32) / 16
    return taps


def _denoise(pixels: Pixels, variance: float, generator: np.random.Generator) -> Result:
    deviation = math.sqrt(variance)
    smooth = (_unit(pixels) + _noise(pixels, generator, deviation)).clip(0, 1)
    kept = np.zeros_like(smooth)
    for plane, share in enumerate((0.8907, 0.2007, 0.0856, 0.0413)):
        taps = _spread_taps(2**plane)
        smoother = np.asarray(cv2.sepFilter2D(smooth, -1, taps, taps, borderType=_EDGE), np.float32)
        detail = smooth - smoother
        detail[np.abs(detail) <= 3 * share * deviation] = 0
        kept += detail
        smooth = smoother
    return (kept + smooth).clip(0, 1)


@lru_cache(maxsize=32)
def _table(knots: tuple[tuple[float, float], ...]) -> Pixels:
    curve = PchipInterpolator(*zip(*knots, strict=True))(np.arange(256) / 255)
    return np.rint(255 * curve.clip(0, 1)).astype(np.uint8)


def _middle(height: float) -> Pixels:
    return _table(((0.0, 0.0), (0.5, height), (1.0, 1.0)))


def _brighten(pixels: Pixels, amount: float, _: np.random.Generator) -> Result:
    table = _middle(0.5 + 0.5 * amount)
    lab: NDArray[Any] = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.LUT(lab[..., 0], table)
    lighter = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
    return np.asarray(cv2.addWeighted(cv2.LUT(pixels, table), 2 / 3, lighter, 1 / 3, 0))


def _darken(pixels: Pixels, amount: float, _: np.random.Generator) -> Result:
    return np.asarray(cv2.LUT(pixels, _middle(0.5 - 0.5 * amount)))


def _mean_shift(pixels: Pixels, shift: float, _: np.random.Generator) -> Result:
    everywhere: Any = (255 * shift,) * 4  # the stubs of OpenCV do not know scalars
    return np.asarray(cv2.add(pixels, everywhere))  # saturates at both ends


def _jitter(pixels: Pixels, reach: float, generator: np.random.Generator) -> Result:
    height, width = pixels.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    for _ in range(5):
        shifts = generator.random((2, height, width), np.float32) * np.float32(2 * reach) - np.float32(reach)
        pixels = np.asarray(cv2.remap(pixels, x + shifts[0], y + shifts[1], cv2.INTER_LINEAR, borderMode=_EDGE))
    return pixels


def _patches(pixels: Pixels, count: float, generator: np.random.Generator) -> Result:
    height, width = pixels.shape[0] - 16, pixels.shape[1] - 16
    out = pixels.copy()
    starts = generator.integers(0, (height + 1, width + 1), (int(count), 2))
    steps = generator.integers(1, 9, (int(count), 2)) * generator.choice((-1, 1), (int(count), 2))
    steps = np.where((starts + steps < 0) | (starts + steps > (height, width)), -steps, steps)
    for (top, left), (y, x) in zip(starts.tolist(), (starts + steps).tolist(), strict=True):
        out[top : top + 16, left : left + 16] = pixels[y : y + 16, x : x + 16]
    return out


def _pixelate(pixels: Pixels, strength: float, _: np.random.Generator) -> Result:
    scale, (height, width) = 0.95 - strength**0.6, pixels.shape[:2]
    small = cv2.resize(pixels, (round(scale * width), round(scale * height)), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST_EXACT))


def _quantization(pixels: Pixels, levels: float, _: np.random.Generator) -> Result:
    # skimage.filters.threshold_multiotsu tries all combinations, 10^10 and more of them from seven levels on.
    counts, values = np.bincount(pixels.ravel(), minlength=256).astype(np.float64), np.arange(256.0)
    number, total = np.r_[0, counts.cumsum()], np.r_[0, (counts * values).cumsum()]
    inside = np.maximum(number[None] - number[:, None], 1)
    gains = np.where(np.tri(257, k=-1, dtype=bool), -np.inf, (total[None] - total[:, None]) ** 2 / inside)
    best, starts = gains[0], []
    for _turn in range(int(levels) - 1):
        candidates = best[:, None] + gains
        starts.append(candidates.argmax(0))
        best = candidates.max(0)
    table, stop = np.zeros(256), 256
    for start in [*reversed(starts), np.zeros(257, np.int64)]:
        first = int(start[stop])
        table[first:stop] = (total[stop] - total[first]) / max(number[stop] - number[first], 1)
        stop = first
    return np.asarray(cv2.LUT(pixels, np.rint(table).astype(np.uint8)))


def _color_block(pixels: Pixels, count: float, generator: np.random.Generator) -> Result:
    height, width = pixels.shape[0] - 31, pixels.shape[1] - 31
    out = pixels.copy()
    for top, left in generator.integers(0, (height, width), (int(count), 2)).tolist():
        out[top : top + 32, left : left + 32] = generator.integers(0, 256, 3)
    return out


def _high_sharpen(pixels: Pixels, amount: float, _: np.random.Generator) -> Result:
    blurred = cv2.GaussianBlur(pixels, _size(3.0), 3.0, borderType=_EDGE)
    return np.asarray(cv2.addWeighted(pixels, 1 + amount, blurred, -amount, 0))


def _contrast_change(pixels: Pixels, bend: float, _: np.random.Generator) -> Result:
    low, high = 0.25 - 0.25 * bend, 0.75 + 0.25 * bend
    return np.asarray(cv2.LUT(pixels, _table(((0.0, 0.0), (0.3, low), (0.5, 0.5), (0.7, high), (1.0, 1.0)))))


#: The function of each KADIS type, in the order of their numbers.
ONE_AT_A_TIME: tuple[Function, ...] = (
    *(_gaussian_blur, _lens_blur, _motion_blur, _color_diffusion, _color_shift, _color_quantization, _saturation_1),
    *(_saturation_2, _jpeg2000, _jpeg, _white_noise, _color_noise, _impulse_noise, _multiplicative_noise, _denoise),
    *(_brighten, _darken, _mean_shift, _jitter, _patches, _pixelate, _quantization, _color_block, _high_sharpen),
    _contrast_change,
)
