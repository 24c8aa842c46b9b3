"""What is quicker without gradients: the same numbers as the plain way."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pyiqa_pixelperfect.pixelperfect import inference
from pyiqa_pixelperfect.pixelperfect.inference import halved_in_strips, plain, stacked


@pytest.mark.parametrize("strip", [1, 5_000, 10**9])
@pytest.mark.parametrize("size", [(1, 32, 64), (3, 96, 32), (2, 36, 44)])
def test_strips_give_what_both_convolutions_give(size, strip, monkeypatch):
    monkeypatch.setattr(inference, "_STRIP", strip)
    generator = torch.Generator().manual_seed(1)
    stem, entry = nn.Conv2d(3, 8, 6, 2, 2), nn.Conv2d(8, 12, 3, 2, 1)
    images = torch.rand(size[0], 3, *size[1:], generator=generator) - 0.5
    with torch.no_grad():
        found, expected = halved_in_strips(images, stem, entry), F.relu(entry(F.relu(stem(images))))
    assert found.shape == expected.shape
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(found, expected, atol=1e-6)
    assert (expected > 0).any()
    assert (expected == 0).any()


def test_halves_of_one_batch_are_joined_without_a_copy():
    whole = torch.rand(4, 3, 5, 6).contiguous(memory_format=torch.channels_last)
    first, last = whole.chunk(2)
    joined = stacked(first, last)
    assert torch.equal(joined, whole)
    assert joined.data_ptr() == whole.data_ptr()
    for one, other in ((last, first), (first, first), (first, last.clone()), (first[:1], last[1:])):
        assert torch.equal(stacked(one, other), torch.cat((one, other)))
        assert stacked(one, other).data_ptr() != whole.data_ptr()


def test_gradients_go_the_plain_way():
    whole = torch.rand(2, 3, 4, 4, requires_grad=True)
    assert not plain(whole)
    first, last = whole.chunk(2)
    (stacked(last, first) * torch.arange(2.0).reshape(2, 1, 1, 1)).sum().backward()
    assert torch.equal(whole.grad, torch.tensor([1.0, 0.0]).reshape(2, 1, 1, 1).expand(whole.shape))
    with torch.no_grad():
        assert plain(whole)
