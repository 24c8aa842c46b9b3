"""Sums of moved copies beside scipy's filters, and the shares that pictures are distorted in."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from pyiqa_pixelperfect.distortions import kadis_plan
from pyiqa_pixelperfect.distortions.kadis_sums import sum_kernel


@pytest.fixture
def planes():
    return torch.rand(3, 20, 17, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("reach", [1, 2, 4])
def test_kernels_are_correlated_at_every_edge(planes, reach, mirrored):
    kernel = np.random.default_rng(reach).random((2 * reach + 1, 2 * reach + 1)) / (2 * reach + 1) ** 2
    kernel[0], kernel[reach + 1, 0] = 0.0, 0.0  # a row and a tap that are left out
    if mirrored:
        kernel = (kernel + kernel[::-1]) / 2
    expected = np.stack([ndimage.correlate(plane, kernel, mode="nearest") for plane in planes.double().numpy()])
    done = sum_kernel(planes, kernel.tolist(), mirrored=mirrored)
    assert done.shape == planes.shape
    np.testing.assert_allclose(done, expected, atol=5e-7)


@pytest.mark.parametrize("count", [1, 2])
def test_planes_do_not_mix(planes, count):
    kernel = np.random.default_rng(0).random((5, 5)).tolist()
    assert torch.equal(sum_kernel(planes[:count], kernel), sum_kernel(planes, kernel)[:count])


@pytest.mark.parametrize(("threads", "count", "share"), [(1, 4, 2), (1, 20, 5), (2, 20, 2), (2, 500, 5)])
def test_shares_are_large_where_there_is_much_to_share_out(threads, count, share):
    torch.set_num_threads(threads)
    images, rows = torch.empty(1, 3, 224, 224).expand(count, -1, -1, -1), torch.arange(10)
    shares = kadis_plan._shares(images, rows, alone=False)
    assert [len(few) for few in shares] == [share] * (10 // share)
    assert torch.cat(shares).tolist() == rows.tolist()
    assert [len(few) for few in kadis_plan._shares(images, rows, alone=True)] == [1] * 10
