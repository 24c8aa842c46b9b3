"""``precision="bfloat16"``: nearly the same answers, and what holds exactly still holds exactly."""

import pytest
import torch
from skimage import data
from torch import Tensor

from pyiqa_pixelperfect import PixelPerfect
from pyiqa_pixelperfect.errors import ConfigError
from pyiqa_pixelperfect.families import FAMILIES


@pytest.fixture(scope="module")
def exact() -> PixelPerfect:
    return PixelPerfect.load()


@pytest.fixture(scope="module")
def quick() -> PixelPerfect:
    return PixelPerfect.load(precision="bfloat16")


@pytest.fixture(scope="module")
def pair() -> tuple[Tensor, Tensor]:
    clean = torch.tensor(data.astronaut()[:250, 60:317]).permute(2, 0, 1)[None].float() / 255
    noise = 0.08 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    return (clean + noise).clamp(0, 1), clean


def test_answers_are_those_of_float32_up_to_a_little(exact, quick, pair) -> None:
    expected, found = exact.compare(*pair), quick.compare(*pair)
    assert found.maps.dtype == found.score.dtype == torch.float32
    apart = (found.signed - expected.signed).abs()
    assert apart.mean() < 0.02
    assert apart.max() < 0.25
    assert apart.max() > 0  # it is computed in another precision
    assert found.score.item() == pytest.approx(expected.score.item(), abs=0.01)
    strongest = [result.signed.abs().mean((0, 2, 3)).argmax().item() for result in (expected, found)]
    assert strongest == [FAMILIES.index("noise")] * 2


def test_swapping_still_mirrors_exactly(quick, pair) -> None:
    image, reference = pair
    forth, back = quick.compare(image, reference), quick.compare(reference, image)
    torch.testing.assert_close(forth.maps, 1 - back.maps, atol=2e-7, rtol=0)
    assert forth.score.item() == -back.score.item()
    same = quick.compare(image, image)
    assert same.score.item() == 0.0
    assert (same.maps == 0.5).all()


def test_tiles_and_the_whole_agree(quick) -> None:
    """Of a strip so long that no tile sees all of it with its surroundings."""
    clean = torch.tensor(data.astronaut()[100:164]).permute(2, 0, 1)[None].float() / 255
    noisy = (clean + 0.08 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    whole, tiled = quick.compare(noisy, clean), quick.compare(noisy, clean, tile=64)
    assert 64 + 2 * quick.map_network.context < clean.shape[-1]
    assert (whole.maps - tiled.maps).abs().max() < 0.02
    assert whole.score.item() == pytest.approx(tiled.score.item(), abs=1e-3)


def test_gradients_reach_the_picture(quick, pair) -> None:
    image, reference = pair
    image = image.clone().requires_grad_()
    quick(image, reference).sum().backward()
    assert image.grad is not None
    assert image.grad.isfinite().all()
    assert image.grad.any()


def test_other_precisions_are_refused() -> None:
    with pytest.raises(ConfigError, match="precision: expected float32 or bfloat16, got float16"):
        PixelPerfect.load(precision="float16")


def test_pyiqa_takes_the_precision(exact, pair) -> None:
    pyiqa = pytest.importorskip("pyiqa")
    metric = pyiqa.create_metric("pixelperfect", device="cpu", precision="bfloat16")
    assert metric.net.network.map_network.head.weight.dtype == torch.bfloat16
    assert metric(*pair).item() == pytest.approx(exact(*pair).item(), abs=0.01)
