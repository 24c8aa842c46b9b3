"""The bundled weights say what they said: scores of photographs that come with scikit-image (promise N6)."""

import pytest
import torch
from skimage import data
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from pyiqa_pixelperfect import GRepQ

#: Name, and the score clean, blurred and noisy. A change of any is a new minor version and a line of the changelog.
GOLDENS = {
    "astronaut": [0.492972, 0.479068, 0.490218],
    "coffee": [0.493024, 0.476871, 0.487991],
    "chelsea": [0.490048, 0.46525, 0.48721],
    "rocket": [0.486557, 0.464965, 0.477686],
}


def versions(name: str) -> Tensor:
    picture = torch.from_numpy(getattr(data, name)()[:240, :300].copy()).permute(2, 0, 1)[None] / 255
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))
    return torch.cat((picture, gaussian_blur(picture, [13, 13], [3.0, 3.0]), (picture + 0.1 * noise).clamp(0, 1)))


@pytest.fixture(scope="module")
def metric() -> GRepQ:
    return GRepQ.load()


@pytest.mark.parametrize("name", GOLDENS)
def test_n6_scores_are_frozen(metric, name):
    assert metric(versions(name)).tolist() == pytest.approx(GOLDENS[name], abs=1e-5)


def test_blur_and_noise_score_below_the_clean_photographs(metric):
    for name in GOLDENS:
        clean, blurred, noisy = metric(versions(name)).tolist()
        assert clean > max(blurred, noisy)


def test_the_card_tells_where_the_weights_come_from(metric):
    assert metric.card["labels"] == "none: synthetic distortions only, no human score"
    assert {
        "config",
        "seed",
        "photos",
        "photos_sha256",
        "figures",
        "commit",
        "versions",
        "license",
    } <= metric.card.keys()
    assert not any(part in str(metric.card) for part in ("/opt", "/work", "/home"))
