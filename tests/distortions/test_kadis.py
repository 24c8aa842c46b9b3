"""What every KADIS entry promises at every level: range, identity, no dependence on the batch, severity."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyiqa_pixelperfect.distortions.kadis import KADIS
from pyiqa_pixelperfect.distortions.kadis_plan import (
    KADIS_CLASSES,
    apply_kadis,
    distort_kadis,
    draw_kadis,
    kadis_class,
)
from pyiqa_pixelperfect.errors import ConfigError, ImageError
from pyiqa_pixelperfect.families import FAMILIES, SIGNED

NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; this machine has none")
DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, NO_GPU])]
CASES = settings(max_examples=6, derandomize=True, database=None)
SIDES = st.integers(32, 75)
SEEDS = st.integers(0, 2**31 - 1)
LEVELS = range(1, 6)

IDENTITIES = {("gaussian_blur", 1), ("motion_blur", 1), ("saturation_2", 1), ("mean_shift", 3)}  # METHODS: "Gotchas"
RANDOM = {
    *("motion_blur", "color_shift", "white_noise", "color_noise", "impulse_noise", "multiplicative_noise", "denoise"),
    *("jitter", "non_eccentricity_patch", "color_block"),
}

each_entry = pytest.mark.parametrize("name", KADIS)
each_device = pytest.mark.parametrize("device", DEVICES)


def case(seed, batch, height, width, device="cpu"):
    """Pictures with smooth, noisy, black and white parts, and seeds."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, 3, 5, 6, generator=generator)
    images = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear") * 1.3 - 0.15
    images = (images + 0.1 * torch.rand(batch, 3, height, width, generator=generator)).clamp(0, 1)
    images[:, :, :4, :4], images[:, :, -4:, -4:] = 0.0, 1.0
    seeds = (torch.rand(batch, generator=generator) * 2**31).long()
    return images.to(device), seeds.to(device)


@each_device
@each_entry
@CASES
@given(seed=SEEDS, batch=st.integers(1, 3), height=SIDES, width=SIDES)
def test_d2_entries_obey_at_every_level(device, name, seed, batch, height, width):
    images, seeds = case(seed, batch, height, width, device)
    before = images.clone(), seeds.clone()
    for level in LEVELS:
        done = apply_kadis(images, name, level, seeds)
        assert done.shape == images.shape
        assert done.dtype == torch.float32
        assert done.device == images.device
        assert done.isfinite().all()
        assert done.min() >= 0
        assert done.max() <= 1
        assert torch.equal(images, before[0])
        assert torch.equal(seeds, before[1])
        assert done.data_ptr() != images.data_ptr()
        assert torch.equal(done, images) == ((name, level) in IDENTITIES)
        assert torch.equal(apply_kadis(images, name, level, seeds), done)


@each_device
@each_entry
@CASES
@given(seed=SEEDS, height=SIDES, width=SIDES)
def test_d1_the_batch_does_not_matter(device, name, seed, height, width):
    images, seeds = case(seed, 5, height, width, device)
    for level in LEVELS:
        together = apply_kadis(images, name, level, seeds)
        for rows in ([0], [3, 1], [1, 4, 0, 3, 2]):
            assert torch.equal(apply_kadis(images[rows], name, level, seeds[rows]), together[rows]), (level, rows)
        neighbors = images.flip(2).roll(1, 0)
        neighbors[2] = images[2]
        assert torch.equal(apply_kadis(neighbors, name, level, seeds)[2], together[2]), level


@each_entry
def test_d1_threads_do_not_matter(name):
    images, seeds = case(4, 3, 224, 230)  # above the sizes from which torch shares work between threads
    one = apply_kadis(images, name, 4, seeds)
    torch.set_num_threads(2)
    assert torch.equal(apply_kadis(images, name, 4, seeds), one)
    assert torch.equal(apply_kadis(images[1:2], name, 4, seeds[1:2]), one[1:2])


@each_entry
def test_layout_in_memory_does_not_matter(name):
    images, seeds = case(3, 2, 47, 50)
    for level in (2, 5):
        done = apply_kadis(images, name, level, seeds)
        for other in (images.to(memory_format=torch.channels_last), images.mT.contiguous().mT):
            difference = (apply_kadis(other, name, level, seeds) - done).abs()
            assert difference.quantile(0.99) < 2e-6  # rounding can tip over in codecs and at thresholds
            assert difference.max() < 0.2


