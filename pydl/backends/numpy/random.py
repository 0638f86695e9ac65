"""Random numbers from the Philox stream of `state` (seed, offset), which every kernel moves on.

The same seed and offset give the same bits on every device: see pydl/backends/philox.py.
"""

from __future__ import annotations

import numpy as np

from .. import philox
from .precision import A, quiet


def _draw(state: A, words: int) -> tuple[int, int]:
    """Seed and offset of so many words, after which the state stands behind them."""
    seed, offset = int(state[0]), int(state[1])
    state[1:] += philox.blocks_of(words)  # NOTE: a slice, as it wraps around silently
    return seed, offset


@quiet
def rand(out: A, state: A, low: float, high: float) -> None:
    u = philox.uniform(*_draw(state, out.size), out.size, low, high)
    out[...] = u.reshape(out.shape)


@quiet
def randn(out: A, state: A, mean: float, std: float) -> None:
    z = philox.normal(*_draw(state, out.size), out.size, mean, std)
    out[...] = z.reshape(out.shape)


def randint(out: A, state: A, low: int, high: int) -> None:
    i = philox.randint(*_draw(state, out.size), out.size, low, high)
    out[...] = i.reshape(out.shape)


def randperm(out: A, state: A) -> None:
    out[...] = philox.permutation(*_draw(state, 2 * out.size), out.size)


@quiet
def dropout(x: A, state: A, y: A, mask: A, p: float) -> None:
    """y = x / (1 - p) where u >= p, otherwise 0. Bit i % 8 of mask[i / 8]: whether x_i is kept."""
    kept = philox.keep(*_draw(state, x.size), x.size, p)
    mask[...] = np.packbits(kept, bitorder="little")
    y[...] = np.where(kept.reshape(x.shape), x * _scale(x, p), 0)


@quiet
def dropout_backward(gy: A, mask: A, gx: A, p: float) -> None:
    kept = np.unpackbits(mask, count=gy.size, bitorder="little").reshape(gy.shape)
    gx[...] = np.where(kept, gy * _scale(gy, p), 0)


def _scale(x: A, p: float) -> A:
    """1 / (1 - p) in the precision of x; infinite where nothing is kept."""
    return 1 / (1 - np.full((), p, x.dtype))
