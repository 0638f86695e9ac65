"""Philox4x32-10 and its transforms in NumPy: the bits that csrc/core/philox.h gives.

The stream of (seed, offset): block b has key = seed and counter = (offset + b, 0), each 64 bits in
two words, and gives the words 4b .. 4b + 3. After a draw of n words, offset grows by ceil(n / 4).

Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011); Box and Muller, "A
note on the generation of random normal deviates" (1958).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 10
_MASK = np.uint64(0xFFFFFFFF)
_LOW52 = np.uint64(0x000FFFFFFFFFFFFF)
_ONE = np.uint64(0x3FF0000000000000)  # the bits of 1.0
_TWO52 = np.uint64(0x4330000000000000)  # the bits of 2^52
_TURN = 6.283185307179586 * 2.0**-32
_SIN = (
    1 / 6227020800.0,
    -1 / 39916800.0,
    1 / 362880.0,
    -1 / 5040.0,
    1 / 120.0,
    -1 / 6.0,
)
_COS = (
    -1 / 87178291200.0,
    1 / 479001600.0,
    -1 / 3628800.0,
    1 / 40320.0,
    -1 / 720.0,
    1 / 24.0,
    -0.5,
)


def blocks_of(words: int) -> int:
    """By how much a draw of so many words moves the offset on."""
    return -(-words // 4)


def philox4x32(seed: int, offset: int, blocks: int) -> NDArray[np.uint32]:
    """The first blocks of a stream.

    Args:
        seed: The key, modulo 2^64.
        offset: The counter of the first block, modulo 2^64.
        blocks: How many blocks.

    Returns:
        uint32 (blocks, 4).

    Source: Salmon et al. (2011), section 3.3, with the constants of their table 2.
    """
    counter = np.arange(blocks, dtype=np.uint64) + np.uint64(offset & (2**64 - 1))
    shift = np.uint64(32)
    c0, c1 = counter & _MASK, counter >> shift
    c2 = c3 = np.zeros(blocks, np.uint64)
    k0, k1 = seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF
    for _ in range(_ROUNDS):
        p0, p1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c2 = (p1 >> shift) ^ c1 ^ np.uint64(k0), (p0 >> shift) ^ c3 ^ np.uint64(k1)
        c1, c3 = p1 & _MASK, p0 & _MASK
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack((c0, c1, c2, c3), axis=1).astype(np.uint32)


def words(seed: int, offset: int, n: int) -> NDArray[np.uint32]:
    """The first n words of a stream, uint32 (n,)."""
    return philox4x32(seed, offset, blocks_of(n)).reshape(-1)[:n]


def unit(seed: int, offset: int, n: int) -> NDArray[np.float32]:
    """Uniform in [0, 1): the upper 24 bits of each word, float32 (n,)."""
    return (words(seed, offset, n) >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def uniform(
    seed: int, offset: int, n: int, low: float = 0.0, high: float = 1.0
) -> NDArray[np.float32]:
    """low + (high - low) * u in float32 arithmetic, float32 (n,)."""
    a, b = np.float32(low), np.float32(high)
    return a + (b - a) * unit(seed, offset, n)


def keep(seed: int, offset: int, n: int, p: float) -> NDArray[np.bool_]:
    """Dropout's mask: u >= p, bool (n,)."""
    return unit(seed, offset, n) >= np.float32(p)


def randint(seed: int, offset: int, n: int, low: int, high: int) -> NDArray[np.int64]:
    """Whole numbers in [low, high): low + floor(word * (high - low) / 2^32), int64 (n,).

    Args:
        seed: The key.
        offset: The counter of the first block.
        n: How many.
        low: The smallest.
        high: One more than the largest; high - low is at most 2^32.
    """
    step = (words(seed, offset, n).astype(np.uint64) * np.uint64(high - low)) >> np.uint64(32)
    return step.astype(np.int64) + np.int64(low)


def permutation_keys(seed: int, offset: int, n: int) -> NDArray[np.uint64]:
    """Two words an element, the first the upper half, uint64 (n,): a random permutation is the
    stable argsort of these."""
    pairs = words(seed, offset, 2 * n).reshape(n, 2).astype(np.uint64)
    return (pairs[:, 0] << np.uint64(32)) | pairs[:, 1]


def permutation(seed: int, offset: int, n: int) -> NDArray[np.int64]:
    """A random order of 0 .. n - 1, int64 (n,); moves the offset by blocks_of(2 * n)."""
    return np.argsort(permutation_keys(seed, offset, n), kind="stable").astype(np.int64)


# NOTE: from here on every operation and its order are those of csrc/core/philox.h: + - * / sqrt
# and bits alone, so that both round alike. A change here is a change there.


def log_unit(w: NDArray[np.uint32]) -> NDArray[np.float64]:
    """ln((w + 1) / 2^32), by ln m = 2 (s + s^3 / 3 + ... + s^21 / 21), s = (m - 1) / (m + 1)."""
    bits = ((w.astype(np.float64) + 1.0) * 2.0**-32).view(np.uint64)
    e = ((bits >> np.uint64(52)) | _TWO52).view(np.float64) - (2.0**52 + 1023.0)
    m = ((bits & _LOW52) | _ONE).view(np.float64)
    high = m > 1.4142135623730951
    e = np.where(high, e + 1.0, e)
    m = np.where(high, m * 0.5, m)
    s = (m - 1.0) / (m + 1.0)
    t = s * s
    p = np.full_like(t, 1.0 / 21.0)
    for k in range(19, 1, -2):
        p = p * t + 1.0 / k
    r = s + s
    return e * 0.6931471805599453 + (r + r * (t * p))


def cos_sin_turn(w: NDArray[np.uint32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """cos and sin of 2 pi w / 2^32: the nearest quarter turn exactly, the rest by Taylor series."""
    q = (w + np.uint32(0x20000000)) >> np.uint32(30)
    x = (w - (q << np.uint32(30))).view(np.int32).astype(np.float64) * _TURN
    t = x * x
    s = np.full_like(t, -1 / 1307674368000.0)
    for k in _SIN:
        s = s * t + k
    s = x + x * (t * s)
    c = np.full_like(t, 1 / 20922789888000.0)
    for k in _COS:
        c = c * t + k
    c = 1.0 + t * c
    odd = (q & np.uint32(1)) != 0
    cosine, sine = np.where(odd, s, c), np.where(odd, c, s)
    cosine = np.where(((q + np.uint32(1)) & np.uint32(2)) != 0, -cosine, cosine)
    return cosine, np.where((q & np.uint32(2)) != 0, -sine, sine)


def normal(
    seed: int, offset: int, n: int, mean: float = 0.0, std: float = 1.0
) -> NDArray[np.float32]:
    """mean + std * z in float64 arithmetic, rounded to float32 (n,).

    Words 2j and 2j + 1 make elements 2j and 2j + 1: sqrt(-2 ln u1) times cos and sin of 2 pi u2.
    """
    pairs = words(seed, offset, n + n % 2).reshape(-1, 2)
    radius = np.sqrt(-2.0 * log_unit(np.ascontiguousarray(pairs[:, 0])))
    cosine, sine = cos_sin_turn(np.ascontiguousarray(pairs[:, 1]))
    z = np.stack((radius * cosine, radius * sine), axis=1).reshape(-1)[:n]
    return (mean + std * z).astype(np.float32)
