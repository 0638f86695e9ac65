"""Diagonals and triangles of matrices."""

from __future__ import annotations

import numpy as np

from .. import dtypes
from ..methods import method
from ..tensor import Tensor
from .comparison import where
from .create import fixed
from .shape import Slice, Unslice, normal_dim, row_major

__all__ = ["diag", "diagonal", "tril", "triu"]


@method
def diagonal(x: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonals of matrices.

    Args:
        x: any dtype, two dimensions at least.
        offset: how far above the main diagonal; below it where negative.
        dim1: the rows.
        dim2: the columns.

    Returns:
        x without the two dimensions, and with the diagonal as the last one.

    Raises:
        ValueError: dim1 is dim2.

    Derivative: twice.
    Source: numpy.diagonal.
    """
    a, b = normal_dim("diagonal", dim1, x.ndim), normal_dim("diagonal", dim2, x.ndim)
    if a == b:
        raise ValueError(f"diagonal: dim1 and dim2 are both {a}")
    dense = row_major(x.shape)
    n = max(0, min(x.shape[a] + min(offset, 0), x.shape[b] - max(offset, 0)))
    start = max(-offset, 0) * dense[a] + max(offset, 0) * dense[b]
    rest = [d for d in range(x.ndim) if d not in (a, b)]
    shape = (*(x.shape[d] for d in rest), n)
    strides = (*(dense[d] for d in rest), dense[a] + dense[b])
    return Slice.apply(x, shape=shape, strides=strides, offset=0 if 0 in shape else start)


@method
def diag(x: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix, or the matrix of a diagonal.

    Args:
        x: (n, m), or (k,).
        diagonal: how far above the main diagonal; below it where negative.

    Returns:
        A vector of a matrix; of a vector, (n, n) with n = k + |diagonal|, 0 elsewhere.

    Raises:
        ValueError: x is neither vector nor matrix.

    Derivative: twice.
    Source: numpy.diag.
    """
    if x.ndim == 2:
        return _diagonal(x, diagonal)
    if x.ndim != 1:
        raise ValueError(f"diag: expected a vector or a matrix, got shape {x.shape}")
    n = x.shape[0] + abs(diagonal)
    start = max(-diagonal, 0) * n + max(diagonal, 0)
    return Unslice.apply(x, shape=(n, n), strides=(n + 1,), offset=start)


_diagonal = diagonal


def _keep(name: str, x: Tensor, diagonal: int, upper: bool) -> Tensor:
    """x where a triangle is, 0 elsewhere."""
    if x.ndim < 2:
        raise ValueError(f"{name}: expected matrices, got shape {x.shape}")
    n, m = x.shape[-2:]
    lower = np.tri(n, m, diagonal - upper, dtype=np.bool_)
    kept = fixed(~lower if upper else lower, x.device)
    return where(kept, x, False if x.dtype is dtypes.bool_ else 0)


@method
def tril(x: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of matrices, 0 elsewhere.

    Args:
        x: (..., n, m), any dtype.
        diagonal: the last diagonal that is kept: how far above the main one; below where negative.

    Returns:
        The shape and dtype of x.

    Raises:
        ValueError: x has fewer than two dimensions.

    Derivative: twice.
    Source: numpy.tril.
    """
    return _keep("tril", x, diagonal, False)


@method
def triu(x: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of matrices, 0 elsewhere.

    Args:
        x: (..., n, m), any dtype.
        diagonal: the first diagonal that is kept: how far above the main one; below where negative.

    Returns:
        The shape and dtype of x.

    Raises:
        ValueError: x has fewer than two dimensions.

    Derivative: twice.
    Source: numpy.triu.
    """
    return _keep("triu", x, diagonal, True)
