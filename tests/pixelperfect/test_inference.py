"""What is quicker without gradients: the same numbers as the plain way."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pyiqa_pixelperfect.pixelperfect import inference
from pyiqa_pixelperfect.pixelperfect.inference import (
    halved,
    halved_in_strips,
    plain,
    plus_and_minus,
    plus_enlarged,
    room_for,
    steps_to_next,
)


@pytest.mark.parametrize("strip", [1, 5_000, 10**9])
@pytest.mark.parametrize("size", [(1, 32, 64), (3, 96, 32), (2, 36, 44)])
def test_strips_give_what_both_convolutions_give(size, strip, monkeypatch):
    monkeypatch.setattr(inference, "_STRIP", strip)
    generator = torch.Generator().manual_seed(1)
    stem, entry = nn.Conv2d(3, 8, 6, 2, 2), nn.Conv2d(8, 12, 3, 2, 1)
    images = torch.rand(size[0], 3, *size[1:], generator=generator)
    with torch.no_grad():
        found, expected = halved_in_strips(images, stem, entry), F.relu(entry(F.relu(stem(images - 0.5))))
    assert found.shape == expected.shape
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(found, expected, atol=1e-6)
    assert (expected > 0).any()
    assert (expected == 0).any()


@pytest.mark.parametrize("tracked", [False, True])
def test_sum_and_difference_are_those_of_both_batches(tracked):
    one, other = torch.rand(2, 2, 3, 5, 6).contiguous().requires_grad_(tracked).unbind()
    assert plain(one, other) is not tracked
    assert torch.equal(plus_and_minus(one, other), torch.cat((one + other, one - other)))


@pytest.mark.parametrize("tracked", [False, True])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_each_cell_is_added_to_four(layout, tracked):
    fine, coarse = torch.rand(2, 3, 6, 8).to(memory_format=layout), torch.rand(2, 3, 3, 4).to(memory_format=layout)
    expected = fine + torch.kron(coarse.contiguous(), torch.ones(2, 2))
    found = plus_enlarged(fine, coarse.requires_grad_(tracked))
    assert found.requires_grad is tracked
    assert torch.equal(found, expected)


@pytest.mark.parametrize("tracked", [False, True])
@pytest.mark.parametrize("side", [-1, -2])
def test_the_last_step_repeats_the_one_before(side, tracked):
    values = torch.rand(2, 3, 4, 5, 6).requires_grad_(tracked)
    steps = values.diff(dim=side)
    last = steps.narrow(side, steps.shape[side] - 1, 1)
    assert torch.equal(steps_to_next(values, side), torch.cat((steps, last), dim=side))


def test_gradients_go_the_plain_way():
    whole = torch.rand(2, 3, 4, 4, requires_grad=True)
    assert not plain(whole)
    with torch.no_grad():
        assert plain(whole)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_halving_again_and_again_gives_means_over_squares(times):
    planes, side = torch.rand(2, 3, 37, 50, dtype=torch.float64), 2**times
    torch.testing.assert_close(halved(planes, times), F.avg_pool2d(planes, side))
    torch.testing.assert_close(halved(planes[:, None], times), F.avg_pool2d(planes, side)[:, None])


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_room_is_laid_out_as_that_of_torch(dtype, channels_last):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    expected = torch.empty(2, 3, 5, 7, dtype=dtype, memory_format=layout)
    room = room_for((2, 3, 5, 7), expected, channels_last=channels_last)
    assert (room.shape, room.stride(), room.dtype) == (expected.shape, expected.stride(), dtype)
    assert room.data_ptr() % 64 == 0
    values = torch.arange(210).reshape(2, 3, 5, 7).to(dtype)
    assert torch.equal(room.copy_(values), values)
