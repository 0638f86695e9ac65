"""Elementwise ops."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from opcase import (
    BIG,
    BITS,
    FLOATING,
    INTEGRAL,
    NUMBERS,
    PROMOTED,
    SAME,
    TAILS,
    TO_BOOL,
    Draw,
    OpCase,
    Refusal,
    Rule,
    away,
    coins,
    constant,
    given,
    grid,
    ids,
    normal,
    refused,
    terms,
    uniform,
    whole,
)

import pydl
from pydl import Tensor, ops

WHOLES = tuple(float(n) for n in range(-3, 4))
MIDDLES = tuple(n + 0.5 for n in WHOLES)


LENGTHS = (33, *(n for n in TAILS if n != 33))


def inside(low: float, high: float) -> Callable[..., Draw]:
    return lambda *shape: uniform(low, high, *shape)


def off(*kinks: float, gap: float = 0.05) -> Callable[..., Draw]:
    return lambda *shape: away(*shape, kinks=kinks, gap=gap)


# By op: the function, what draws its argument, and what becomes of each element type.
UNARY: dict[str, tuple[Callable[[Tensor], Tensor], Callable[..., Draw], Rule]] = {
    "neg": (ops.neg, normal, NUMBERS),
    "abs": (ops.abs, away, NUMBERS),
    "sign": (ops.sign, away, SAME),
    "floor": (ops.floor, off(*WHOLES), NUMBERS),
    "ceil": (ops.ceil, off(*WHOLES), NUMBERS),
    "trunc": (ops.trunc, off(*WHOLES), NUMBERS),
    "round": (ops.round, off(*MIDDLES), NUMBERS),
    "exp": (ops.exp, normal, PROMOTED),
    "exp2": (ops.exp2, normal, PROMOTED),
    "expm1": (ops.expm1, normal, PROMOTED),
    "log": (ops.log, inside(0.1, 4), PROMOTED),
    "log1p": (ops.log1p, inside(-0.7, 3), PROMOTED),
    "log2": (ops.log2, inside(0.1, 4), PROMOTED),
    "log10": (ops.log10, inside(0.1, 4), PROMOTED),
    "sqrt": (ops.sqrt, inside(0.1, 4), PROMOTED),
    "rsqrt": (ops.rsqrt, inside(0.3, 4), PROMOTED),
    "square": (ops.square, normal, {**NUMBERS, "bool": "int64"}),
    "reciprocal": (ops.reciprocal, off(0.0, gap=0.3), PROMOTED),
    "clip": (given(ops.clip, -0.5, 0.9), off(-0.5, 0.9), PROMOTED),
    "clamp": (given(ops.clamp, min=0.25), off(0.25), PROMOTED),
    "clamp_min": (given(ops.clamp_min, 0.25), off(0.25), PROMOTED),
    "clamp_max": (given(ops.clamp_max, 0.25), off(0.25), PROMOTED),
    "sin": (ops.sin, normal, PROMOTED),
    "cos": (ops.cos, normal, PROMOTED),
    "tan": (ops.tan, inside(-1.2, 1.2), PROMOTED),
    "asin": (ops.asin, inside(-0.8, 0.8), PROMOTED),
    "acos": (ops.acos, inside(-0.8, 0.8), PROMOTED),
    "atan": (ops.atan, normal, PROMOTED),
    "sinh": (ops.sinh, normal, PROMOTED),
    "cosh": (ops.cosh, normal, PROMOTED),
    "asinh": (ops.asinh, normal, PROMOTED),
    "acosh": (ops.acosh, inside(1.5, 4), PROMOTED),
    "atanh": (ops.atanh, inside(-0.8, 0.8), PROMOTED),
    "erf": (ops.erf, normal, PROMOTED),
    "erfc": (ops.erfc, normal, PROMOTED),
    "step": (ops.step, away, FLOATING),
    "relu": (ops.relu, away, NUMBERS),
    "relu6": (given(ops.relu6, inplace=True), off(0.0, 6.0), NUMBERS),
    "leaky_relu": (given(ops.leaky_relu, 0.1), away, FLOATING),
    "sigmoid": (ops.sigmoid, normal, PROMOTED),
    "logsigmoid": (ops.logsigmoid, normal, FLOATING),
    "tanh": (ops.tanh, normal, PROMOTED),
    "tanhshrink": (ops.tanhshrink, normal, {**dict.fromkeys(NUMBERS, "float32"), **FLOATING}),
    "gelu": (ops.gelu, off(-0.75, gap=0.2), FLOATING),  # no slope there
    "gelu[tanh]": (given(ops.gelu, "tanh"), off(-0.75, gap=0.2), FLOATING),
    "silu": (ops.silu, off(-1.28, gap=0.2), FLOATING),
    "mish": (ops.mish, off(-1.19, gap=0.2), FLOATING),
    "elu": (given(ops.elu, 1.5), away, FLOATING),
    "selu": (ops.selu, away, FLOATING),
    "celu": (given(ops.celu, 1.5), away, FLOATING),
    "softplus": (given(ops.softplus, 2.0, 3.5), off(1.75), FLOATING),
    "softsign": (ops.softsign, away, {**dict.fromkeys(NUMBERS, "float32"), **FLOATING}),
    "hardtanh": (ops.hardtanh, off(-1.0, 1.0), {t: t for t in NUMBERS if t != "uint8"}),
    "hardsigmoid": (ops.hardsigmoid, off(-3.0, 3.0), FLOATING),
    "hardswish": (ops.hardswish, off(-3.0, -1.5, 3.0), FLOATING),
    "hardshrink": (ops.hardshrink, off(-0.5, 0.5), FLOATING),
    "softshrink": (ops.softshrink, off(-0.5, 0.5), FLOATING),
    "threshold": (given(ops.threshold, 0.25, 2.0), off(0.25), NUMBERS),
}
FULL = ("exp", "relu")  # in all lengths: the loops are one template


def label(name: str, what: object) -> str:
    """ "op[a]" and b as "op[a, b]"."""
    return f"{name[:-1]}, {what}]" if name.endswith("]") else f"{name}[{what}]"


def unary() -> Iterable[OpCase]:
    for name, (fn, draw, _) in UNARY.items():
        k = 2 if "gelu" in name else 1  # the argument of its exp is a sum of products
        for n in (*(LENGTHS if name in FULL else (33, 0, 1)), BIG):
            yield OpCase(label(name, n), fn, (draw(n),), k=k)
        yield OpCase(label(name, "0-d"), fn, (draw(),), k=k)
        yield OpCase(label(name, "3x5"), fn, (draw(3, 5),), k=k)


class Pair(NamedTuple):
    """A function of two arguments, and what draws each; cases for gradients, or none."""

    fn: Callable[[Any, Any], Tensor]
    left: Callable[..., Draw]
    right: Callable[..., Draw]
    rule: Rule
    smooth: bool = True


def bits(*shape: int) -> Draw:
    return whole(-300, 300, *shape)


def shifts(*shape: int) -> Draw:
    return whole(0, 9, *shape)


BINARY: dict[str, Pair] = {
    "add": Pair(ops.add, normal, normal, SAME),
    "sub": Pair(ops.sub, normal, normal, NUMBERS),
    "mul": Pair(ops.mul, normal, normal, SAME),
    "div": Pair(ops.div, normal, off(0.0, gap=0.4), PROMOTED),
    "pow": Pair(ops.pow, inside(0.3, 2), normal, NUMBERS),
    "fmod": Pair(ops.fmod, inside(2.2, 2.8), inside(1, 1.05), NUMBERS),
    "remainder": Pair(ops.remainder, inside(2.2, 2.8), inside(-1.05, -1), NUMBERS),
    "floor_divide": Pair(ops.floor_divide, inside(2.2, 2.8), inside(-1.05, -1), NUMBERS),
    "atan2": Pair(ops.atan2, away, off(0.0, gap=0.4), PROMOTED),
    "maximum": Pair(ops.maximum, grid, lambda *s: grid(*s, shift=0.1), SAME),
    "minimum": Pair(ops.minimum, grid, lambda *s: grid(*s, shift=0.1), SAME),
    "bitwise_and": Pair(ops.bitwise_and, bits, bits, BITS, False),
    "bitwise_or": Pair(ops.bitwise_or, bits, bits, BITS, False),
    "bitwise_xor": Pair(ops.bitwise_xor, bits, bits, BITS, False),
    "bitwise_left_shift": Pair(ops.bitwise_left_shift, bits, shifts, INTEGRAL, False),
    "bitwise_right_shift": Pair(ops.bitwise_right_shift, bits, shifts, INTEGRAL, False),
    "eq": Pair(ops.eq, grid, grid, TO_BOOL, False),
    "ne": Pair(ops.ne, grid, grid, TO_BOOL, False),
    "lt": Pair(ops.lt, grid, grid, TO_BOOL, False),
    "le": Pair(ops.le, grid, grid, TO_BOOL, False),
    "gt": Pair(ops.gt, grid, grid, TO_BOOL, False),
    "ge": Pair(ops.ge, grid, grid, TO_BOOL, False),
}
BROADCASTS = (
    ((), (7,)),
    ((3, 1), (1, 5)),
    ((2, 3, 4), (4,)),
    ((4,), (2, 3, 4)),
    ((2, 1, 3), (2, 4, 1)),
    ((5, 1), (1,)),
    ((0, 3), (3,)),
    ((2, 1, 3, 1, 2), (1, 4, 1, 2, 1)),
    ((257, 300), (300,)),
    ((257, 300), (257, 1)),
    ((1, 70_001), (3, 1)),
)


FEW_BROADCASTS = (((3, 1), (1, 5)), ((4,), (2, 3, 4)), ((5, 1), ()), ((257, 300), (257, 1)))


def binary() -> Iterable[OpCase]:
    for name, (fn, left, right, _, smooth) in BINARY.items():
        full = name in ("add", "sub", "pow", "maximum", "lt", "bitwise_xor")
        grads = None if smooth else ()
        for n in (*(LENGTHS if full else (33, 0, 1)), BIG):
            yield OpCase(f"{name}[{n}]", fn, (left(n), right(n)), grads=grads)
        for a, b in BROADCASTS if full else FEW_BROADCASTS:
            out = math.prod(np.broadcast_shapes(a, b))
            k = out // max(1, min(math.prod(a), math.prod(b)))
            yield OpCase(f"{name}[{a}, {b}]", fn, (left(*a), right(*b)), k_grad=k, grads=grads)
    for exponent in (2, 3, 0.5, -1, -1.5, 0):
        yield OpCase(f"pow[x ** {exponent}]", given(ops.pow, exponent), (uniform(0.3, 2, 9),))
    yield OpCase("pow[integers]", ops.pow, (whole(-9, 9, 40), whole(-2, 9, 40)))
    yield OpCase("pow[integers ** 3]", given(ops.pow, 3), (whole(-9, 9, 40),))
    yield OpCase("pow[2 ** x]", lambda x: 2.0**x, (normal(9),))
    yield OpCase("pow[base 0]", lambda x: x**3.0, (lambda r: np.zeros(4),), twice=False)
    yield OpCase("sub[1 - x]", lambda x: 1 - x, (normal(9),))
    yield OpCase("div[1 / x]", lambda x: 1 / x, (away(9, gap=0.3),))
    yield OpCase("true_divide[9]", ops.true_divide, (normal(9), off(0.0, gap=0.4)(9)))
    yield OpCase("add[twice the same]", lambda x: x + x, (normal(9),))
    yield OpCase("mul[twice the same]", lambda x: x * x * x, (normal(9),))
    for name in ("fmod", "remainder", "floor_divide"):
        fn = BINARY[name].fn
        signs, pick = (normal(200, scale=5), off(0.0)(200)), (whole(-50, 50, 200), whole(1, 9, 200))
        yield OpCase(f"{name}[signs]", fn, signs, grads=())
        yield OpCase(f"{name}[far]", fn, (normal(200, scale=1e12), off(0.0)(200)), grads=())
        yield OpCase(f"{name}[integers]", fn, pick)
        yield OpCase(f"{name}[number]", given(fn, -3), (whole(-50, 50, 33),))
    for mode in ("trunc", "floor"):
        fn = given(ops.div, rounding_mode=mode)
        yield OpCase(f"div[{mode}]", fn, (normal(33, scale=5), off(0.0, gap=0.4)(33)), smooth=False)
        yield OpCase(f"div[{mode}, integers]", fn, (whole(-50, 50, 33), whole(1, 9, 33)))
    yield OpCase("add[alpha]", given(ops.add, alpha=2.5), (normal(9), normal(9)), k=2)
    yield OpCase("sub[alpha]", given(ops.sub, alpha=2.5), (terms(9), normal(9)), k=2)


def choice() -> Iterable[OpCase]:
    for n in (33, 0, 1, BIG):
        yield OpCase(f"where[{n}]", ops.where, (coins(n), normal(n), normal(n)))
    for c, a, b in (
        ((3, 1), (1, 5), ()),
        ((4,), (2, 1, 4), (3, 1)),
        ((257, 300), (300,), (257, 1)),
    ):
        k = math.prod(np.broadcast_shapes(c, a, b))
        yield OpCase(
            f"where[{c}, {a}, {b}]", ops.where, (coins(*c), normal(*a), normal(*b)), k_grad=k
        )
    yield OpCase("where[alone]", lambda c: ops.where(c)[1], (coins(4, 5),), replay=False)
    yield OpCase("where[numbers]", lambda c: ops.where(c, 1.5, 2), (coins(9),))
    yield OpCase("where[number]", lambda c, a: ops.where(c, a, 2), (coins(9), normal(9)))
    for n in (9, BIG):
        yield OpCase(
            f"masked_fill[{n}]", lambda x, m: ops.masked_fill(x, m, 7.5), (normal(n), coins(n))
        )
    yield OpCase(
        "masked_fill[tensor]", ops.masked_fill, (normal(2, 4), coins(4), normal()), k_grad=8
    )
    yield OpCase(
        "masked_fill[wider mask]",
        lambda x, m: ops.masked_fill(x, m, 1),
        (normal(4), coins(3, 4)),
        k_grad=3,
    )
    between = (off(-0.5, 0.9)(3, 5), constant(-0.5), constant([0.9, 0.9, 0.9, 0.9, 0.9]))
    yield OpCase("clip[tensors]", ops.clip, between, k_grad=15)
    yield OpCase("clip[crossed]", ops.clip, (normal(9), constant(0.5), constant(-0.5)), k_grad=9)
    yield OpCase("clip[integers]", given(ops.clip, -3, 5), (whole(-9, 9, 33),))
    yield OpCase("lerp[0.3]", given(ops.lerp, 0.3), (normal(33), normal(33)), k=3)
    yield OpCase("lerp[0.7]", given(ops.lerp, 0.7), (normal(33), normal(33)), k=3)
    yield OpCase(
        "lerp[tensor]",
        ops.lerp,
        (normal(3, 5), normal(5), away(3, 1, kinks=(0.5, -0.5))),
        k=3,
        k_grad=15,
    )
    for decimals in (2, -1):
        yield OpCase(
            f"round[{decimals}]", given(ops.round, decimals), (normal(33, scale=100),), smooth=False
        )
    yield OpCase("frac[33]", ops.frac, (off(*WHOLES)(33),))
    yield OpCase("nan_to_num[33]", ops.nan_to_num, (normal(33),))
    yield OpCase(
        "nan_to_num[special]", lambda x: ops.nan_to_num(x, 1.0, 2.0, -2.0), (special,), smooth=False
    )


def special(r: np.random.Generator) -> np.ndarray[Any, Any]:
    return np.array([1.5, math.nan, -math.nan, math.inf, -math.inf, 0.0, -0.0])


def logic() -> Iterable[OpCase]:
    for name in ("logical_and", "logical_or", "logical_xor"):
        fn = getattr(ops, name)
        yield OpCase(f"{name}[33]", fn, (grid(33), grid(33)), grads=())
        yield OpCase(f"{name}[bools]", fn, (coins(3, 1), coins(5)))
        yield OpCase(f"{name}[special]", fn, (special, constant(0.0)), grads=())
    for name in ("logical_not", "isnan", "isinf", "isfinite"):
        fn = getattr(ops, name)
        yield OpCase(f"{name}[33]", fn, (grid(33),), grads=())
        yield OpCase(f"{name}[integers]", fn, (whole(-1, 2, 9),))
        yield OpCase(f"{name}[special]", fn, (special,), grads=())
    yield OpCase("bitwise_not[33]", ops.bitwise_not, (bits(33),))
    yield OpCase("bitwise_not[bools]", ops.bitwise_not, (coins(33),))
    yield OpCase("isclose[33]", given(ops.isclose, 0.1, 0.1), (grid(33), grid(33)), grads=())
    yield OpCase(
        "isclose[special]", given(ops.isclose, equal_nan=True), (special, special), grads=()
    )
    yield OpCase("isclose[integers]", given(ops.isclose, 0.1, 1.5), (bits(33), bits(33)))
    for name in ("equal", "allclose"):
        fn = getattr(ops, name)
        for what, other in (("same", lambda x: x), ("other", lambda x: x + 1)):
            yield OpCase(
                f"{name}[{what}]",
                lambda x, fn=fn, other=other: truth(fn(x, other(x)), x),
                (grid(9),),
                grads=(),
                replay=False,
            )


def truth(value: bool, x: Tensor) -> Tensor:
    return ops.full((), value, dtype=pydl.bool_, device=x.device)


def activations() -> Iterable[OpCase]:
    yield OpCase("prelu[C]", ops.prelu, (away(2, 3, 4), uniform(0.1, 0.4, 3)), k_grad=8)
    yield OpCase("prelu[1]", ops.prelu, (away(2, 3, 4), uniform(0.1, 0.4, 1)), k_grad=24)
    yield OpCase("prelu[vector]", ops.prelu, (away(9), uniform(0.1, 0.4, 1)), k_grad=9)
    yield OpCase("glu[last]", ops.glu, (normal(3, 8),), k=2)
    yield OpCase("glu[middle]", given(ops.glu, 1), (normal(2, 6, 5),), k=2)
    yield OpCase("softmin[3x5]", given(ops.softmin, 1), (normal(3, 5),), k=5)
    yield OpCase("softmax[no dim]", ops.softmax, (normal(2, 3, 4, 2),), k=3)
    yield OpCase("softmax[0-d]", given(ops.softmax, 0), (normal(),))
    yield OpCase("log_softmax[no dim]", ops.log_softmax, (normal(4, 3, 2),), k=4)
    yield OpCase("softmax[dtype]", given(ops.softmax, 0, pydl.float32), (whole(-3, 3, 5),), k=5)


CASES: tuple[OpCase, ...] = (
    *unary(),
    *binary(),
    *choice(),
    *logic(),
    *activations(),
)


DTYPES: dict[str, Rule] = {
    **{name: rule for name, (_, _, rule) in UNARY.items() if "[" not in name},
    **{name: pair.rule for name, pair in BINARY.items()},
    **dict.fromkeys(("frac", "lerp", "prelu"), FLOATING),
    **dict.fromkeys(("glu", "softmax", "log_softmax", "softmin"), FLOATING),
    **dict.fromkeys(
        ("logical_and", "logical_or", "logical_xor", "logical_not", "isnan", "isinf", "isfinite",
         "isclose", "allclose", "equal"), TO_BOOL),
    "bitwise_not": BITS,
    "true_divide": PROMOTED,
    "where": SAME,
    "masked_fill": SAME,
    "nan_to_num": SAME,
}  # fmt: skip


CLIPPED = dict.fromkeys(("clamp", "clamp_min", "clamp_max"), "clip")


def typed() -> Iterable[Refusal]:
    """Element types that are no use."""
    for name, (fn, _, rule) in UNARY.items():
        op = {**CLIPPED, "gelu[tanh]": "gelu"}.get(name, name)
        if op != "threshold":
            yield Refusal(op, no_tensor(op), TypeError, f"^{op}: x is a str, expected a Tensor")
        if rule is FLOATING:
            message = f"^{op}: expected a floating tensor, got int64"
            yield Refusal(op, of_type(fn, pydl.int64), TypeError, message)
        if rule is NUMBERS:
            message = f"^{op}: expected a floating or integer tensor, got bool"
            yield Refusal(op, of_type(fn, pydl.bool_), TypeError, message)
    for name, pair in BINARY.items():
        fn = lambda x, f=pair.fn: f(x, x)  # noqa: E731
        if pair.rule is BITS or pair.rule is INTEGRAL:
            kind = "integer or bool" if pair.rule is BITS else "integer"
            message = f"^{name}: expected an {kind} tensor, got float32"
            yield Refusal(name, of_type(fn, pydl.float32), TypeError, message)
        else:
            yield Refusal(name, no_tensor(name, 2), TypeError, f"^{name}: expected")
    for name in ("frac", "softmax", "log_softmax", "softmin", "glu"):
        message = f"^{name}: expected a floating tensor, got int64"
        yield Refusal(name, of_type(getattr(ops, name), pydl.int64), TypeError, message)
    for name in ("isnan", "isinf", "isfinite", "logical_not", "nan_to_num"):
        message = f"^{name}: x is a str, expected a Tensor"
        yield Refusal(name, no_tensor(name), TypeError, message)
    for name in ("logical_and", "logical_or", "logical_xor"):
        logical = getattr(ops, name)
        fn = lambda x, f=logical: f(x, x)  # noqa: E731
        yield Refusal(name, no_tensor(name, 2), TypeError, f"^{name}: expected tensors and numbers")
    yield Refusal(
        "bitwise_not",
        of_type(ops.bitwise_not, pydl.float32),
        TypeError,
        "^bitwise_not: expected an integer or bool tensor, got float32",
    )


def no_tensor(name: str, arguments: int = 1) -> Callable[[str], Any]:
    fn = getattr(pydl, name, None) or getattr(pydl.nn.functional, name)
    return lambda device: fn(*"xy"[:arguments])


def of_type(fn: Callable[[Tensor], Any], dtype: pydl.DType) -> Callable[[str], Any]:
    return lambda device: fn(ops.ones(2, device=device).to(dtype))


ERRORS: tuple[Refusal, ...] = (
    refused("add", ops.add, (2, 3), (4,), message=r"^add: shapes \(2, 3\) and \(4,\) do not"),
    Refusal("add", lambda d: ops.add(ops.ones(2, device=d), ops.ones(2, device={"cpu": "numpy"}.get(
        d, "cpu"))), ValueError, r"^add: tensors are on different devices, \w+ and \w+"),
    refused("add", lambda x: x + "1", (2,), error=TypeError, message="^add: expected tensors"),
    refused("mul", lambda x: x * np.ones(2), (2,), error=TypeError,
            message=r"^mul: a NumPy array of shape \(2,\) came in"),
    *typed(),
    refused("sub", lambda x: ops.sub(x, True), (2,), error=TypeError, message="^sub: bools have"),
    refused("div", given(ops.div, 2, "up"), (2,), message="^div: rounding_mode is None"),
    Refusal("div", lambda d: ops.div(ids((2,), 1, d), 0, "trunc"), ZeroDivisionError,
            ": b holds 0"),
    Refusal("remainder", lambda d: ids((2,), 1, d) % 0, ZeroDivisionError, ": b holds 0"),
    Refusal("floor_divide", lambda d: 5 // ids((2,), 0, d), ZeroDivisionError, ": b holds 0"),
    Refusal("fmod", lambda d: ops.fmod(ids((2,), 1, d), 0), ZeroDivisionError, ": b holds 0"),
    Refusal("pow", lambda d: ids((2,), 2, d) ** -1, ValueError, "^pow: integers to the power"),
    refused("lerp", lambda x: ops.lerp(x, x.long(), 0.5), (2,), error=TypeError,
            message="^lerp: a is float32, but int64 came with it"),
    refused("where", lambda x: ops.where(x > 0, x), (2,), message="^where: give both a and b, or"),
    refused("masked_fill", lambda x: ops.masked_fill(x, x, 1), (2,), error=TypeError,
            message="^masked_fill: mask is float32, expected bool"),
    refused("masked_fill", lambda x: ops.masked_fill(x, x > 0, x), (2,),
            message=r"^masked_fill: value has shape \(2,\), expected no dimensions"),
    refused("isclose", lambda x: ops.isclose(x, x.long()), (2,), error=TypeError,
            message="^isclose: a is float32, b is int64, expected one dtype"),
    refused("isclose", lambda x: ops.isclose(x, x, -1.0), (2,),
            message="^isclose: tolerances are at least 0, got rtol=-1"),
    refused("allclose", ops.allclose, (2,), (3,), message="^eq: shapes"),
    refused("equal", lambda x: ops.equal(x, 1), (2,), error=TypeError,
            message="^equal: expected two tensors"),
    refused("hardtanh", lambda x: ops.hardtanh(x, 2, 1), (2,),
            message="^hardtanh: min_val 2 is greater than max_val 1"),
    Refusal("hardtanh", of_type(ops.hardtanh, pydl.uint8), TypeError, "^hardtanh: uint8 has no -1"),
    Refusal("threshold", of_type(given(ops.threshold, 300, 0), pydl.uint8), TypeError,
            "^threshold: uint8 has no 300"),
    refused("masked_fill", lambda x: ops.masked_fill(x.int(), x > 0, math.inf), (2,),
            error=TypeError, message="^masked_fill: int32 has no inf"),
    refused("celu", lambda x: ops.celu(x, 0), (2,), message="^celu: alpha is 0"),
    refused("softshrink", lambda x: ops.softshrink(x, -1), (2,),
            message="^softshrink: lambd is -1, expected"),
    refused("prelu", ops.prelu, (2, 3), (2,),
            message=r"^prelu: weight has shape \(2,\), expected \(1,\) or \(3,\)"),
    refused("glu", ops.glu, (2, 3), message=r"^glu: dim -1 of \(2, 3\) is odd"),
    refused("softmax", lambda x: ops.softmax(x, 2), (2, 3), error=IndexError,
            message="^softmax: dim 2 is out of range"),
    refused("clip", lambda x: ops.clip(x), (2,), message="^clip: give min, max or both"),
    refused("clamp", lambda x: ops.clamp(x), (2,), message="^clip: give min, max or both"),
    refused("clamp_min", lambda x: ops.clamp_min(x, None), (2,), message="^clip: give min, max"),
    refused("clamp_max", lambda x: ops.clamp_max(x, None), (2,), message="^clip: give min, max"),
    refused("true_divide", given(ops.true_divide, 2, "up"), (2,), message="^div: rounding_mode"),
    refused("gelu", lambda x: ops.gelu(x, "erf"), (2,), message="^gelu: approximate is 'none' or "),
    refused("where", lambda x: ops.where(x, 1, 2), (2,), error=TypeError,
            message="^where: condition is float32, expected bool"),
)  # fmt: skip
