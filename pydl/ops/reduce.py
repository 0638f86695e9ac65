"""Reductions over any dimensions, and `expand`, the mirror of `sum`.

A kernel reduces the middle of (outer, n, inner); several dimensions that do not lie side by side
are reduced one block after the other.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any, ClassVar

from .. import dtypes
from ..device import Shape
from ..dtypes import DType
from ..methods import method
from ..op import Op
from ..tensor import Dims, MinMax, Tensor
from .create import empty
from .shape import normal_dim, reshape, row_major, strided

__all__ = [
    "all",
    "any",
    "argmax",
    "argmin",
    "expand",
    "max",
    "mean",
    "min",
    "prod",
    "std",
    "sum",
    "var",
]


def normal_dims(name: str, dims: Dims, ndim: int) -> tuple[int, ...]:
    """Dimensions counted from the front, in order; None means all.

    Raises:
        IndexError: there is no such dimension.
        ValueError: one appears twice.
    """
    if dims is None:
        return tuple(range(ndim))
    if isinstance(dims, int):
        return (normal_dim(name, dims, ndim),)
    out = sorted(normal_dim(name, d, ndim) for d in dims)
    if len(set(out)) != len(out):
        raise ValueError(f"{name}: dim {tuple(dims)} names a dimension twice")
    return tuple(out)


def without(shape: Shape, dims: Sequence[int], keepdim: bool) -> Shape:
    """The shape after a reduction."""
    if keepdim:
        return tuple(1 if i in dims else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in dims)


def blocks(shape: Shape, dims: Sequence[int]) -> list[tuple[int, int, int]]:
    """(outer, n, inner) of each run of neighbouring dimensions, last run first.

    Dimensions of length 1 between two of them do not separate a run.
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
    if n is not None:
        out.append((1, n, inner))
    return out


def reduced(
    kernel: str, x: Tensor, dims: Sequence[int], out_shape: Shape, dtype: DType, **extra: Any
) -> Tensor:
    """Run a reduction kernel over every block; `extra` goes to the last."""
    todo = blocks(x.shape, dims)
    run = getattr(x.device.kernels, kernel)
    for i, (outer, n, inner) in enumerate(todo):
        last = i == len(todo) - 1
        out = empty(out_shape if last else (outer * inner,), dtype=dtype, device=x.device)
        run(x.data, out.data, outer, n, inner, **(extra if last else {}))
        x = out
    return x


# ---- sum and expand


class Sum(Op):
    """scale * sum over `dims`."""

    dims: tuple[int, ...]
    keepdim: bool
    scale: float

    def forward(self, x: Tensor) -> Tensor:
        self.shape = x.shape
        dtype = x.dtype if x.dtype.is_floating else dtypes.int64
        out_shape = without(x.shape, self.dims, self.keepdim)
        return reduced("reduce_sum", x, self.dims, out_shape, dtype, scale=self.scale)

    def backward(self, gy: Tensor) -> Tensor:
        if self.scale != 1.0:
            gy = gy * self.scale
        return expand(reshape(gy, without(self.shape, self.dims, True)), self.shape)


