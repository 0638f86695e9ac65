"""Arithmetic, comparisons and choice, elementwise."""

from __future__ import annotations

import builtins
from typing import Any

from .. import dtypes
from ..dtypes import DType
from ..methods import method
from ..op import Op
from ..tensor import Scalar, Tensor
from .create import empty
from .elementwise import Binary, PiecewiseLinear, Unary, broadcast_shapes, operands
from .reduce import sum_to

__all__ = [
    "abs",
    "add",
    "clamp",
    "clip",
    "div",
    "eq",
    "exp",
    "ge",
    "gt",
    "le",
    "log",
    "lt",
    "maximum",
    "minimum",
    "mul",
    "ne",
    "neg",
    "pow",
    "reciprocal",
    "sign",
    "sqrt",
    "square",
    "sub",
    "where",
]

# ---- one argument


class Neg(PiecewiseLinear):
    pass


class Abs(PiecewiseLinear):
    pass


class Sign(PiecewiseLinear):
    pass


class Clip(PiecewiseLinear):
    pass


class Exp(Unary):
    saves = "y"

    def second(self, s: Tensor) -> float:
        return 1.0


class Log(Unary):
    def second(self, s: Tensor) -> Tensor:
        return -square(reciprocal(s))


class Sqrt(Unary):
    saves = "y"

    def second(self, s: Tensor) -> Tensor:
        return -0.5 * square(reciprocal(s))


class Square(Unary):
    def second(self, s: Tensor) -> float:
        return 2.0


class Reciprocal(Unary):
    saves = "y"

    def second(self, s: Tensor) -> Tensor:
        return -2.0 * s


def neg(x: Tensor) -> Tensor:
    """-x."""
    if not x.dtype.is_floating:
        return sub(0, x)
    return Neg.apply(x)


@method
def abs(x: Tensor) -> Tensor:
    """|x|; the derivative at 0 is 0."""
    if not x.dtype.is_floating:
        return maximum(x, neg(x))
    return Abs.apply(x)


@method
def sign(x: Tensor) -> Tensor:
    """-1, 0 or 1, by the sign of x."""
    return Sign.apply(x)


@method
def exp(x: Tensor) -> Tensor:
    """e^x."""
    return Exp.apply(x)


@method
def log(x: Tensor) -> Tensor:
    """The natural logarithm: -inf at 0, NaN below."""
    return Log.apply(x)


@method
def sqrt(x: Tensor) -> Tensor:
    """The square root: NaN below 0."""
    return Sqrt.apply(x)


@method
def square(x: Tensor) -> Tensor:
    """x * x."""
    return Square.apply(x) if x.dtype.is_floating else mul(x, x)


@method
def reciprocal(x: Tensor) -> Tensor:
    """1 / x."""
    return Reciprocal.apply(x)


@method
def clip(x: Tensor, min: Scalar | None = None, max: Scalar | None = None) -> Tensor:
    """x limited to [min, max]; the derivative is 1 inside and on the limits, 0 outside.

    Raises:
        ValueError: both limits are missing.
    """
    if min is None and max is None:
        raise ValueError("clip: give min, max or both")
    if not x.dtype.is_floating:
        x = x if min is None else maximum(x, min)
        return x if max is None else minimum(x, max)
    low = -builtins.float("inf") if min is None else min
    high = builtins.float("inf") if max is None else max
    return Clip.apply(x, p0=low, p1=high)


clamp = method(clip, "clamp")


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


