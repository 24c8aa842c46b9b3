"""What Pixel Perfect learns end to end, on a configuration that takes seconds (promise T4)."""

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pyiqa_pixelperfect.distortions.engine import DistortionEngine
from pyiqa_pixelperfect.distortions.versions import distorted_versions
from pyiqa_pixelperfect.pixelperfect.config import MapStageConfig
from pyiqa_pixelperfect.pixelperfect.map_network import DistortionMapNet
from pyiqa_pixelperfect.pixelperfect.map_stage import MapStage
from pyiqa_pixelperfect.pixelperfect.metric import PixelPerfect
from pyiqa_pixelperfect.pixelperfect.picture_statistics import TONE_QUANTILES
from pyiqa_pixelperfect.pixelperfect.trainer import train
from pyiqa_pixelperfect.training.checkpoint import latest_checkpoint
from recipes.runs import BRIEF, config_of, log_of, losses_of, tensors_of


def test_t4_the_loss_of_the_smoke_run_falls(smoke):
    losses = losses_of(smoke, "maps")
    assert len(losses) == 60
    assert np.mean(losses[-10:]) < 0.9 * np.mean(losses[:10])
    assert len(losses_of(smoke, "score")) == 20


def test_the_log_tells_the_whole_run(smoke):
    log = log_of(smoke)
    assert [entry["step"] for entry in log if entry["stage"] == "maps"] == list(range(1, 61))
    assert [entry["step"] for entry in log if entry["stage"] == "score"] == list(range(61, 81))
    assert [entry["step"] for entry in log if entry["stage"] == "validation"] == [30, 60]
    assert {"loss", "gradient", "rate", "skipped"} <= log[0].keys()
    assert log[-1]["stage"] == "final"
    assert set(log[-1]) == {"step", "stage", "maps_error", "maps_leak", "maps_type", "maps_sign", "score_ordered"}
    assert (smoke / "previews" / "maps-00000060.png").stat().st_size > 10_000


def test_weights_of_the_run_load_and_score(smoke):
    metric = PixelPerfect.load(smoke / "pixelperfect.safetensors")
    image, reference = torch.rand(2, 3, 70, 65), torch.rand(2, 3, 70, 65)
    assert metric(image, reference).isfinite().all()
    assert torch.equal(metric(image, image), torch.zeros(2))
    card = metric.card
    assert {"config", "seed", "photos", "photos_sha256", "figures", "commit", "versions", "license"} <= card.keys()
    assert card["photos"] == "5 of 6 photos trained on, every fifth held out"
    assert json.loads(card["figures"])["maps_error"] == round(log_of(smoke)[-1]["maps_error"], 4)
    assert "photos" not in json.loads(card["config"])  # no paths of the machine it was made on
    assert str(smoke) not in json.dumps(card)


def described(run: Path, batch: int) -> dict[str, torch.Tensor]:
    return load_file(run / "described" / f"pictures-{batch:06d}.safetensors")


def test_teachers_judge_whole_pictures_only(photos, tmp_path):
    judging = ("score.teachers=[mdsi]", "score.weight_consensus=1")
    train(config_of(photos, tmp_path, *BRIEF, "maps.steps=1", *judging))
    judged = torch.cat([described(tmp_path, batch)["judged"] for batch in range(2)])
    assert 0 < judged.isfinite().float().mean() < 1
    assert all(np.isfinite(entry["consensus"]) for entry in log_of(tmp_path) if entry["stage"] == "score")


def test_without_their_weight_no_teacher_is_asked(photos, tmp_path):
    train(config_of(photos, tmp_path, *BRIEF, "maps.steps=1", "score.crops=4", "score.teachers=[mdsi]"))
    assert described(tmp_path, 0)["judged"].shape[-1] == 0
    assert all("consensus" not in entry for entry in log_of(tmp_path) if entry["stage"] == "score")


@pytest.mark.parametrize("other", ["score.past=null", "score.kadis=1.0"])
def test_sets_are_described_anew_when_crops_get_another_past_or_other_ladders(photos, tmp_path, other):
    brief = (*BRIEF, "maps.steps=1", "score.crops=4", "score.kadis=0.0")
    train(config_of(photos, tmp_path, *brief))
    before = described(tmp_path, 0)["statistics"]
    train(config_of(photos, tmp_path, *brief, other))
    assert not torch.equal(described(tmp_path, 0)["statistics"], before)


def test_further_sets_are_of_their_own_engines_and_leave_those_before_alone(photos, tmp_path):
    brief = (*BRIEF, "maps.steps=1", "score.crops=4", "score.photos=4", "score.kadis=1.0")
    kinds = "exposure", "jpeg"
    parts = [f"{{crops: 4, engine: {{untouched: 0.0, counts: [1.0], kinds: [{kind}]}}}}" for kind in kinds]
    written = []
    for number in range(3):
        train(config_of(photos, tmp_path, *brief, f"score.further=[{', '.join(parts[:number])}]"))
        files = sorted((tmp_path / "described").glob("pictures-*.safetensors"))
        assert len(files) == number + 1
        written.append([file.stat().st_mtime_ns for file in files])
    assert written[0] == written[1][:1] == written[2][:1]
    assert written[1] == written[2][:2]
    main, *further = (described(tmp_path, batch) for batch in range(3))
    clean = [sets["statistics"][:, :, 0] for sets in (main, *further)]
    assert not any(torch.equal(one, other) for one, other in combinations(clean, 2))  # other crops
    assert [brighter_or_darker_alone(sets) for sets in (main, *further)] == [False, True, False]


