"""Small photographs to train on, and two finished runs of the smallest configuration that still does everything."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pyiqa_pixelperfect.pixelperfect.trainer import train
from pyiqa_pixelperfect.training import logbook
from recipes.runs import BRIEF, config_of


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


@pytest.fixture(autouse=True)
def _no_tensorboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logbook, "_tensorboard", lambda folder, step: None)


@pytest.fixture(scope="session")
def smoke(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of the smoke configuration as it is shipped."""
    output = tmp_path_factory.mktemp("smoke") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logbook, "_tensorboard", lambda folder, step: None)
        state = torch.get_rng_state()
        train(config_of(photos, output))
        assert torch.equal(torch.get_rng_state(), state)
    return output


@pytest.fixture(scope="session")
def straight(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a brief run that nothing interrupted."""
    output = tmp_path_factory.mktemp("straight") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logbook, "_tensorboard", lambda folder, step: None)
        train(config_of(photos, output, *BRIEF))
    return output
