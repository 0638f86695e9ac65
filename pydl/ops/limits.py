"""Limits, extremes, and what lies between two numbers, elementwise."""

from __future__ import annotations

import builtins
from typing import Any

from .. import dtypes
from ..methods import method
from ..tensor import Scalar, Tensor
from .arithmetic import abs, add, mul, sub
from .comparison import eq, ge, gt, le, lt, ne, where
from .elementwise import FLOATS, NUMBERS, Binary, PiecewiseLinear, check_dtype, operands, together
from .reduce import sum_to

__all__ = ["clamp", "clamp_max", "clamp_min", "clip", "lerp", "maximum", "minimum"]


class Clip(PiecewiseLinear):
    pass


class Maximum(Binary):
    def backward(self, gy: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.saved
        g = where(eq(a, b), 0.5 * gy, gy)  # equal operands share the gradient
        ga = sum_to(where(self.loses(a, b), 0.0, g), a.shape) if self.needs[0] else None
        return ga, sum_to(where(self.loses(b, a), 0.0, g), b.shape) if self.needs[1] else None

    def loses(self, a: Tensor, b: Tensor) -> Tensor:
        """Where the result is b alone."""
        return lt(a, b)


class Minimum(Maximum):
    def loses(self, a: Tensor, b: Tensor) -> Tensor:
        return gt(a, b)


@method
def clip(x: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """x limited to [min, max]; `max` where min > max.

    Args:
        x: any shape.
        min: a number or a tensor that broadcasts with x.
        max: likewise. At least one of the two.

    Returns:
        The dtype that all promote to, of the shape that all broadcast to.

    Raises:
        ValueError: both limits are missing.

    Derivative: twice; 1 on and inside the limits, 0 outside, where a tensor limit takes it.
    Source: numpy.clip.
    """
    if min is None and max is None:
        raise ValueError("clip: give min, max or both")
    numbers = all(isinstance(limit, (int, builtins.float, type(None))) for limit in (min, max))
    if not x.dtype.is_floating or not numbers or min != min or max != max:
        return _clip_by_tensors(x, min, max)
    low = -builtins.float("inf") if min is None else min
    high = builtins.float("inf") if max is None else max
    return Clip.apply(x, p0=low, p1=high)


clamp = method(clip, "clamp")


@method
def clamp_min(x: Tensor, min: Tensor | Scalar) -> Tensor:
    """x, but nothing below `min`.

    Args:
        x: any shape.
        min: a number or a tensor that broadcasts with x.

    Returns:
        The dtype that both promote to, of the shape that both broadcast to.

    Derivative: twice; as that of `clip`.
    Source: torch.clamp_min.
    """
    return clip(x, min=min)


@method
def clamp_max(x: Tensor, max: Tensor | Scalar) -> Tensor:
    """x, but nothing above `max`.

    Args:
        x: any shape.
        max: a number or a tensor that broadcasts with x.

    Returns:
        The dtype that both promote to, of the shape that both broadcast to.

    Derivative: twice; as that of `clip`.
    Source: torch.clamp_max.
    """
    return clip(x, max=max)


def _clip_by_tensors(x: Tensor, min: Any, max: Any) -> Tensor:
    limits = [limit for limit in (min, max) if limit is not None]
    y, *bounds = together("clip", x, *limits)
    if y.dtype is dtypes.bool_:
        check_dtype("clip", y.dtype, NUMBERS)
    if min is not None:
        y = where(ge(y, bounds[0]) | ne(y, y), y, bounds[0])  # NaN stays, and wins as a limit
    if max is not None:
        y = where(le(y, bounds[-1]) | ne(y, y), y, bounds[-1])
    return y


@method
def maximum(a: Any, b: Any) -> Tensor:
    """The larger, with broadcasting; NaN wins.

    Args:
        a, b: tensors or numbers, one of them a tensor.

    Returns:
        The dtype that both promote to, of the shape that both broadcast to.

    Derivative: twice; equal operands share it.
    Source: numpy.maximum.
    """
    return Maximum.apply(*operands("maximum", a, b))


@method
def minimum(a: Any, b: Any) -> Tensor:
    """The smaller, with broadcasting; NaN wins.

    Args:
        a, b: tensors or numbers, one of them a tensor.

    Returns:
        The dtype that both promote to, of the shape that both broadcast to.

    Derivative: twice; equal operands share it.
    Source: numpy.minimum.
    """
    return Minimum.apply(*operands("minimum", a, b))


@method
def lerp(a: Tensor, b: Tensor, weight: Tensor | Scalar) -> Tensor:
    """a + weight (b - a), from the nearer end; with broadcasting.

    Args:
        a, b: floating tensors of one dtype.
        weight: a number or a tensor of that dtype.

    Returns:
        The dtype of a, of the shape that all broadcast to.

    Raises:
        TypeError: not floating, or of several dtypes.

    Derivative: twice.
    Source: torch.lerp.
    """
    check_dtype("lerp", a.dtype, FLOATS)
    for x in (b, weight):
        if isinstance(x, Tensor) and x.dtype is not a.dtype:
            raise TypeError(f"lerp: a is {a.dtype.name}, but {x.dtype.name} came with it")
    span = sub(b, a)
    if not isinstance(weight, Tensor):
        if builtins.abs(weight) < 0.5:
            return add(a, mul(weight, span))
        return sub(b, mul(span, 1 - weight))
    near = lt(abs(weight), 0.5)
    return where(near, add(a, mul(weight, span)), sub(b, mul(span, 1.0 - weight)))
