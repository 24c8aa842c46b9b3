"""The engine: what it says was done is what was done."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pyiqa_pixelperfect.distortions import KINDS, DistortionEngine, Plan, PlanSettings, amount_fields, apply_kind
from pyiqa_pixelperfect.distortions.engine import truth_of
from pyiqa_pixelperfect.distortions.plan import families_of, single_kind_plan
from pyiqa_pixelperfect.errors import ConfigError, ImageError
from pyiqa_pixelperfect.families import FAMILIES, SIGNED

NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; this machine has none")
DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, NO_GPU])]
LOCAL = (0.7, 0.0, 0.05, 0.05, 0.1, 0.1)


def pictures(count, height=49, width=66, seed=0):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 6, 7, generator=generator)
    return torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)


def rows(plan: Plan, chosen: list[int]) -> Plan:
    """The same plan for some of its pictures."""
    batch, slots = plan.kinds.shape
    places = torch.tensor([slot * batch + row for slot in range(slots) for row in chosen])
    return Plan(plan.kinds[chosen], plan.peaks[chosen], plan.seeds[chosen], plan.fields.select(places))


@pytest.mark.parametrize("device", DEVICES)
def test_a_draw_is_pictures_and_their_amounts(device):
    images = pictures(60).to(device)
    before = images.clone()
    draw = DistortionEngine().apply(images, DistortionEngine().plan(range(60), seed=1))
    assert torch.equal(images, before)
    assert draw.image.shape == images.shape
    assert draw.image.dtype == draw.amounts.dtype == torch.float32
    assert draw.image.device == draw.amounts.device == images.device
    assert draw.image.isfinite().all()
    assert draw.image.min() >= 0
    assert draw.image.max() <= 1
    assert draw.amounts.shape == (60, len(FAMILIES), 49, 66)
    for channel, family in enumerate(FAMILIES):
        assert draw.amounts[:, channel].abs().max() <= 1
        assert (draw.amounts[:, channel].min() < 0) == (family in SIGNED), family


@pytest.mark.parametrize("device", DEVICES)
def test_untouched_pixels_are_bit_identical(device):
    images = pictures(40).to(device)
    engine = DistortionEngine(PlanSettings(shapes=LOCAL))
    draw = engine.apply(images, engine.plan(range(40), seed=2))
    touched = (draw.amounts != 0).any(1, keepdim=True)
    assert 0.2 < touched.float().mean() < 0.8
    assert torch.equal(torch.where(touched, images, draw.image), images)
    assert (draw.image != images).any(1, keepdim=True)[touched].float().mean() > 0.8


def test_amounts_are_there_for_the_families_of_the_plan_only():
    engine = DistortionEngine(PlanSettings(coverage=(0.4, 0.8)))
    plan = engine.plan(range(50), seed=3)
    amounts = engine.apply(pictures(50), plan).amounts
    kinds = list(KINDS.values())
    for row, families in enumerate(families_of(plan).tolist()):
        present = set(amounts[row].flatten(1).abs().amax(1).nonzero()[:, 0].tolist())
        own = set(families) - {-1}
        drawn = [kinds[number] for number in plan.kinds[row].tolist() if number >= 0]
        further = {FAMILIES.index(family) for kind in drawn for family, _ in kind.also}
        assert own <= present <= own | further


@pytest.mark.parametrize("name", KINDS)
def test_amounts_are_exactly_what_was_applied(name):
    peaks = [0.3, 1.0] + ([-0.6] if KINDS[name].signed else [])
    images = pictures(len(peaks))
    plan = single_kind_plan(name, peaks, seed=9, shape="perlin", scale=40.0)
    draw = DistortionEngine().apply(images, plan)
    channel = FAMILIES.index(KINDS[name].family)
    asked = amount_fields(plan.fields, 49, 66) * torch.tensor(peaks).reshape(-1, 1, 1, 1)
    if KINDS[name].realize:
        asked = KINDS[name].realize(asked, plan.seeds[:, 0])
    assert torch.equal(draw.amounts[:, channel : channel + 1], asked)
    touched = {FAMILIES[number] for number in draw.amounts.abs().sum((0, 2, 3)).nonzero()[:, 0].tolist()}
    assert touched == {KINDS[name].family, *(family for family, _ in KINDS[name].also)}
    again = KINDS[name].function(images, draw.amounts[:, channel : channel + 1], plan.seeds[:, 0])
    if name in {
        "jpeg",
        "double_jpeg",
    }:  # quality is rounded after averaging once more, so that a last bit may tip a unit over
        assert (draw.image != again).float().mean() < 0.05
    else:
        assert torch.equal(draw.image, again)


def test_up_to_three_are_composed_in_slot_order():
    engine = DistortionEngine(PlanSettings(counts=(0.0, 0.3, 0.7), untouched=0.0))
    plan = engine.plan(range(12), seed=5)
    images = pictures(12)
    draw = engine.apply(images, plan)
    kinds = list(KINDS.values())
    fields = amount_fields(plan.fields, 49, 66).reshape(3, 12, 1, 49, 66)
    for row in range(12):
        image = images[row : row + 1]
        expected = torch.zeros(len(FAMILIES), 49, 66)
        for slot, number in enumerate(plan.kinds[row].tolist()):
            if number >= 0:
                seeds = plan.seeds[row, slot].reshape(1)
                amount = fields[slot, row : row + 1] * plan.peaks[row, slot]
                amount = kinds[number].realize(amount, seeds) if kinds[number].realize else amount
                image = kinds[number].function(image, amount, seeds)
                for family, factor in ((kinds[number].family, 1.0), *kinds[number].also):
                    share = amount[0, 0] if family in SIGNED else amount[0, 0].abs()
                    expected[FAMILIES.index(family)] += factor * share
        assert torch.equal(draw.image[row], image[0])
        torch.testing.assert_close(draw.amounts[row], expected.clamp(-1, 1), rtol=0, atol=1e-6)


def two_slots(first, second, peaks):
    """A plan that gives one picture two kinds, everywhere."""
    one, other = (single_kind_plan(name, [peak], seed=4) for name, peak in zip((first, second), peaks, strict=True))
    fields = {key: torch.cat((value, getattr(other.fields, key))) for key, value in vars(one.fields).items()}
    together = (torch.cat((getattr(one, key), getattr(other, key)), 1) for key in ("kinds", "peaks", "seeds"))
    return Plan(*together, replace(one.fields, **fields))


@pytest.mark.parametrize(
    ("first", "second", "peaks", "family", "expected"),
    [
        ("haze", "exposure", (-0.4, 0.2), "brightness", 0.5),  # 0.75 * 0.4 + 0.2
        ("exposure", "haze", (0.2, -0.4), "brightness", 0.5),
        ("haze", "exposure", (-0.4, -0.5), "brightness", -0.2),
        ("haze", "mean_shift", (-1.0, 0.9), "brightness", 1.0),  # more than there is
        ("haze", "mean_shift", (1.0, -0.9), "brightness", -1.0),
        ("sharpened_upscaling", "gaussian_blur", (0.5, 0.1), "blur", 0.5),  # 0.8 * 0.5 + 0.1
        ("gaussian_blur", "sharpened_upscaling", (0.7, 0.9), "blur", 1.0),
        ("demosaic_residue", "chroma_subsampling", (0.5, 0.6), "fringing", 0.2),  # 0.1 * 0.5 + 0.25 * 0.6
    ],
)
def test_what_several_kinds_do_to_one_family_adds_up(first, second, peaks, family, expected):
    draw = DistortionEngine().apply(pictures(1), two_slots(first, second, peaks))
    there = draw.amounts[0, FAMILIES.index(family)]
    torch.testing.assert_close(there, torch.full_like(there, expected), rtol=0, atol=1e-6)


def test_truth_has_the_shares_of_further_families():
    kind = replace(KINDS["contrast_stretch"], also=(("blur", 0.5), ("tint", -0.25)))
    amount = torch.tensor([-0.6, 0.0, 0.8]).reshape(1, 1, 1, 3)
    truth = truth_of(kind, amount)
    assert truth.shape == (1, len(FAMILIES), 1, 3)
    expected = {"contrast": (-0.6, 0.0, 0.8), "blur": (0.3, 0.0, 0.4), "tint": (0.15, 0.0, -0.2)}
    for channel, family in enumerate(FAMILIES):
        torch.testing.assert_close(truth[0, channel, 0], torch.tensor(expected.get(family, (0.0, 0.0, 0.0))))
    assert torch.equal(truth_of(KINDS["exposure"], amount)[0, FAMILIES.index("brightness")], amount[0, 0])


@pytest.mark.parametrize("device", DEVICES)
def test_d1_same_sample_same_picture(device):
    engine = DistortionEngine()
    images = pictures(24).to(device)
    whole = engine.apply(images, engine.plan(range(24), seed=6, epoch=2))
    for chosen in ([0], [17], [23, 4, 11], list(range(24))[::-1]):
        draw = engine.apply(images[chosen], engine.plan(chosen, seed=6, epoch=2))
        assert torch.equal(draw.image, whole.image[chosen])
        assert torch.equal(draw.amounts, whole.amounts[chosen])
    again = engine.apply(images[[3, 9]], rows(engine.plan(range(24), seed=6, epoch=2), [3, 9]))
    assert torch.equal(again.image, whole.image[[3, 9]])


@NO_GPU
@pytest.mark.gpu
def test_d1_kinds_and_amounts_are_the_same_on_devices():
    engine = DistortionEngine()
    images, plan = pictures(24), engine.plan(range(24), seed=6)
    here, there = engine.apply(images, plan), engine.apply(images.cuda(), plan)
    torch.testing.assert_close(there.amounts.cpu(), here.amounts, rtol=0, atol=1e-4)


def test_state_of_torch_is_left_alone():
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    engine = DistortionEngine()
    engine.apply(pictures(8), engine.plan(range(8)))
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002


def test_an_empty_plan_changes_nothing():
    engine = DistortionEngine(PlanSettings(untouched=1.0))
    images = pictures(3)
    draw = engine.apply(images, engine.plan(range(3)))
    assert torch.equal(draw.image, images)
    assert draw.amounts.abs().max() == 0


def test_the_batch_has_to_be_that_of_the_plan():
    with pytest.raises(ImageError, match=r"images: expected as many as the plan has \(3\), got 2"):
        DistortionEngine().apply(pictures(2), DistortionEngine().plan(range(3)))


@pytest.mark.parametrize(
    "images",
    [
        torch.rand(3, 40, 40),
        torch.rand(2, 1, 40, 40),
        torch.zeros(2, 3, 40, 40, dtype=torch.uint8),
        torch.rand(2, 3, 40, 40).double(),
    ],
)
def test_what_is_not_a_batch_of_pictures_is_refused(images):
    with pytest.raises(ImageError, match=r"images: expected a float32 tensor \(B, 3, H, W\), got torch\.\w+ \("):
        apply_kind("white_noise", images, 0.5)
    with pytest.raises(ImageError, match="images: expected a float32 tensor"):
        DistortionEngine().apply(images, DistortionEngine().plan(range(len(images))))


def test_unknown_kinds_are_refused():
    with pytest.raises(ConfigError, match=r"kind: expected one of gaussian_blur, .*, got 'fog'"):
        apply_kind("fog", pictures(1), 0.5)


@pytest.mark.parametrize(
    ("name", "amount", "message"),
    [
        ("gaussian_blur", -0.1, r"numbers in \[0, 1\] for gaussian_blur, got values from -0.1 to -0.1"),
        ("gaussian_blur", 1.1, r"numbers in \[0, 1\]"),
        ("exposure", -1.2, r"numbers in \[-1, 1\] for exposure"),
        ("exposure", float("nan"), "got values from nan"),
        ("exposure", torch.linspace(0, 3, 49 * 66).reshape(1, 1, 49, 66), "got values from 0 to 3"),
        ("exposure", torch.zeros(1, 3, 49, 66), r"a number or a field \(1, 1, 49, 66\), got a tensor \(1, 3, 49, 66\)"),
        ("exposure", torch.zeros(1, 1, 7, 7), r"got a tensor \(1, 1, 7, 7\)"),
    ],
)
def test_amounts_out_of_range_or_shape_are_refused(name, amount, message):
    with pytest.raises(ConfigError, match="amount: expected .*" + message):
        apply_kind(name, pictures(1), amount)


@pytest.mark.parametrize("name", KINDS)
def test_apply_kind_does_and_tells_the_amount(name):
    images = pictures(2)
    amount = torch.zeros(2, 1, 49, 66)
    amount[..., 20:, 30:] = 0.8
    done, told = apply_kind(name, images, amount, seed=12)
    realize = KINDS[name].realize
    assert torch.equal(told, realize(amount, torch.tensor([12, 12])) if realize else amount)
    assert told.min() >= 0
    assert told.max() > 0
    assert torch.equal(torch.where(told == 0, done, images), images)
    assert not torch.equal(done, images)
    assert torch.equal(apply_kind(name, images, amount, seed=12)[0], done)
