"""Calls of elementwise functions: one argument, two with broadcasting, comparisons, logic."""

from __future__ import annotations

from typing import Any

import numpy as np

from .engine import op
from .values import NUMBERS, STORED, Arr, Call, Draw

UNARY = [
    "abs",
    "neg",
    "sign",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "sqrt",
    "rsqrt",
    "reciprocal",
    "square",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "erf",
    "erfc",
    "sigmoid",
    "floor",
    "ceil",
    "trunc",
    "frac",
    "isnan",
    "isinf",
    "isfinite",
    "logical_not",
    "relu",
]
LIMITED = {"asin", "acos", "atanh"}  # where |x| < 1
POSITIVE = {"log", "log2", "log10", "sqrt", "rsqrt", "acosh"}
BINARY = [
    "mul",
    "maximum",
    "minimum",
    "fmod",
    "remainder",
    "atan2",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "logical_and",
    "logical_or",
    "logical_xor",
    "floor_divide",
    "pow",
    "true_divide",
]


def both(*names: str) -> list[str]:
    """The functions and the methods of the same names."""
    return [*names, *("Tensor." + n for n in names)]


@op(*both(*UNARY))
def unary(d: Draw, name: str) -> Call:
    """Any shape and dtype; values mostly where the function is defined."""
    bare = name.split(".")[-1]
    mode: Any = None
    if bare in LIMITED and d.chance(0.6):
        mode = "unit"
    if bare in POSITIVE and d.chance(0.6):
        mode = "positive"
    return Call((d.tensor(None, (*["float32"] * 6, *STORED), mode),), pointwise=True)


@op(*both("round"))
def rounding(d: Draw, name: str) -> Call:
    """round(decimals)."""
    x = d.tensor(None, (*["float32"] * 4, *STORED))
    return Call((x,), d.options(0.5, decimals=[0, 1, 2, 3, -1]), pointwise=True)


@op(*both("nan_to_num"))
def nan_to_num(d: Draw, name: str) -> Call:
    """nan, posinf, neginf."""
    options = d.options(0.4, nan=[0.0, 1.5, None], posinf=[2.0, None], neginf=[-3.0, None])
    return Call((d.tensor(None, ("float32", "float32", "int64"), "special"),), options)


@op(*both("isclose", "allclose", "equal"))
def nearly(d: Draw, name: str) -> Call:
    """Operands that are near each other in most places; tolerances, equal_nan; other dtypes."""
    a = d.tensor(None, (*["float32"] * 4, *STORED))
    array = np.array(np.broadcast_to(a.array, a.shape))
    if d.chance(0.5):
        moved = d.g.random(a.shape) < d.pick(0.0, 0.3, 1.0)
        step = d.pick(1e-9, 1e-6, 1e-4, 1) if a.dtype == "float32" else 1
        with np.errstate(all="ignore"):
            array = np.array(np.where(moved, array + np.asarray(step, array.dtype), array))
    b = Arr(array.astype(a.array.dtype), a.dtype)
    if d.chance(0.3):
        b = d.tensor(d.broadcast(a.shape), (a.dtype,) if d.chance(0.8) else STORED)
    if name.endswith("equal"):
        return Call((a, b))
    options = d.options(0.3, rtol=[0, 1e-5, 1e-3, -1.0], atol=[0.0, 1e-8, 1e-5, 2])
    return Call((a, b), options | d.options(0.4, equal_nan=[True, False]))


def operand(d: Draw, shape: Any, scalar: float = 0.2) -> Any:
    """A tensor that broadcasts, or a Python number."""
    if d.chance(scalar):
        return d.pick(0, 1, 2, -3, 0.5, 2.5, -1.5, True, 7)
    return d.tensor(d.broadcast(shape), (*["float32"] * 4, *STORED))


def pair(d: Draw, scalar: float = 0.2) -> tuple[Any, Any]:
    """Two operands, the first a tensor."""
    a = d.tensor(None, (*["float32"] * 4, *STORED))
    return a, operand(d, a.shape, scalar)


@op(*both(*BINARY))
def binary(d: Draw, name: str) -> Call:
    """Broadcasting, promotion, Python numbers."""
    bare = name.split(".")[-1]
    scalar = 0.0 if bare in ("maximum", "minimum", "atan2") or "logical" in bare else 0.2
    return Call(pair(d, scalar), pointwise=True)


@op(*both("add", "sub"))
def add_sub(d: Draw, name: str) -> Call:
    """With alpha."""
    return Call(pair(d), d.options(0.3, alpha=[1, 2, -1, 0.5]), pointwise=True)


@op(*both("div"))
def div(d: Draw, name: str) -> Call:
    """With rounding_mode."""
    return Call(
        pair(d), d.options(0.5, rounding_mode=[None, "trunc", "floor", "up"]), pointwise=True
    )


OPERATORS = [
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
]


