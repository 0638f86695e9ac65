"""Logical and bitwise functions, and questions about values, elementwise."""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..methods import method
from ..tensor import Tensor
from .arithmetic import abs
from .comparison import eq, le, lt, ne, where
from .elementwise import BITS, FLOATS, NATIVE, WHOLE, Binary, check_dtype, operands
from .reduce import all
from .shape import cast

__all__ = [
    "allclose",
    "bitwise_and",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "equal",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "nan_to_num",
]


class Bitwise(Binary):
    """A Binary of integers; nothing of it is saved."""

    def keep(self, a: Tensor, b: Tensor, out: Tensor) -> None:
        """Nothing."""


class BitwiseAnd(Bitwise):
    pass


class BitwiseOr(Bitwise):
    pass


class BitwiseXor(Bitwise):
    pass


class BitwiseLeftShift(Bitwise):
    pass


class BitwiseRightShift(Bitwise):
    pass


@method
def bitwise_and(a: Any, b: Any) -> Tensor:
    """a & b, bit by bit.

    Args:
        a, b: tensors or numbers, one of them a tensor, integers or bools.

    Returns:
        The dtype that both promote to, of the shape that both broadcast to.

    Raises:
        TypeError: not integers or bools.

    Derivative: none.
    Source: numpy.bitwise_and.
    """
    a, b = operands("bitwise_and", a, b)
    check_dtype("bitwise_and", a.dtype, BITS)
    return BitwiseAnd.apply(a, b)


@method
def bitwise_or(a: Any, b: Any) -> Tensor:
    """a | b, bit by bit.

    Args:
        a, b: tensors or numbers, one of them a tensor, integers or bools.

    Returns:
        The dtype that both promote to, of the shape that both broadcast to.

    Raises:
        TypeError: not integers or bools.

    Derivative: none.
    Source: numpy.bitwise_or.
    """
    a, b = operands("bitwise_or", a, b)
    check_dtype("bitwise_or", a.dtype, BITS)
    return BitwiseOr.apply(a, b)


@method
def bitwise_xor(a: Any, b: Any) -> Tensor:
    """a ^ b, bit by bit.

    Args:
        a, b: tensors or numbers, one of them a tensor, integers or bools.

    Returns:
        The dtype that both promote to, of the shape that both broadcast to.

    Raises:
        TypeError: not integers or bools.

    Derivative: none.
    Source: numpy.bitwise_xor.
    """
    a, b = operands("bitwise_xor", a, b)
    check_dtype("bitwise_xor", a.dtype, BITS)
    return BitwiseXor.apply(a, b)


@method
def bitwise_left_shift(a: Any, b: Any) -> Tensor:
    """a << b: 0 where b is negative or not below the number of bits.

    Args:
        a, b: tensors or numbers, one of them a tensor, integers.

    Returns:
        The dtype that both promote to, of the shape that both broadcast to.

    Raises:
        TypeError: not integers.

    Derivative: none.
    Source: numpy.left_shift.
    """
    a, b = operands("bitwise_left_shift", a, b)
    check_dtype("bitwise_left_shift", a.dtype, WHOLE)
    return BitwiseLeftShift.apply(a, b)


@method
def bitwise_right_shift(a: Any, b: Any) -> Tensor:
    """a >> b: the sign alone is left where b is negative or not below the number of bits.

    Args:
        a, b: tensors or numbers, one of them a tensor, integers.

    Returns:
        The dtype that both promote to, of the shape that both broadcast to.

    Raises:
        TypeError: not integers.

    Derivative: none.
    Source: numpy.right_shift.
    """
    a, b = operands("bitwise_right_shift", a, b)
    check_dtype("bitwise_right_shift", a.dtype, WHOLE)
    return BitwiseRightShift.apply(a, b)


@method
def bitwise_not(x: Tensor) -> Tensor:
    """Every bit turned: -x - 1 of signed integers, the logical not of bools.

    Args:
        x: integers or bools, any shape.

    Returns:
        The shape and dtype of x.

    Raises:
        TypeError: not integers or bools.

    Derivative: none.
    Source: numpy.bitwise_not.
    """
    check_dtype("bitwise_not", x.dtype, BITS)
    return bitwise_xor(x, True if x.dtype is dtypes.bool_ else -1)


@method
def logical_and(a: Any, b: Any) -> Tensor:
    """a and b, an element being true where it is not 0.

    Args:
        a, b: tensors or numbers, one of them a tensor.

    Returns:
        bool, of the shape that both broadcast to.

    Derivative: none.
    Source: numpy.logical_and.
    """
    return _logical("logical_and", BitwiseAnd, a, b)


@method
def logical_or(a: Any, b: Any) -> Tensor:
    """a or b, an element being true where it is not 0.

    Args:
        a, b: tensors or numbers, one of them a tensor.

    Returns:
        bool, of the shape that both broadcast to.

    Derivative: none.
    Source: numpy.logical_or.
    """
    return _logical("logical_or", BitwiseOr, a, b)


