"""Dimensions at other places, elements in reverse order."""

from __future__ import annotations

from collections.abc import Sequence

from ..methods import method
from ..tensor import Tensor
from .shape import normal_dim, permute, slices

__all__ = ["flip", "fliplr", "flipud", "moveaxis", "movedim", "t"]


@method
def t(x: Tensor) -> Tensor:
    """A matrix transposed; a vector or a number as it is.

    Args:
        x: two dimensions at most, any dtype.

    Returns:
        (m, n) of (n, m).

    Raises:
        ValueError: x has more dimensions.

    Derivative: twice.
    Source: numpy.transpose.
    """
    if x.ndim > 2:
        raise ValueError(f"t: expected two dimensions at most, got shape {x.shape}")
    return x if x.ndim < 2 else permute(x, (1, 0))


@method
def movedim(x: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """Some dimensions at other places, the others in their order.

    Args:
        x: any shape and dtype.
        source: where they are.
        destination: where they go, one for each.

    Returns:
        See `permute`.

    Raises:
        ValueError: a place is named twice, or they differ in number.

    Derivative: twice.
    Source: numpy.moveaxis.
    """
    source, destination = (
        [normal_dim("movedim", d, max(x.ndim, 1)) for d in ((p,) if isinstance(p, int) else p)]
        for p in (source, destination)
    )
    if len(source) != len(destination) or any(len({*p}) < len(p) for p in (source, destination)):
        raise ValueError(f"movedim: {source} cannot go to {destination}")
    order = [d for d in range(x.ndim) if d not in source]
    for to, d in sorted(zip(destination, source, strict=True)):
        order.insert(to, d)
    return permute(x, order[: x.ndim])


moveaxis = method(movedim, "moveaxis")


def flip(x: Tensor, dims: int | Sequence[int]) -> Tensor:
    """The order of elements reversed along dimensions.

    Args:
        x: any shape and dtype.
        dims: which.

    Returns:
        The shape and dtype of x.

    Raises:
        ValueError: one is named twice.

    Derivative: twice.
    Source: numpy.flip.
    """
    named = (dims,) if isinstance(dims, int) else dims
    at = [normal_dim("flip", d, max(x.ndim, 1)) for d in named]
    if len(set(at)) != len(at):
        raise ValueError(f"flip: dims {tuple(named)} name a dimension twice")
    return slices(x, [slice(None, None, -1 if d in at else 1) for d in range(x.ndim)])


@method
def fliplr(x: Tensor) -> Tensor:
    """The order of columns reversed: dimension 1.

    Args:
        x: any dtype, two dimensions at least.

    Returns:
        The shape and dtype of x.

    Raises:
        IndexError: it has fewer dimensions.

    Derivative: twice.
    Source: numpy.fliplr.
    """
    return flip(x, normal_dim("fliplr", 1, x.ndim))


@method
def flipud(x: Tensor) -> Tensor:
    """The order of rows reversed: dimension 0.

    Args:
        x: any dtype, one dimension at least.

    Returns:
        The shape and dtype of x.

    Raises:
        IndexError: it has no dimension.

    Derivative: twice.
    Source: numpy.flipud.
    """
    return flip(x, normal_dim("flipud", 0, x.ndim))
