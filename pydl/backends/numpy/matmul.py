"""Matrix product with what GEMM fuses: transposes, scale, bias, accumulation, ReLU."""

from __future__ import annotations

import numpy as np

from .precision import A, quiet


@quiet
def gemm(
    a: A,
    b: A,
    out: A,
    trans_a: bool = False,
    trans_b: bool = False,
    bias: A | None = None,
    relu: bool = False,
    alpha: float = 1.0,
    accumulate: bool = False,
) -> None:
    """out = [relu](alpha * op(a) @ op(b) + bias + (out if accumulate))."""
    y = (a.swapaxes(-1, -2) if trans_a else a) @ (b.swapaxes(-1, -2) if trans_b else b)
    if alpha != 1:
        y *= alpha
    if bias is not None:
        y += bias
    if accumulate:
        y += out
    out[...] = np.maximum(y, 0) if relu else y
