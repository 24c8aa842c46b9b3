"""The table of oracles: what holds each kind of the catalog to something else than itself, and how tightly.

``ORACLES`` names the test and the tolerance that stands in it; the table is checked against the tests, so that neither
can change alone. The KADIS types have a table of their own in ``test_kadis_oracles.py``.
"""

import ast
from pathlib import Path

import pytest

from pyiqa_pixelperfect.distortions.catalog import KINDS

_BLUR, _NOISE, _TONE, _COLOR = "test_blur.py", "test_noise.py", "test_tone.py", "test_color.py"
_SPATIAL, _CODEC, _OPTICS, _SENSOR = "test_spatial.py", "test_codec.py", "test_optics.py", "test_sensor.py"
_RESAMPLING, _TRANSMISSION = "test_resampling.py", "test_transmission.py"

#: Kind: oracle, tolerance as written in the test or a constant of its file, file, test. Values are in [0, 1].
ORACLES = {
    "gaussian_blur": ("scipy.ndimage.gaussian_filter", "2e-6", _BLUR, "test_gaussian_filter_equals_scipy"),
    "lens_blur": ("scipy.ndimage.correlate", "5e-6", _BLUR, "test_lens_blur_is_a_convolution_with_the_disk"),
    "motion_blur": ("variance of a line, 3 %", "rel=0.03", _BLUR, "test_motion_blur_spreads_a_point_along_a_line"),
    "smear": ("guided filter of scipy.ndimage", "2e-4", _BLUR, "test_smear_is_the_guided_filter"),
    "trajectory_blur": (
        "convolution of scipy",
        "5e-6",
        _OPTICS,
        "test_trajectory_blur_is_a_convolution_with_its_kernels",
    ),
    "depth_blur": (
        "convolution of scipy",
        "5e-6",
        _OPTICS,
        "test_depth_blur_at_one_depth_is_a_convolution_with_a_disk",
    ),
    "demosaic_residue": ("cv2.demosaicing, 16 bit", "1.5 / 65535", _SENSOR, "test_demosaicing_is_that_of_opencv"),
    "upscaling": ("Pillow, two resizes", "3e-5", _RESAMPLING, "test_upscaling_is_two_resizes_of_pillow"),
    "white_noise": ("numpy", "3e-6", _NOISE, "test_values_are_recomputed"),
    "luma_noise": ("numpy", "3e-6", _NOISE, "test_values_are_recomputed"),
    "chroma_noise": ("deviation, 6 %", "rel=0.06", _NOISE, "test_chroma_noise_leaves_luma_and_is_blotched"),
    "grain": ("scipy.ndimage.gaussian_filter", "3e-6", _NOISE, "test_values_are_recomputed"),
    "pink_noise": ("numpy.fft, loop over frequencies", "3e-6", _NOISE, "test_pink_noise_equals_its_twin"),
    "poisson_noise": ("numpy", "3e-6", _NOISE, "test_values_are_recomputed"),
    "speckle_noise": ("numpy", "3e-6", _NOISE, "test_values_are_recomputed"),
    "impulse_noise": (
        "density, 10 %",
        "rel=0.1",
        _NOISE,
        "test_impulse_noise_has_its_density_and_only_black_and_white",
    ),
    "sensor_noise": ("numpy's normal law, 0.004", "0.004", _SENSOR, "test_sensor_noise_is_that_of_numpy_in_light"),
    "jpeg": (
        "Pillow (libjpeg): 0.03 to 0.06 dB, mean 0.8 / 255",
        "(0.06, 0.8)",
        "test_jpeg.py",
        "test_d3_jpeg_is_jpeg",
    ),
    "wavelet_codec": ("loop over the 9/7 filters", "2e-6", _CODEC, "test_lifting_equals_the_filter_bank"),
    "transform_codec": ("scipy.fft.dctn, 32 px", "5e-6", "test_jpeg.py", "test_transform_is_that_of_scipy"),
    "double_jpeg": (
        "Pillow twice: 0.15 dB, mean 1.5 / 255",
        "0.15, 1.5",
        _TRANSMISSION,
        "test_double_jpeg_is_jpeg_twice",
    ),
    "chroma_subsampling": (
        *("skimage.transform, scipy.ndimage.zoom", "2e-5", _TRANSMISSION),
        "test_chroma_is_reduced_as_by_scikit_image_and_enlarged_as_by_scipy",
    ),
    "block_loss": ("loop over units", "2e-6", _TRANSMISSION, "test_concealment_equals_its_twin"),
    "banding": (
        "Pillow (posterize): 1.01 / 255",
        "1.01",
        _TONE,
        "test_banding_by_cutting_is_the_posterization_of_pillow",
    ),
    "pixelation": ("Pillow (resize): 1.01 / 255", "1.01", _SPATIAL, "test_pixelation_is_that_of_pillow"),
    "aliasing": ("decimation by slices of numpy", "5e-6", _RESAMPLING, "test_aliasing_is_decimation_and_enlargement"),
    "nearest_upscaling": (
        *("loop over blocks, scipy.ndimage", "5e-6", _RESAMPLING),
        "test_nearest_upscaling_is_a_loop_over_blocks_and_scipy",
    ),
    "unsharp_mask": ("scipy.ndimage.gaussian_filter", "2e-5", _SPATIAL, "test_unsharp_mask_is_that_of_scipy"),
    "sharpened_upscaling": (
        *("Pillow, scipy.ndimage: 15e-5", "5 * TOLERANCE", _RESAMPLING),
        "test_sharpened_upscaling_is_that_of_pillow_and_scipy",
    ),
    "warp": ("loop over a cubic kernel", "5e-5", _SPATIAL, "test_sampling_equals_its_twin"),
    "jitter": ("loop over a cubic kernel", "5e-5", _SPATIAL, "test_sampling_equals_its_twin"),
    "patch_shift": ("scipy.ndimage.shift", "1e-4", _SPATIAL, "test_sampling_at_a_whole_shift_is_that_of_scipy"),
    "color_patch": ("blend by hand", "2e-6", _SPATIAL, "test_occlusion_is_a_mixture_by_opacity"),
    "texture_patch": ("blend by hand", "2e-6", _SPATIAL, "test_occlusion_is_a_mixture_by_opacity"),
    "veil": ("blend by hand", "2e-6", _SPATIAL, "test_occlusion_is_a_mixture_by_opacity"),
    "fringing": ("coordinates of a ramp, 0.15 px", "abs=0.15", _SPATIAL, "test_fringing_pulls_red_and_blue_apart"),
    "exposure": ("Pillow (brightness): 1.01 / 255", "1.01", _TONE, "test_exposure_is_the_gain_of_pillow"),
    "gamma_error": ("loop over pixels", "3e-6", _TONE, "test_each_pixel_equals_its_twin"),
    "mean_shift": ("numpy", "1e-6", _TONE, "test_mean_shift_is_an_addition"),
    "vignetting": ("loop over pixels", "5e-6", _OPTICS, "test_vignetting_is_a_gain_of_light"),
    "contrast_stretch": (
        "Pillow (contrast): 2.5 / 255",
        "2.5",
        _TONE,
        "test_contrast_stretch_is_the_contrast_of_pillow",
    ),
    "contrast_curve": ("loop over pixels", "2e-4", _TONE, "test_each_pixel_equals_its_twin"),
    "local_contrast": (
        "scipy.ndimage.gaussian_filter",
        "5e-6",
        _TONE,
        "test_local_contrast_is_a_slope_about_means_of_scipy",
    ),
    "haze": ("Pillow (blend): 1.01 / 255", "1.01 / 255", _OPTICS, "test_haze_is_a_blend_of_pillow_with_a_gray"),
    "clipping": ("numpy.quantile, numpy.clip", "1e-6", _TONE, "test_clipping_cuts_the_tones_that_numpy_finds"),
    "chroma_scale": ("Pillow (color): 2.6 / 255", "2.6", _COLOR, "test_chroma_scale_is_the_color_of_pillow"),
    "hsv_saturation": ("colorsys", "4e-6", _COLOR, "test_each_pixel_equals_its_twin"),
    "temperature": ("loop over pixels", "4e-6", _COLOR, "test_each_pixel_equals_its_twin"),
    "tint": ("loop over pixels", "4e-6", _COLOR, "test_each_pixel_equals_its_twin"),
}


def test_every_kind_has_an_oracle():
    assert list(ORACLES) == list(KINDS)


@pytest.mark.parametrize("name", ORACLES)
def test_the_table_tells_what_stands_in_the_test(name):
    _, tolerance, file, test = ORACLES[name]
    text = (Path(__file__).parent / file).read_text(encoding="utf-8")
    tree = ast.parse(text)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert test in functions
    # In the test itself, or in a constant of the module that the test uses.
    constants = [node for node in tree.body if isinstance(node, ast.Assign)]
    used = [node for node in constants if names(*node.targets) & names(functions[test])]
    assert any(tolerance in ast.get_source_segment(text, place) for place in (functions[test], *used))


def names(*nodes):
    return {part.id for node in nodes for part in ast.walk(node) if isinstance(part, ast.Name)}
