"""The catalog of distortion kinds: every way the engine can distort a picture, and the family each belongs to.

To add a kind, write a pure function ``(images, amount, seeds) -> images`` in the module of its family and add one row
here; the plan draws it, the gallery shows it and the property tests check it from then on. A new *family* is one more
row in ``pyiqa_pixelperfect/families.py`` first.
"""

from collections.abc import Mapping
from types import MappingProxyType

from pyiqa_pixelperfect.distortions import (
    blur,
    codec,
    color,
    jpeg,
    noise,
    optics,
    resampling,
    sensor,
    spatial,
    tone,
    transmission,
)
from pyiqa_pixelperfect.distortions.kind import Kind
from pyiqa_pixelperfect.families import FAMILIES

__all__ = ["KINDS", "KINDS_BY_FAMILY"]

_KADIS = "KADIS-700k type {}"

# The factors of ``also`` are amounts of the nearest kinds of the other family, per amount, by least squares over
# amounts from 0.2 to 1 on small parts of photographs:
# - fringing of demosaicing and of reduced chroma: the error in color (value minus luma) is that of ``fringing`` at the
#   amount; for demosaicing that beyond an equal blur of the luma.
# - blur of sharpened enlargement: the luma of ``upscaling``, which loses the same detail, is as far from the photograph
#   as that of ``gaussian_blur`` at 0.8 of the amount.
# - oversharpening of blocks that ring: what they add to the luma of ``pixelation`` by means is as large as what
#   ``unsharp_mask`` at 0.75 of the amount does.
# - brightness of haze: with ``contrast_stretch`` of the amount, ``mean_shift`` comes nearest; that stretch takes the
#   color along, so that nothing is left for the saturation.