class Div(Binary):
    def backward(self, gy: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.saved
        ga = gy / b
        gb = sum_to(-ga * a / b, b.shape) if self.needs[1] else None
        return sum_to(ga, a.shape) if self.needs[0] else None, gb


class Pow(Binary):
    def backward(self, gy: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.saved
        ga = gb = None
        if self.needs[0]:
            # b * a^(b-1), and 0 where b == 0 even if a == 0
            ga = sum_to(gy * where(eq(b, 0.0), 0.0, b * pow(a, b - 1.0)), a.shape)
        if self.needs[1]:
            # a^b log a, and 0 at a == 0, b >= 0, where a^b is flat in b
            flat = where(ge(b, 0.0), eq(a, 0.0), False)
            gb = sum_to(gy * where(flat, 0.0, pow(a, b) * log(a)), b.shape)
        return ga, gb


class Maximum(Binary):
    def backward(self, gy: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.saved
        half = where(eq(a, b), 0.5 * gy, 0.0)  # equal operands share the gradient
        wins = self.wins(a, b)
        ga = sum_to(where(wins, gy, half), a.shape) if self.needs[0] else None
        gb = sum_to(where(self.wins(b, a), gy, half), b.shape) if self.needs[1] else None
        return ga, gb

    def wins(self, a: Tensor, b: Tensor) -> Tensor:
        """Where the result is a."""
        return gt(a, b)


class Minimum(Maximum):
    def wins(self, a: Tensor, b: Tensor) -> Tensor:
        return lt(a, b)


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


def add(a: Any, b: Any) -> Tensor:
    """a + b, with broadcasting."""
    return Add.apply(*operands("add", a, b))


def sub(a: Any, b: Any) -> Tensor:
    """a - b, with broadcasting."""
    return Sub.apply(*operands("sub", a, b))


def mul(a: Any, b: Any) -> Tensor:
    """a * b, with broadcasting."""
    return Mul.apply(*operands("mul", a, b))


def div(a: Any, b: Any) -> Tensor:
    """a / b, with broadcasting; integers are divided as float32."""
    return Div.apply(*operands("div", a, b, floating=True))


@method
def pow(a: Any, b: Any) -> Tensor:
    """a to the power b, with broadcasting; integers are computed as float32."""
    if isinstance(a, Tensor) and isinstance(b, (int, float)):
        if b == 2:
            return square(a)
        if b == 0.5 and a.dtype.is_floating:
            return sqrt(a)
        if b == -1 and a.dtype.is_floating:
            return reciprocal(a)
    return Pow.apply(*operands("pow", a, b, floating=True))


def maximum(a: Any, b: Any) -> Tensor:
    """The larger, elementwise; NaN wins; equal operands share the gradient."""
    return Maximum.apply(*operands("maximum", a, b))


def minimum(a: Any, b: Any) -> Tensor:
    """The smaller, elementwise; NaN wins; equal operands share the gradient."""
    return Minimum.apply(*operands("minimum", a, b))


def eq(a: Any, b: Any) -> Tensor:
    """a == b, elementwise, as bool."""
    return Eq.apply(*operands("eq", a, b))


def ne(a: Any, b: Any) -> Tensor:
    """a != b, elementwise, as bool."""
    return Ne.apply(*operands("ne", a, b))


def lt(a: Any, b: Any) -> Tensor:
    """a < b, elementwise, as bool."""
    return Lt.apply(*operands("lt", a, b))


def le(a: Any, b: Any) -> Tensor:
    """a <= b, elementwise, as bool."""
    return Le.apply(*operands("le", a, b))


def gt(a: Any, b: Any) -> Tensor:
    """a > b, elementwise, as bool."""
    return Gt.apply(*operands("gt", a, b))


def ge(a: Any, b: Any) -> Tensor:
    """a >= b, elementwise, as bool."""
    return Ge.apply(*operands("ge", a, b))


# ---- choice


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


def where(condition: Tensor, a: Any, b: Any) -> Tensor:
    """a where `condition` is true, else b, with broadcasting.

    Raises:
        TypeError: the condition is not bool.
    """
    if condition.dtype is not dtypes.bool_:
        raise TypeError(f"where: condition is {condition.dtype.name}, expected bool")
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        a = Tensor(condition.device.constant(a, _scalar_dtype(a, b)), condition.device)
    return Where.apply(condition, *operands("where", a, b))


def _scalar_dtype(a: Any, b: Any) -> DType:
    if isinstance(a, float) or isinstance(b, float):
        return dtypes.float32
    if isinstance(a, bool) and isinstance(b, bool):
        return dtypes.bool_
    return dtypes.int64
