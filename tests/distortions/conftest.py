"""Photographs that come with scikit-image, small enough for tests."""

import numpy as np
import pytest
import skimage.data
import torch
from numpy.typing import NDArray
from torch import Tensor


def as_batch(picture: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float() / 255.0


@pytest.fixture(autouse=True)
def one_thread():
    """Small pictures: threads cost more than they give. Tests that need two set them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def photographs() -> list[NDArray[np.uint8]]:
    """Four photographs (H, W, 3), sides multiples of 16."""
    pictures = [skimage.data.astronaut(), skimage.data.coffee(), skimage.data.chelsea(), skimage.data.rocket()]
    return [picture[: picture.shape[0] // 16 * 16, : picture.shape[1] // 16 * 16] for picture in pictures]


@pytest.fixture(scope="session")
def crops(photographs) -> Tensor:
    """(4, 3, 61, 79) cut around the middles."""
    cut = []
    for picture in photographs:
        y, x = picture.shape[0] // 2 - 40, picture.shape[1] // 2 - 40
        cut.append(as_batch(picture[y : y + 61, x : x + 79]))
    return torch.cat(cut)
