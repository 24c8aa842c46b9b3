"""Types of distortion that rated databases hold, made by libraries, for measuring alone.

People have rated pictures under these in TID2013 (Ponomarenko et al., 2015), CSIQ (Larson and Chandler, 2010) or, as
artifacts of restoration, in PIPAL (Gu et al., 2020). Here they are made anew from their descriptions, at strengths of
our own, without any rating: so that what a score makes of distortions it was not taught can be seen beforehand.

Some have relatives in the engine, made in other ways: ``grain`` of correlated noise, ``block_loss`` of lost parts,
``patch_shift`` of the non-eccentricity pattern; and, added because the score failed here, ``pink_noise`` of pink noise
and ``local_contrast`` of the histogram equalization of parts.
"""

import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft, ndimage
from skimage import restoration

from benchmark.photos import Pixels, eight_bit
from benchmark.real_tools import RealTool, code_jpeg

__all__ = ["RATED_TYPES"]

_RESTART = 2  # coding units between restart markers of the JPEG whose parts get lost
_PATCH = 16  # px, side of a patch that is moved
_BORDER = 48  # px, that a picture is mirrored beyond its borders before it is deblurred
_HOLE = 24  # px, side of a hole that is filled


def _unit(noise: NDArray[np.float64]) -> NDArray[np.float64]:
    return noise / noise.std()


def _noisy(pixels: Pixels, deviation: float, generator: np.random.Generator) -> Pixels:
    return eight_bit(pixels + generator.normal(0.0, deviation, pixels.shape))


def _masked_noise(pixels: Pixels, deviation: float, generator: np.random.Generator) -> Pixels:
    gray = pixels.mean(axis=2)
    activity = np.sqrt(np.maximum(ndimage.uniform_filter(gray**2, 9) - ndimage.uniform_filter(gray, 9) ** 2, 0.0))
    hidden = np.minimum(activity / (activity.mean() + 1e-6), 3.0)[..., None]
    return eight_bit(pixels + deviation * hidden * generator.standard_normal(pixels.shape))


def _correlated_noise(pixels: Pixels, deviation: float, generator: np.random.Generator) -> Pixels:
    noise = ndimage.gaussian_filter(generator.standard_normal(pixels.shape), (1.5, 1.5, 0.0))
    return eight_bit(pixels + deviation * _unit(noise))


def _high_frequency_noise(pixels: Pixels, deviation: float, generator: np.random.Generator) -> Pixels:
    noise = generator.standard_normal(pixels.shape)
    return eight_bit(pixels + deviation * _unit(noise - ndimage.gaussian_filter(noise, (1.2, 1.2, 0.0))))


def _pink_noise(pixels: Pixels, deviation: float, generator: np.random.Generator) -> Pixels:
    height, width = pixels.shape[:2]
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    frequency[0, 0] = np.inf
    noise = np.fft.ifft2(np.fft.fft2(generator.standard_normal((height, width))) / frequency).real
    return eight_bit(pixels + deviation * _unit(noise)[..., None])


def _comfort_noise(pixels: Pixels, share: float, generator: np.random.Generator) -> Pixels:
    smooth = ndimage.gaussian_filter(pixels.astype(np.float64), (1.0, 1.0, 0.0))
    signs = np.sign(generator.standard_normal(pixels.shape[:2]))[..., None]
    return eight_bit(smooth + (pixels - smooth) * (1.0 - share + share * signs))


def _denoised_nlm(pixels: Pixels, deviation: float, generator: np.random.Generator) -> Pixels:
    noisy = _noisy(pixels, deviation, generator)
    return np.asarray(cv2.fastNlMeansDenoisingColored(noisy, None, 0.9 * deviation, 0.9 * deviation, 5, 15), np.uint8)


def _denoised_tv(pixels: Pixels, deviation: float, generator: np.random.Generator) -> Pixels:
    noisy = _noisy(pixels, deviation, generator) / 255.0
    return eight_bit(255.0 * restoration.denoise_tv_chambolle(noisy, weight=deviation / 120.0, channel_axis=2))


def _deblurred(pixels: Pixels, sigma: float, _: np.random.Generator) -> Pixels:
    blurred = eight_bit(ndimage.gaussian_filter(pixels.astype(np.float64), (sigma, sigma, 0.0)))
    line = np.exp(-0.5 * (np.arange(-8, 9) / sigma) ** 2)
    kernel = np.outer(line, line) / line.sum() ** 2
    # The filter takes the picture for periodic: not mirrored, it would ring along the borders more than along edges.
    padded = np.pad(blurred / 255.0, ((_BORDER, _BORDER), (_BORDER, _BORDER), (0, 0)), mode="symmetric")
    planes = [restoration.wiener(padded[..., c], kernel, 0.002) for c in range(3)]
    return eight_bit(255.0 * np.stack(planes, axis=-1)[_BORDER:-_BORDER, _BORDER:-_BORDER])


def _made_up_detail(pixels: Pixels, factor: float, generator: np.random.Generator) -> Pixels:
    height, width = pixels.shape[:2]
    small = cv2.resize(pixels, (int(width / factor), int(height / factor)), interpolation=cv2.INTER_AREA)
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    lost = pixels - ndimage.gaussian_filter(pixels.astype(np.float64), (factor, factor, 0.0))
    strength = np.sqrt(ndimage.gaussian_filter(lost**2, (factor, factor, 0.0)))
    noise = _unit(ndimage.gaussian_filter(generator.standard_normal((height, width)), 0.7))
    return eight_bit(large + 0.5 * strength * noise[..., None])


