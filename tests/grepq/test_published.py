"""Published files of GRepQ and of CLIP, rebuilt with random numbers in exactly their layout, and hostile ones."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from pyiqa_pixelperfect.errors import ConfigError, WeightsError
from pyiqa_pixelperfect.grepq.high_metric import HighLevelMetric
from pyiqa_pixelperfect.grepq.metric import GRepQ
from pyiqa_pixelperfect.grepq.published import convert
from pyiqa_pixelperfect.systems import Conversion
from pyiqa_pixelperfect.systems import convert as convert_by_name

h5py = pytest.importorskip("h5py")


class Encoder(nn.Module):
    """The published encoder: a ResNet-18, and its parts once more in a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.base_model = resnet18()
        self.resnet18 = nn.Sequential(*list(self.base_model.children())[:-1])


class PublishedNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.head = nn.Sequential(nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 128))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder.resnet18(images).flatten(1))


@pytest.fixture(scope="module")
def published() -> PublishedNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return PublishedNet().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def folder(published, tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    torch.save({"model": {"state_dict": published.state_dict()}, "epoch": 15}, folder / "low_level_model_weights.tar")
    patches = np.random.default_rng(0).random((4, 3, 96, 96), np.float32)
    with h5py.File(folder / "pristine_patches_096_0.75_0.80.hdf5", "w") as file:
        file.create_dataset("data", data=patches)
    return folder


def openai_names(high: HighLevelMetric) -> dict[str, torch.Tensor]:
    """The state dict of a small tower under the names that OpenAI's CLIP has for its parts."""
    renamed = {}
    for name, tensor in high.network.tower.state_dict().items():
        parts = name.split(".")
        if parts[0] == "stem":
            number, kind = parts[1].removeprefix("conv"), {"conv": "conv", "bn": "bn"}[parts[2]]
            new = f"{kind}{number}.{parts[3]}"
        elif parts[0] == "head":
            new = "attnpool." + {"pos_embed": "positional_embedding"}.get(
                parts[1], f"{parts[1]}_proj".replace("proj_proj", "c_proj")
            )
            new += f".{parts[2]}" if len(parts) > 2 else ""
        else:
            base = f"layer{int(parts[1]) + 1}.{parts[2]}."
            if parts[3] == "shortcut":
                new = base + "downsample." + ("0." if parts[5] == "conv" else "1.") + parts[6]
            else:
                number = parts[3].removeprefix("conv")[0]
                new = base + ("conv" if parts[4] == "conv" else "bn") + f"{number}.{parts[5]}"
        renamed[new] = tensor.clone()
    return renamed


@pytest.fixture
def clip_file(high, tmp_path):
    torch.save({"visual": openai_names(high), "prompts": high.network.prompts}, tmp_path / "clip.pt")
    return tmp_path / "clip.pt"


def test_the_published_low_level_files_become_a_metric_with_the_same_features(folder, published, photographs, tmp_path):
    files = sorted(folder.iterdir())
    metric = GRepQ.load(convert(files, tmp_path / "low.safetensors"))
    torch.testing.assert_close(metric.low(photographs), published(photographs), rtol=1e-4, atol=1e-5)
    with h5py.File(files[1]) as file:
        features = published(torch.from_numpy(file["data"][:])).double().numpy()
    np.testing.assert_allclose(metric.pristine_mean.numpy(), features.mean(0), atol=1e-5)
    np.testing.assert_allclose(metric.pristine_covariance.numpy(), np.cov(features.T), atol=1e-5)
    assert metric(photographs).isfinite().all()
    assert "low_level_model_weights.tar, sha256" in metric.card["source"]


def test_clip_alone_is_something_to_start_from(clip_file, high, photographs, tmp_path):
    back = HighLevelMetric.load(convert_by_name("grepq", Conversion([clip_file], tmp_path / "high.safetensors")))
    torch.testing.assert_close(back(photographs), high(photographs), rtol=0, atol=1e-6)


def test_the_published_tower_takes_the_place_of_clips(clip_file, high, photographs, tmp_path):
    tuned = openai_names(high)
    tuned.pop("attnpool.positional_embedding")  # GRepQ removes it by hand
    tuned["attnpool.c_proj.bias"] += 1.0
    torch.save(tuned, tmp_path / "high_level_model_weights.pth")
    files = [tmp_path / "high_level_model_weights.pth", clip_file]
    back = HighLevelMetric.load(convert(files, tmp_path / "high.safetensors"))
    with torch.no_grad():
        high.network.tower.head.proj.bias += 1.0
    torch.testing.assert_close(back(photographs), high(photographs), rtol=0, atol=1e-6)


@pytest.mark.parametrize("names", [[], ["low_level_model_weights.tar"], ["pristine_patches_096_0.75_0.80.hdf5"]])
def test_other_sets_of_files_are_refused(folder, tmp_path, names):
    with pytest.raises(ConfigError, match="files: expected the low-level tar with the pristine hdf5, or CLIP's tower"):
        convert([folder / name for name in names], tmp_path / "out.safetensors")


# ------------------------------------------------------------------------------------------------------ hostile files


class Bomb:
    def __init__(self, marker) -> None:
        self.marker = marker

    def __reduce__(self):
        return (open, (str(self.marker), "w"))


@pytest.mark.parametrize("place", ["whole", "inside"])
def test_w1_files_that_would_run_code_do_not(tmp_path, place):
    bomb = Bomb(tmp_path / "exploded")
    path = tmp_path / "low_level_model_weights.tar"
    if place == "whole":
        path.write_bytes(pickle.dumps(bomb))
    else:
        torch.save({"model": {"state_dict": bomb}}, path)
    with pytest.raises(WeightsError, match="checkpoint: expected"):
        convert([path], tmp_path / "out.safetensors")
    assert not (tmp_path / "exploded").exists()


def spoil(state: dict, how: str) -> object:
    if how == "no state":
        return {"model": 3}
    if how == "not tensors":
        return {"model": {"state_dict": {"encoder.base_model.conv1.weight": "x"}}}
    changed = dict(state)
    if how == "missing":
        changed.pop("head.0.weight")
    elif how == "more":
        changed["tail.weight"] = torch.zeros(3)
    elif how == "shape":
        changed["head.2.weight"] = torch.zeros(64, 512)
    elif how == "nan":
        changed["head.2.bias"] = torch.full((128,), float("nan"))
    return {"model": {"state_dict": changed}}


@pytest.mark.parametrize("how", ["no state", "not tensors", "missing", "more", "shape", "nan"])
def test_checkpoints_of_another_layout_are_refused(folder, published, tmp_path, how):
    torch.save(spoil(published.state_dict(), how), tmp_path / "low.tar")
    with pytest.raises(WeightsError):
        convert([tmp_path / "low.tar", next(folder.glob("*.hdf5"))], tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


GOOD = np.zeros((2, 3, 96, 96), np.float32)


def secret(file) -> Path:
    """A file that holds just what is asked for, and that the patches must not lead to."""
    path = Path(file.filename).parent / "secret"
    with h5py.File(path, "w") as other:
        other.create_dataset("data", data=GOOD)
    return path


def raw(file) -> Path:
    path = Path(file.filename).parent / "raw"
    path.write_bytes(GOOD.tobytes())
    return path


def soft(file) -> None:
    file.create_dataset("other", data=GOOD)
    file["data"] = h5py.SoftLink("/other")


def virtual(file) -> None:
    layout = h5py.VirtualLayout(GOOD.shape, "f4")
    layout[:] = h5py.VirtualSource(secret(file), "data", GOOD.shape)
    file.create_virtual_dataset("data", layout)


BAD_PATCHES = {
    "no dataset": lambda file: file.create_dataset("other", data=GOOD),
    "shape": lambda file: file.create_dataset("data", data=GOOD[..., :95]),
    "type": lambda file: file.create_dataset("data", data=GOOD.astype(np.float64)),
    "range": lambda file: file.create_dataset("data", data=GOOD + 2),
    "nan": lambda file: file.create_dataset("data", data=GOOD * np.nan),
    "one": lambda file: file.create_dataset("data", data=GOOD[:1]),
    "huge": lambda file: file.create_dataset("data", shape=(10**9, 3, 96, 96), dtype="f4", chunks=(1, 3, 96, 96)),
    "group": lambda file: file.create_group("data"),
    "external link": lambda file: file.__setitem__("data", h5py.ExternalLink(secret(file), "data")),
    "soft link": soft,
    "external storage": lambda file: file.create_dataset(
        "data", shape=GOOD.shape, dtype="f4", external=[(str(raw(file)), 0, GOOD.nbytes)]
    ),
    "virtual": virtual,
}


@pytest.mark.parametrize("how", [*BAD_PATCHES, "cut off", "text", "missing"])
def test_patches_that_are_no_patches_are_refused(folder, tmp_path, how):
    path = tmp_path / "patches.hdf5"
    if how == "cut off":
        path.write_bytes(next(folder.glob("*.hdf5")).read_bytes()[:5000])
    elif how == "text":
        path.write_text("no HDF5 at all")
    elif how != "missing":
        with h5py.File(path, "w") as file:
            BAD_PATCHES[how](file)
    with pytest.raises(WeightsError, match="patches: expected an HDF5 file with a dataset 'data'"):
        convert([folder / "low_level_model_weights.tar", path], tmp_path / "out.safetensors")


@pytest.mark.parametrize("how", ["prompts", "other length", "no tower", "empty tower"])
def test_clip_files_of_another_layout_are_refused(high, tmp_path, how):
    content = {"visual": openai_names(high), "prompts": high.network.prompts.clone()}
    if how == "prompts":
        content["prompts"] = torch.zeros(3, 8)
    elif how == "other length":
        content["prompts"] = torch.zeros(2, 9)
    elif how == "no tower":
        content.pop("visual")
    else:
        content["visual"] = {"conv3.weight": torch.zeros(4, 2, 3, 3)}
    torch.save(content, tmp_path / "clip.pt")
    with pytest.raises(WeightsError):
        convert([tmp_path / "clip.pt"], tmp_path / "out.safetensors")
