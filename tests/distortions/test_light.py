"""The transfer curve against scikit-image."""

import numpy as np
import torch
from skimage import color

from pyiqa_pixelperfect.distortions.light import to_light, to_values
from reference.pipeline import light_of, value_of


def test_light_is_the_luminance_that_scikit_image_gives_to_gray():
    values = np.linspace(0, 1, 1001)
    luminance = color.rgb2xyz(np.repeat(values[:, None], 3, 1))[:, 1]
    np.testing.assert_allclose(to_light(torch.from_numpy(values).float()), luminance, atol=2e-6)


def test_values_and_light_equal_their_twins_and_undo_each_other():
    values = torch.linspace(0, 1, 1001)
    np.testing.assert_allclose(to_light(values), [light_of(v) for v in values.tolist()], atol=1e-6)
    light = torch.linspace(-0.2, 1.2, 1401)
    np.testing.assert_allclose(to_values(light), [value_of(v) for v in light.tolist()], atol=1e-6)
    torch.testing.assert_close(to_values(to_light(values)), values, rtol=0, atol=1e-6)
