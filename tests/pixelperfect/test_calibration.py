"""Calibration: maps mean what they say on average, and nothing else about them changes."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from pyiqa_pixelperfect.distortions.engine import DistortionEngine
from pyiqa_pixelperfect.distortions.plan import PlanSettings
from pyiqa_pixelperfect.pixelperfect import map_training
from pyiqa_pixelperfect.pixelperfect.calibration import Calibration, Reliability
from pyiqa_pixelperfect.pixelperfect.stored import read_networks
from pyiqa_pixelperfect.weights import load_weights, save_weights


def curve(gain: float, faint: float) -> Calibration:
    calibration = Calibration()
    calibration.gain.fill_(gain)
    calibration.faint.fill_(faint)
    return calibration


def answers(cells: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, and truths that most of the smaller logits owe nothing to."""
    random = np.random.default_rng(seed)
    logits = torch.from_numpy(random.normal(0.0, 1.5, cells)).float()
    there = torch.from_numpy(random.random(cells)) < torch.tanh(logits / 2.0).abs()
    return logits, torch.tanh(logits / 2.0) * there


def test_a_calibration_that_was_not_fitted_is_the_identity():
    logits = torch.cat((torch.randn(100), torch.tensor([0.0, 30.0, -30.0, 1e-4])))
    torch.testing.assert_close(Calibration()(logits), logits)


