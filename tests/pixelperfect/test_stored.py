"""Weights in and out of files: the same answers, and clear errors for what is no weights file."""

import json
import math
import pickle
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from noisy_pictures import pictures
from pyiqa_pixelperfect.errors import WeightsError
from pyiqa_pixelperfect.families import FAMILIES
from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect
from pyiqa_pixelperfect.weights import load_weights, save_weights


@pytest.fixture
def saved(small: PixelPerfect, tmp_path: Path) -> Path:
    small.save(tmp_path / "w.safetensors", {"seed": "7"})
    return tmp_path / "w.safetensors"


def test_full_precision_weights_come_back_whole(small, tmp_path):
    small.save(tmp_path / "w.safetensors", half=False)
    loaded = PixelPerfect.load(tmp_path / "w.safetensors")
    image, reference = pictures(0, 2)
    assert (loaded(image, reference) - small(image, reference)).abs().max() <= 1e-5
    assert (loaded.maps(image, reference) - small.maps(image, reference)).abs().max() <= 1e-5


def test_half_precision_moves_answers_by_little(metric, tmp_path):
    metric.save(tmp_path / "half.safetensors")
    metric.save(tmp_path / "full.safetensors", half=False)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.55 * (tmp_path / "full.safetensors").stat().st_size
    assert (tmp_path / "half.safetensors").stat().st_size < 10_000_000
    loaded = PixelPerfect.load(tmp_path / "half.safetensors")
    image, reference = torch.cat(pictures(0, 4)[:-1]), torch.cat(pictures(0, 4)[1:])
    moved = (loaded.maps(image, reference) - metric.maps(image, reference)).abs()
    scores, before = loaded(image, reference), metric(image, reference)
    assert moved.max() <= 0.02
    assert moved.mean() <= 1e-3
    assert (scores - before).abs().max() <= 0.01 * before.abs().max()


def test_saving_does_not_change_the_network(small, tmp_path):
    before = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    small.save(tmp_path / "w.safetensors")
    assert all(torch.equal(tensor, before[name]) for name, tensor in small.state_dict().items())


def test_loaded_networks_are_ready_for_use(saved):
    loaded = PixelPerfect.load(str(saved))
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert loaded.lower_better is False
    assert loaded.families == FAMILIES
    assert loaded.card["class"] == "PixelPerfect"
    assert loaded.card["seed"] == "7"
    assert "sha256" not in loaded.card  # of the file, not of the model


def test_a_folded_network_cannot_be_saved_by_mistake(saved, tmp_path):
    with pytest.raises(WeightsError, match="normalization folded"):
        PixelPerfect.load(saved).save(tmp_path / "again.safetensors")
    assert not (tmp_path / "again.safetensors").exists()


def test_a_network_with_nan_cannot_be_saved(small, tmp_path):
    with torch.no_grad():
        small.map_network.head.weight[0] = math.nan
    with pytest.raises(WeightsError, match=r"NaN or infinity in map_network\.head\.weight"):
        small.save(tmp_path / "w.safetensors")


def test_kernels_too_large_for_half_precision_are_refused(small, tmp_path):
    with torch.no_grad():
        small.map_network.head.weight.fill_(1e6)
    with pytest.raises(WeightsError, match="head"):
        small.save(tmp_path / "w.safetensors")
    small.save(tmp_path / "w.safetensors", half=False)


def altered(path: Path, **changes: str | None) -> Path:
    """The same weights under another card (None removes an entry), with a checksum that fits."""
    with safe_open(path, framework="pt") as file:
        card = {**file.metadata(), **changes}
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_weights(path, state, {key: value for key, value in card.items() if value is not None})
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class": "Contrique"}, "expected weights of PixelPerfect, got weights of 'Contrique'"),
        ({"families": ",".join(FAMILIES[::-1])}, f"expected the families {FAMILIES[0]}"),
        ({"families": None}, "expected the families"),
        ({"sizes": None}, "sizes"),
        ({"sizes": "{}"}, "sizes that fit"),
        ({"sizes": "not json"}, "sizes that fit"),
        ({"sizes": "[1, 2]"}, "sizes that fit"),
        ({"sizes": json.dumps({"families": 14, "encoder": [4, 6, 8, 8], "decoder": 3})}, "sizes that fit"),
        (
            {
                "sizes": json.dumps(
                    {"families": 14, "encoder": [4, 6, 8, 8, 16], "decoder": [8, 8, 12, 12]}
                    | {"hidden": 6, "embedding": 5, "ensemble": 1}
                )
            },
            "size mismatch",
        ),
    ],
)
def test_w3_a_card_that_does_not_fit_is_an_error(saved, changes, message):
    with pytest.raises(WeightsError, match=message.replace("(", r"\(")):
        PixelPerfect.load(altered(saved, **changes))


def test_w3_missing_and_surplus_tensors_are_errors(saved):
    state, card = load_weights(saved, "PixelPerfect")
    name = "map_network.head.weight"
    save_weights(saved, {n: t for n, t in state.items() if n != name}, card)
    with pytest.raises(WeightsError, match=f"Missing key.*{name}"):
        PixelPerfect.load(saved)
    save_weights(saved, {**state, "surplus": torch.zeros(1)}, card)
    with pytest.raises(WeightsError, match="surplus"):
        PixelPerfect.load(saved)


@pytest.mark.parametrize("kind", ["folder", "missing", "empty", "text", "pickle"])
def test_w1_w2_what_is_no_weights_file_is_an_error(kind, tmp_path):
    path = tmp_path / "w.safetensors"
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("weights " * 100)
    elif kind == "pickle":

        class Bomb:
            def __reduce__(self):
                return (Path.touch, (tmp_path / "exploded",))

        path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(WeightsError):
        PixelPerfect.load(path)
    assert not (tmp_path / "exploded").exists()


def test_building_and_loading_leave_the_callers_generator_alone_and_are_repeatable(saved):
    state = torch.get_rng_state()
    PixelPerfect.load(saved)
    one, two, other = PixelPerfect(), PixelPerfect(), PixelPerfect(seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    weights = [network.map_network.head.weight for network in (one, two, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