_ROWS = (
    Kind("gaussian_blur", "blur", blur.gaussian_blur, "optics", _KADIS.format(1), "Gaussian, sigma to 5 px"),
    Kind("lens_blur", "blur", blur.lens_blur, "optics", _KADIS.format(2), "disk, radius to 8 px"),
    Kind("motion_blur", "blur", blur.motion_blur, "optics", _KADIS.format(3), "straight path to 18 px"),
    Kind("smear", "blur", blur.smear, "processing", "He et al. 2013", "texture smeared by a guided filter"),
    Kind(
        "trajectory_blur",
        "blur",
        optics.trajectory_blur,
        "optics",
        "Boracchi and Foi 2012",
        "shaken path, spread as a straight one of 14 px",
    ),
    Kind(
        "depth_blur",
        "blur",
        optics.depth_blur,
        "optics",
        "circle of confusion",
        "disk to 8 px that follows the depth",
        realize=optics.at_depth,
    ),
    Kind(
        "demosaic_residue",
        "blur",
        sensor.demosaic_residue,
        "sensor",
        "Bayer, bilinear",
        "zipper edges, false color, smeared detail",
        also=(("fringing", 0.1),),
    ),
    Kind("upscaling", "blur", resampling.upscaling, "processing", "Keys 1981; Lanczos", "reduced by 1.25 to 6"),
    Kind("white_noise", "noise", noise.white_noise, "sensor", _KADIS.format(11), "Gaussian, deviation to 0.2"),
    Kind("luma_noise", "noise", noise.luma_noise, "sensor", "ours", "Gaussian, equal in all channels"),
    Kind("chroma_noise", "noise", noise.chroma_noise, "sensor", _KADIS.format(12), "color blotches of 1.5 px"),
    Kind("grain", "noise", noise.grain, "sensor", "ours", "correlated noise, as after demosaicing"),
    Kind("pink_noise", "noise", noise.pink_noise, "sensor", "CSIQ", "amplitude falls as 1/f, deviation to 0.15"),
    Kind("poisson_noise", "noise", noise.poisson_noise, "sensor", "photon statistics", "grows with the light"),
    Kind("speckle_noise", "noise", noise.speckle_noise, "sensor", _KADIS.format(14), "multiplicative"),
    Kind("impulse_noise", "noise", noise.impulse_noise, "sensor", _KADIS.format(13), "salt and pepper to 12 %"),
    Kind(
        "sensor_noise",
        "noise",
        sensor.sensor_noise,
        "sensor",
        "Foi et al. 2008",
        "Poisson-Gaussian in linear light, strongest in shadows",
    ),
    Kind(
        "jpeg",
        "compression",
        jpeg.jpeg,
        "compression",
        "ITU-T T.81",
        "quality 95 to 4 per block",
        realize=jpeg.align_to_grid,
    ),
    Kind("wavelet_codec", "compression", codec.wavelet_codec, "compression", "CDF 9/7", "ringing, smeared texture"),
    Kind(
        "transform_codec",
        "compression",
        codec.transform_codec,
        "compression",
        "large DCT, deblocked",
        "flattened detail, soft block borders, starved chroma",
        realize=jpeg.align_to_grid,
    ),
    Kind(
        "double_jpeg",
        "compression",
        transmission.double_jpeg,
        "compression",
        "ITU-T T.81",
        "two qualities, the second on a moved grid",
        realize=jpeg.align_to_grid,
    ),
    Kind(
        "chroma_subsampling",
        "compression",
        transmission.chroma_subsampling,
        "compression",
        "4:2:0 and beyond",
        "color reduced by 2 to 16, luma kept",
        also=(("fringing", 0.25),),
    ),
    Kind(
        "block_loss",
        "compression",
        transmission.block_loss,
        "compression",
        "ITU-T H.264",
        "16 px units lost and concealed",
        realize=transmission.lost_units,
    ),
    Kind("banding", "banding", tone.banding, "display", _KADIS.format(22), "64 to 3 levels"),
    Kind(
        "pixelation",
        "pixelation",
        spatial.pixelation,
        "display",
        _KADIS.format(21),
        "blocks of 2 to 12 px",
        realize=spatial.whole_steps,
    ),
    Kind(
        "aliasing",
        "pixelation",
        resampling.aliasing,
        "processing",
        "no low-pass filter",
        "moire and jagged edges, every 2nd to 9th pixel",
        realize=resampling.whole_factors,
    ),
    Kind(
        "nearest_upscaling",
        "pixelation",
        resampling.nearest_upscaling,
        "processing",
        "nearest pixels, unsharp mask",
        "blocks of 2 to 12 px, sharpened until they ring",
        realize=spatial.whole_steps,
        also=(("oversharpening", 0.75),),
    ),
    Kind("unsharp_mask", "oversharpening", spatial.unsharp_mask, "processing", _KADIS.format(24), "halos, gain to 7"),
    Kind(
        "sharpened_upscaling",
        "oversharpening",
        resampling.sharpened_upscaling,
        "processing",
        "Lanczos, unsharp mask",
        "reduced by 1.25 to 6, sharpened until it rings",
        also=(("blur", 0.8),),
    ),
    Kind("warp", "displacement", spatial.warp, "optics", "Perlin flow", "smooth bending to 7 px"),
    Kind("jitter", "displacement", spatial.jitter, "optics", _KADIS.format(19), "pixels from up to 4 px away"),
    Kind(
        "patch_shift",
        "displacement",
        spatial.patch_shift,
        "display",
        _KADIS.format(20),
        "16 px patches moved",
        realize=spatial.whole_shifts,
    ),
    Kind("color_patch", "occlusion", spatial.color_patch, "optics", _KADIS.format(23), "flat color", local_only=True),
    Kind("texture_patch", "occlusion", spatial.texture_patch, "optics", "ours", "foreign texture", local_only=True),
    Kind("veil", "occlusion", spatial.veil, "optics", "ours", "cloudy smear on the lens", local_only=True),
    Kind("fringing", "fringing", spatial.fringing, "optics", _KADIS.format(5), "red and blue to 6 px apart"),
    Kind("exposure", "brightness", tone.exposure, "processing", "gain", "1.3 stops either way"),
    Kind("gamma_error", "brightness", tone.gamma_error, "processing", "power law", "exponent 1/2.6 to 2.6"),
    Kind("mean_shift", "brightness", tone.mean_shift, "processing", _KADIS.format(18), "constant to 0.35"),
    Kind(
        "vignetting",
        "brightness",
        optics.vignetting,
        "optics",
        "radial gain",
        "corners to 2.5 stops of light darker or brighter",
        realize=optics.radial,
    ),
    Kind("contrast_stretch", "contrast", tone.contrast_stretch, "processing", "gain", "slope 0.12 to 2.6"),
    Kind("contrast_curve", "contrast", tone.contrast_curve, "processing", _KADIS.format(25), "S-curve or its inverse"),
    Kind("local_contrast", "contrast", tone.local_contrast, "processing", "clarity", "slope 0.4 to 3 about 8 to 24 px"),
    Kind(
        "haze",
        "contrast",
        optics.haze,
        "optics",
        "Koschmieder 1924",
        "bright veil, or one taken away that was not there",
        also=(("brightness", -0.75),),
    ),
    Kind("clipping", "contrast", tone.clipping, "processing", "quantiles", "to 45 % of the tones at either end cut"),
    Kind("chroma_scale", "saturation", color.chroma_scale, "processing", _KADIS.format(8), "chroma 0 to 3.5"),
    Kind("hsv_saturation", "saturation", color.hsv_saturation, "processing", _KADIS.format(7), "HSV saturation"),
    Kind("temperature", "temperature", color.temperature, "processing", "gain", "blue to orange, half a stop"),
    Kind("tint", "tint", color.tint, "processing", "gain", "green to magenta, half a stop"),
)

#: Every kind by name, in a fixed order that plans refer to by number.
KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _ROWS})

#: The kinds of each family, in the order of ``FAMILIES``.
KINDS_BY_FAMILY: Mapping[str, tuple[Kind, ...]] = MappingProxyType(
    {family: tuple(kind for kind in _ROWS if kind.family == family) for family in FAMILIES}
)
