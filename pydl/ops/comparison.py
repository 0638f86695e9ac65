"""Comparisons, and choice by condition, elementwise."""

from __future__ import annotations

from typing import Any, overload

from .. import dtypes
from ..methods import method
from ..op import Op
from ..tensor import Scalar, Tensor
from .create import empty
from .elementwise import WHOLE, Binary, broadcast_shapes, number, operands, together, whole
from .reduce import sum_to
from .shape import cast

__all__ = ["eq", "ge", "gt", "le", "lt", "masked_fill", "ne", "where"]


class Comparison(Binary):
    """A Binary whose output is bool and has no gradient."""

    out_dtype = dtypes.bool_

    def keep(self, a: Tensor, b: Tensor, out: Tensor) -> None:
        """Nothing."""


class Eq(Comparison):
    pass


class Ne(Comparison):
    pass


class Lt(Comparison):
    pass


class Le(Comparison):
    pass


class Gt(Comparison):
    pass


class Ge(Comparison):
    pass


@method
def eq(a: Any, b: Any) -> Tensor:
    """a == b, with broadcasting; false where either is NaN.

    Args:
        a, b: tensors or numbers, one of them a tensor.

    Returns:
        bool, of the shape that both broadcast to.

    Derivative: none.
    Source: numpy.equal.
    """
    return Eq.apply(*operands("eq", a, b))


@method
def ne(a: Any, b: Any) -> Tensor:
    """a != b, with broadcasting; true where either is NaN.

    Args:
        a, b: tensors or numbers, one of them a tensor.

    Returns:
        bool, of the shape that both broadcast to.

    Derivative: none.
    Source: numpy.not_equal.
    """
    return Ne.apply(*operands("ne", a, b))


@method
def lt(a: Any, b: Any) -> Tensor:
    """a < b, with broadcasting; false where either is NaN.

    Args:
        a, b: tensors or numbers, one of them a tensor.

    Returns:
        bool, of the shape that both broadcast to.

    Derivative: none.
    Source: numpy.less.
    """
    return Lt.apply(*operands("lt", a, b))


@method
def le(a: Any, b: Any) -> Tensor:
    """a <= b, with broadcasting; false where either is NaN.

    Args:
        a, b: tensors or numbers, one of them a tensor.

    Returns:
        bool, of the shape that both broadcast to.

    Derivative: none.
    Source: numpy.less_equal.
    """
    return Le.apply(*operands("le", a, b))


@method
def gt(a: Any, b: Any) -> Tensor:
    """a > b, with broadcasting; false where either is NaN.

    Args:
        a, b: tensors or numbers, one of them a tensor.

    Returns:
        bool, of the shape that both broadcast to.

    Derivative: none.
    Source: numpy.greater.
    """
    return Gt.apply(*operands("gt", a, b))


@method
def ge(a: Any, b: Any) -> Tensor:
    """a >= b, with broadcasting; false where either is NaN.

    Args:
        a, b: tensors or numbers, one of them a tensor.

    Returns:
        bool, of the shape that both broadcast to.

    Derivative: none.
    Source: numpy.greater_equal.
    """
    return Ge.apply(*operands("ge", a, b))


class Where(Op):
    def forward(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
        shape = broadcast_shapes("where", condition.shape, a.shape, b.shape)
        out = empty(shape, dtype=a.dtype, device=a.device)
        a.device.kernels.where(condition.data, a.data, b.data, out.data)
        self.shapes = a.shape, b.shape
        self.save(condition)
        return out

    def backward(self, gy: Tensor) -> tuple[Tensor | None, ...]:
        (condition,) = self.saved
        ga = sum_to(where(condition, gy, 0.0), self.shapes[0]) if self.needs[1] else None
        gb = sum_to(where(condition, 0.0, gy), self.shapes[1]) if self.needs[2] else None
        return None, ga, gb


@overload
def where(condition: Tensor) -> tuple[Tensor, ...]: ...


@overload
def where(condition: Tensor, a: Any, b: Any) -> Tensor: ...


def where(condition: Tensor, a: Any = None, b: Any = None) -> Any:
    """a where `condition` is true, else b, with broadcasting; alone, where it is true.

    Args:
        condition: bool, or uint8 as where it is not 0.
        a, b: tensors or numbers; both or none of them.

    Returns:
        Of the dtype that a and b promote to. Without a and b a tuple of int64 tensors, the indices
        along each dimension of the elements that are not 0, in row-major order: the values must be
        known for that, so a device is waited for.

    Raises:
        TypeError: the condition is not bool.
        ValueError: one of a and b is missing.

    Derivative: twice, in a and b.
    Source: numpy.where.
    """
    if a is None and b is None:
        from .index import nonzero  # which is built on `where`

        return nonzero(condition, as_tuple=True)
    if a is None or b is None:
        raise ValueError("where: give both a and b, or none of them")
    if condition.dtype is dtypes.uint8:
        condition = cast(condition, dtypes.bool_)
    _check_mask("where", "condition", condition)
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        a, b = number("where", a), number("where", b)
        a = Tensor(condition.device.constant(a, dtypes.result_type(a, b)), condition.device)
    return Where.apply(condition, *together("where", a, b))


def _where(x: Tensor, condition: Tensor, b: Any) -> Tensor:
    """x where `condition` is true, else b; see `pydl.where`."""
    return where(condition, x, b)


method(_where, "where")


@method
def masked_fill(x: Tensor, mask: Tensor, value: Scalar | Tensor) -> Tensor:
    """`value` where `mask` is true, else x.

    Args:
        x: any shape and dtype.
        mask: bool, of a shape that broadcasts with that of x.
        value: a number or a tensor of no dimensions; becomes of the dtype of x.

    Returns:
        The shape that x and mask broadcast to, of the dtype of x.

    Raises:
        TypeError: the mask is not bool, or x cannot hold `value`.
        ValueError: `value` has dimensions.

    Derivative: twice, in x and value.
    Source: torch.Tensor.masked_fill.
    """
    _check_mask("masked_fill", "mask", mask)
    if not isinstance(value, Tensor):
        value = number("masked_fill", value)
        if x.dtype in WHOLE:
            value = whole("masked_fill", value, x.dtype)
        value = Tensor(x.device.constant(value, dtypes.result_type(value)), x.device)
    elif value.ndim > 0:
        raise ValueError(f"masked_fill: value has shape {value.shape}, expected no dimensions")
    return where(mask, cast(value, x.dtype), x)


def _check_mask(name: str, what: str, mask: Tensor) -> None:
    if mask.dtype is not dtypes.bool_:
        raise TypeError(f"{name}: {what} is {mask.dtype.name}, expected bool")