@given(st.floats(0.1, 5.0), st.floats(0.0, 5.0), st.integers(0, 2**20))
def test_the_curve_rises_and_is_odd(gain, faint, seed):
    calibration = curve(gain, faint)
    logits = torch.cat((torch.linspace(-12.0, 12.0, 97), torch.tensor([0.0])))
    assert torch.equal(calibration(-logits), -calibration(logits))
    assert calibration(torch.zeros(1)).item() == 0.0
    rising = calibration(torch.linspace(-12.0, 12.0, 97)).diff()
    assert (rising > 0).all()
    # So the strongest family of a place stays the strongest.
    maps = torch.randn(1, 14, 5, 5, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(calibration(maps).abs().argmax(1), maps.abs().argmax(1))


def test_the_curve_by_hand():
    # 2 * 0.5 * 0.5 / (0.5 + 1.5) = 0.25, and 2 * 3 * 3 / (3 + 1.5) = 4
    torch.testing.assert_close(curve(2.0, 1.5)(torch.tensor([0.5, -3.0])), torch.tensor([0.25, -4.0]))


def test_gradients_are_finite_where_nothing_is_found():
    logits = torch.tensor([0.0, 1e-8, 0.3], requires_grad=True)
    curve(1.2, 0.6)(logits).sum().backward()
    assert logits.grad.isfinite().all()


def test_the_fit_has_the_least_squared_error():
    logits, truth = answers(20_000, 1)
    reliability, fitted = Reliability(), curve(3.0, 3.0)  # what was there before does not matter
    for part in (slice(0, 7_000), slice(7_000, None)):
        reliability.add(logits[part].reshape(1, 1, -1, 10), truth[part].reshape(1, 1, -1, 10))
    reliability.fit(fitted)

    def error(numbers: np.ndarray) -> float:
        said = torch.tanh(curve(*numbers.tolist())(logits) / 2.0)
        return (said - truth).square().mean().item()

    best = minimize(error, np.array([1.0, 1.0]), method="Nelder-Mead", bounds=[(0.0, 20.0)] * 2)
    assert [fitted.gain.item(), fitted.faint.item()] == pytest.approx(best.x.tolist(), rel=0.02)
    assert error(np.array([fitted.gain.item(), fitted.faint.item()])) < 0.9 * error(np.array([1.0, 0.0]))


def test_the_fit_makes_answers_true_on_average():
    logits, truth = answers(200_000, 2)
    reliability, fitted = Reliability(), Calibration()
    reliability.add(logits, truth)
    reliability.fit(fitted)

    def gap(said: torch.Tensor) -> float:
        bins = ((said + 1.0) * 10.0).long().clamp(0, 19)
        off = torch.zeros(20, dtype=torch.float64).index_add(0, bins, (said - truth).double())
        return off.abs().sum().item() / len(said)

    assert gap(torch.tanh(fitted(logits) / 2.0)) < 0.2 * gap(torch.tanh(logits / 2.0))


def test_answers_that_are_true_are_left_alone():
    logits, _ = answers(5_000, 3)
    reliability, fitted = Reliability(), Calibration()
    reliability.add(logits, torch.tanh(logits / 2.0))
    reliability.fit(fitted)
    torch.testing.assert_close(fitted(logits), logits, rtol=0.02, atol=0.01)


def test_nothing_to_fit_is_refused():
    with pytest.raises(ValueError, match="needs maps"):
        Reliability().fit(Calibration())


def test_calibration_is_the_same_for_a_pair_in_either_order(small):
    small.map_network.calibration.gain.fill_(1.3)
    small.map_network.calibration.faint.fill_(0.6)
    image, reference = torch.rand(2, 2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    forth, back = (small.map_network(*pair) for pair in ((image, reference), (reference, image)))
    torch.testing.assert_close(forth, 1.0 - back, rtol=0.0, atol=2e-7)
    assert (forth - 0.5).abs().max() > 0.01


def test_maps_are_calibrated_everywhere_and_the_score_does_not_read_that(small, monkeypatch):
    image, reference = torch.rand(2, 1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    logits = [small.map_network(image, reference).logit()]
    before = small.compare(image, reference)
    small.map_network.calibration.gain.fill_(1.3)
    small.map_network.calibration.faint.fill_(0.6)
    expected = curve(1.3, 0.6)(logits[0]).sigmoid()
    torch.testing.assert_close(small.map_network(image, reference), expected)
    after = small.compare(image, reference)
    assert torch.equal(after.score, before.score)
    full = torch.nn.functional.interpolate(expected, scale_factor=4.0, mode="bilinear")
    torch.testing.assert_close(after.maps, full)
    torch.testing.assert_close(small.maps(image, reference), full)
    assert (after.maps - before.maps).abs().max() > 0.01
    amounts = (2.0 * expected - 1.0).abs().sum(1, keepdim=True) + 1e-4
    cells = after.score * amounts / amounts.mean()
    spread = torch.nn.functional.interpolate(cells, scale_factor=4.0, mode="bilinear")
    torch.testing.assert_close(small.density(image, reference), spread)
    monkeypatch.setattr("pyiqa_pixelperfect.pixelperfect.metric._FULL_MAPS", 64)
    coarse = small.compare(image, reference)
    assert coarse.stride == 4
    torch.testing.assert_close(coarse.maps, expected)


def test_weights_without_a_calibration_are_read_as_they_are(small, tmp_path):
    small.map_network.calibration.gain.fill_(1.3)
    small.save(tmp_path / "new.safetensors")
    state, card = load_weights(tmp_path / "new.safetensors", "PixelPerfect")
    old = {name: tensor for name, tensor in state.items() if "calibration" not in name}
    assert len(old) == len(state) - 2
    save_weights(tmp_path / "old.safetensors", old, card)
    gains = [read_networks(tmp_path / f"{age}.safetensors")[0].calibration.gain.item() for age in ("new", "old")]
    assert gains == [pytest.approx(1.3), 1.0]


def run_of(files: list, tmp_path, **maps: int) -> SimpleNamespace:
    from pyiqa_pixelperfect.systems import load_config

    overrides = [f"output={tmp_path / 'run'}", "data.photos=photos", *(f"maps.{k}={v}" for k, v in maps.items())]
    engine = DistortionEngine(PlanSettings(untouched=0.0, kinds=("white_noise", "exposure")))
    processes = SimpleNamespace(first=True, world=1, rank=0, device=torch.device("cpu"))
    logbook = SimpleNamespace(stage=lambda *_: None, advance=lambda *_: None)
    config = load_config("pixelperfect/smoke.yaml", overrides)
    return SimpleNamespace(config=config, photos=files, engine=engine, processes=processes, logbook=logbook)


@pytest.fixture
def paths(tmp_path):
    from PIL import Image

    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(4):
        small = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        small.resize((96, 96), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return sorted(folder.iterdir())


def test_finished_maps_are_calibrated_by_pairs_of_their_own_engine(small, paths, tmp_path):
    maps = small.map_network.requires_grad_(False)
    seen = []

    class Watched(Reliability):
        def add(self, logits, truth):
            seen.append((logits.clone(), truth.clone()))
            super().add(logits, truth)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(map_training, "Reliability", Watched)
        map_training.calibrate_maps(run_of(paths, tmp_path, photos=2, versions=2, calibration_crops=5), maps)
    assert [tuple(logits.shape) for logits, _ in seen] == [(6, 14, 16, 16)] * 3  # of 6 crops, whole batches
    logits, truth = (torch.cat(parts) for parts in zip(*seen, strict=True))
    families = truth.flatten(2).abs().amax((0, 2)).nonzero()[:, 0].tolist()
    assert families == [1, 9]  # noise and brightness
    raw, calibrated = ((torch.tanh(part / 2.0) - truth).square().mean() for part in (logits, maps.calibration(logits)))
    assert calibrated < raw
    again = maps.calibration.gain.item()
    map_training.calibrate_maps(run_of(paths, tmp_path, photos=2, versions=2, calibration_crops=5), maps)
    assert maps.calibration.gain.item() == again  # not calibrated twice over


@pytest.mark.parametrize("crops", [0, 4])
def test_calibrated_maps_that_are_not_learned_on_are_kept(small, paths, tmp_path, crops):
    maps = small.map_network
    maps.calibration.gain.fill_(1.3)
    run = run_of(paths, tmp_path, photos=2, calibration_crops=crops, steps=0)
    average = map_training.train_maps(run, maps, {})
    map_training.calibrate_maps(run, average)
    assert average.calibration.gain.item() == pytest.approx(1.3)


@pytest.mark.parametrize(("crops", "changed"), [(0, False), (4, True)])
def test_maps_without_a_calibration_get_one_if_it_is_asked_for(small, paths, tmp_path, crops, changed):
    maps = small.map_network.requires_grad_(False)
    map_training.calibrate_maps(run_of(paths, tmp_path, photos=2, calibration_crops=crops, steps=0), maps)
    assert maps.calibration.fitted is changed