@op(*("operator." + n for n in OPERATORS))
def operators(d: Draw, name: str) -> Call:
    """Infix, the number on either side."""
    a, b = pair(d, 0.5)
    return Call((b, a) if d.chance(0.4) else (a, b), pointwise=True)


@op("operator.neg", "operator.abs", "operator.invert", "operator.pos")
def prefix(d: Draw, name: str) -> Call:
    """Prefix operators."""
    return Call((d.tensor(None, STORED),), pointwise=True)


@op(
    *both("bitwise_and", "bitwise_or", "bitwise_xor"),
    *(f"operator.{n}" for n in ("and_", "or_", "xor")),
)
def bitwise(d: Draw, name: str) -> Call:
    """Integers and bools; floats raise."""
    integral = ("int64", "int32", "uint8", "bool")
    dtypes = integral if d.chance(0.9) else ("float32",)
    a = d.tensor(None, dtypes)
    b: Any = d.tensor(d.broadcast(a.shape), integral)
    if d.chance(0.2):
        b = d.pick(0, 1, 5, -2, True)
    return Call((a, b))


@op(*both("bitwise_left_shift", "bitwise_right_shift"))
def shifts(d: Draw, name: str) -> Call:
    """Small shifts."""
    a = d.tensor(None, ("int64", "int32"))
    return Call((a, d.pick(0, 1, 2, 3)))


@op(*both("bitwise_not"))
def bitwise_not(d: Draw, name: str) -> Call:
    """Integers and bools; floats raise."""
    return Call((d.tensor(None, ("int64", "int32", "uint8", "bool", "bool", "float32")),))


@op(*both("clamp", "clip"))
def clamp(d: Draw, name: str) -> Call:
    """Numbers, tensors or None as bounds; one of them at least."""
    x = d.tensor(None, (*["float32"] * 4, *NUMBERS))

    def bound(value: float) -> Any:
        kind = d.integer(0, 9)
        if kind < 2:
            return None
        return d.tensor(d.broadcast(x.shape), (x.dtype,)) if kind > 7 else value

    low, high = bound(d.pick(-1, 0, -0.5, 0.0)), bound(d.pick(1, 2, 0.5, -2, 0))
    if d.chance(0.5):
        return Call((x, low, high), pointwise=True)
    return Call((x,), {"min": low, "max": high}, pointwise=True)


@op(*both("clamp_min", "clamp_max"))
def clamp_one(d: Draw, name: str) -> Call:
    """One bound."""
    x = d.tensor(None, NUMBERS)
    return Call((x, d.pick(0, 1, -0.5, 0.25)), pointwise=True)


@op(*both("lerp"))
def lerp(d: Draw, name: str) -> Call:
    """A number or a tensor as weight."""
    a = d.tensor()
    b = d.tensor(d.broadcast(a.shape), ("float32", "float32", "float32", "float32", "int64"))
    weight = d.pick(0.0, 0.3, 0.7, 1.0, 1.5) if d.chance(0.5) else d.tensor(d.broadcast(a.shape))
    return Call((a, b, weight), pointwise=True, k=4)


@op(*both("addcmul", "addcdiv"))
def addcmul(d: Draw, name: str) -> Call:
    """With value."""
    a = d.tensor(None, ("float32", "float32", "float32", "int64"))
    b, c = (d.tensor(d.broadcast(a.shape), (a.dtype,)) for _ in range(2))
    return Call((a, b, c), d.options(0.5, value=[1, 2, -0.5]), pointwise=True, k=4)


@op("where", "Tensor.where")
def where(d: Draw, name: str) -> Call:
    """Condition, two operands; with the condition alone the places."""
    shape = d.shape()
    condition = d.tensor(shape, ("bool", "bool", "bool", "bool", "uint8", "float32"), grad=False)
    a, b = operand(d, shape), operand(d, shape)
    if name == "where":
        return Call((condition,)) if d.chance(0.1) else Call((condition, a, b))
    return Call((d.tensor(shape, STORED), condition, b))


@op(*both("masked_fill"))
def masked_fill(d: Draw, name: str) -> Call:
    """A bool mask that broadcasts; a number or a 0-d tensor."""
    x = d.tensor(None, (*["float32"] * 3, *STORED))
    mask = d.tensor(d.broadcast(x.shape), ("bool",) * 9 + ("uint8",))
    value: Any = d.pick(0, 1, -2.5, float("inf"), float("-inf"), float("nan"), True)
    if d.chance(0.2):
        value = d.tensor(d.pick((), (), (2,)), ("float32",))
    return Call((x, mask, value))


@op("broadcast_tensors")
def broadcast_tensors(d: Draw, name: str) -> Call:
    """Two or three tensors."""
    shape = d.shape()
    return Call(tuple(d.tensor(d.broadcast(shape)) for _ in range(d.integer(1, 3))))
