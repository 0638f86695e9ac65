"""What is largest, smallest or in the middle, and where it is. NaN wins everywhere."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import dtypes
from ..device import Shape
from ..methods import method
from ..op import Op
from ..tensor import Dims, Selected, Tensor
from .comparison import eq, ne, where
from .index import gather
from .limits import maximum, minimum
from .reduce import count, normal_dims, reduced, sum, without
from .shape import narrow, normal_dim, reshape
from .sort import sort

__all__ = [
    "amax",
    "amin",
    "argmax",
    "argmin",
    "max",
    "median",
    "min",
]


# ---- values over any dimensions


class Extreme(Op):
    """The largest or smallest over `dims`; equal ones share the gradient."""

    dims: tuple[int, ...]
    keepdim: bool = False
    kernel: ClassVar[str]

    def forward(self, x: Tensor) -> Tensor:
        """y = max or min of x."""
        shape = without(x.shape, self.dims, self.keepdim)
        if 0 in x.shape and count(x.shape, self.dims) == 0:
            dims = f" over dim {self.dims}" if len(self.dims) < x.ndim else ""
            raise ValueError(f"{self.name}: there is nothing in {x.shape}{dims}")
        y = reduced(self.kernel, x, self.dims, shape, x.dtype)
        self.save(x, output=y)
        return y

    def backward(self, gy: Tensor) -> Tensor:
        """gx = gy / number of winners, at every winner."""
        x, y = self.saved
        kept = without(x.shape, self.dims, True)
        best = reshape(y.detach(), kept)
        winners = self.winners(x.detach(), best).to(x.dtype)
        return winners * (reshape(gy, kept) / sum(winners, self.dims, keepdim=True))

    def winners(self, x: Tensor, best: Tensor) -> Tensor:
        """Where x is the best; NaN is no winner, so that its gradient is NaN."""
        return eq(x, best)


class Amax(Extreme):
    kernel = "reduce_max"


class Amin(Extreme):
    kernel = "reduce_min"


class Max(Amax):
    """Over all dimensions: NaNs share the gradient, too."""

    def winners(self, x: Tensor, best: Tensor) -> Tensor:
        """Where x is the best or, if that is NaN, where it is NaN."""
        return where(ne(best, best), ne(x, x), eq(x, best))


class Min(Max):
    kernel = "reduce_min"


@method
def amax(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The largest element over `dim`; NaN wins.

    Args:
        x: any shape; floating, integers or bool.
        dim: one dimension or several; all by default.
        keepdim: keep them with length 1.

    Returns:
        The shape of x without `dim`, the dtype of x.

    Raises:
        IndexError, ValueError: there is no such dimension, one appears twice, or `dim` is empty.

    Derivative: twice; equal elements share it evenly.
    Source: numpy.amax.
    """
    return Amax.apply(x, dims=normal_dims("amax", dim, x.ndim), keepdim=keepdim)


