"""Kernels that move, convert or make elements: strided copy, cast, fill, arange."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .precision import A, convert, quiet


def copy(
    src: A,
    dst: A,
    shape: Sequence[int],
    src_offset: int,
    src_strides: Sequence[int],
    dst_offset: int,
    dst_strides: Sequence[int],
) -> None:
    if 0 in shape:
        return
    _strided(dst, shape, dst_offset, dst_strides)[...] = _strided(
        src, shape, src_offset, src_strides
    )


def _strided(x: A, shape: Sequence[int], offset: int, strides: Sequence[int]) -> A:
    """A view of x; NumPy raises ValueError where it would leave x. Offset, strides in elements."""
    size = x.itemsize
    view: A = np.ndarray(shape, x.dtype, x.data, offset * size, [s * size for s in strides])
    return view


@quiet
def cast(x: A, out: A) -> None:
    out[...] = convert(x, out.dtype)


@quiet
def fill(out: A, value: float | int | bool) -> None:
    out[...] = convert(np.asarray(value), out.dtype)


def arange(out: A, start: float | int, step: float | int) -> None:
    i: A = np.arange(out.size, dtype=np.float64 if out.dtype.kind == "f" else np.int64)
    out[...] = (start + i * step).reshape(out.shape)
