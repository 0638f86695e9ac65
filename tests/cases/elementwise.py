"""Elementwise ops."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from opcase import (
    BIG,
    TAILS,
    Draw,
    OpCase,
    Refusal,
    away,
    coins,
    given,
    grid,
    ids,
    normal,
    refused,
    uniform,
)

from pydl import Tensor, ops

UNARY: dict[str, tuple[Callable[[Tensor], Tensor], Callable[..., Draw]]] = {
    "neg": (ops.neg, normal),
    "abs": (ops.abs, away),
    "sign": (ops.sign, away),
    "exp": (ops.exp, normal),
    "log": (ops.log, lambda *s: uniform(0.1, 4, *s)),
    "sqrt": (ops.sqrt, lambda *s: uniform(0.1, 4, *s)),
    "square": (ops.square, normal),
    "reciprocal": (ops.reciprocal, lambda *s: away(*s, gap=0.3)),
    "clip": (given(ops.clip, -0.5, 0.9), lambda *s: away(*s, kinks=(-0.5, 0.9))),
    "clamp": (given(ops.clamp, min=0.25), lambda *s: away(*s, kinks=(0.25,))),
    "step": (ops.step, away),
    "relu": (ops.relu, away),
    "leaky_relu": (given(ops.leaky_relu, 0.1), away),
    "sigmoid": (ops.sigmoid, normal),
    "tanh": (ops.tanh, normal),
    "gelu": (ops.gelu, lambda *s: away(*s, kinks=(-0.75,), gap=0.2)),  # no slope there
    "gelu[tanh]": (given(ops.gelu, "tanh"), lambda *s: away(*s, kinks=(-0.75,), gap=0.2)),
    "silu": (ops.silu, lambda *s: away(*s, kinks=(-1.28,), gap=0.2)),
    "elu": (given(ops.elu, 1.5), away),
    "softplus": (given(ops.softplus, 2.0, 3.5), lambda *s: away(*s, kinks=(1.75,))),
}


def label(name: str, what: object) -> str:
    """ "op[a]" and b as "op[a, b]"."""
    return f"{name[:-1]}, {what}]" if name.endswith("]") else f"{name}[{what}]"


def unary() -> Iterable[OpCase]:
    for name, (fn, draw) in UNARY.items():
        k = 2 if "gelu" in name else 1  # the argument of its exp is a sum of products
        for n in (*TAILS, BIG):
            yield OpCase(label(name, n), fn, (draw(n),), k=k)
        yield OpCase(label(name, "0-d"), fn, (draw(),), k=k)
        yield OpCase(label(name, "3x5"), fn, (draw(3, 5),), k=k)


BINARY: dict[str, tuple[Callable[[Any, Any], Tensor], Callable[..., Draw], Callable[..., Draw]]] = {
    "add": (ops.add, normal, normal),
    "sub": (ops.sub, normal, normal),
    "mul": (ops.mul, normal, normal),
    "div": (ops.div, normal, lambda *s: away(*s, gap=0.4)),
    "pow": (ops.pow, lambda *s: uniform(0.3, 2, *s), normal),
    "maximum": (ops.maximum, grid, lambda *s: grid(*s, shift=0.1)),
    "minimum": (ops.minimum, grid, lambda *s: grid(*s, shift=0.1)),
    "eq": (ops.eq, grid, grid),
    "ne": (ops.ne, grid, grid),
    "lt": (ops.lt, grid, grid),
    "le": (ops.le, grid, grid),
    "gt": (ops.gt, grid, grid),
    "ge": (ops.ge, grid, grid),
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


def binary() -> Iterable[OpCase]:
    for name, (fn, left, right) in BINARY.items():
        grads = () if fn in (ops.eq, ops.ne, ops.lt, ops.le, ops.gt, ops.ge) else None
        for n in (*TAILS, BIG):
            yield OpCase(f"{name}[{n}]", fn, (left(n), right(n)), grads=grads)
        for a, b in BROADCASTS:
            out = math.prod(np.broadcast_shapes(a, b))
            k = out // max(1, min(math.prod(a), math.prod(b)))
            yield OpCase(f"{name}[{a}, {b}]", fn, (left(*a), right(*b)), k_grad=k, grads=grads)
    for exponent in (2, 3, 0.5, -1, -1.5, 0):
        yield OpCase(f"pow[x ** {exponent}]", given(ops.pow, exponent), (uniform(0.3, 2, 9),))
    yield OpCase("pow[2 ** x]", lambda x: 2.0**x, (normal(9),))
    yield OpCase("pow[base 0]", lambda x: x**3.0, (lambda r: np.zeros(4),), twice=False)
    yield OpCase("sub[1 - x]", lambda x: 1 - x, (normal(9),))
    yield OpCase("div[1 / x]", lambda x: 1 / x, (away(9, gap=0.3),))
    yield OpCase("add[twice the same]", lambda x: x + x, (normal(9),))
    yield OpCase("mul[twice the same]", lambda x: x * x * x, (normal(9),))
    for n in (*TAILS, BIG):
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
    yield OpCase("where[numbers]", lambda c: ops.where(c, 1.5, 2), (coins(9),))
    yield OpCase("where[number]", lambda c, a: ops.where(c, a, 2), (coins(9), normal(9)))


CASES: tuple[OpCase, ...] = (
    *unary(),
    *binary(),
)


ERRORS: tuple[Refusal, ...] = (
    refused("add", ops.add, (2, 3), (4,), message=r"^add: shapes \(2, 3\) and \(4,\) do not"),
    Refusal("add", lambda d: ops.add(ops.ones(2, device=d), ops.ones(2, device={"cpu": "numpy"}.get(
        d, "cpu"))), ValueError, r"^add: tensors are on different devices, \w+ and \w+"),
    refused("add", lambda x: x + "1", (2,), error=TypeError, message="^add: expected tensors"),
    refused("mul", lambda x: x * np.ones(2), (2,), error=TypeError,
            message=r"^mul: a NumPy array of shape \(2,\) came in"),
    Refusal("relu", lambda d: ops.relu(ids((2,), 1, d)), TypeError,
            "^relu: expected a floating tensor, got int64"),
    refused("clip", lambda x: ops.clip(x), (2,), message="^clip: give min, max or both"),
    refused("gelu", lambda x: ops.gelu(x, "erf"), (2,), message="^gelu: approximate is 'none' or "),
    refused("where", lambda x: ops.where(x, 1, 2), (2,), error=TypeError,
            message="^where: condition is float32, expected bool"),
)  # fmt: skip
