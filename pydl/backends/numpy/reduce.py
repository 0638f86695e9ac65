"""Reductions of x (outer, n, inner) over n to out (outer, inner), and the first best index."""

from __future__ import annotations

import numpy as np

from .precision import A, quiet


def _wide_type(x: A) -> type[np.generic]:
    """What a sum is accumulated in: float64, or int64 for integers and bool."""
    return np.float64 if x.dtype.kind == "f" else np.int64


@quiet
def reduce_sum(x: A, out: A, outer: int, n: int, inner: int, scale: float = 1.0) -> None:
    y = x.reshape(outer, n, inner).sum(axis=1, dtype=_wide_type(x))
    out[...] = (y if scale == 1 else scale * y).reshape(out.shape)


@quiet
def reduce_prod(x: A, out: A, outer: int, n: int, inner: int) -> None:
    out[...] = x.reshape(outer, n, inner).prod(axis=1, dtype=_wide_type(x)).reshape(out.shape)


@quiet
def reduce_max(x: A, out: A, outer: int, n: int, inner: int) -> None:
    out[...] = x.reshape(outer, n, inner).max(axis=1).reshape(out.shape)


@quiet
def reduce_min(x: A, out: A, outer: int, n: int, inner: int) -> None:
    out[...] = x.reshape(outer, n, inner).min(axis=1).reshape(out.shape)


def reduce_any(x: A, out: A, outer: int, n: int, inner: int) -> None:
    out[...] = x.reshape(outer, n, inner).any(axis=1).reshape(out.shape)


def reduce_all(x: A, out: A, outer: int, n: int, inner: int) -> None:
    out[...] = x.reshape(outer, n, inner).all(axis=1).reshape(out.shape)


def argmax(x: A, out: A, outer: int, n: int, inner: int) -> None:
    out[...] = x.reshape(outer, n, inner).argmax(axis=1).reshape(out.shape)


def argmin(x: A, out: A, outer: int, n: int, inner: int) -> None:
    out[...] = x.reshape(outer, n, inner).argmin(axis=1).reshape(out.shape)