@each_entry
def test_seeds_matter_for_random_entries_only(name, crops):
    images = crops[:1].expand(6, 3, 61, 79)
    done = apply_kadis(images, name, 4, torch.arange(100, 106))
    different = len({tuple(picture.flatten()[::7].tolist()) for picture in done})
    assert different == (6 if name in RANDOM else 1)


@pytest.fixture(scope="module")
def pictures(photographs):
    """Twelve squares of 192 px cut from four photographs."""
    places = [(0, 0), (45, 130), (90, 250)]
    cut = [photo[y : y + 192, x : x + 192] for photo in photographs for y, x in places]
    return torch.from_numpy(np.stack(cut)).permute(0, 3, 1, 2).float() / 255


@each_entry
def test_d2_severity_rises_along_the_ladders(name, pictures):
    falls = []
    for ladder in KADIS[name].ladders:
        for seed in (0, 1000) if name in RANDOM else (0,):
            seeds = torch.arange(len(pictures)) + seed
            noises = []
            for level in ladder:
                done = apply_kadis(pictures, name, level, seeds)
                noises.append(-10 * (done - pictures).square().mean((1, 2, 3)).log10())
            noises = torch.stack(noises)
            assert (noises.mean(1).diff() < 0).all(), noises.mean(1).tolist()
            falls.append((noises.diff(dim=0) < 0).flatten())
    assert torch.cat(falls).float().mean() >= 0.99


def test_ladders_hold_each_level_that_changes_the_picture_once():
    for entry in KADIS.values():
        levels = [level for ladder in entry.ladders for level in ladder]
        assert sorted(levels) == [level for level in LEVELS if level not in entry.identity_levels]
        assert len(entry.ladders) == (2 if entry.signed else 1)
    assert KADIS["mean_shift"].ladders == ((2, 1), (4, 5))
    assert KADIS["contrast_change"].ladders == ((3, 2, 1), (4, 5))
    assert {entry.number for entry in KADIS.values() if entry.signed} == {18, 25}


def test_the_table_is_whole():
    assert [entry.number for entry in KADIS.values()] == list(range(1, 26))
    for name, entry in KADIS.items():
        assert entry.name == name
        assert entry.family in FAMILIES
        assert entry.source.endswith(str(entry.number))
        assert entry.description
        assert entry.unit
        assert entry.operation.__doc__.startswith(f"Type {entry.number}")
        assert entry.cpu_only == (name == "jpeg2000")
        assert not entry.signed or entry.family in SIGNED
        assert {(name, level) for level in entry.identity_levels} == {pair for pair in IDENTITIES if pair[0] == name}
    with pytest.raises(TypeError):
        KADIS["jpeg"] = KADIS["jpeg2000"]


def test_every_picture_gets_its_own_type_and_level():
    plan = draw_kadis(range(300), seed=5)
    images, _ = case(1, 300, 32, 33)
    done = distort_kadis(images, plan.types, plan.levels, plan.seeds)
    for row in range(0, 300, 7):
        number, level = int(plan.types[row]), int(plan.levels[row])
        alone = images[row : row + 1]
        if number > 0:
            alone = apply_kadis(alone, number, level, plan.seeds[row : row + 1])
        assert torch.equal(done[row], alone[0])
    assert (plan.types == 0).any()
    assert distort_kadis(images, plan.types, plan.levels, plan.seeds, out=images) is images
    assert torch.equal(images, done)


def test_d1_plans_depend_on_seed_epoch_and_index_only():
    plan = draw_kadis([3, 9, 4], seed=2, epoch=1)
    for row, index in enumerate((3, 9, 4)):
        alone = draw_kadis(np.array([index]), seed=2, epoch=1)
        for field in ("types", "levels", "seeds"):
            assert getattr(alone, field)[0] == getattr(plan, field)[row]
    many = range(500)
    for other in ({"seed": 3, "epoch": 1}, {"seed": 2, "epoch": 2}):
        same = draw_kadis(many, **other).types == draw_kadis(many, seed=2, epoch=1).types
        assert same.float().mean() < 0.1


