"""Reductions and expand."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from opcase import (
    BIG,
    TAILS,
    OpCase,
    Refusal,
    coins,
    distinct,
    given,
    grid,
    ids,
    normal,
    refused,
    terms,
    uniform,
)

from pydl import Tensor, ops

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
            if 1 < n <= 2000:
                for fn in (ops.var, ops.std):
                    call = given(fn, dim, keepdim=keepdim)
                    yield OpCase(f"{fn.__name__}[{how}]", call, (normal(*shape),), k=n, k_grad=n)
            if n <= 2000:
                factors = uniform(0.9, 1.1, *shape)
                call = given(ops.prod, dim, keepdim)
                yield OpCase(f"prod[{how}]", call, (factors,), k=n, k_grad=n)
            for fn in (ops.any, ops.all):
                flags = coins(*shape, chance=0.1 if fn is ops.any else 0.9)
                yield OpCase(f"{fn.__name__}[{how}]", given(fn, dim, keepdim), (flags,))
            yield from extremes(shape, dim, keepdim, how)
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


def largest(x: Tensor, fn: Callable[..., Any], *how: Any) -> Tensor:
    """The values of max or min."""
    return fn(x, *how).values


def extremes(shape: Any, dim: Any, keepdim: bool, how: str) -> Iterable[OpCase]:
    """max, min, argmax, argmin, where they take such a `dim`."""
    if isinstance(dim, tuple):
        return
    for fn, arg in ((ops.max, ops.argmax), (ops.min, ops.argmin)):
        if dim is not None:
            call = given(largest, fn, dim, keepdim)
            yield OpCase(f"{fn.__name__}[{how}]", call, (distinct(*shape),))
        elif not keepdim:
            yield OpCase(f"{fn.__name__}[{how}]", fn, (distinct(*shape),))
        call = given(arg, dim, keepdim)
        yield OpCase(f"{arg.__name__}[{how}]", call, (grid(*shape),), grads=())


CASES: tuple[OpCase, ...] = (*reductions(),)


ERRORS: tuple[Refusal, ...] = (
    refused("sum", lambda x: ops.sum(x, 3), (2, 3), error=IndexError,
            message="^sum: dim 3 is out of range for 2 dimensions"),
    refused("sum", lambda x: ops.sum(x, (1, -1)), (2, 3), message="^sum: dim .* names a"),
    Refusal("mean", lambda d: ops.mean(ids((2,), 1, d)), TypeError,
            r"^mean: expected a floating tensor, got int64; use \.float\(\)"),
    refused("max", ops.max, (0, 3), message=r"^max: there is nothing in \(0, 3\)"),
    refused("argmax", lambda x: ops.argmax(x, 0), (0, 3),
            message=r"^argmax: dimension 0 of \(0, 3\) is empty"),
    refused("expand", lambda x: ops.expand(x, (4,)), (2, 3),
            message=r"^expand: \(2, 3\) does not broadcast to \(4,\)"),
)  # fmt: skip