def _lost_parts(pixels: Pixels, share: float, generator: np.random.Generator) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=60, restart_marker_blocks=_RESTART)
    file = buffer.getvalue()
    start = file.index(b"\xff\xda")
    ends = [place for place in range(start, len(file) - 1) if file[place] == 0xFF and 0xD0 <= file[place + 1] <= 0xD7]
    parts = [file[begin:end] for begin, end in zip([0, *ends], [*ends, len(file)], strict=True)]
    between = generator.permutation(np.arange(1, len(parts) - 1))  # headers and the end of the file stay
    for number in between[: int(np.ceil(share * len(between)))]:  # what a smaller share loses, a larger one does, too
        parts[number] = parts[number][:2]  # its marker
    with Image.open(io.BytesIO(b"".join(parts)), formats=["JPEG"]) as decoded:
        return np.asarray(decoded.convert("RGB"))


def _compressed_noise(pixels: Pixels, deviation: float, generator: np.random.Generator) -> Pixels:
    return code_jpeg(_noisy(pixels, deviation, generator), max(5.0, 60.0 - 2.0 * deviation), generator)


def _sparse(pixels: Pixels, share: float, _: np.random.Generator) -> Pixels:
    waves = fft.dctn(pixels.astype(np.float64), axes=(0, 1), norm="ortho")
    threshold = np.quantile(np.abs(waves), share, axis=(0, 1))
    kept = np.sign(waves) * np.maximum(np.abs(waves) - threshold, 0.0)
    return eight_bit(fft.idctn(kept, axes=(0, 1), norm="ortho"))


def _dithered(pixels: Pixels, colors: float, _: np.random.Generator) -> Pixels:
    picture = Image.fromarray(pixels)
    palette = picture.quantize(int(colors))  # Pillow dithers only into a palette that it is given
    return np.asarray(picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).convert("RGB"))


def _some_places(
    pixels: Pixels, share: float, side: int, step: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Top left corners (N, 2) of squares that do not overlap; those of a smaller share are among those of a larger."""
    rows, columns = (range(0, size - side + 1, step) for size in pixels.shape[:2])
    places = generator.permutation([(row, column) for row in rows for column in columns])
    return places[: max(1, int(share * len(places)))]


def _moved_patches(pixels: Pixels, share: float, generator: np.random.Generator) -> Pixels:
    moved, last = pixels.copy(), np.array(pixels.shape[:2]) - _PATCH
    for place in _some_places(pixels, share, _PATCH, _PATCH, generator):
        offset = generator.integers(-8, 9, 2)
        (row, column), (top, left) = place, np.clip(place + offset, 0, last)
        moved[row : row + _PATCH, column : column + _PATCH] = pixels[top : top + _PATCH, left : left + _PATCH]
    return moved


def _filled_holes(pixels: Pixels, share: float, generator: np.random.Generator) -> Pixels:
    holes = np.zeros(pixels.shape[:2], np.uint8)
    for row, column in _some_places(pixels, share, _HOLE, 2 * _HOLE, generator):
        holes[row : row + _HOLE, column : column + _HOLE] = 255
    return np.asarray(cv2.inpaint(pixels, holes, 3, cv2.INPAINT_TELEA), np.uint8)


def _equalized(pixels: Pixels, share: float, _: np.random.Generator) -> Pixels:
    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)
    equalized = cv2.createCLAHE(4.0, (8, 8)).apply(lab[..., 0])
    lab[..., 0] = cv2.addWeighted(equalized, share, lab[..., 0], 1.0 - share, 0.0)
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8)


_GRAYS = (5.0, 10.0, 18.0, 30.0)

RATED_TYPES: tuple[RealTool, ...] = (
    RealTool("spatially correlated noise", "noise", 1, _GRAYS, _correlated_noise, "deviation, gray levels"),
    RealTool("masked noise", "noise", 1, _GRAYS, _masked_noise, "deviation, gray levels"),
    RealTool("high frequency noise", "noise", 1, _GRAYS, _high_frequency_noise, "deviation, gray levels"),
    RealTool("pink noise", "noise", 1, _GRAYS, _pink_noise, "deviation, gray levels"),
    RealTool("comfort noise", "noise", 1, (0.25, 0.5, 0.75, 1.0), _comfort_noise, "share of detail with any sign"),
    RealTool("denoised, non-local means", "blur", 1, (6, 12, 20, 30), _denoised_nlm, "deviation before, gray levels"),
    RealTool("denoised, total variation", "blur", 1, (6, 12, 20, 30), _denoised_tv, "deviation before, gray levels"),
    RealTool("deblurred, Wiener", "blur", 1, (0.8, 1.4, 2.0, 3.0), _deblurred, "sigma before, px"),
    RealTool("enlarged, detail made up", "blur", 1, (1.5, 2.0, 3.0, 4.0), _made_up_detail, "factor"),
    RealTool("JPEG with lost parts", "compression", 1, (0.03, 0.08, 0.2, 0.4), _lost_parts, "share lost"),
    RealTool("compressed noise", "compression", 1, (4, 9, 16, 25), _compressed_noise, "deviation before, gray levels"),
    RealTool("sparse sampling", "compression", 1, (0.6, 0.8, 0.92, 0.97), _sparse, "share of the spectrum lost"),
    RealTool("dithered palette", "banding", 1, (64, 32, 16, 8), _dithered, "colors"),
    RealTool("non-eccentricity pattern", "displacement", 1, (0.03, 0.08, 0.2, 0.5), _moved_patches, "share of patches"),
    RealTool("inpainted", "occlusion", 1, (0.12, 0.25, 0.5, 1.0), _filled_holes, "share of places", patchy=True),
    RealTool("equalized in parts", "contrast", 1, (0.25, 0.5, 0.75, 1.0), _equalized, "share of the equalized"),
)