def test_all_classes_are_drawn_alike():
    plan = draw_kadis(range(126 * 200), seed=1)
    drawn = torch.where(plan.types > 0, 5 * (plan.types - 1) + plan.levels, 0)
    counts = torch.bincount(drawn, minlength=126)
    assert len(counts) == KADIS_CLASSES == 126
    assert 130 < counts.min() <= counts.max() < 270  # five deviations of 200
    assert len(plan.seeds.unique()) > 25000


def test_levels_without_effect_are_in_the_pristine_class():
    types, levels = torch.arange(1, 26).repeat_interleave(5), torch.arange(1, 6).repeat(25)
    classes = kadis_class(types, levels)
    names = list(KADIS)
    pristine = {(names[types[row] - 1], int(levels[row])) for row in (classes == 0).nonzero()[:, 0]}
    assert pristine == IDENTITIES
    assert len(classes.unique()) == 125 - len(IDENTITIES) + 1
    assert kadis_class(torch.tensor([0, 1, 1, 25]), torch.tensor([0, 1, 2, 5])).tolist() == [0, 0, 2, 125]
    plan = draw_kadis(range(50))
    assert torch.equal(plan.classes, kadis_class(plan.types, plan.levels))


@pytest.mark.parametrize("wrong", ["blur", 0, 26, 1.0, True, None])
def test_unknown_types_are_refused(wrong):
    images, seeds = case(0, 1, 32, 32)
    with pytest.raises(ConfigError, match="type: expected 1 to 25 or one of gaussian_blur"):
        apply_kadis(images, wrong, 1, seeds)


@pytest.mark.parametrize("wrong", [0, 6, 1.5, "1", True])
def test_unknown_levels_are_refused(wrong):
    images, seeds = case(0, 1, 32, 32)
    with pytest.raises(ConfigError, match="level: expected a whole number from 1 to 5"):
        apply_kadis(images, 1, wrong, seeds)


@pytest.mark.parametrize(
    "wrong", [torch.zeros(2, dtype=torch.int64), torch.zeros(1), torch.zeros((), dtype=torch.int64)]
)
def test_wrong_seeds_are_refused(wrong):
    with pytest.raises(ConfigError, match="seeds: expected one int64 number for each of 1 images"):
        apply_kadis(case(0, 1, 32, 32)[0], 1, 2, wrong)


@pytest.mark.parametrize("wrong", [torch.zeros(1, 3, 31, 40), torch.zeros(3, 40, 40), torch.zeros(1, 3, 40, 40).half()])
def test_wrong_images_are_refused(wrong):
    with pytest.raises(ImageError, match="images: expected"):
        apply_kadis(wrong, 1, 2, torch.zeros(1, dtype=torch.int64))
    with pytest.raises(ImageError, match="images: expected"):
        distort_kadis(wrong, *torch.ones(3, 1, dtype=torch.int64))


def test_wrong_places_to_write_are_refused():
    images, seeds = case(0, 2, 32, 32)
    for wrong in (images[:1], images.half(), images[..., 1:]):
        with pytest.raises(ConfigError, match=r"out: expected torch\.float32"):
            distort_kadis(images, torch.ones(2).long(), torch.ones(2).long(), seeds, out=wrong)


@pytest.mark.parametrize(
    ("types", "levels", "message"),
    [
        ([26], [1], "types: expected numbers from 0 to 25, got 26 to 26"),
        ([1], [-1], "levels: expected numbers from 0 to 5"),
        ([0], [3], "levels: expected one for each type, 0 where the type is 0"),
        ([3], [0], "levels: expected one for each type, 0 where the type is 0"),
        ([1, 2], [1], "levels: expected one for each type"),
        ([1, 2], [1, 1], "types, levels, seeds: expected one for each of 1 images, got 2 types"),
        ([1.0], [1], "types: expected an int64 tensor"),
    ],
)
def test_wrong_plans_are_refused(types, levels, message):
    with pytest.raises(ConfigError, match=message):
        distort_kadis(case(0, 1, 32, 32)[0], torch.tensor(types), torch.tensor(levels), torch.zeros(1).long())
