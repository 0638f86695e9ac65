"""Sums, products and truth over any dimensions, and `expand`, the mirror of `sum`.

A kernel reduces the middle of (outer, n, inner); several dimensions that do not lie side by side
are reduced one block after the other. What is largest: extreme.py; moments, norms: statistics.py.
"""

from __future__ import annotations

import builtins
import functools
from collections.abc import Sequence
from typing import Any

from .. import dtypes
from ..device import Shape
from ..dtypes import DType, float32
from ..methods import method
from ..op import Op
from ..tensor import Dims, Tensor
from .checks import need_floating
from .create import empty
from .precision import widened
from .shape import cast, normal_dim, reshape, row_major, strided

__all__ = [
    "all",
    "any",
    "count_nonzero",
    "expand",
    "mean",
    "prod",
    "sum",
]


def normal_dims(name: str, dims: Dims, ndim: int) -> tuple[int, ...]:
    """Dimensions counted from the front, in order; None and () mean all. 0-d tensors have 0 and -1.

    Raises:
        IndexError: there is no such dimension.
        ValueError: one appears twice.
    """
    if dims is None:
        return tuple(range(ndim))
    if isinstance(dims, int) and ndim > 0:
        return (normal_dim(name, dims, ndim),)
    wanted = (dims,) if isinstance(dims, int) else tuple(dims)
    out = sorted(normal_dim(name, d, builtins.max(ndim, 1)) for d in wanted)
    if len(set(out)) != len(out):
        raise ValueError(f"{name}: dim {wanted} names a dimension twice")
    return tuple(range(ndim)) if not wanted or ndim == 0 else tuple(out)


def without(shape: Shape, dims: Sequence[int], keepdim: bool) -> Shape:
    """The shape after a reduction."""
    if keepdim:
        return tuple([1 if i in dims else n for i, n in enumerate(shape)])
    return tuple([n for i, n in enumerate(shape) if i not in dims])


@functools.lru_cache
def blocks(shape: Shape, dims: tuple[int, ...]) -> tuple[tuple[int, int, int], ...]:
    """(outer, n, inner) of each run of neighbouring dimensions, last run first.

    Dimensions of length 1 between two of them do not separate a run. No dimensions: one run of 1.
    """
    out = []
    outer = inner = 1
    n = None
    sizes = list(shape)
    for i in reversed(range(len(shape))):
        if i in dims:
            n = sizes[i] * (1 if n is None else n)
        elif n is None:
            inner *= sizes[i]
        elif sizes[i] != 1:
            for length in sizes[: i + 1]:
                outer *= length
            out.append((outer, n, inner))
            inner, outer, n = inner * sizes[i], 1, None
    if n is not None or not out:
        out.append((1, 1 if n is None else n, inner))
    return tuple(out)


def reduced(
    kernel: str, x: Tensor, dims: Sequence[int], out_shape: Shape, dtype: DType, **extra: Any
) -> Tensor:
    """Run a reduction kernel over every block; `extra` goes to the last.

    Between two blocks half types are float32.
    """
    todo = blocks(x.shape, tuple(dims))
    run = getattr(x.device.kernels, kernel)
    wide = float32 if len(todo) > 1 and dtype.is_floating and dtype.itemsize == 2 else dtype
    for i, (outer, n, inner) in enumerate(todo):
        last = i == len(todo) - 1
        out = empty(out_shape if last else (outer * inner,), dtype=wide, device=x.device)
        run(x.data, out.data, outer, n, inner, **(extra if last else {}))
        x = out
    return cast(x, dtype)


def count(shape: Shape, dims: Sequence[int]) -> int:
    """How many elements a reduction over `dims` sees."""
    n = 1
    for d in dims:
        n *= shape[d]
    return n


# ---- sum and expand


