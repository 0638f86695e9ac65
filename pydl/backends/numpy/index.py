"""Reading (take, gather) and writing (put, scatter) by index: the middle of (outer, n, inner).

The index is (k,) for take and put, (outer, k, inner) for gather and scatter, each in [0, n); with
`wrap` it may also be negative, counted from the end.
"""

from __future__ import annotations

import numpy as np

from .precision import A, quiet

COMBINE = {"add": np.add, "multiply": np.multiply}


def check_range(index: A, low: int, end: int) -> None:
    """Every index in [low, end); on each replay of a recorded step, too."""
    bad = index[(index < low) | (index >= end)]
    if bad.size:
        raise IndexError(f"index holds {bad.flat[0]}, expected [{low}, {end})")


def take(x: A, index: A, out: A, outer: int, n: int, inner: int, wrap: bool = False) -> None:
    check_range(index, -n if wrap else 0, n)
    out[...] = x.reshape(outer, n, inner)[:, index.reshape(-1)].reshape(out.shape)


def gather(x: A, index: A, out: A, outer: int, n: int, inner: int, wrap: bool = False) -> None:
    check_range(index, -n if wrap else 0, n)
    x = x.reshape(outer, n, inner)
    out[...] = x[_positions(index, outer, inner)].reshape(out.shape)


def put(
    src: A, index: A, out: A, outer: int, n: int, inner: int, mode: str = "set", wrap: bool = False
) -> None:
    check_range(index, -n if wrap else 0, n)
    rows = out.reshape(outer, n, inner).swapaxes(0, 1)
    _write(rows, index.reshape(-1), src.reshape(outer, index.size, inner).swapaxes(0, 1), mode)


def scatter(
    src: A, index: A, out: A, outer: int, n: int, inner: int, mode: str = "set", wrap: bool = False
) -> None:
    check_range(index, -n if wrap else 0, n)
    at = _positions(index, outer, inner)
    _write(out.reshape(outer, n, inner), at, src.reshape(at[1].shape), mode)


@quiet
def _write(out: A, at: A | tuple[A, ...], src: A, mode: str) -> None:
    if mode == "set":
        out[at] = src
    elif out.dtype.itemsize == 2:
        raise TypeError(f"mode {mode!r}: expected float32, integers or bool, got {out.dtype}")
    else:
        COMBINE[mode].at(out, at, src)


def _positions(index: A, outer: int, inner: int) -> tuple[A, A, A]:
    """[o, index[o, j, i], i] for every element of index."""
    k = index.size // (outer * inner) if outer * inner else 0
    o, _, i = np.ogrid[:outer, :k, :inner]
    return o, index.reshape(outer, k, inner), i
