"""Version sets and the views cut from them: the same for the same numbers, and what they say they are."""

import numpy as np
import pytest
import torch
from PIL import Image

from pyiqa_pixelperfect.data.crops import StepSampler
from pyiqa_pixelperfect.distortions.versions import eight_bit
from pyiqa_pixelperfect.errors import DataError
from pyiqa_pixelperfect.grepq.fragment_data import FragmentDataset, view_loader
from pyiqa_pixelperfect.grepq.validation import ordered_pairs
from pyiqa_pixelperfect.grepq.version_sets import VersionSets, VersionSettings, draw_versions

pytest.importorskip("piq")

SETTINGS = VersionSettings(("gaussian_blur", "white_noise", "jpeg", "exposure"), types=2)


@pytest.fixture
def files(photographs, tmp_path):
    paths = []
    for number, photo in enumerate(photographs):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray((photo * 255).round().byte().permute(1, 2, 0).numpy()).save(paths[-1])
    return paths


def test_d1_versions_follow_from_seed_and_number_alone(photographs):
    clean = eight_bit(photographs[:1])
    state = torch.get_rng_state()
    versions = draw_versions(clean, SETTINGS, 7, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert versions.shape == (5, 3, 150, 190)
    assert torch.equal(versions[:1], clean)
    assert torch.equal(versions, draw_versions(clean, SETTINGS, 7, seed=3))
    assert not torch.equal(versions, draw_versions(clean, SETTINGS, 8, seed=3))
    assert not torch.equal(versions, draw_versions(clean, SETTINGS, 7, seed=4))
    assert torch.equal(versions, eight_bit(versions))


def test_stronger_versions_are_less_like_the_clean_photo(files, tmp_path):
    sets = VersionSets(files, SETTINGS, 6, tmp_path / "sets", seed=0)
    for number in range(6):
        similarity = sets[number].similarity[0]
        assert similarity[0] == 1
        assert similarity[1] > similarity[2]
        assert similarity[3] > similarity[4]


def test_sets_are_kept_and_others_are_not_taken_for_them(files, tmp_path):
    sets = VersionSets(files, SETTINGS, 3, tmp_path / "sets", seed=0)
    first = sets[1]
    before = (tmp_path / "sets" / "000001.safetensors").stat().st_mtime_ns
    assert torch.equal(sets[1].images, first.images)
    assert (tmp_path / "sets" / "000001.safetensors").stat().st_mtime_ns == before
    other = VersionSets(files, SETTINGS, 3, tmp_path / "sets", seed=1)
    assert not torch.equal(other[1].images, first.images)
    assert torch.equal(VersionSets(files, SETTINGS, 3, tmp_path / "sets", seed=0)[1].images, first.images)


def test_photos_can_be_reduced_by_a_drawn_factor(files, tmp_path):
    settings = VersionSettings(SETTINGS.kinds, types=1, smallest_scale=0.5)
    sizes = {VersionSets(files, settings, 5, tmp_path / "sets", seed=0)[number].images.shape[-1] for number in range(5)}
    assert len(sizes) > 2
    assert min(sizes) >= 95
    assert max(sizes) <= 190


def test_no_photos_are_refused(tmp_path):
    with pytest.raises(DataError, match="photos: expected at least one photo"):
        VersionSets([], SETTINGS, 3, tmp_path, 0)


def test_every_pass_shows_every_set_once_in_another_order(files, tmp_path):
    class Numbered:
        """Sets that are their number."""

        def __len__(self) -> int:
            return 5

        def __getitem__(self, number: int):
            images = torch.full((2, 3, 32, 32), number, dtype=torch.uint8)
            return type("Set", (), {"images": images, "similarity": torch.eye(2)})

    dataset = FragmentDataset(Numbered(), 2, 8, seed=0)
    passes = [[int(dataset[5 * turn + place].anchors[0, 0, 0, 0]) for place in range(5)] for turn in range(4)]
    assert all(sorted(numbers) == [0, 1, 2, 3, 4] for numbers in passes)
    assert len({tuple(numbers) for numbers in passes}) > 1


def test_the_two_views_are_of_other_places_and_the_same_for_all_versions(files, tmp_path):
    dataset = FragmentDataset(VersionSets(files, SETTINGS, 3, tmp_path / "sets", seed=0), 3, 16, seed=0)
    views = [dataset[index] for index in range(8)]
    assert not torch.equal(views[0].anchors, views[0].others)
    again = dataset[3]
    assert torch.equal(again.anchors, views[3].anchors)
    assert torch.equal(again.others, views[3].others)
    (batch,) = view_loader(dataset, StepSampler(1, 2, 4), workers=0)
    for place in range(4):
        assert torch.equal(batch.anchors[place], views[4 + place].anchors)
    assert batch.anchors.shape == (4, 5, 3, 48, 48)


def test_known_orders_are_those_along_each_kind():
    assert ordered_pairs(SETTINGS).tolist() == [[0, 1], [0, 2], [1, 2], [0, 3], [0, 4], [3, 4]]
    three = VersionSettings(SETTINGS.kinds, types=1, levels=((0.1, 0.2), (0.3, 0.4), (0.5, 0.6)))
    assert len(ordered_pairs(three)) == 6


def test_levels_are_drawn_from_their_ranges(photographs):
    """Exposure by a known amount is a known gain, so the drawn amount can be read off."""
    settings = VersionSettings(("exposure",), types=1, levels=((0.3, 0.3), (0.9, 0.9)))
    clean = torch.full((1, 3, 64, 64), 0.2)
    for number in range(6):
        change = [abs(np.log(float(version.mean()) / 0.2)) for version in draw_versions(clean, settings, number, 0)[1:]]
        assert change[1] / change[0] == pytest.approx(3.0, rel=0.1)
