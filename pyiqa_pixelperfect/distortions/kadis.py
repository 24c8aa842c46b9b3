"""The KADIS-700k catalog: 25 distortions at 5 levels each (Lin, Hosu, Saupe, "DeepFL-IQA", 2020).

Where ``catalog.py`` distorts by amounts that vary over the picture, this table distorts whole pictures at the fixed
levels that KADID-10k, CONTRIQUE and others are made of. A level is a name, not a severity: some levels leave the
picture as it is, and the levels of mean shift and contrast change run through zero. Rank by ``KadisEntry.ladders``.

Parameters are those of the original MATLAB code. Its per-picture stretch to [0, 1] before and after is left out: it
would change brightness and contrast under every type, by the extremes of the picture. What else is ours is said with
each operation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from torch import Tensor

from pyiqa_pixelperfect.distortions import (
    kadis_codecs,
    kadis_color,
    kadis_filters,
    kadis_jpeg,
    kadis_noise,
    kadis_places,
    kadis_quantization,
)

__all__ = ["KADIS", "KADIS_LEVELS", "KadisEntry", "Operation"]

#: images (B, 3, H, W) in [0, 1], parameter of the level, seeds (B,) int64 -> images (B, 3, H, W) in [0, 1]
Operation: TypeAlias = Callable[[Tensor, float, Tensor], Tensor]

KADIS_LEVELS = 5


@dataclass(frozen=True)
class KadisEntry:
    """One of the 25 types.

    Attributes:
        number: 1 to 25, as in KADIS-700k.
        name: unique name.
        family: the family of ``FAMILIES`` that a viewer would name.
        operation: the distortion at one level.
        levels: the parameter at levels 1 to 5.
        unit: what the parameter is.
        description: one line for tables.
        severity: for levels 1 to 5, how far from pristine: 0 = the picture as it is, larger = worse; negative on the
            other side of pristine, where a type has two. An order, not a scale.
        local: only some places are changed.
        cpu_only: the operation works on the CPU and picture by picture, wherever the images are.
    """

    number: int
    name: str
    family: str
    operation: Operation
    levels: tuple[float, float, float, float, float]
    unit: str
    description: str
    severity: tuple[float, float, float, float, float] = (1, 2, 3, 4, 5)
    local: bool = False
    cpu_only: bool = False

    @property
    def source(self) -> str:
        """Where type and parameters are from."""
        return f"KADIS-700k type {self.number}"

    @property
    def signed(self) -> bool:
        """Whether the levels run from one side of pristine to the other."""
        return min(self.severity) < 0 < max(self.severity)

    @property
    def identity_levels(self) -> frozenset[int]:
        """Levels that leave the picture exactly as it is."""
        return frozenset(level for level, severity in enumerate(self.severity, start=1) if severity == 0)

    @property
    def ladders(self) -> tuple[tuple[int, ...], ...]:
        """Levels in the order of rising severity, one tuple for each side of pristine, without identity levels."""
        sides = []
        for sign in (1, -1):
            side = [(sign * value, level) for level, value in enumerate(self.severity, start=1) if sign * value > 0]
            if side:
                sides.append(tuple(level for _, level in sorted(side)))
        return tuple(sides)


_FIRST_IS_IDENTITY = (0, 2, 3, 4, 5)

_ROWS = (
    KadisEntry(
        1, "gaussian_blur", "blur", kadis_filters.gaussian_blur, (0.1, 0.5, 1, 2, 5), "sigma, px",
        "Gaussian; 0.1 px is no blur", _FIRST_IS_IDENTITY,
    ),
    KadisEntry(
        2, "lens_blur", "blur", kadis_filters.lens_blur, (1, 2, 4, 6, 8), "radius, px", "disk",
    ),
    KadisEntry(
        3, "motion_blur", "blur", kadis_filters.motion_blur, (1, 2, 4, 6, 10), "length, px",
        "straight path, any direction; 1 px is no blur", _FIRST_IS_IDENTITY,
    ),
    # Smoothing chroma is a fault of its own at level 1 only; from level 2 on it is multiplied by 3 and more.
    KadisEntry(
        4, "color_diffusion", "saturation", kadis_color.color_diffusion, (1, 3, 6, 8, 12), "factor",
        "chroma of Lab smoothed and multiplied",
    ),
    KadisEntry(
        5, "color_shift", "fringing", kadis_color.color_shift, (1, 3, 6, 8, 12), "shift, px",
        "green moved away from red and blue at edges",
    ),
    # Flat areas with steps between them where the picture had gradients: what is seen is banding.
    KadisEntry(
        6, "color_quantization", "banding", kadis_quantization.color_quantization, (64, 48, 32, 16, 8), "colors",
        "a palette for each picture, no dithering",
    ),
    KadisEntry(
        7, "saturation_1", "saturation", kadis_color.hsv_saturation, (0.4, 0.2, 0.1, 0.0, -0.4), "factor",
        "HSV saturation taken away; below 0 complementary colors",
    ),
    KadisEntry(
        8, "saturation_2", "saturation", kadis_color.lab_saturation, (1, 2, 3, 6, 9), "factor",
        "chroma of Lab multiplied", _FIRST_IS_IDENTITY,
    ),
    KadisEntry(
        9, "jpeg2000", "compression", kadis_codecs.jpeg2000, (16, 32, 45, 120, 400), "compression ratio",
        "OpenJPEG through Pillow, on the CPU", cpu_only=True,
    ),
    KadisEntry(10, "jpeg", "compression", kadis_jpeg.jpeg, (43, 36, 24, 7, 4), "quality", "4:2:0"),
    KadisEntry(
        11, "white_noise", "noise", kadis_noise.white_noise, (0.001, 0.002, 0.003, 0.005, 0.01), "variance",
        "Gaussian on red, green and blue",
    ),
    KadisEntry(
        12, "color_noise", "noise", kadis_noise.color_noise, (0.0001, 0.0005, 0.001, 0.002, 0.003), "variance",
        "Gaussian on the planes of YCbCr",
    ),
    KadisEntry(
        13, "impulse_noise", "noise", kadis_noise.impulse_noise, (0.001, 0.005, 0.01, 0.02, 0.03), "density",
        "salt and pepper in each channel",
    ),
    KadisEntry(
        14, "multiplicative_noise", "noise", kadis_noise.multiplicative_noise, (0.001, 0.005, 0.01, 0.02, 0.05),
        "variance", "Gaussian times the value",
    ),
    # What is left is mostly lost detail: the noise itself is what the denoiser was told to remove.
    KadisEntry(
        15, "denoise", "blur", kadis_filters.denoise, (0.01, 0.03, 0.05, 0.1, 0.15), "noise variance",
        "Gaussian noise, then wavelet shrinkage (not the original's DnCNN)",
    ),
    KadisEntry(
        16, "brighten", "brightness", kadis_color.brighten, (0.1, 0.2, 0.4, 0.7, 1.1), "lift of the curve's middle x 2",
        "tone curve on RGB and on lightness",
    ),
    KadisEntry(
        17, "darken", "brightness", kadis_color.darken, (0.05, 0.1, 0.2, 0.4, 0.8), "drop of the curve's middle x 2",
        "tone curve on RGB",
    ),
    KadisEntry(
        18, "mean_shift", "brightness", kadis_color.mean_shift, (0.15, 0.08, 0.0, -0.08, -0.15), "of [0, 1] values",
        "a constant added", (2, 1, 0, -1, -2),
    ),
    KadisEntry(
        19, "jitter", "displacement", kadis_places.jitter, (0.05, 0.1, 0.2, 0.5, 1.0), "reach, px",
        "every pixel from a random place nearby, five times over",
    ),
    KadisEntry(
        20, "non_eccentricity_patch", "displacement", kadis_places.patches, (20, 40, 60, 80, 100), "patches",
        "16 px patches copied up to 8 px away", local=True,
    ),
    KadisEntry(
        21, "pixelate", "pixelation", kadis_places.pixelate, (0.01, 0.05, 0.1, 0.2, 0.5), "strength",
        "shrunk by 0.95 - strength^0.6 and enlarged, nearest pixels",
    ),
    KadisEntry(
        22, "quantization", "banding", kadis_quantization.quantization, (20, 16, 13, 10, 7), "levels", "multi-Otsu",
    ),
    KadisEntry(
        23, "color_block", "occlusion", kadis_places.color_blocks, (2, 4, 6, 8, 10), "blocks", "32 px squares of color",
        local=True,
    ),
    KadisEntry(
        24, "high_sharpen", "oversharpening", kadis_filters.high_sharpen, (1, 2, 3, 6, 12), "amount",
        "unsharp mask of 3 px",
    ),
    # At 0 the curve still raises contrast; it is straight at -0.2, and severity is counted from there.
    KadisEntry(
        25, "contrast_change", "contrast", kadis_color.contrast_change, (0.3, 0.15, 0.0, -0.4, -0.6), "bend",
        "S-curve or its inverse", (0.5, 0.35, 0.2, -0.2, -0.4),
    ),
)  # fmt: skip

#: Every type by name, in the order of its number.
KADIS: Mapping[str, KadisEntry] = MappingProxyType({entry.name: entry for entry in _ROWS})
