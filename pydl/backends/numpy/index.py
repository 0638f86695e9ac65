"""Take (one index for all rows) and gather (an index for each element), with their gradients.

x is (outer, n, inner); index is (k,) for take, (outer, k, inner) for gather, each in [0, n).
"""

from __future__ import annotations

import numpy as np

from .precision import A, quiet, widen


def _check(index: A, n: int) -> None:
    """NumPy finds an index of n or more by itself, but a negative one means something to it."""
    if (index < 0).any():
        raise IndexError(f"index holds {index[index < 0].flat[0]}, expected [0, {n})")


def take(x: A, index: A, out: A, outer: int, n: int, inner: int) -> None:
    _check(index, n)
    out[...] = x.reshape(outer, n, inner)[:, index.reshape(-1)].reshape(out.shape)


@quiet
def take_backward(gy: A, index: A, gx: A, outer: int, n: int, inner: int) -> None:
    gy = widen(gy).reshape(outer, index.size, inner)
    total = np.zeros((outer, n, inner), gy.dtype)
    np.add.at(total.swapaxes(0, 1), index.reshape(-1), gy.swapaxes(0, 1))
    gx[...] = total.reshape(gx.shape)


def gather(x: A, index: A, out: A, outer: int, n: int, inner: int) -> None:
    _check(index, n)
    x = x.reshape(outer, n, inner)
    out[...] = x[_positions(index, outer, inner)].reshape(out.shape)


@quiet
def gather_backward(gy: A, index: A, gx: A, outer: int, n: int, inner: int) -> None:
    at = _positions(index, outer, inner)
    total = np.zeros((outer, n, inner), widen(gy).dtype)
    np.add.at(total, at, widen(gy).reshape(at[1].shape))
    gx[...] = total.reshape(gx.shape)


def _positions(index: A, outer: int, inner: int) -> tuple[A, A, A]:
    """[o, index[o, j, i], i] for every element of index."""
    k = index.size // (outer * inner) if outer * inner else 0
    o, _, i = np.ogrid[:outer, :k, :inner]
    return o, index.reshape(outer, k, inner), i