def brighter_or_darker_alone(sets: dict[str, torch.Tensor]) -> bool:
    """Whether in every version all tones are on one side of those of the clean crop: quantiles come first."""
    tones = sets["statistics"][..., : 3 * len(TONE_QUANTILES)]
    change = tones[:, :, 1:] - tones[:, :, :1]
    return bool(((change >= 0).all(-1) | (change <= 0).all(-1)).all())


def test_the_maps_of_the_run_are_the_average_of_its_last_checkpoint(smoke):
    state = latest_checkpoint(smoke)
    assert state["step"] == 60
    stored = tensors_of(smoke / "pixelperfect.safetensors")
    average = {name.removeprefix("module."): t for name, t in state["averaged"].items() if name != "n_averaged"}
    calibration = {average.pop(name).item() for name in ("calibration.gain", "calibration.faint")}
    assert calibration == {1.0, 0.0}  # it is fitted afterwards
    assert stored["map_network.calibration.gain"] != 1.0
    for name, tensor in average.items():
        weight = stored[f"map_network.{name}"]
        assert torch.equal(weight, tensor.to(weight.dtype)), name
    model = {name.removeprefix("network."): tensor for name, tensor in state["model"].items()}
    assert any(not torch.equal(tensor, model[name]) for name, tensor in average.items())


def test_the_score_can_be_trained_alone_on_finished_maps(smoke, photos, tmp_path):
    start = smoke / "pixelperfect.safetensors"
    train(config_of(photos, tmp_path, f"maps.start={start}", "maps.steps=0", "score.crops=8", "score.steps=4"))
    before, after = tensors_of(start), tensors_of(tmp_path / "pixelperfect.safetensors")
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items() if name.startswith("map_network"))
    head = "score_network.ensemble.0.head.weight"
    assert not torch.equal(before[head], after[head])
    card = PixelPerfect.load(tmp_path / "pixelperfect.safetensors").card
    assert card["maps_from"].startswith(start.name)
    assert json.loads(card["config"])["maps"]["start"] == start.name
    assert str(smoke) not in json.dumps(card)


def test_maps_that_are_learned_on_are_calibrated_anew(smoke, photos, tmp_path):
    start = f"maps.start={smoke / 'pixelperfect.safetensors'}"
    train(config_of(photos, tmp_path, start, *BRIEF, "maps.steps=2", "checkpoint_every=2", "score.steps=0"))
    average = latest_checkpoint(tmp_path)["averaged"]
    assert [average[f"module.calibration.{name}"].item() for name in ("gain", "faint")] == [1.0, 0.0]
    name = "map_network.calibration.gain"
    gains = {tensors_of(folder / "pixelperfect.safetensors")[name].item() for folder in (smoke, tmp_path)}
    assert len(gains | {1.0}) == 3


def test_a_score_that_learns_from_other_metrics(photos, tmp_path):
    pytest.importorskip("piq")
    taught = (
        "score.ladders=2",
        "score.weight_consensus=50",
        "score.teachers=[haarpsi]",
        "score.steps=40",
        "score.learning_rate=0.05",
    )
    train(config_of(photos, tmp_path, *BRIEF, *taught))
    errors = [entry["consensus"] for entry in log_of(tmp_path) if entry["stage"] == "score"]
    assert sum(errors[-10:]) < 0.8 * sum(errors[:10])


def test_t4_one_batch_can_be_learned_by_heart(photos):
    """Distortions of a visible strength all over the picture: what cannot be seen cannot be learned."""
    settings = {"counts": (1.0,), "untouched": 0.0, "amounts": (0.6, 1.0), "shapes": (0.0, 0.9, 0.0, 0.1, 0.0, 0.0)}
    config = config_of(
        photos, Path("unused"), *(f"engine.{k}={list(v) if isinstance(v, tuple) else v}" for k, v in settings.items())
    )
    from pyiqa_pixelperfect.data.crops import CropDataset
    from pyiqa_pixelperfect.data.pristine import list_photos

    dataset = CropDataset(list_photos(photos), 64, 1.0, seed=0)
    clean = torch.stack([dataset[n][1] for n in range(4)]).float() / 255
    versions = distorted_versions(DistortionEngine(config.engine.settings()), clean, np.arange(4), 1, seed=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = DistortionMapNet(14, (8, 12, 16, 24, 32), (16, 16, 24, 24))
    stage = MapStage(network, MapStageConfig(steps=1, photos=4, learning_rate=1.0)).train()
    optimizer = torch.optim.Adam(stage.parameters(), lr=0.01)
    losses = []
    for _ in range(120):
        loss = stage(versions, 10.0)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert min(losses[-10:]) <= 0.1 * losses[0]