@method
def logical_xor(a: Any, b: Any) -> Tensor:
    """Where one of a and b, not both, is not 0.

    Args:
        a, b: tensors or numbers, one of them a tensor.

    Returns:
        bool, of the shape that both broadcast to.

    Derivative: none.
    Source: numpy.logical_xor.
    """
    return _logical("logical_xor", BitwiseXor, a, b)


def _logical(name: str, op: type[Binary], a: Any, b: Any) -> Tensor:
    a, b = (_truth(name, x) for x in operands(name, a, b))
    return op.apply(a, b)


def _truth(name: str, x: Tensor) -> Tensor:
    check_dtype(name, x.dtype, NATIVE)
    return cast(x.detach(), dtypes.bool_)


@method
def logical_not(x: Tensor) -> Tensor:
    """Where x is 0.

    Args:
        x: any shape.

    Returns:
        bool, of the shape of x.

    Derivative: none.
    Source: numpy.logical_not.
    """
    return eq(_truth("logical_not", x), False)


@method
def isnan(x: Tensor) -> Tensor:
    """Where x is not a number.

    Args:
        x: any shape.

    Returns:
        bool, of the shape of x; false for integers.

    Derivative: none.
    Source: numpy.isnan.
    """
    check_dtype("isnan", x.dtype, NATIVE)
    return ne(x, x)


@method
def isinf(x: Tensor) -> Tensor:
    """Where x is infinite.

    Args:
        x: any shape.

    Returns:
        bool, of the shape of x; false for integers.

    Derivative: none.
    Source: numpy.isinf.
    """
    check_dtype("isinf", x.dtype, NATIVE)
    return eq(abs(x), math.inf) if x.dtype.is_floating else ne(x, x)


@method
def isfinite(x: Tensor) -> Tensor:
    """Where x is neither infinite nor NaN.

    Args:
        x: any shape.

    Returns:
        bool, of the shape of x; true for integers.

    Derivative: none.
    Source: numpy.isfinite.
    """
    check_dtype("isfinite", x.dtype, NATIVE)
    return lt(abs(x), math.inf) if x.dtype.is_floating else eq(x, x)


@method
def isclose(
    a: Tensor, b: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Where |a - b| <= atol + rtol |b|, or a == b.

    Args:
        a, b: tensors of one dtype.
        rtol: tolerance relative to b.
        atol: absolute tolerance.
        equal_nan: NaN is close to NaN.

    Returns:
        bool, of the shape that both broadcast to.

    Raises:
        TypeError: the dtypes differ.
        ValueError: a tolerance is negative.

    Derivative: none.
    Source: numpy.isclose.
    """
    if a.dtype is not b.dtype:
        raise TypeError(f"isclose: a is {a.dtype.name}, b is {b.dtype.name}, expected one dtype")
    check_dtype("isclose", a.dtype, NATIVE)
    if rtol < 0 or atol < 0:
        raise ValueError(f"isclose: tolerances are at least 0, got rtol={rtol}, atol={atol}")
    a, b = a.detach(), b.detach()
    near = eq(a, b)
    if equal_nan:
        near = near | (isnan(a) & isnan(b))
    if rtol == 0 and atol == 0:
        return near
    if a.dtype is dtypes.bool_:
        a = cast(a, dtypes.float32)
    if not b.dtype.is_floating:
        b = cast(b, dtypes.float32)
    gap, allowed = abs(a - b), atol + abs(rtol * b)
    return near | (le(gap, allowed) & isfinite(gap))


@method
def allclose(
    a: Tensor, b: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether all elements are close, as `isclose` has it.

    Args:
        a, b: tensors of one dtype.
        rtol: tolerance relative to b.
        atol: absolute tolerance.
        equal_nan: NaN is close to NaN.

    Returns:
        A Python bool: a device is waited for.

    Derivative: none.
    Source: numpy.allclose.
    """
    return bool(all(isclose(a, b, rtol, atol, equal_nan)))


@method
def equal(a: Tensor, b: Tensor) -> bool:
    """Whether shapes and all elements are equal (NaN is not).

    Args:
        a, b: tensors.

    Returns:
        A Python bool: a device is waited for.

    Derivative: none.
    Source: numpy.array_equal.
    """
    if not (isinstance(a, Tensor) and isinstance(b, Tensor)):
        raise TypeError(f"equal: expected two tensors, got {type(a).__name__}, {type(b).__name__}")
    return a.shape == b.shape and bool(all(eq(a, b)))


@method
def nan_to_num(
    x: Tensor, nan: float | None = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """x with NaN and infinities replaced.

    Args:
        x: any shape.
        nan: for NaN.
        posinf: for inf; the largest number by default.
        neginf: for -inf; the lowest number by default.

    Returns:
        The shape and dtype of x; integers are as they were.

    Derivative: twice; 0 where a value was replaced.
    Source: numpy.nan_to_num.
    """
    if not x.dtype.is_floating:
        return x.clone()
    check_dtype("nan_to_num", x.dtype, FLOATS)
    most = x.dtype.largest
    y: Tensor = where(isnan(x), 0.0 if nan is None else nan, x)
    y = where(eq(x, math.inf), most if posinf is None else posinf, y)
    return where(eq(x, -math.inf), -most if neginf is None else neginf, y)