class Sum(Op):
    """scale * sum over `dims`."""

    dims: tuple[int, ...]
    keepdim: bool
    scale: float

    def forward(self, x: Tensor) -> Tensor:
        self.shape = x.shape
        dtype = x.dtype
        dtype = dtype if dtype.is_floating else dtypes.int64
        out_shape = without(self.shape, self.dims, self.keepdim)
        return reduced("reduce_sum", x, self.dims, out_shape, dtype, scale=self.scale)

    def backward(self, gy: Tensor) -> Tensor:
        if self.scale != 1.0:
            gy = gy * self.scale
        return expand(reshape(gy, without(self.shape, self.dims, True)), self.shape)


@method
def sum(
    x: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """The sum over `dim`.

    Args:
        x: any shape; floating, integers or bool.
        dim: one dimension or several; all by default.
        keepdim: keep them with length 1.
        dtype: cast x to it first, and return it.

    Returns:
        The shape of x without `dim`; int64 for integers and bool, else the dtype of x. 0 where
        there is nothing.

    Raises:
        IndexError, ValueError: there is no such dimension, or one appears twice.

    Derivative: twice.
    Source: numpy.sum, by pairwise summation (Higham, "The accuracy of floating point summation",
        1993).
    """
    x = widened(x)
    dims = normal_dims("sum", dim, x.ndim)
    x = x if dtype is None else cast(x, dtype)
    y = Sum.apply(x, dims=dims, keepdim=keepdim, scale=1.0)
    return y if dtype is None else cast(y, dtype)


@method
def mean(
    x: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """The arithmetic mean over `dim`.

    Args:
        x: any shape, floating (or any dtype, where `dtype` is given).
        dim: one dimension or several; all by default.
        keepdim: keep them with length 1.
        dtype: a floating dtype to cast x to first.

    Returns:
        The shape of x without `dim`, the dtype of x; NaN where there is nothing.

    Raises:
        IndexError, ValueError: there is no such dimension, or one appears twice.
        TypeError: x is not floating.

    Derivative: twice.
    Source: numpy.mean.
    """
    x = widened(x)
    dims = normal_dims("mean", dim, x.ndim)
    x = x if dtype is None else cast(x, dtype)
    need_floating("mean", x=x)
    n = count(x.shape, dims)
    return Sum.apply(x, dims=dims, keepdim=keepdim, scale=1.0 / n if n else float("nan"))


@method
def count_nonzero(x: Tensor, dim: Dims = None) -> Tensor:
    """How many elements over `dim` are not 0 (NaN is not).

    Args:
        x: any shape; floating, integers or bool.
        dim: one dimension or several; all by default.

    Returns:
        int64, the shape of x without `dim`.

    Raises:
        IndexError, ValueError: there is no such dimension, or one appears twice.

    Derivative: none.
    Source: numpy.count_nonzero.
    """
    dims = normal_dims("count_nonzero", dim, x.ndim)
    return Sum.apply(x.detach().bool(), dims=dims, keepdim=False, scale=1.0)


class Expand(Op):
    """Lengths of 1, and new leading dimensions, repeated."""

    shape: Shape

    def forward(self, x: Tensor) -> Tensor:
        self.back = x.shape
        dense = row_major(x.shape)
        strides = [0] * (len(self.shape) - x.ndim)
        strides += [s if n != 1 else 0 for n, s in zip(x.shape, dense, strict=True)]
        return strided(x, self.shape, strides)

    def backward(self, gy: Tensor) -> Tensor:
        return sum_to(gy, self.back)


def expand(x: Tensor, shape: Sequence[int]) -> Tensor:
    """x repeated to `shape` by NumPy's broadcasting rules.

    Args:
        x: any shape and dtype.
        shape: the shape of the result; -1 keeps a length.

    Returns:
        `shape` with the dtype of x; x itself where nothing changes.

    Raises:
        ValueError: x does not broadcast to `shape`.

    Derivative: twice.
    Source: numpy.broadcast_to.
    """
    lead = len(shape) - x.ndim
    out = tuple(x.shape[i - lead] if n == -1 and i >= lead else n for i, n in enumerate(shape))
    fits = lead >= 0 and builtins.all(
        have in (1, n) for have, n in zip(x.shape, out[lead:], strict=True)
    )
    if not fits:
        raise ValueError(f"expand: {x.shape} does not broadcast to {tuple(shape)}")
    return x if out == x.shape else Expand.apply(x, shape=out)


def sum_to(x: Tensor, shape: Shape) -> Tensor:
    """x summed to a shape that broadcasts to its own: what a broadcast does to a gradient."""
    if x.shape == shape:
        return x
    lead = x.ndim - len(shape)
    dims = [*range(lead), *(lead + i for i, n in enumerate(shape) if n != x.shape[lead + i])]
    return reshape(sum(x, dims), shape)


# ---- products


class Prod(Op):
    dims: tuple[int, ...]
    keepdim: bool

    def forward(self, x: Tensor) -> Tensor:
        dtype = x.dtype if x.dtype.is_floating else dtypes.int64
        self.save(x)
        return reduced(
            "reduce_prod", x, self.dims, without(x.shape, self.dims, self.keepdim), dtype
        )

    def backward(self, gy: Tensor) -> Tensor:
        from .scan import product_of_others  # which is built on `sum`

        (x,) = self.saved
        gy = reshape(gy, without(x.shape, self.dims, True))
        return gy * product_of_others(x, self.dims)


@method
def prod(
    x: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """The product over `dim`.

    Args:
        x: any shape; floating, integers or bool.
        dim: one dimension or several; all by default.
        keepdim: keep them with length 1.
        dtype: cast x to it first, and return it.

    Returns:
        The shape of x without `dim`; int64 for integers and bool, else the dtype of x. 1 where
        there is nothing.

    Raises:
        IndexError, ValueError: there is no such dimension, or one appears twice.

    Derivative: twice, with any number of zeros: that of a factor is the product of the others.
    Source: numpy.prod.
    """
    x = widened(x)
    dims = normal_dims("prod", dim, x.ndim)
    x = x if dtype is None else cast(x, dtype)
    y = Prod.apply(x, dims=dims, keepdim=keepdim)
    return y if dtype is None else cast(y, dtype)


# ---- truth


class AnyAll(Op):
    dims: tuple[int, ...]
    keepdim: bool
    kernel: str

    def forward(self, x: Tensor) -> Tensor:
        shape = without(x.shape, self.dims, self.keepdim)
        return reduced(self.kernel, x, self.dims, shape, dtypes.bool_)


@method
def any(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether any element over `dim` is not 0 (NaN is not).

    Args:
        x: any shape; floating, integers or bool.
        dim: one dimension or several; all by default, none if it is ().
        keepdim: keep them with length 1.

    Returns:
        bool (uint8 if x is uint8), the shape of x without `dim`; false where there is nothing.

    Raises:
        IndexError, ValueError: there is no such dimension, or one appears twice.

    Derivative: none.
    Source: numpy.any.
    """
    return _any_all("any", x, dim, keepdim)


@method
def all(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether no element over `dim` is 0.

    Args:
        x: any shape; floating, integers or bool.
        dim: one dimension or several; all by default, none if it is ().
        keepdim: keep them with length 1.

    Returns:
        bool (uint8 if x is uint8), the shape of x without `dim`; true where there is nothing.

    Raises:
        IndexError, ValueError: there is no such dimension, or one appears twice.

    Derivative: none.
    Source: numpy.all.
    """
    return _any_all("all", x, dim, keepdim)


def _any_all(name: str, x: Tensor, dim: Dims, keepdim: bool) -> Tensor:
    none = isinstance(dim, Sequence) and len(dim) == 0
    dims = () if none else normal_dims(name, dim, x.ndim)
    truth = x.detach().bool()
    y = AnyAll.apply(truth, dims=dims, keepdim=keepdim, kernel=f"reduce_{name}")
    return cast(y, dtypes.uint8) if x.dtype is dtypes.uint8 else y
