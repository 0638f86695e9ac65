"""Sorting along a dimension. One kernel finds the places; values are looked up, with gradients."""

from __future__ import annotations

from .. import dtypes
from ..methods import method
from ..tensor import Selected, Tensor
from .create import empty
from .index import around, gather
from .shape import normal_dim, reshape

__all__ = [
    "argsort",
    "sort",
    "topk",
]


def _places(name: str, x: Tensor, dim: int, descending: bool, k: int | None = None) -> Tensor:
    """The first k places (all by default) of the stable sort of x, which is not 0-d."""
    outer, n, inner = around(x.shape, dim)
    k = n if k is None else k
    shape = (*x.shape[:dim], k, *x.shape[dim + 1 :])
    index = empty(shape, dtype=dtypes.int64, device=x.device)
    x.device.kernels.argsort(x.data, index.data, outer, n, inner, k, descending)
    return index


def _line(name: str, x: Tensor, dim: int) -> tuple[Tensor, int]:
    """x, with one dimension if it has none, and the dimension counted from the front."""
    return reshape(x, x.shape or (1,)), normal_dim(name, dim, max(x.ndim, 1))


@method
def sort(x: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Selected:
    """The elements of x in order along `dim`. Equal ones always keep their order.

    Args:
        x: any shape; floating, integers or bool. NaN is larger than any number.
        dim: the dimension.
        descending: the largest first.
        stable: nothing changes, as every sort is stable.

    Returns:
        Values of the shape and dtype of x, and the int64 indices where they were.

    Raises:
        IndexError: there is no such dimension.

    Derivative: twice; it goes where the value came from.
    Source: Knuth, The Art of Computer Programming 3, section 5.2.5: distribution sort.
    """
    line, d = _line("sort", x, dim)
    index = _places("sort", line, d, descending)
    return Selected(reshape(gather(line, d, index), x.shape), reshape(index, x.shape))


@method
def argsort(x: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The places of the elements of x in order along `dim`. Equal ones always keep their order.

    Args:
        x: any shape; floating, integers or bool. NaN is larger than any number.
        dim: the dimension.
        descending: the largest first.
        stable: nothing changes, as every sort is stable.

    Returns:
        int64, the shape of x.

    Raises:
        IndexError: there is no such dimension.

    Derivative: none.
    Source: numpy.argsort.
    """
    line, d = _line("argsort", x, dim)
    return reshape(_places("argsort", line, d, descending), x.shape)


@method
def topk(x: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Selected:
    """The k largest (or smallest) elements along `dim`, in order; the first of equals first.

    Args:
        x: any shape; floating, integers or bool. NaN is larger than any number.
        k: how many, at most the length of the dimension.
        dim: the dimension.
        largest: the largest; otherwise the smallest.
        sorted: nothing changes, as they always come in order.

    Returns:
        Values of the dtype of x, and the int64 indices where they were; `dim` has length k.

    Raises:
        IndexError: there is no such dimension.
        ValueError: k is negative, or longer than the dimension.

    Derivative: twice; it goes where the value came from.
    Source: numpy.partition; see `sort`.
    """
    line, d = _line("topk", x, dim)
    n = line.shape[d]
    if not 0 <= k <= n:
        raise ValueError(f"topk: k is {k}, dimension {d} of {x.shape} has {n} elements")
    index = _places("topk", line, d, largest, k)
    shape = index.shape if x.ndim else (() if k == 1 else (k,))
    return Selected(reshape(gather(line, d, index), shape), reshape(index, shape))
