"""What every kind promises (D1, D2): range, identity at zero, determinism, no dependence on the batch, severity."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyiqa_pixelperfect.distortions import tone
from pyiqa_pixelperfect.distortions.catalog import KINDS, KINDS_BY_FAMILY
from pyiqa_pixelperfect.distortions.engine import apply_kind
from pyiqa_pixelperfect.distortions.kind import STAGES, Kind
from pyiqa_pixelperfect.errors import ConfigError
from pyiqa_pixelperfect.families import FAMILIES, SIGNED

NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; this machine has none")
DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, NO_GPU])]
CASES = settings(max_examples=3, derandomize=True, database=None)
SIDES = st.integers(33, 80)
SEEDS = st.integers(0, 2**31 - 1)

# Every value is random; the same seed in another image of the batch would give the same noise.
RANDOM = {
    *("white_noise", "luma_noise", "chroma_noise", "grain", "poisson_noise", "speckle_noise", "impulse_noise"),
    *("warp", "jitter", "patch_shift", "color_patch", "texture_patch", "veil", "motion_blur", "unsharp_mask"),
    *("trajectory_blur", "depth_blur", "sensor_noise", "block_loss", "sharpened_upscaling", "vignetting", "haze"),
    *("nearest_upscaling", "pink_noise", "local_contrast"),
}
# One choice out of a few is random: a grid, a pivot, a way to round.
CHOOSING = {
    *("jpeg", "wavelet_codec", "transform_codec", "banding", "pixelation", "contrast_stretch", "fringing"),
    *("demosaic_residue", "upscaling", "double_jpeg", "aliasing"),
}
# Values are rounded, so that a last bit may tip one over.
ROUNDING = {"banding", "jpeg", "double_jpeg", "transform_codec", "wavelet_codec"}

each_kind = pytest.mark.parametrize("name", KINDS)
each_device = pytest.mark.parametrize("device", DEVICES)


def case(name, seed, batch, height, width, device="cpu"):
    """Pictures with smooth, noisy, black and white parts, amounts with a part of exactly zero, and seeds."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, 3, 5, 6, generator=generator)
    images = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear") * 1.3 - 0.15
    images = (images + 0.1 * torch.rand(batch, 3, height, width, generator=generator)).clamp(0, 1)
    images[:, :, :4, :4], images[:, :, -4:, -4:] = 0.0, 1.0
    amount = torch.rand(batch, 1, height, width, generator=generator)
    if KINDS[name].signed:
        amount = amount * 2 - 1
    amount[..., : height // 2, :] = 0.0
    amount[..., -1] = 1.0
    seeds = (torch.rand(batch, generator=generator) * 2**31).long()
    images, amount, seeds = images.to(device), amount.to(device), seeds.to(device)
    return images, real(name, amount, seeds), seeds


def real(name, amount, seeds):
    """The amounts that the kind can do."""
    realize = KINDS[name].realize
    return realize(amount, seeds) if realize else amount


@each_device
@each_kind
@CASES
@given(seed=SEEDS, batch=st.integers(1, 3), height=SIDES, width=SIDES)
def test_d2_distortions_obey(device, name, seed, batch, height, width):
    images, amount, seeds = case(name, seed, batch, height, width, device)
    before = images.clone(), amount.clone(), seeds.clone()
    done = KINDS[name].function(images, amount, seeds)
    assert done.shape == images.shape
    assert done.dtype == torch.float32
    assert done.device == images.device
    assert done.isfinite().all()
    assert done.min() >= 0
    assert done.max() <= 1
    for value, kept in zip((images, amount, seeds), before, strict=True):
        assert torch.equal(value, kept)
    assert torch.equal(torch.where(amount == 0, done, images), images)  # bit-identical where the amount is zero
    assert (amount == 0).any()
    assert (done != images).any(1, keepdim=True)[amount != 0].float().mean() > 0.05
    assert torch.equal(KINDS[name].function(images, torch.zeros_like(amount), seeds), images)
    assert torch.equal(KINDS[name].function(images, amount, seeds), done)


@each_device
@each_kind
@CASES
@given(seed=SEEDS, height=SIDES, width=SIDES)
def test_d1_the_batch_does_not_matter(device, name, seed, height, width):
    images, amount, seeds = case(name, seed, 5, height, width, device)
    together = KINDS[name].function(images, amount, seeds)
    for rows in ([0], [4], [3, 1], [4, 2, 0], [1, 4, 0, 3, 2]):
        done = KINDS[name].function(images[rows], amount[rows], seeds[rows])
        assert torch.equal(done, together[rows]), rows
    neighbors = images.flip(2).roll(1, 0)
    neighbors[2] = images[2]
    done = KINDS[name].function(neighbors, amount, seeds)
    assert torch.equal(done[2], together[2])


def test_d1_threads_do_not_matter():
    # The one kind that takes a mean over the whole picture; this is above the size from which torch splits a sum.
    images, amount, seeds = case("contrast_stretch", 11, 6, 300, 301)
    torch.set_num_threads(2)
    together = KINDS["contrast_stretch"].function(images, amount, seeds)
    for row in range(6):
        done = KINDS["contrast_stretch"].function(images[row : row + 1], amount[row : row + 1], seeds[row : row + 1])
        assert torch.equal(done[0], together[row])


@each_device
@each_kind
def test_layout_in_memory_does_not_matter(device, name):
    images, amount, seeds = case(name, 3, 2, 47, 50, device)
    done = KINDS[name].function(images, amount, seeds)
    for other in (images.to(memory_format=torch.channels_last), images.mT.contiguous().mT):
        torch.testing.assert_close(KINDS[name].function(other, amount, seeds), done, rtol=0, atol=_last_bits(name))


def _last_bits(name):
    return 0.03 if name in ROUNDING else 5e-6


@each_kind
def test_seeds_matter_for_random_kinds_only(name, crops):
    seeds = torch.arange(100, 112)
    images = crops[:1].expand(12, 3, 61, 79)
    done = KINDS[name].function(images, real(name, torch.full((12, 1, 61, 79), 0.7), seeds), seeds)
    different = len({tuple(picture.flatten()[::13].tolist()) for picture in done})
    if name in RANDOM:
        assert different == 12
    elif name in CHOOSING:
        assert different > 1
    else:
        assert (done == done[:1]).all()


def ladder(name, crops, sign, amounts):
    """Mean PSNR over pictures and four seeds at each amount, and the PSNR of each of them, (amounts, pictures)."""
    pictures = torch.cat([crops] * 4)
    seeds = torch.arange(4).repeat_interleave(len(crops))
    noises = []
    for amount in amounts:
        field = real(name, torch.full_like(pictures[:, :1], sign * amount), seeds)
        done = KINDS[name].function(pictures, field, seeds)
        noises.append(-10 * (done - pictures).square().mean((1, 2, 3)).log10())
    return torch.stack(noises)


TENTHS = tuple(step / 10 for step in range(1, 11))
#: Kinds that come in steps: amounts at which a new step is reached. All others are rounded to these.
STEPS = {
    "patch_shift": tuple(step / 8 for step in range(1, 9)),
    "pixelation": tuple(step / 6 for step in range(1, 7)),
    "nearest_upscaling": tuple(step / 6 for step in range(1, 7)),
    "aliasing": tuple(step / 4 for step in range(1, 5)),
}


@pytest.mark.parametrize(
    ("name", "sign"), [(name, sign) for name, kind in KINDS.items() for sign in ((1, -1) if kind.signed else (1,))]
)
def test_d2_severity_rises_with_the_amount(name, sign, crops):
    noises = ladder(name, crops, sign, STEPS.get(name, TENTHS))
    assert (noises.mean(1).diff() < 0).all(), noises.mean(1).tolist()
    assert (noises.diff(dim=0) < 0).float().mean() >= 0.99


@pytest.mark.parametrize("name", STEPS)
def test_kinds_that_come_in_steps_tell_the_step_that_was_done(name):
    amount = torch.linspace(0, 1, 201).reshape(1, 1, 1, -1)
    done = KINDS[name].realize(amount, torch.zeros(1, dtype=torch.int64))
    torch.testing.assert_close(done.unique(), torch.tensor([0.0, *STEPS[name]]))
    assert ((done == 0) == (amount == 0)).all()
    assert (done.diff(dim=-1) >= 0).all()
    assert (done - amount).abs().max() <= STEPS[name][0]
    assert torch.equal(KINDS[name].realize(done, torch.zeros(1, dtype=torch.int64)), done)


def test_the_catalog_is_whole():
    assert list(KINDS_BY_FAMILY) == list(FAMILIES)
    assert [kind for kinds in KINDS_BY_FAMILY.values() for kind in kinds] == list(KINDS.values())
    for name, kind in KINDS.items():
        assert kind.name == name == kind.function.__name__
        assert kind.signed == (kind.family in SIGNED)
        assert kind.stage in STAGES
        assert kind.source
        assert kind.description
        assert kind.function.__doc__
        assert kind.local_only == (kind.family == "occlusion")
        also = [family for family, _ in kind.also]
        assert len({kind.family, *also} & set(FAMILIES)) == 1 + len(also)
        for family, factor in kind.also:
            assert 0 < (abs(factor) if family in SIGNED else factor) <= 1
    assert all(KINDS_BY_FAMILY.values())
    assert set(KINDS) >= RANDOM | CHOOSING


@pytest.mark.parametrize(
    ("family", "also", "message"),
    [
        ("blur", ("blur", 0.5), "also: expected families other than blur, got 'blur'"),
        ("blur", ("fog", 0.5), "also: expected families other than blur, got 'fog'"),
        ("contrast", ("blur", -0.5), r"a factor in \(0, 1\] that is not 0 for blur, got -0.5"),
        ("contrast", ("blur", 1.5), r"a factor in \(0, 1\] that is not 0 for blur, got 1.5"),
        ("blur", ("tint", -1.5), r"a factor in \[-1, 1\] that is not 0 for tint, got -1.5"),
        ("blur", ("tint", 0.0), r"a factor in \[-1, 1\] that is not 0 for tint, got 0"),
        ("blur", ("noise", float("nan")), "got nan"),
    ],
)
def test_further_families_have_to_make_sense(family, also, message):
    with pytest.raises(ConfigError, match=message):
        Kind("x", family, tone.exposure, "sensor", "nowhere", "nothing", also=(also,))


@NO_GPU
@pytest.mark.gpu
@each_kind
def test_devices_agree(name):
    images, amount, seeds = case(name, 5, 3, 64, 65)
    done = KINDS[name].function(images, amount, seeds)
    there = KINDS[name].function(images.cuda(), amount.cuda(), seeds.cuda()).cpu()
    assert (there - done).abs().mean() < (5e-3 if _last_bits(name) > 0.01 else 1e-5)


def test_one_amount_or_a_field_are_the_same():
    images = torch.rand(2, 3, 40, 44)
    for name in ("gaussian_blur", "jpeg", "exposure"):
        by_number, amount = apply_kind(name, images, 0.4, seed=3)
        by_field, same = apply_kind(name, images, torch.full((2, 1, 40, 44), 0.4), seed=3)
        assert torch.equal(by_number, by_field)
        assert torch.equal(amount, same)
        assert amount.shape == (2, 1, 40, 44)
