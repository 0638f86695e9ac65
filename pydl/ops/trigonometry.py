"""Circular and hyperbolic functions and their inverses: one argument each.

Accuracy: a few units in the last place (csrc/ops/trigonometry.h), for arguments of any size.
Integers and bools become float32.
"""

from __future__ import annotations

from ..methods import method
from ..tensor import Tensor
from .elementwise import Unary
from .exponential import reciprocal, rsqrt, square
from .precision import widened

__all__ = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "cos",
    "cosh",
    "sin",
    "sinh",
    "tan",
]


class Sin(Unary):
    def second(self, s: Tensor) -> Tensor:
        return -sin(s)


class Cos(Unary):
    def second(self, s: Tensor) -> Tensor:
        return -cos(s)


class Tan(Unary):
    saves = "y"

    def second(self, s: Tensor) -> Tensor:
        return 2.0 * s


class Asin(Unary):
    def second(self, s: Tensor) -> Tensor:
        return s * rsqrt((1.0 - s) * (1.0 + s)) / ((1.0 - s) * (1.0 + s))


class Acos(Unary):
    def second(self, s: Tensor) -> Tensor:
        return -s * rsqrt((1.0 - s) * (1.0 + s)) / ((1.0 - s) * (1.0 + s))


class Atan(Unary):
    def second(self, s: Tensor) -> Tensor:
        return -2.0 * s * square(reciprocal(1.0 + square(s)))


class Sinh(Unary):
    def second(self, s: Tensor) -> Tensor:
        return sinh(s)


class Cosh(Unary):
    def second(self, s: Tensor) -> Tensor:
        return cosh(s)


class Asinh(Unary):
    def second(self, s: Tensor) -> Tensor:
        return -s * rsqrt(1.0 + square(s)) / (1.0 + square(s))


class Acosh(Unary):
    def second(self, s: Tensor) -> Tensor:
        return -s * rsqrt(square(s) - 1.0) / (square(s) - 1.0)


class Atanh(Unary):
    def second(self, s: Tensor) -> Tensor:
        return 2.0 * s * square(reciprocal((1.0 - s) * (1.0 + s)))


@method
def sin(x: Tensor) -> Tensor:
    """The sine of x radians, exact to rounding for arguments of any size.

    Args:
        x: any shape.

    Returns:
        The shape of x; float32 where x is an integer or bool.

    Derivative: twice.
    Source: numpy.sin.
    """
    return Sin.apply(x)


@method
def cos(x: Tensor) -> Tensor:
    """The cosine of x radians, exact to rounding for arguments of any size.

    Args:
        x: any shape.

    Returns:
        The shape of x; float32 where x is an integer or bool.

    Derivative: twice.
    Source: numpy.cos.
    """
    return Cos.apply(x)


@method
def tan(x: Tensor) -> Tensor:
    """The tangent of x radians, exact to rounding for arguments of any size.

    Args:
        x: any shape.

    Returns:
        The shape of x; float32 where x is an integer or bool.

    Derivative: twice.
    Source: numpy.tan.
    """
    x = widened(x)
    return Tan.apply(x)


@method
def asin(x: Tensor) -> Tensor:
    """The angle in [-pi/2, pi/2] whose sine is x; NaN outside of [-1, 1].

    Args:
        x: any shape.

    Returns:
        The shape of x; float32 where x is an integer or bool.

    Derivative: twice; infinite at 1 and -1.
    Source: numpy.arcsin.
    """
    x = widened(x)
    return Asin.apply(x)


@method
def acos(x: Tensor) -> Tensor:
    """The angle in [0, pi] whose cosine is x; NaN outside of [-1, 1].

    Args:
        x: any shape.

    Returns:
        The shape of x; float32 where x is an integer or bool.

    Derivative: twice; infinite at 1 and -1.
    Source: numpy.arccos.
    """
    x = widened(x)
    return Acos.apply(x)


@method
def atan(x: Tensor) -> Tensor:
    """The angle in [-pi/2, pi/2] whose tangent is x.

    Args:
        x: any shape.

    Returns:
        The shape of x; float32 where x is an integer or bool.

    Derivative: twice.
    Source: numpy.arctan.
    """
    return Atan.apply(x)


@method
def sinh(x: Tensor) -> Tensor:
    """The hyperbolic sine, (e^x - e^-x) / 2.

    Args:
        x: any shape.

    Returns:
        The shape of x; float32 where x is an integer or bool.

    Derivative: twice.
    Source: numpy.sinh.
    """
    x = widened(x)
    return Sinh.apply(x)


@method
def cosh(x: Tensor) -> Tensor:
    """The hyperbolic cosine, (e^x + e^-x) / 2.

    Args:
        x: any shape.

    Returns:
        The shape of x; float32 where x is an integer or bool.

    Derivative: twice.
    Source: numpy.cosh.
    """
    x = widened(x)
    return Cosh.apply(x)


@method
def asinh(x: Tensor) -> Tensor:
    """The inverse of sinh.

    Args:
        x: any shape.

    Returns:
        The shape of x; float32 where x is an integer or bool.

    Derivative: twice.
    Source: numpy.arcsinh.
    """
    return Asinh.apply(x)


@method
def acosh(x: Tensor) -> Tensor:
    """The inverse of cosh, at least 0; NaN below 1.

    Args:
        x: any shape.

    Returns:
        The shape of x; float32 where x is an integer or bool.

    Derivative: twice; infinite at 1.
    Source: numpy.arccosh.
    """
    return Acosh.apply(x)


@method
def atanh(x: Tensor) -> Tensor:
    """The inverse of tanh: inf at 1, NaN outside of [-1, 1].

    Args:
        x: any shape.

    Returns:
        The shape of x; float32 where x is an integer or bool.

    Derivative: twice.
    Source: numpy.arctanh.
    """
    return Atanh.apply(x)