@method
def sum(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The sum over `dim` (all by default); integers and bools are summed as int64.

    Args:
        x: any shape and dtype.
        dim: one dimension or several.
        keepdim: keep them with length 1.
    """
    dims = normal_dims("sum", dim, x.ndim)
    if not dims:
        return x if x.dtype.is_floating else x.long()
    return Sum.apply(x, dims=dims, keepdim=keepdim, scale=1.0)


@method
def mean(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The mean over `dim` (all by default); NaN where there is nothing.

    Raises:
        TypeError: x is not floating.
    """
    if not x.dtype.is_floating:
        raise TypeError(f"mean: expected a floating tensor, got {x.dtype.name}; use .float()")
    dims = normal_dims("mean", dim, x.ndim)
    if not dims:
        return x
    n = count(x.shape, dims)
    scale = 1.0 / n if n else float("nan")
    return Sum.apply(x, dims=dims, keepdim=keepdim, scale=scale)


def count(shape: Shape, dims: Sequence[int]) -> int:
    """How many elements a reduction over `dims` sees."""
    n = 1
    for d in dims:
        n *= shape[d]
    return n


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
    """x repeated to `shape` by NumPy's broadcasting rules; -1 keeps a length.

    Raises:
        ValueError: x does not broadcast to `shape`.
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


# ---- other folds


class Prod(Op):
    dims: tuple[int, ...]
    keepdim: bool

    def forward(self, x: Tensor) -> Tensor:
        dtype = x.dtype if x.dtype.is_floating else dtypes.int64
        y = reduced("reduce_prod", x, self.dims, without(x.shape, self.dims, self.keepdim), dtype)
        self.save(x, output=y)
        return y

    def backward(self, gy: Tensor) -> Tensor:
        x, y = self.saved
        kept = without(x.shape, self.dims, True)
        return reshape(gy * y, kept) / x  # NaN where a factor is 0


def prod(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The product over `dim` (all by default); its gradient is NaN where a factor is 0."""
    dims = normal_dims("prod", dim, x.ndim)
    if not dims:
        return x if x.dtype.is_floating else x.long()
    return Prod.apply(x, dims=dims, keepdim=keepdim)


@method
def var(x: Tensor, dim: Dims = None, correction: int = 1, keepdim: bool = False) -> Tensor:
    """The variance over `dim` (all by default), divided by n - correction."""
    dims = normal_dims("var", dim, x.ndim)
    n = builtins.max(count(x.shape, dims) - correction, 0)
    centred = x - mean(x, dims, keepdim=True)
    return sum(centred * centred, dims, keepdim) * (1.0 / n if n else float("nan"))


@method
def std(x: Tensor, dim: Dims = None, correction: int = 1, keepdim: bool = False) -> Tensor:
    """The standard deviation over `dim` (all by default): the square root of `var`."""
    return var(x, dim, correction, keepdim).sqrt()


class Extreme(Op):
    """The largest or smallest; equal ones share the gradient."""

    dims: tuple[int, ...]
    kernel: ClassVar[str]

    def forward(self, x: Tensor) -> Tensor:
        if x.numel() == 0:
            raise ValueError(f"{self.name}: there is nothing in {x.shape}")
        y = reduced(self.kernel, x, self.dims, without(x.shape, self.dims, False), x.dtype)
        self.save(x, output=y)
        return y

    def backward(self, gy: Tensor) -> Tensor:
        from .arithmetic import eq  # which is built on `sum_to`

        x, y = self.saved
        kept = without(x.shape, self.dims, True)
        winners = eq(x, reshape(y.detach(), kept)).to(x.dtype)
        return winners * reshape(gy, kept) / sum(winners, self.dims, keepdim=True)


class Max(Extreme):
    kernel = "reduce_max"


class Min(Extreme):
    kernel = "reduce_min"


class Arg(Op):
    """Where the largest or smallest is; no gradient."""

    dim: int
    keepdim: bool
    kernel: str

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[self.dim] == 0:
            raise ValueError(f"{self.kernel}: dimension {self.dim} of {x.shape} is empty")
        shape = without(x.shape, (self.dim,), self.keepdim)
        return reduced(self.kernel, x, (self.dim,), shape, dtypes.int64)


@method
def argmax(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the largest element is along `dim`, or in the flattened tensor; int64.

    The first of equals; the first NaN, if there is one.
    """
    return _arg("argmax", x, dim, keepdim)


@method
def argmin(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the smallest element is along `dim`, or in the flattened tensor; int64.

    The first of equals; the first NaN, if there is one.
    """
    return _arg("argmin", x, dim, keepdim)


def _arg(kernel: str, x: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    flat = x.detach() if dim is not None else x.detach().reshape(-1)
    d = normal_dim(kernel, dim or 0, flat.ndim)
    index = Arg.apply(flat, dim=d, keepdim=keepdim and dim is not None, kernel=kernel)
    return reshape(index, (1,) * x.ndim) if keepdim and dim is None else index


@method
def max(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The largest element; NaN wins.

    Returns:
        Without `dim` a 0-d tensor; equal elements share its gradient. With `dim` a `MinMax` of
        values and int64 indices, whose gradient goes to the first of equals.
    """
    return (
        Max.apply(x, dims=tuple(range(x.ndim))) if dim is None else _along(argmax, x, dim, keepdim)
    )


@method
def min(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The smallest element; as `max`."""
    return (
        Min.apply(x, dims=tuple(range(x.ndim))) if dim is None else _along(argmin, x, dim, keepdim)
    )


def _along(arg: Any, x: Tensor, dim: int, keepdim: bool) -> MinMax:
    from .index import gather

    index = arg(x, dim, keepdim=True)
    values = gather(x, dim, index)
    if keepdim:
        return MinMax(values, index)
    d = normal_dim("max", dim, x.ndim)
    shape = without(x.shape, (d,), False)
    return MinMax(reshape(values, shape), reshape(index, shape))


class AnyAll(Op):
    dims: tuple[int, ...]
    keepdim: bool
    kernel: str

    def forward(self, x: Tensor) -> Tensor:
        shape = without(x.shape, self.dims, self.keepdim)
        return reduced(self.kernel, x, self.dims, shape, dtypes.bool_)


@method
def any(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether any element is not 0, as bool."""
    return _any_all("reduce_any", x, dim, keepdim)


@method
def all(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether no element is 0, as bool."""
    return _any_all("reduce_all", x, dim, keepdim)


def _any_all(kernel: str, x: Tensor, dim: Dims, keepdim: bool) -> Tensor:
    truth = x.detach().bool()
    dims = normal_dims(kernel.removeprefix("reduce_"), dim, x.ndim)
    return AnyAll.apply(truth, dims=dims, keepdim=keepdim, kernel=kernel) if dims else truth
