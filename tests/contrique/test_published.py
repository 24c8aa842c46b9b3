"""The published checkpoint, on a synthetic one of exactly its layout: what is kept, dropped and refused."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor, nn
from torchvision.models import resnet50

from pyiqa_pixelperfect.contrique.metric import Contrique, ContriqueFR
from pyiqa_pixelperfect.contrique.networks import half_size
from pyiqa_pixelperfect.contrique.published import convert, read_head
from pyiqa_pixelperfect.errors import ConfigError, WeightsError
from pyiqa_pixelperfect.systems import Conversion
from pyiqa_pixelperfect.systems import convert as convert_by_name

COEFFICIENTS = np.random.default_rng(1).normal(size=4096)


class Published(nn.Module):
    """torchvision's ResNet-50 without its last two children in a Sequential, and the projector."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(*list(resnet50(weights=None).children())[:-2])
        self.projector = nn.Sequential(
            nn.Linear(2048, 2048, bias=False),
            nn.BatchNorm1d(2048),
            nn.ReLU(),
            nn.Linear(2048, 128, bias=False),
            nn.BatchNorm1d(128),
        )


@pytest.fixture(scope="module")
def published() -> Published:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Published().eval()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0.0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
        return network.requires_grad_(False)


@pytest.fixture(scope="module")
def checkpoint(published: Published, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("published") / "CONTRIQUE_checkpoint25.tar"
    torch.save(published.state_dict(), path)
    return path


def regressor(folder: Path, name: str, features: int = 4096) -> Path:
    model = Ridge(alpha=0.1)
    model.coef_, model.intercept_ = COEFFICIENTS[:features].astype(np.float32), np.float32(37.2)
    (folder / name).write_bytes(pickle.dumps(model, protocol=4))
    return folder / name


def features_of(published: Published, image: Tensor) -> Tensor:
    """Means of the last map of picture and half picture, each of unit length, one after the other."""
    pooled = [published.encoder(scale).mean((2, 3)) for scale in (image, half_size(image))]
    return torch.cat([nn.functional.normalize(part, dim=1) for part in pooled], dim=1)


def test_converted_weights_score_as_the_published_ones_would(published, checkpoint, tmp_path):
    out = convert((checkpoint, regressor(tmp_path, "Koniq.save")), tmp_path / "w.safetensors", None)
    image = torch.rand(1, 3, 64, 75, generator=torch.Generator().manual_seed(1))
    metric = Contrique.load(out)
    expected = features_of(published, image)
    assert torch.allclose(metric.features(image), expected, atol=1e-5)
    assert metric(image).item() == pytest.approx((expected[0].double().numpy() @ COEFFICIENTS) + 37.2, abs=1e-3)
    assert metric.head.labels.source.startswith("KonIQ-10k")
    assert "none stated" in metric.card["license"]
    assert not any("projector" in name for name in metric.state_dict())


@pytest.mark.parametrize(
    ("name", "lower_better", "high"),
    [("Koniq.save", False, 100), ("CLIVE.save", False, 100), ("LIVE.save", True, 100), ("CSIQ.save", True, 1),
     ("LIVE_FR.save", True, 100), ("CSIQ_FR.save", True, 1)],
)  # fmt: skip
def test_directions_come_with_the_published_names(tmp_path, name, lower_better, high):
    head = read_head(regressor(tmp_path, name), None, 4096)
    assert (head.labels.lower_better, head.labels.low, head.labels.high) == (lower_better, 0, high)
    features = torch.rand(2, 4096)
    assert torch.equal(head.quality(features), -head(features) if lower_better else head(features))


def test_the_full_reference_regressor_works_on_differences(published, checkpoint, tmp_path):
    out = convert((checkpoint, regressor(tmp_path, "CSIQ_FR.save")), tmp_path / "w.safetensors", None)
    image, reference = torch.rand(2, 1, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    metric = ContriqueFR.load(out)
    assert metric(image, image).item() == pytest.approx(37.2, abs=1e-5)
    difference = (features_of(published, image) - features_of(published, reference)).abs()[0]
    expected = difference.double().numpy() @ COEFFICIENTS + 37.2
    assert metric(image, reference).item() == pytest.approx(expected, abs=1e-3)


def test_without_a_regressor_the_encoder_is_converted_alone(published, checkpoint, tmp_path):
    """And names of data-parallel training are known."""
    torch.save({f"module.{name}": tensor for name, tensor in published.state_dict().items()}, tmp_path / "c.tar")
    out = convert_by_name("contrique", Conversion([tmp_path / "c.tar"], tmp_path / "w.safetensors"))
    metric = ContriqueFR.load(out)
    assert metric.head is None
    assert torch.equal(metric.encoder.pyramid.body.conv1.weight, published.encoder[0].weight)
    assert torch.equal(metric.encoder.pyramid.body.layer4[2].bn3.running_var, published.encoder[7][2].bn3.running_var)
    with pytest.raises(WeightsError, match="an encoder with a head"):
        Contrique.load(out)


def test_a_regressor_of_an_unknown_name_needs_a_direction(tmp_path):
    mine = regressor(tmp_path, "mine.save")
    with pytest.raises(ConfigError, match=r"one of the published names .* got 'mine.save'. Say what it predicts"):
        read_head(mine, None, 4096)
    labels = read_head(mine, True, 4096).labels
    assert (labels.low, labels.high, labels.lower_better) == (None, None, True)


def test_a_regressor_for_other_features_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="4096 coefficients"):
        read_head(regressor(tmp_path, "Koniq.save", 7), None, 4096)


class Bomb:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return Path.mkdir, (self.folder,)


def test_nothing_in_a_checkpoint_is_run(tmp_path):
    torch.save({"encoder.0.weight": Bomb(tmp_path / "ran")}, tmp_path / "c.tar")
    with pytest.raises(WeightsError, match="checkpoint"):
        convert((tmp_path / "c.tar",), tmp_path / "w", None)
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ([1, 2], "a list"),
        ({}, "nothing"),
        ({"model": {"a": torch.zeros(1)}}, "model"),
        ({"encoder.0.weight": 3}, "encoder.0.weight"),
        ({"encoder.9.weight": torch.zeros(1)}, "encoder.9.weight"),
        ({"encoder.0.weight": torch.zeros(64, 3, 7, 7)}, "Missing key"),
        ({"projector.0.weight": torch.zeros(1)}, "nothing"),
    ],
)
def test_other_checkpoints_are_refused(tmp_path, state, message):
    torch.save(state, tmp_path / "c.tar")
    with pytest.raises(WeightsError, match=f"checkpoint: expected (?s:.*){message}"):
        convert((tmp_path / "c.tar",), tmp_path / "w", None)


def test_damaged_missing_and_too_many_files_are_refused(checkpoint, tmp_path):
    (tmp_path / "c.tar").write_bytes(checkpoint.read_bytes()[:100_000])
    for path in (tmp_path / "c.tar", tmp_path / "nowhere.tar"):
        with pytest.raises(WeightsError, match="checkpoint: expected"):
            convert((path,), tmp_path / "w", None)
    for files in ((), (checkpoint,) * 3):
        with pytest.raises(ConfigError, match="a checkpoint, and maybe a regressor"):
            convert(files, tmp_path / "w", None)
