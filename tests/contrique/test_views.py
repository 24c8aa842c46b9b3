"""Views: who is of one class, what is drawn from the sample number alone, and what the two views show."""

import numpy as np
import pytest
import torch
from skimage import data

from pyiqa_pixelperfect.contrique.networks import half_size
from pyiqa_pixelperfect.contrique.views import plan_distortions, synthetic_pictures, two_views
from pyiqa_pixelperfect.distortions.kadis_plan import KADIS_CLASSES

NUMBERS = np.arange(8, dtype=np.int64)


@pytest.fixture(scope="module")
def windows() -> torch.Tensor:
    pixels = np.stack([data.astronaut()[y : y + 128, 180:308] for y in (0, 100, 200, 300)])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255


def test_repeated_photos_share_types_and_levels_but_not_noise():
    plan = plan_distortions(NUMBERS, versions=3, repeat=4, seed=0)
    types = plan.types.reshape(2, 4, 3)
    assert (types == types[:, :1]).all()
    assert not torch.equal(types[0], types[1])
    assert len(set(plan.seeds.tolist())) == 24


def test_a_plan_depends_on_numbers_and_seed_alone():
    whole = plan_distortions(NUMBERS, 2, 2, seed=3)
    part = plan_distortions(NUMBERS[4:6], 2, 2, seed=3)
    assert torch.equal(whole.types[8:12], part.types)
    assert torch.equal(whole.seeds[8:12], part.seeds)
    assert not torch.equal(whole.types, plan_distortions(NUMBERS, 2, 2, seed=4).types)


def test_without_versions_every_class_turns_up():
    plan = plan_distortions(np.arange(4000, dtype=np.int64), 1, 1, seed=0)
    assert len(plan.classes.unique()) == KADIS_CLASSES - 4  # four levels change nothing and are pristine
    counts = plan.classes.bincount(minlength=KADIS_CLASSES)
    assert counts[0] > 3 * counts[1:].float().mean()


def test_versions_of_a_photo_lie_together(windows):
    plan = plan_distortions(NUMBERS[:4], 2, 2, seed=0)
    pictures = synthetic_pictures(windows, plan)
    assert pictures.shape == (8, 3, 128, 128)
    nearest = torch.cdist(pictures.flatten(1), windows.flatten(1)).argmin(1)
    assert (nearest == torch.arange(4).repeat_interleave(2)).float().mean() >= 0.75  # strong ones may be nearer others


CLASSES = torch.tensor([5, 0, 130, 131])


def make(windows: torch.Tensor, seed: int = 0):
    """Views of two synthetic and two authentic windows."""
    return two_views(windows[:2], windows[2:], CLASSES, (NUMBERS[:2], NUMBERS[:2]), seed)


def test_both_views_carry_the_class(windows):
    views = make(windows)
    assert views.pixels.shape == (8, 3, 64, 64)
    assert views.classes.tolist() == [5, 0, 130, 131] * 2
    assert views.pixels.min() >= 0
    assert views.pixels.max() <= 1


def test_views_depend_on_sample_numbers_and_seed_alone(windows):
    views = make(windows)
    alone = two_views(windows[1:2], windows[:0], CLASSES[1:2], (NUMBERS[1:2], NUMBERS[:0]), 0)
    assert torch.equal(alone.pixels, views.pixels[[1, 5]])
    assert not torch.equal(views.pixels, make(windows, seed=1).pixels)
    assert not torch.equal(views.pixels[0], views.pixels[2])  # synthetic and authentic ones of equal number


def test_one_view_is_half_the_window_and_the_other_a_part_of_it(windows):
    """Of many draws some are left in color; those must show the window itself, as it is or mirrored."""
    numbers = np.arange(40, dtype=np.int64)
    many = windows[:1].expand(40, -1, -1, -1)
    views = two_views(many, windows[:0], torch.zeros(40, dtype=torch.int64), (numbers, numbers[:0]), 0).pixels
    half, rounding = half_size(windows[:1]), 0.5 / 255 + 1e-6
    for candidate in (half, half.flip(-1)):
        assert ((views[40:] - candidate).abs().amax((1, 2, 3)) < rounding).any()
    parts = windows[0].unfold(1, 64, 1).unfold(2, 64, 1).permute(1, 2, 0, 3, 4).flatten(0, 1)
    errors = [(parts[:, :, ::9, ::9] - view[:, ::9, ::9]).abs().amax((1, 2, 3)).min() for view in views[:40]]
    whole = [error.item() < rounding for error in errors]
    assert 1 <= sum(whole) < 20  # every fifth has its colors, half of those are not mirrored
