"""Counter-based random numbers: every value is a pure function of a seed and a position, never of a draw order.

A stateful generator gives an image other noise when its neighbors in the batch change. Hashing ``(seed, position)``
does not: same seed, same bits, whatever the batch size, order, worker or world size, with no loop over images.
``planned_uniform`` (numpy, 64 bit) serves the plan, which is drawn on the CPU; ``hashed`` and its kin (torch, 32 bit)
serve the fields that are drawn on the images' device.

The mixers are public-domain finalizers: splitmix64 (Steele, Lea, Flood, OOPSLA 2014) and murmur3's ``fmix32``
(Appleby).
"""

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["hashed", "hashed_normal", "hashed_row", "hashed_uniform", "planned_seeds", "planned_uniform"]

_GOLDEN = 0x9E3779B97F4A7C15
_ODD = -1640531527  # 2^32 divided by the golden ratio, as int32
_KEPT = 2**20  # positions of which the hash is kept, 4 MiB


def _splitmix64(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = state + np.uint64(_GOLDEN)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def _planned_bits(seed: int, epoch: int, indices: NDArray[np.int64], stream: int, count: int) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):  # wrapping is the arithmetic meant here
        key = np.full(1, seed & 0xFFFFFFFFFFFFFFFF, np.uint64)
        for part in (epoch, stream):
            key = _splitmix64(key ^ _splitmix64(np.full(1, part & 0xFFFFFFFFFFFFFFFF, np.uint64)))
        rows = _splitmix64(key ^ _splitmix64(indices.astype(np.uint64)))[:, None]
        return _splitmix64(rows + np.arange(count, dtype=np.uint64)[None, :] * np.uint64(_GOLDEN))


def planned_uniform(seed: int, epoch: int, indices: NDArray[np.int64], stream: int, count: int) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1) of shape (len(indices), count); row i depends on (seed, epoch, indices[i], stream)."""
    bits = _planned_bits(seed, epoch, indices, stream, count)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def planned_seeds(seed: int, epoch: int, indices: NDArray[np.int64], stream: int, count: int) -> NDArray[np.int64]:
    """31-bit seeds of shape (len(indices), count) for the hashes below."""
    return (_planned_bits(seed, epoch, indices, stream, count) >> np.uint64(33)).astype(np.int64)


def _mix(bits: Tensor) -> Tensor:
    """murmur3 finalizer on int32, in place; masks turn arithmetic right shifts into logical ones."""
    high = bits >> 16  # one buffer for all shifts: memory that is new costs more than the arithmetic
    bits ^= high.bitwise_and_(0xFFFF)
    bits *= -2048144789
    bits ^= torch.bitwise_right_shift(bits, 13, out=high).bitwise_and_(0x7FFFF)
    bits *= -1028477387
    bits ^= torch.bitwise_right_shift(bits, 16, out=high).bitwise_and_(0xFFFF)
    return bits


def hashed(seeds: Tensor, positions: Tensor, stream: int) -> Tensor:
    """Hash integers.

    Args:
        seeds: (B,) int64 or int32, one per image.
        positions: (B, ...) or (1, ...) int32 positions.
        stream: separates independent uses of one seed.

    Returns:
        int32 bits of the broadcast shape (B, ...).
    """
    key = _key(seeds, stream).reshape(-1, *([1] * (positions.dim() - 1)))
    # Two rounds: one leaves the xor of key and position linear enough for neighboring images to correlate.
    return _mix(_mix(positions * _ODD + key) + key)


def hashed_row(seeds: Tensor, count: int, stream: int) -> Tensor:
    """Hash the positions 0 ... count - 1: int32 bits (B, count), others than those of ``hashed``, in half of the time.

    Of the two rounds the first takes the position alone, and is made once for all images and calls.
    """
    mixed = _mixed_positions if count <= _KEPT else _mixed_positions.__wrapped__
    return _mix(mixed(count, seeds.device) + _key(seeds, stream)[:, None])


@lru_cache(maxsize=8)
def _mixed_positions(count: int, device: torch.device) -> Tensor:
    """(count,) int32, all different."""
    with torch.inference_mode(mode=False):  # what is kept must serve outside of it too
        return _mix(torch.arange(count, dtype=torch.int32, device=device) * _ODD)


def _key(seeds: Tensor, stream: int) -> Tensor:
    """(B,) int32."""
    return _mix(seeds.to(torch.int32) + (stream * 0x3C6EF35F) % 0x7FFFFFFF)


def _unit(bits: Tensor) -> Tensor:
    return ((bits >> 8) & 0xFFFFFF).to(torch.float32).mul_(2.0**-24)


def hashed_uniform(seeds: Tensor, shape: tuple[int, ...], stream: int) -> Tensor:
    """Uniform numbers in [0, 1), float32 of shape (B, *shape), on the device of ``seeds`` (B,)."""
    positions = torch.arange(math.prod(shape), dtype=torch.int32, device=seeds.device).reshape(1, *shape)
    return _unit(hashed(seeds, positions, stream))


def hashed_normal(seeds: Tensor, shape: tuple[int, ...], stream: int) -> Tensor:
    """Standard normal numbers, float32 of shape (B, *shape), by Box and Muller from two hashed uniforms."""
    count = math.prod(shape)
    uniform = hashed_uniform(seeds, (2, (count + 1) // 2), stream)
    # 1 - u is in (0, 1], so the logarithm is finite.
    radius = (1.0 - uniform[:, 0]).log_().mul_(-2.0).sqrt_()
    angle = uniform[:, 1] * (2.0 * math.pi)
    normal = torch.cat((radius * angle.cos(), radius * angle.sin()), dim=1)
    return normal[:, :count].reshape(-1, *shape)
