"""Crops are a function of seed and number alone, whatever reads them in whatever order (promise D1)."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pyiqa_pixelperfect.data.crops import CropDataset, StepSampler, crop_loader
from pyiqa_pixelperfect.errors import DataError

SIZES = ((90, 140), (64, 64), (120, 70), (200, 65), (50, 300))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Every pixel of a photo says where it is from: red = row, green = column, blue = photo."""
    folder = tmp_path_factory.mktemp("photos")
    for number, (height, width) in enumerate(SIZES):
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[..., 0] = np.arange(height)[:, None]
        pixels[..., 1] = np.arange(width) % 256
        pixels[..., 2] = 40 * number
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return sorted(folder.iterdir())


def crops(dataset: CropDataset, numbers: list[int]) -> dict[int, torch.Tensor]:
    return {number: dataset[number][1] for number in numbers}


def test_d1_any_order_gives_the_same_crops(photos):
    numbers = [0, 7, 3, 12, 3, 101, 10**12]
    forth = crops(CropDataset(photos, 48, 0.5, seed=3), numbers)
    back = crops(CropDataset(photos, 48, 0.5, seed=3), numbers[::-1])
    forgetful = crops(CropDataset(photos, 48, 0.5, seed=3, cache_bytes=0), numbers)
    assert all(torch.equal(forth[n], back[n]) and torch.equal(forth[n], forgetful[n]) for n in numbers)
    other = crops(CropDataset(photos, 48, 0.5, seed=4), numbers)
    assert not all(torch.equal(forth[n], other[n]) for n in numbers)


def test_crops_are_bytes_of_the_asked_size(photos):
    for number in range(40):
        index, crop = CropDataset(photos[:3], 48, 0.5, seed=0)[number]
        assert index == number
        assert crop.dtype == torch.uint8
        assert crop.shape == (3, 48, 48)
        assert crop.is_contiguous()


def test_full_size_crops_are_windows_of_the_photo(photos):
    """Of an unreduced crop every pixel is found where it says it is from, in one of two directions."""
    dataset = CropDataset(photos[:3], 48, 1.0, seed=1)
    flipped = 0
    corners = set()
    for number in range(60):
        red, green, blue = dataset[number][1].to(torch.int64)
        top, left = red[0, 0].item(), green[0].min().item()
        assert (red == top + torch.arange(48)[:, None]).all()
        columns = left + torch.arange(48)
        flip = bool(green[0, 0] > green[0, 1])
        assert (green == (columns.flip(0) if flip else columns)).all()
        assert blue.unique().numel() == 1
        height, width = SIZES[blue[0, 0].item() // 40]
        assert top + 48 <= height
        assert left + 48 <= width
        flipped += flip
        corners.add((blue[0, 0].item(), top, left))
    assert 15 <= flipped <= 45
    assert len(corners) > 40


def test_windows_reach_every_border(photos):
    dataset = CropDataset(photos[1:2], 60, 1.0, seed=2)  # 64 x 64: five places per axis
    places = {(dataset[n][1][0, 0, 0].item(), dataset[n][1][1, 0].min().item()) for n in range(300)}
    assert {top for top, _ in places} == {0, 1, 2, 3, 4}
    assert {left for _, left in places} == {0, 1, 2, 3, 4}


def test_half_of_the_crops_are_reduced_and_never_too_far(photos):
    dataset = CropDataset(photos[:1], 32, 0.5, seed=3)
    spans = []
    for number in range(200):
        red = dataset[number][1][0].float()
        spans.append((red[-1].mean() - red[0].mean()).item() / 31)  # rows of the photo per row of the crop
    assert max(spans) <= 2.1
    assert min(spans) >= 0.95
    assert 0.35 <= np.mean(np.array(spans) > 1.02) <= 0.65


def test_photos_smaller_than_the_crop_are_enlarged(photos):
    assert CropDataset([photos[4]], 96, 0.5, seed=0)[0][1].shape == (3, 96, 96)


def test_each_pass_shows_every_photo_once_in_a_new_order(photos):
    dataset = CropDataset(photos, 32, 1.0, seed=5)
    passes = [[dataset[n + 5 * p][1][2, 0, 0].item() // 40 for n in range(5)] for p in range(6)]
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in passes)
    assert len({tuple(order) for order in passes}) > 3


def test_photos_are_decoded_once_while_there_is_room(photos, monkeypatch):
    from pyiqa_pixelperfect.data import crops as module

    reads = []
    read = module.read_image
    monkeypatch.setattr(module, "read_image", lambda path: reads.append(path) or read(path))
    crops(CropDataset(photos, 32, 1.0, seed=0), list(range(25)))
    assert sorted(reads) == photos
    reads.clear()
    small = CropDataset(photos, 32, 1.0, seed=0, cache_bytes=3 * 64 * 64)  # room for one of them
    crops(small, list(range(25)))
    assert len(reads) > 15
    assert sum(photo.nbytes for photo in small._decoded.values()) <= 3 * 64 * 64


def test_no_photos_are_refused():
    with pytest.raises(DataError, match="photos: expected at least one photo"):
        CropDataset([], 32, 1.0, seed=0)


@pytest.mark.parametrize(("world", "per_process"), [(1, 4), (2, 3), (5, 1)])
def test_processes_share_the_numbers_of_each_step(world, per_process):
    samplers = [StepSampler(2, 7, per_process, rank, world) for rank in range(world)]
    for step, numbers in enumerate(zip(*samplers, strict=True), start=2):
        joined = sorted(number for part in numbers for number in part)
        assert joined == list(range(step * world * per_process, (step + 1) * world * per_process))
    assert all(len(sampler) == 5 for sampler in samplers)


def test_t1_a_resumed_sampler_gives_the_tail():
    assert list(StepSampler(6, 20, 3, 1, 2)) == list(StepSampler(0, 20, 3, 1, 2))[6:]
    assert list(StepSampler(20, 20, 3)) == []
    assert len(StepSampler(25, 20, 3)) == 0


def test_d1_workers_do_not_matter_and_no_random_number_is_drawn(photos):
    def read(workers: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        return list(crop_loader(CropDataset(photos, 32, 0.5, seed=6), StepSampler(3, 8, 4), workers))

    state = torch.get_rng_state()
    alone, helped = read(0), read(2)
    assert torch.equal(torch.get_rng_state(), state)
    assert len(alone) == len(helped) == 5
    for (numbers, crop), (other_numbers, other_crop) in zip(alone, helped, strict=True):
        assert numbers.dtype == torch.int64
        assert torch.equal(numbers, other_numbers)
        assert torch.equal(crop, other_crop)
    assert alone[0][0].tolist() == [12, 13, 14, 15]
