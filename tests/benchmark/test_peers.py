import pytest
import torch

from benchmark.peers import CLOSED_FORM, closed_form, lpips_squeeze
from pyiqa_pixelperfect.errors import WeightsError


@pytest.fixture
def pictures():
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(2, 3, 12, 12, generator=generator)
    reference = torch.nn.functional.interpolate(coarse, size=(96, 96), mode="bilinear")
    noise = torch.randn(reference.shape, generator=generator)
    return reference, (reference + 0.02 * noise).clamp(0, 1), (reference + 0.2 * noise).clamp(0, 1)


@pytest.mark.parametrize("name", CLOSED_FORM)
def test_oriented_scores_prefer_the_better_image(name, pictures):
    peer = closed_form(name)
    reference, good, bad = pictures
    better, worse = peer.oriented(good, reference), peer.oriented(bad, reference)
    assert better.shape == worse.shape == (2,)
    assert not better.requires_grad
    assert (better > worse).all()


def test_random_lpips_is_a_distance_and_says_that_it_is_random(pictures):
    peer = lpips_squeeze(None)
    reference, good, _ = pictures
    assert "random" in peer.note
    assert peer.oriented(reference, reference).tolist() == [0.0, 0.0]
    assert torch.equal(peer.oriented(good, reference), -peer.function(good, reference))


def test_missing_lpips_weights_are_named(tmp_path):
    with pytest.raises(WeightsError, match=r"squeezenet1_1_features\.pth"):
        lpips_squeeze(tmp_path)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_wrong_lpips_weights_are_noticed(tmp_path):
    import lpips

    network = lpips.LPIPS(net="squeeze", pnet_rand=True, pretrained=False, verbose=False)
    state = network.state_dict()
    backbone = {key.split(".", 2)[2]: value for key, value in state.items() if key.startswith("net.slice")}
    heads = {key: value.abs() for key, value in state.items() if key.startswith("lin") and not key.startswith("lins")}
    torch.save(backbone, tmp_path / "squeezenet1_1_features.pth")
    torch.save(heads, tmp_path / "lpips_v0.1_squeeze_heads.pth")
    with pytest.raises(WeightsError, match="check values"):
        lpips_squeeze(tmp_path)