@method
def amin(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The smallest element over `dim`; NaN wins.

    Args:
        x: any shape; floating, integers or bool.
        dim: one dimension or several; all by default.
        keepdim: keep them with length 1.

    Returns:
        The shape of x without `dim`, the dtype of x.

    Raises:
        IndexError, ValueError: there is no such dimension, one appears twice, or `dim` is empty.

    Derivative: twice; equal elements share it evenly.
    Source: numpy.amin.
    """
    return Amin.apply(x, dims=normal_dims("amin", dim, x.ndim), keepdim=keepdim)


# ---- places


class Arg(Op):
    """Where the largest or smallest is; no gradient."""

    dim: int
    kernel: str

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[self.dim] == 0:
            raise ValueError(f"{self.kernel}: dimension {self.dim} of {x.shape} is empty")
        shape = without(x.shape, (self.dim,), False)
        return reduced(self.kernel, x, (self.dim,), shape, dtypes.int64)


@method
def argmax(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the largest element is along `dim`, or in the flattened tensor.

    Args:
        x: any shape; floating, integers or bool.
        dim: the dimension; None flattens x.
        keepdim: keep the dimension (or all) with length 1.

    Returns:
        int64, the shape of x without `dim`: the first of equals; the first NaN, if there is one.

    Raises:
        IndexError, ValueError: there is no such dimension, or it is empty.

    Derivative: none.
    Source: numpy.argmax.
    """
    return _arg("argmax", x, dim, keepdim)


@method
def argmin(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the smallest element is along `dim`, or in the flattened tensor.

    Args:
        x: any shape; floating, integers or bool.
        dim: the dimension; None flattens x.
        keepdim: keep the dimension (or all) with length 1.

    Returns:
        int64, the shape of x without `dim`: the first of equals; the first NaN, if there is one.

    Raises:
        IndexError, ValueError: there is no such dimension, or it is empty.

    Derivative: none.
    Source: numpy.argmin.
    """
    return _arg("argmin", x, dim, keepdim)


def _arg(kernel: str, x: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    d, shape = _line(kernel, x, dim)
    index = Arg.apply(reshape(x.detach(), shape), dim=d, kernel=kernel)
    dims = tuple(range(x.ndim)) if dim is None else (d,)
    return reshape(index, without(x.shape, dims, keepdim))


def _line(name: str, x: Tensor, dim: int | None) -> tuple[int, Shape]:
    """The dimension to search, and the shape in which x has it: flat for None, (1,) for 0-d."""
    if dim is None or x.ndim == 0:
        normal_dim(name, dim or 0, 1)
        return 0, (x.numel(),)
    return normal_dim(name, dim, x.ndim), x.shape


# ---- values and places along one dimension


@method
def max(x: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
    """The largest element: of all, along one dimension, or of two tensors.

    Args:
        x: any shape; floating, integers or bool.
        dim: the dimension; or another tensor, which makes it `maximum(x, dim)`.
        keepdim: keep the dimension with length 1.

    Returns:
        Without `dim` a 0-d tensor. With `dim` a `Selected` of values and int64 indices, the first
        of equals. NaN wins.

    Raises:
        IndexError, ValueError: there is no such dimension, or there is nothing in it.

    Derivative: twice; without `dim` equal elements share it, with `dim` it goes to the index.
    Source: numpy.max.
    """
    return _best("max", x, dim, keepdim)


@method
def min(x: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
    """The smallest element: of all, along one dimension, or of two tensors.

    Args:
        x: any shape; floating, integers or bool.
        dim: the dimension; or another tensor, which makes it `minimum(x, dim)`.
        keepdim: keep the dimension with length 1.

    Returns:
        Without `dim` a 0-d tensor. With `dim` a `Selected` of values and int64 indices, the first
        of equals. NaN wins.

    Raises:
        IndexError, ValueError: there is no such dimension, or there is nothing in it.

    Derivative: twice; without `dim` equal elements share it, with `dim` it goes to the index.
    Source: numpy.min.
    """
    return _best("min", x, dim, keepdim)


def _best(name: str, x: Tensor, dim: int | Tensor | None, keepdim: bool) -> Any:
    largest = name == "max"
    if isinstance(dim, Tensor):
        return maximum(x, dim) if largest else minimum(x, dim)
    if dim is None:
        return (Max if largest else Min).apply(x, dims=tuple(range(x.ndim)))
    d, shape = _line(name, x, dim)
    if shape[d] == 0:
        raise ValueError(f"{name}: dimension {d} of {x.shape} is empty")
    line = reshape(x, shape)
    kept = without(shape, (d,), True)
    index = reshape(Arg.apply(line.detach(), dim=d, kernel=f"arg{name}"), kept)
    return _taken(x, line, d, index, keepdim)


def _taken(x: Tensor, line: Tensor, d: int, index: Tensor, keepdim: bool) -> Selected:
    """The values at `index`, and the index, in the shape that a reduction of x has."""
    shape = without(x.shape, (d,), keepdim)
    return Selected(reshape(gather(line, d, index), shape), reshape(index, shape))


# ---- the middle


@method
def median(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The element in the middle: of an even number the lower one.

    Args:
        x: any shape; floating or integers.
        dim: the dimension; None flattens x.
        keepdim: keep the dimension with length 1.

    Returns:
        Without `dim` a 0-d tensor, NaN for an empty x. With `dim` a `Selected` of values and int64
        indices. NaN if there is one.

    Raises:
        IndexError, ValueError: there is no such dimension, or it is empty.
        TypeError: x is bool.

    Derivative: twice; it goes to one element.
    Source: Cormen et al., Introduction to Algorithms, chapter 9: the lower median.
    """
    if x.dtype is dtypes.bool_:
        raise TypeError("median: expected numbers, got bool")
    d, shape = _line("median", x, dim)
    n = shape[d]
    if n == 0:
        if dim is None and x.dtype.is_floating:
            return sum(x) / 0.0
        raise ValueError(f"median: dimension {d} of {x.shape} is empty")
    line = reshape(x, shape)
    values, indices = sort(line.detach(), d)
    last = narrow(values, d, n - 1, 1)
    middle = narrow(indices, d, (n - 1) // 2, 1)
    index = where(ne(last, last), narrow(indices, d, n - 1, 1), middle)
    if dim is None:
        return reshape(gather(line, d, index), ())
    return _taken(x, line, d, index, keepdim)
