"""Small photographs to train on, and the smallest configuration that still does everything."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of six photographs, cut from those that come with scikit-image."""
    data = pytest.importorskip("skimage.data")
    folder = tmp_path_factory.mktemp("photos")
    for name in ("astronaut", "chelsea", "coffee"):
        pixels = np.asarray(getattr(data, name)())
        middle = pixels.shape[1] // 2
        for side, half in (("left", pixels[:, :middle]), ("right", pixels[:, middle:])):
            Image.fromarray(half[:240]).save(folder / f"{name}-{side}.png")
    return folder
