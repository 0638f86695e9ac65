"""Sums, products, truth and expand."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from opcase import (
    BIG,
    FLOATING,
    SAME,
    SUMMED,
    TAILS,
    TO_BOOL,
    TO_INT64,
    OpCase,
    Refusal,
    Rule,
    coins,
    constant,
    given,
    ids,
    normal,
    refused,
    terms,
    uniform,
)

import pydl
from pydl import ops

REDUCED: tuple[tuple[tuple[int, ...], Any], ...] = (
    ((), None),
    ((1,), None),
    ((17,), 0),
    ((1003,), None),
    ((3, 5, 7), 0),
    ((3, 5, 7), 1),
    ((3, 5, 7), -1),
    ((2, 3, 4), (0, 2)),
    ((2, 3, 4), (0, 1)),
    ((2, 3, 4), None),
    ((2, 3, 2, 3), (0, 2)),
    ((2, 1, 3), (0, 2)),
    ((4, 1), 1),
    ((300, 401), 0),
    ((300, 401), 1),
    ((8, 33, 17, 19), (0, 2, 3)),
    ((BIG,), None),
)


def length(shape: tuple[int, ...], dim: Any) -> int:
    """How many elements a reduction over `dim` sees."""
    dims = range(len(shape)) if dim is None else (dim,) if isinstance(dim, int) else dim
    return max(1, math.prod(shape[d] for d in dims))


def reductions() -> Iterable[OpCase]:
    for keepdim in (False, True):
        for shape, dim in REDUCED:
            n, how = length(shape, dim), f"{shape}, {dim}{', keepdim' * keepdim}"
            for fn in (ops.sum, ops.mean):
                call = given(fn, dim, keepdim)
                yield OpCase(f"{fn.__name__}[{how}]", call, (terms(*shape),), k=n)
            if n <= 2000:
                factors = uniform(0.9, 1.1, *shape)
                call = given(ops.prod, dim, keepdim)
                yield OpCase(f"prod[{how}]", call, (factors,), k=n, k_grad=n)
            for fn in (ops.any, ops.all):
                flags = coins(*shape, chance=0.1 if fn is ops.any else 0.9)
                yield OpCase(f"{fn.__name__}[{how}]", given(fn, dim, keepdim), (flags,))
            if not keepdim:
                yield OpCase(f"count_nonzero[{how}]", given(ops.count_nonzero, dim),
                             (coins(*shape),))  # fmt: skip
    for n in TAILS:
        yield OpCase(f"sum[{n}]", ops.sum, (terms(n),), k=max(n, 1))
        yield OpCase(f"sum[3 rows of {n}, 0]", given(ops.sum, 0), (terms(3, n),), k=3)
        yield OpCase(f"sum[{n}x3, 0]", given(ops.sum, 0), (terms(n, 3),), k=max(n, 1))
        if n > 0:
            yield OpCase(f"mean[5 rows of {n}, 1]", given(ops.mean, 1), (terms(5, n),), k=n)
    for shape, to in (((3, 1), (2, 3, 4)), ((), (5,)), ((1, 1), (300, 401)), ((1, 0), (2, 0))):
        yield OpCase(
            f"expand[{shape}, {to}]",
            given(ops.expand, to),
            (normal(*shape),),
            k_grad=math.prod(to),
        )


def corners() -> Iterable[OpCase]:
    """Empty and 0-d tensors, dims that mean all or none, zeros among factors, other dtypes."""
    for fn in (ops.sum, ops.mean, ops.prod):
        name = fn.__name__
        yield OpCase(f"{name}[(), -1]", given(fn, -1, True), (normal(),))
        yield OpCase(f"{name}[(2, 3), ()]", given(fn, ()), (terms(2, 3),), k=6, k_grad=6)
        grads = () if fn is ops.mean else None
        yield OpCase(f"{name}[(0, 3), 0]", given(fn, 0), (normal(0, 3),), grads=grads)
        yield OpCase(f"{name}[(0, 3), 1]", given(fn, 1), (normal(0, 3),))
        call = given(fn, (0, 1))
        yield OpCase(f"{name}[(3, 0, 2), (0, 1)]", call, (normal(3, 0, 2),), grads=grads)
        if fn is not ops.mean:
            call = given(fn, 0, dtype=pydl.int32)
            yield OpCase(f"{name}[int32]", call, (normal(5, 3, scale=3),), grads=())
    yield OpCase("mean[of int64]", given(ops.mean, dtype=pydl.float32), (coins(4, 5),), k=20)
    for zeros in (1, 2, 3):
        x = np.array([[1.5, -2.0, 0.5, 3.0], [1.0, 2.0, -0.5, 0.25]])
        x[0, 1 : 1 + zeros] = 0
        yield OpCase(f"prod[{zeros} zeros, 1]", given(ops.prod, 1), (constant(x),), k_grad=4)
        yield OpCase(f"prod[{zeros} zeros]", ops.prod, (constant(x),), k_grad=8)
        yield OpCase(f"prod[{zeros} zeros, 0]", given(ops.prod, 0), (constant(x),), k_grad=4)
    for fn in (ops.any, ops.all):
        yield OpCase(f"{fn.__name__}[(2, 3), ()]", given(fn, ()), (coins(2, 3),))
        yield OpCase(f"{fn.__name__}[(0, 3), 0]", given(fn, 0), (coins(0, 3),))


CASES: tuple[OpCase, ...] = (*reductions(), *corners())


TRUTH: Rule = {**TO_BOOL, "uint8": "uint8"}
DTYPES: dict[str, Rule | None] = {
    "all": TRUTH,
    "any": TRUTH,
    "count_nonzero": TO_INT64,
    "expand": SAME,
    "mean": FLOATING,
    "prod": SUMMED,
    "sum": SUMMED,
}


ERRORS: tuple[Refusal, ...] = (
    refused("sum", lambda x: ops.sum(x, 3), (2, 3), error=IndexError,
            message="^sum: dim 3 is out of range for 2 dimensions"),
    refused("sum", lambda x: ops.sum(x, (1, -1)), (2, 3), message="^sum: dim .* names a"),
    refused("sum", lambda x: ops.sum(x, (0, -1)), (), message="^sum: dim .* names a"),
    refused("prod", lambda x: ops.prod(x, -3), (2, 3), error=IndexError,
            message="^prod: dim -3 is out of range for 2 dimensions"),
    refused("any", lambda x: ops.any(x, 1), (2,), error=IndexError,
            message="^any: dim 1 is out of range"),
    refused("all", lambda x: ops.all(x, 1), (2,), error=IndexError,
            message="^all: dim 1 is out of range"),
    refused("count_nonzero", lambda x: ops.count_nonzero(x, 1), (2,), error=IndexError,
            message="^count_nonzero: dim 1 is out of range"),
    Refusal("mean", lambda d: ops.mean(ids((2,), 1, d)), TypeError,
            r"^mean: x is int64, expected float32; use \.float\(\)"),
    refused("mean", lambda x: ops.mean(x, dtype=pydl.int64), (2,), error=TypeError,
            message="^mean: x is int64, expected float32"),
    refused("expand", lambda x: ops.expand(x, (4,)), (2, 3),
            message=r"^expand: \(2, 3\) does not broadcast to \(4,\)"),
)  # fmt: skip
