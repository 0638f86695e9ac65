"""Running sums, products and a linear recurrence along the middle of (outer, n, inner)."""

from __future__ import annotations

import numpy as np

from .precision import A, quiet


def _line(x: A, outer: int, n: int, inner: int, reverse: bool) -> A:
    y = x.reshape(outer, n, inner)
    return y[:, ::-1] if reverse else y


@quiet
def cumsum(x: A, y: A, outer: int, n: int, inner: int, reverse: bool = False) -> None:
    wide = np.float64 if x.dtype.kind == "f" else np.int64
    out = _line(x, outer, n, inner, reverse).cumsum(axis=1, dtype=wide)
    _line(y, outer, n, inner, reverse)[...] = out


@quiet
def cumprod(x: A, y: A, outer: int, n: int, inner: int, reverse: bool = False) -> None:
    wide = np.float64 if x.dtype.kind == "f" else np.int64
    out = _line(x, outer, n, inner, reverse).cumprod(axis=1, dtype=wide)
    _line(y, outer, n, inner, reverse)[...] = out


@quiet
def recurrence(a: A, b: A, y: A, outer: int, n: int, inner: int, reverse: bool = False) -> None:
    """y[k] = a[k] y[k-1] + b[k]; a[0] is not read."""
    a, b, y = (_line(t, outer, n, inner, reverse) for t in (a, b, y))
    state = np.zeros((outer, inner))
    for k in range(n):
        state = b[:, k].astype(np.float64) + (a[:, k] * state if k > 0 else 0.0)
        y[:, k] = state
