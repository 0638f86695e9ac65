"""Arithmetic, elementwise: one argument, two with broadcasting, and rounding."""

from __future__ import annotations

import builtins
from typing import Any

from .. import dtypes
from ..methods import method
from ..tensor import Scalar, Tensor
from .comparison import eq, ge, gt, lt, where
from .elementwise import FLOATS, NUMBERS, Binary, PiecewiseLinear, check_dtype, operands
from .exponential import log, reciprocal, rsqrt, sqrt, square
from .precision import widened
from .reduce import sum_to
from .shape import cast, clone

__all__ = [
    "abs",
    "add",
    "atan2",
    "ceil",
    "floor",
    "frac",
    "mul",
    "neg",
    "pow",
    "round",
    "sign",
    "sub",
    "trunc",
]


# ---- one argument


class Neg(PiecewiseLinear):
    pass


class Abs(PiecewiseLinear):
    pass


class Sign(PiecewiseLinear):
    pass


class Floor(PiecewiseLinear):
    pass


class Ceil(PiecewiseLinear):
    pass


class Trunc(PiecewiseLinear):
    pass


class Round(PiecewiseLinear):
    pass


@method
def neg(x: Tensor) -> Tensor:
    """-x.

    Args:
        x: any shape.

    Returns:
        The shape and dtype of x.

    Raises:
        TypeError: x is bool.

    Derivative: twice.
    Source: numpy.negative.
    """
    if x.dtype.is_floating:
        return Neg.apply(x)
    check_dtype("neg", x.dtype, NUMBERS)
    return sub(0, x)


@method
def abs(x: Tensor) -> Tensor:
    """|x|.

    Args:
        x: any shape.

    Returns:
        The shape and dtype of x.

    Raises:
        TypeError: x is bool.

    Derivative: twice; at 0 it is 0.
    Source: numpy.absolute.
    """
    if x.dtype.is_floating:
        return Abs.apply(x)
    check_dtype("abs", x.dtype, NUMBERS)
    return where(lt(x, 0), neg(x), x)


@method
def sign(x: Tensor) -> Tensor:
    """-1, 0 or 1, by the sign of x; 0 for NaN.

    Args:
        x: any shape.

    Returns:
        The shape and dtype of x.

    Derivative: twice; it is 0.
    Source: numpy.sign, torch.sign for NaN.
    """
    if x.dtype.is_floating:
        return Sign.apply(x)
    positive, negative = cast(gt(x, 0), x.dtype), lt(x, 0)
    return positive if x.dtype is dtypes.bool_ else sub(positive, cast(negative, x.dtype))


# ---- rounding


@method
def floor(x: Tensor) -> Tensor:
    """The largest whole number that is at most x.

    Args:
        x: any shape.

    Returns:
        The shape and dtype of x.

    Raises:
        TypeError: x is bool.

    Derivative: twice; it is 0.
    Source: numpy.floor.
    """
    return Floor.apply(x) if x.dtype.is_floating else _whole("floor", x)


@method
def ceil(x: Tensor) -> Tensor:
    """The smallest whole number that is at least x.

    Args:
        x: any shape.

    Returns:
        The shape and dtype of x.

    Raises:
        TypeError: x is bool.

    Derivative: twice; it is 0.
    Source: numpy.ceil.
    """
    return Ceil.apply(x) if x.dtype.is_floating else _whole("ceil", x)


@method
def trunc(x: Tensor) -> Tensor:
    """x without what follows the decimal point.

    Args:
        x: any shape.

    Returns:
        The shape and dtype of x.

    Raises:
        TypeError: x is bool.

    Derivative: twice; it is 0.
    Source: numpy.trunc.
    """
    return Trunc.apply(x) if x.dtype.is_floating else _whole("trunc", x)


@method
def round(x: Tensor, decimals: int = 0) -> Tensor:
    """To the nearest number with so many decimals, ties to even.

    Args:
        x: any shape.
        decimals: places after the point; negative ones stand before it. Floating x only.

    Returns:
        The shape and dtype of x.

    Raises:
        TypeError: x is bool, or an integer and `decimals` is not 0.

    Derivative: twice; it is 0.
    Source: numpy.round.
    """
    if decimals == 0:
        return Round.apply(x) if x.dtype.is_floating else _whole("round", x)
    check_dtype("round", x.dtype, FLOATS)
    scale = 10.0 ** builtins.abs(decimals)
    if decimals > 0:
        return Round.apply(x * scale) / scale
    return Round.apply(x / scale) * scale


def _whole(name: str, x: Tensor) -> Tensor:
    check_dtype(name, x.dtype, NUMBERS)
    return clone(x)


@method
def frac(x: Tensor) -> Tensor:
    """What follows the decimal point, with the sign of x: x - trunc(x).

    Args:
        x: any shape, floating.

    Returns:
        The shape and dtype of x.

    Derivative: twice.
    Source: torch.frac.
    """
    check_dtype("frac", x.dtype, FLOATS)
    return sub(x, trunc(x))


# ---- two arguments


class Add(Binary):
    def keep(self, a: Tensor, b: Tensor, out: Tensor) -> None:
        self.shapes = a.shape, b.shape

    def backward(self, gy: Tensor) -> tuple[Tensor | None, ...]:
        return tuple(
            sum_to(gy, shape) if need else None
            for shape, need in zip(self.shapes, self.needs, strict=True)
        )


