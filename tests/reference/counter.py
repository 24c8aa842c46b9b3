"""Slow twins of the counter-based random numbers: Python integers, masked to their width."""

import math

import numpy as np
from numpy.typing import NDArray

M32, M64 = 2**32 - 1, 2**64 - 1


def splitmix64(state: int) -> int:
    """One output of splitmix64 whose state was ``state`` before the step."""
    z = (state + 0x9E3779B97F4A7C15) & M64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & M64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M64
    return z ^ (z >> 31)


def fmix32(h: int) -> int:
    """The finalizer of 32-bit murmur3."""
    h &= M32
    h = ((h ^ (h >> 16)) * 0x85EBCA6B) & M32
    h = ((h ^ (h >> 13)) * 0xC2B2AE35) & M32
    return h ^ (h >> 16)


def planned_bits(seed: int, epoch: int, index: int, stream: int, count: int) -> list[int]:
    """64 bits for each of ``count`` numbers of one sample."""
    key = seed & M64
    for part in (epoch, stream):
        key = splitmix64(key ^ splitmix64(part & M64))
    row = splitmix64(key ^ splitmix64(index & M64))
    return [splitmix64((row + k * 0x9E3779B97F4A7C15) & M64) for k in range(count)]


def hashed_one(seed: int, position: int, stream: int) -> int:
    """Unsigned 32-bit hash of one position."""
    key = fmix32(seed + (stream * 0x3C6EF35F) % (2**31 - 1))
    return fmix32(fmix32(position * 0x9E3779B9 + key) + key)


def row_hashed_one(seed: int, position: int, stream: int) -> int:
    """Unsigned 32-bit hash of one position of a row: the key comes after the first round."""
    key = fmix32(seed + (stream * 0x3C6EF35F) % (2**31 - 1))
    return fmix32(fmix32(position * 0x9E3779B9) + key)


def unit(bits: int) -> float:
    """The upper 24 bits as a fraction of one."""
    return (bits >> 8) / 2**24


def hashed_uniform_loop(seed: int, count: int, stream: int) -> NDArray[np.float64]:
    """``count`` uniform numbers of one seed."""
    return np.array([unit(hashed_one(seed, k, stream)) for k in range(count)])


def hashed_normal_loop(seed: int, count: int, stream: int) -> NDArray[np.float64]:
    """``count`` normal numbers of one seed: the cosines of all pairs lead, the sines follow."""
    half = (count + 1) // 2
    u = hashed_uniform_loop(seed, 2 * half, stream)
    radii = [math.sqrt(-2.0 * math.log(1.0 - value)) for value in u[:half]]
    pairs = list(zip(radii, u[half:], strict=True))
    normal = [r * math.cos(2 * math.pi * a) for r, a in pairs] + [r * math.sin(2 * math.pi * a) for r, a in pairs]
    return np.array(normal[:count])
