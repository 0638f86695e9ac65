"""What is largest, smallest or in the middle, and where."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from opcase import (
    BIG,
    NUMBERS,
    SAME,
    TAILS,
    TO_INT64,
    OpCase,
    Refusal,
    Rule,
    constant,
    distinct,
    given,
    grid,
    normal,
    refused,
)

import pydl
from cases.reduce import REDUCED
from pydl import Tensor, ops

PAIRS = ((ops.max, ops.amax, ops.argmax), (ops.min, ops.amin, ops.argmin))


def values(x: Tensor, fn: Callable[..., Any], *how: Any) -> Tensor:
    """The values of `fn` along a dimension."""
    return fn(x, *how).values


def indices(x: Tensor, fn: Callable[..., Any], *how: Any) -> Tensor:
    """The indices of `fn` along a dimension."""
    return fn(x, *how).indices


def extremes() -> Iterable[OpCase]:
    for keepdim in (False, True):
        for shape, dim in REDUCED:
            how = f"{shape}, {dim}{', keepdim' * keepdim}"
            for best, over, arg in PAIRS:
                call = given(over, dim, keepdim)
                yield OpCase(f"{over.__name__}[{how}]", call, (distinct(*shape),))
                if isinstance(dim, tuple):
                    continue
                if dim is not None:
                    call = given(values, best, dim, keepdim)
                    yield OpCase(f"{best.__name__}[{how}]", call, (distinct(*shape),))
                elif not keepdim:
                    yield OpCase(f"{best.__name__}[{how}]", best, (distinct(*shape),))
                call = given(arg, dim, keepdim)
                yield OpCase(f"{arg.__name__}[{how}]", call, (grid(*shape),), grads=())
    for best, over, arg in PAIRS:
        for n in TAILS[1:]:
            for shape, dim in (((3, n), 1), ((n, 3), 0)):
                yield OpCase(
                    f"{arg.__name__}[tail {shape}, {dim}]",
                    given(arg, dim),
                    (grid(*shape),),
                    grads=(),
                )
        for shape, dim in (((2, BIG), 1), ((2 * BIG, 1), 0), ((1, 3000, 65), 1)):
            yield OpCase(f"{arg.__name__}[split {shape}]", given(arg, dim), (grid(*shape),),
                         grads=())  # fmt: skip
        yield OpCase(f"{over.__name__}[equal]", given(over, 1), (grid(3, 8),), smooth=False)
        yield OpCase(f"{over.__name__}[(), 0]", given(over, 0), (normal(),))
        yield OpCase(f"{over.__name__}[(0, 3), 1]", given(over, 1), (normal(0, 3),))
        yield OpCase(f"{best.__name__}[equal]", best, (grid(3, 8),), smooth=False)
        yield OpCase(f"{best.__name__}[(), 0]", given(values, best, 0), (normal(),))
        yield OpCase(f"{best.__name__}[(0, 3), 1]", given(values, best, 1), (normal(0, 3),))
        yield OpCase(f"{best.__name__}[indices]", given(indices, best, 1, True), (grid(3, 8),),
                     grads=())  # fmt: skip
        yield OpCase(f"{best.__name__}[two]", best, (distinct(3, 4), normal(4)), k_grad=3)
        yield OpCase(f"{arg.__name__}[(), 0]", given(arg, 0), (normal(),), grads=())


def middles() -> Iterable[OpCase]:
    for shape, dim in (((), None), ((7,), None), ((8,), 0), ((3, 5, 4), 1), ((4, 101), -1),
                       ((101, 4), 0), ((2, 6), None), ((0, 3), 1)):  # fmt: skip
        call = ops.median if dim is None else given(values, ops.median, dim)
        yield OpCase(f"median[{shape}, {dim}]", call, (distinct(*shape),))
    yield OpCase("median[keepdim]", given(values, ops.median, 1, True), (distinct(3, 4),))
    yield OpCase("median[(), -1]", given(values, ops.median, -1, True), (normal(),))
    yield OpCase("median[indices]", given(indices, ops.median, 0), (distinct(6, 3),), grads=())
    yield OpCase("median[empty]", ops.median, (normal(0),), grads=())
    nan = np.array([[1.0, np.nan, 3.0], [4.0, 5.0, 6.0]])
    yield OpCase("median[NaN]", given(values, ops.median, 1), (constant(nan),), grads=())


CASES: tuple[OpCase, ...] = (*extremes(), *middles())


DTYPES: dict[str, Rule | None] = {
    "amax": SAME,
    "amin": SAME,
    "argmax": TO_INT64,
    "argmin": TO_INT64,
    "max": SAME,
    "median": NUMBERS,
    "min": SAME,
}


ERRORS: tuple[Refusal, ...] = (
    refused("max", ops.max, (0, 3), message=r"^max: there is nothing in \(0, 3\)"),
    refused("max", lambda x: ops.max(x, 0), (0, 3), message=r"^max: dimension 0 of \(0, 3\) is e"),
    refused("min", ops.min, (0, 3), message=r"^min: there is nothing in \(0, 3\)"),
    refused("min", lambda x: ops.min(x, 1), (), error=IndexError,
            message="^min: dim 1 is out of range"),
    refused("amax", lambda x: ops.amax(x, (0, 1)), (0, 3, 2),
            message=r"^amax: there is nothing in \(0, 3, 2\) over dim \(0, 1\)"),
    refused("amin", lambda x: ops.amin(x, 0), (0, 3), message=r"^amin: there is nothing in \(0"),
    refused("argmax", lambda x: ops.argmax(x, 0), (0, 3),
            message=r"^argmax: dimension 0 of \(0, 3\) is empty"),
    refused("argmin", ops.argmin, (0, 3), message="^argmin: dimension 0 of "),
    refused("median", lambda x: ops.median(x, 0), (0, 3), message=r"^median: dimension 0 of \(0"),
    Refusal("median", lambda d: ops.median(ops.ones(3, dtype=pydl.bool_, device=d)), TypeError,
            "^median: expected numbers, got bool"),
)  # fmt: skip
