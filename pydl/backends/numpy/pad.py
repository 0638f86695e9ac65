"""Padding of planes x (..., H, W) to y (..., OH, OW) with elements of x."""

from __future__ import annotations

import numpy as np

from .precision import A, quiet


def _sources(n: int, out: int, before: int, mode: str) -> A:
    """Where each of `out` places takes its element from."""
    i = np.arange(out) - before
    if mode == "circular":
        return i % n
    if mode == "replicate":
        return i.clip(0, n - 1)
    i = np.abs(i)
    return np.where(i < n, i, 2 * (n - 1) - i)


def edge_pad(x: A, y: A, top: int, left: int, mode: str) -> None:
    rows = _sources(x.shape[-2], y.shape[-2], top, mode)
    columns = _sources(x.shape[-1], y.shape[-1], left, mode)
    y[...] = x[..., rows[:, None], columns]


@quiet
def edge_pad_backward(gy: A, gx: A, top: int, left: int, mode: str) -> None:
    rows = _sources(gx.shape[-2], gy.shape[-2], top, mode)
    columns = _sources(gx.shape[-1], gy.shape[-1], left, mode)
    total = np.zeros(gx.shape, gy.dtype)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            total[..., row, column] += gy[..., i, j]
    gx[...] = total
