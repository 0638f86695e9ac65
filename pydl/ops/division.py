"""Division and its remainders, elementwise, with broadcasting."""

from __future__ import annotations

from typing import Any

from ..methods import method
from ..tensor import Tensor
from .arithmetic import Add, numbers, trunc
from .elementwise import NUMBERS, Binary, check_dtype, operands
from .reduce import sum_to

__all__ = [
    "div",
    "floor_divide",
    "fmod",
    "remainder",
    "true_divide",
]


class Div(Binary):
    def backward(self, gy: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.saved
        ga = gy / b
        gb = sum_to(-gy * (a / b / b), b.shape) if self.needs[1] else None
        return sum_to(ga, a.shape) if self.needs[0] else None, gb


class FloorDivide(Add):
    def backward(self, gy: Tensor) -> tuple[Tensor | None, ...]:
        return super().backward(gy * 0.0)


class TruncDivide(FloorDivide):
    name = "div"

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return trunc(super().forward(a, b))


class Fmod(Binary):
    rounding = "trunc"

    def backward(self, gy: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.saved
        ga = sum_to(gy, a.shape) if self.needs[0] else None
        if not self.needs[1]:
            return ga, None
        return ga, sum_to(-gy * div(a, b, rounding_mode=self.rounding), b.shape)


class Remainder(Fmod):
    rounding = "floor"


@method
def div(a: Any, b: Any, rounding_mode: str | None = None) -> Tensor:
    """a / b, with broadcasting.

    Args:
        a, b: tensors or numbers, one of them a tensor.
        rounding_mode: None, "trunc" (towards 0) or "floor" (downwards).

    Returns:
        The dtype that both promote to (float32 instead of integers and bools without rounding), of
        the shape that both broadcast to.

    Raises:
        ValueError: there is no such rounding.
        ZeroDivisionError: integers are divided by 0 with rounding.

    Derivative: twice; with rounding it is 0.
    Source: numpy.true_divide, torch.div.
    """
    if rounding_mode is None:
        return Div.apply(*operands("div", a, b, floating=True))
    if rounding_mode not in ("trunc", "floor"):
        raise ValueError(f"div: rounding_mode is None, 'trunc' or 'floor', got {rounding_mode!r}")
    a, b = operands("div", a, b)
    check_dtype("div", a.dtype, NUMBERS)
    return (TruncDivide if rounding_mode == "trunc" else FloorDivide).apply(a, b)


true_divide = method(div, "true_divide")


@method
def fmod(a: Any, b: Any) -> Tensor:
    """The remainder of a / b with the sign of a: a - b trunc(a / b), exactly.

    Args:
        a, b: tensors or numbers, one of them a tensor.

    Returns:
        The dtype that both promote to, of the shape that both broadcast to.

    Raises:
        TypeError: both are bools.
        ZeroDivisionError: integers are divided by 0.

    Derivative: twice.
    Source: numpy.fmod.
    """
    return Fmod.apply(*numbers("fmod", a, b))


@method
def remainder(a: Any, b: Any) -> Tensor:
    """The remainder of a / b with the sign of b: a - b floor(a / b). The operator %.

    Args:
        a, b: tensors or numbers, one of them a tensor.

    Returns:
        The dtype that both promote to, of the shape that both broadcast to.

    Raises:
        TypeError: both are bools.
        ZeroDivisionError: integers are divided by 0.

    Derivative: twice.
    Source: numpy.remainder.
    """
    return Remainder.apply(*numbers("remainder", a, b))


@method
def floor_divide(a: Any, b: Any) -> Tensor:
    """The largest whole number that is at most a / b. The operator //.

    Args:
        a, b: tensors or numbers, one of them a tensor.

    Returns:
        The dtype that both promote to, of the shape that both broadcast to.

    Raises:
        TypeError: both are bools.
        ZeroDivisionError: integers are divided by 0.

    Derivative: twice; it is 0.
    Source: numpy.floor_divide.
    """
    return FloorDivide.apply(*numbers("floor_divide", a, b))
