"""Roots, powers of fixed bases, logarithms and the error function: one argument each.

Accuracy: a few units in the last place (csrc/ops/math.h). Integers and bools become float32.
"""

from __future__ import annotations

import math

from .. import dtypes
from ..methods import method
from ..tensor import Tensor
from .elementwise import Unary
from .precision import widened

__all__ = [
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "reciprocal",
    "rsqrt",
    "sqrt",
    "square",
]


class Exp(Unary):
    saves = "y"

    def second(self, s: Tensor) -> float:
        return 1.0


class Exp2(Unary):
    saves = "y"

    def second(self, s: Tensor) -> float:
        return math.log(2)


class Expm1(Unary):
    saves = "y"

    def second(self, s: Tensor) -> float:
        return 1.0


class Log(Unary):
    def second(self, s: Tensor) -> Tensor:
        return -square(reciprocal(s))


class Log1p(Unary):
    def second(self, s: Tensor) -> Tensor:
        return -square(reciprocal(1.0 + s))


class Log2(Unary):
    def second(self, s: Tensor) -> Tensor:
        return (-1 / math.log(2)) * square(reciprocal(s))


class Log10(Unary):
    def second(self, s: Tensor) -> Tensor:
        return (-1 / math.log(10)) * square(reciprocal(s))


class Sqrt(Unary):
    saves = "y"

    def second(self, s: Tensor) -> Tensor:
        return -0.5 * square(reciprocal(s))


class Rsqrt(Unary):
    saves = "y"

    def second(self, s: Tensor) -> Tensor:
        return -1.5 * square(s)


class Reciprocal(Unary):
    saves = "y"

    def second(self, s: Tensor) -> Tensor:
        return -2.0 * s


class Erf(Unary):
    def second(self, s: Tensor) -> Tensor:
        return (-4 / math.sqrt(math.pi)) * s * exp(-square(s))


class Erfc(Unary):
    def second(self, s: Tensor) -> Tensor:
        return (4 / math.sqrt(math.pi)) * s * exp(-square(s))


@method
def exp(x: Tensor) -> Tensor:
    """e^x.

    Args:
        x: any shape.

    Returns:
        The shape of x; float32 where x is an integer or bool.

    Derivative: twice.
    Source: numpy.exp.
    """
    x = widened(x)
    return Exp.apply(x)


@method
def exp2(x: Tensor) -> Tensor:
    """2^x.

    Args:
        x: any shape.

    Returns:
        The shape of x; float32 where x is an integer or bool.

    Derivative: twice.
    Source: numpy.exp2.
    """
    x = widened(x)
    return Exp2.apply(x)


@method
def expm1(x: Tensor) -> Tensor:
    """e^x - 1, accurate near 0.

    Args:
        x: any shape.

    Returns:
        The shape of x; float32 where x is an integer or bool.

    Derivative: twice.
    Source: numpy.expm1.
    """
    x = widened(x)
    return Expm1.apply(x)


@method
def log(x: Tensor) -> Tensor:
    """The natural logarithm: -inf at 0, NaN below.

    Args:
        x: any shape.

    Returns:
        The shape of x; float32 where x is an integer or bool.

    Derivative: twice.
    Source: numpy.log.
    """
    x = widened(x)
    return Log.apply(x)


@method
def log1p(x: Tensor) -> Tensor:
    """log(1 + x), accurate near 0: -inf at -1, NaN below.

    Args:
        x: any shape.

    Returns:
        The shape of x; float32 where x is an integer or bool.

    Derivative: twice.
    Source: numpy.log1p.
    """
    x = widened(x)
    return Log1p.apply(x)


@method
def log2(x: Tensor) -> Tensor:
    """The logarithm to base 2: -inf at 0, NaN below.

    Args:
        x: any shape.

    Returns:
        The shape of x; float32 where x is an integer or bool.

    Derivative: twice.
    Source: numpy.log2.
    """
    x = widened(x)
    return Log2.apply(x)


@method
def log10(x: Tensor) -> Tensor:
    """The logarithm to base 10: -inf at 0, NaN below.

    Args:
        x: any shape.

    Returns:
        The shape of x; float32 where x is an integer or bool.

    Derivative: twice.
    Source: numpy.log10.
    """
    x = widened(x)
    return Log10.apply(x)


@method
def sqrt(x: Tensor) -> Tensor:
    """The square root: NaN below 0.

    Args:
        x: any shape.

    Returns:
        The shape of x; float32 where x is an integer or bool.

    Derivative: twice; infinite at 0.
    Source: numpy.sqrt.
    """
    return Sqrt.apply(x)


@method
def rsqrt(x: Tensor) -> Tensor:
    """1 / sqrt(x): inf at 0, NaN below.

    Args:
        x: any shape.

    Returns:
        The shape of x; float32 where x is an integer or bool.

    Derivative: twice.
    Source: torch.rsqrt.
    """
    x = widened(x)
    return Rsqrt.apply(x)


@method
def reciprocal(x: Tensor) -> Tensor:
    """1 / x.

    Args:
        x: any shape.

    Returns:
        The shape of x; float32 where x is an integer or bool.

    Derivative: twice.
    Source: numpy.reciprocal, of floating numbers.
    """
    x = widened(x)
    return Reciprocal.apply(x)


class Square(Unary):
    def second(self, s: Tensor) -> float:
        return 2.0


@method
def square(x: Tensor) -> Tensor:
    """x * x.

    Args:
        x: any shape.

    Returns:
        The shape and dtype of x; int64 where x is bool.

    Derivative: twice.
    Source: numpy.square.
    """
    if x.dtype is dtypes.bool_:
        x = x.long()
    return Square.apply(x) if x.dtype.is_floating else x * x


@method
def erf(x: Tensor) -> Tensor:
    """The error function, 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x.

    Args:
        x: any shape.

    Returns:
        The shape of x; float32 where x is an integer or bool.

    Derivative: twice.
    Source: Abramowitz and Stegun, "Handbook of Mathematical Functions" (1964), 7.1.1.
    """
    return Erf.apply(x)


@method
def erfc(x: Tensor) -> Tensor:
    """1 - erf(x), accurate where that is small.

    Args:
        x: any shape.

    Returns:
        The shape of x; float32 where x is an integer or bool.

    Derivative: twice.
    Source: Abramowitz and Stegun, "Handbook of Mathematical Functions" (1964), 7.1.2.
    """
    return Erfc.apply(x)