class Sub(Add):
    def backward(self, gy: Tensor) -> tuple[Tensor | None, ...]:
        ga = sum_to(gy, self.shapes[0]) if self.needs[0] else None
        return ga, -sum_to(gy, self.shapes[1]) if self.needs[1] else None


class Mul(Binary):
    def backward(self, gy: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.saved
        ga = sum_to(gy * b, a.shape) if self.needs[0] else None
        return ga, sum_to(gy * a, b.shape) if self.needs[1] else None


class Atan2(Binary):
    def backward(self, gy: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.saved
        d = square(a) + square(b)
        g = where(eq(d, 0.0), 0.0, gy / d)
        ga = sum_to(g * b, a.shape) if self.needs[0] else None
        return ga, sum_to(-g * a, b.shape) if self.needs[1] else None


class Pow(Binary):
    def backward(self, gy: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.saved
        ga = gb = None
        if self.needs[0]:
            # b * a^(b-1), and 0 where b == 0 even if a == 0
            ga = sum_to(where(eq(b, 0.0), 0.0, gy * b * pow(a, b - 1.0)), a.shape)
        if self.needs[1]:
            # a^b log a, and 0 at a == 0, b >= 0, where a^b is flat in b
            flat = where(ge(b, 0.0), eq(a, 0.0), False)
            gb = sum_to(where(flat, 0.0, gy * pow(a, b) * log(a)), b.shape)
        return ga, gb


@method
def add(a: Any, b: Any, alpha: Scalar = 1) -> Tensor:
    """a + alpha * b, with broadcasting; of bools, or.

    Args:
        a, b: tensors or numbers, one of them a tensor.
        alpha: what b is multiplied with.

    Returns:
        The dtype that both promote to, of the shape that both broadcast to.

    Derivative: twice.
    Source: numpy.add.
    """
    return Add.apply(*_scaled("add", a, b, alpha))


@method
def sub(a: Any, b: Any, alpha: Scalar = 1) -> Tensor:
    """a - alpha * b, with broadcasting.

    Args:
        a, b: tensors or numbers, one of them a tensor.
        alpha: what b is multiplied with.

    Returns:
        The dtype that both promote to, of the shape that both broadcast to.

    Raises:
        TypeError: a or b is bool; `^` and casts say what is meant.

    Derivative: twice.
    Source: numpy.subtract.
    """
    for x in (a, b):
        if isinstance(x, bool) or (isinstance(x, Tensor) and x.dtype is dtypes.bool_):
            raise TypeError("sub: bools have no difference; use ^, or cast them")
    return Sub.apply(*_scaled("sub", a, b, alpha))


def _scaled(name: str, a: Any, b: Any, alpha: Scalar) -> tuple[Tensor, Tensor]:
    """a and alpha * b, in the dtype that a and b promote to."""
    a, b = operands(name, a, b)
    if alpha == 1:
        return a, b
    if not isinstance(alpha, (int, float)):
        raise TypeError(f"{name}: alpha is a number, got {type(alpha).__name__}")
    if not a.dtype.is_floating and isinstance(alpha, float):
        raise TypeError(f"{name}: alpha is {alpha}, but the tensors are no floating ones")
    return a, cast(b * alpha, b.dtype)


@method
def mul(a: Any, b: Any) -> Tensor:
    """a * b, with broadcasting; of bools, and.

    Args:
        a, b: tensors or numbers, one of them a tensor.

    Returns:
        The dtype that both promote to, of the shape that both broadcast to.

    Derivative: twice.
    Source: numpy.multiply.
    """
    return Mul.apply(*operands("mul", a, b))


def numbers(name: str, a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """`operands`, refusing bools."""
    a, b = operands(name, a, b)
    check_dtype(name, a.dtype, NUMBERS)
    return a, b


@method
def pow(a: Any, b: Any) -> Tensor:
    """a to the power b, with broadcasting. The operator **.

    Args:
        a, b: tensors or numbers, one of them a tensor.

    Returns:
        The dtype that both promote to, of the shape that both broadcast to.
        Integers to negative powers of a tensor are 0, but for the bases 1 and -1.

    Raises:
        TypeError: both are bools.
        ValueError: integers to the power of a negative integer number.

    Derivative: twice; 0 where b is 0, and in b where a is 0 and b is not negative.
    Source: numpy.power, torch.pow.
    """
    a = widened(a)
    if isinstance(a, Tensor) and isinstance(b, (int, float)):
        if a.dtype.is_floating:
            if b == 2:
                return square(a)
            if b == 0.5:
                return sqrt(a)
            if b == -1:
                return reciprocal(a)
            if b == -0.5:
                return rsqrt(a)
        elif isinstance(b, int) and b < 0:
            raise ValueError(f"pow: integers to the power of {b}; cast to a floating dtype")
    return Pow.apply(*numbers("pow", a, b))


@method
def atan2(a: Any, b: Any) -> Tensor:
    """The angle of the point (b, a) with the first axis, in [-pi, pi]; with broadcasting.

    Args:
        a: second coordinate (y).
        b: first coordinate (x).

    Returns:
        The dtype that both promote to (float32 instead of integers and bools), of the shape that
        both broadcast to.

    Derivative: twice; 0 at the origin.
    Source: numpy.arctan2.
    """
    return Atan2.apply(*operands("atan2", a, b, floating=True))
