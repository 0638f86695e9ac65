"""Running sums and products."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from opcase import (
    BIG,
    SUMMED,
    TAILS,
    KernelCase,
    OpCase,
    Refusal,
    Rule,
    constant,
    given,
    normal,
    refused,
    terms,
    uniform,
    whole,
)

import pydl
from pydl import ops

LINES = (
    ((), 0), ((5,), 0), ((3, 4), 0), ((3, 4), -1), ((2, 3, 4), 1), ((0, 3), 0), ((3, 0), 0),
    ((2, 300, 65), 1), ((300, 401), 1), ((300, 401), 0),
)  # fmt: skip


def scans() -> Iterable[OpCase]:
    for shape, dim in LINES:
        n = shape[dim] if shape else 1
        call = given(ops.cumsum, dim)
        yield OpCase(f"cumsum[{shape}, {dim}]", call, (terms(*shape),), k=max(n, 1), k_grad=n)
        call = given(ops.cumprod, dim)
        factors = uniform(0.95, 1.05, *shape)
        yield OpCase(f"cumprod[{shape}, {dim}]", call, (factors,), k=max(n, 1), k_grad=n)
    for n in TAILS[1:]:
        yield OpCase(f"cumsum[3x{n}]", given(ops.cumsum, 1), (terms(3, n),), k=n, k_grad=n)
        yield OpCase(f"cumprod[{n}x2]", given(ops.cumprod, 0), (uniform(0.9, 1.1, n, 2),), k=n,
                     k_grad=n)  # fmt: skip
    for shape, dim in (((2, BIG), 1), ((70_001, 2), 0)):
        yield OpCase(f"cumsum[split {shape}]", given(ops.cumsum, dim), (terms(*shape),), k=BIG,
                     k_grad=BIG)  # fmt: skip
    for zeros in (1, 2, 3):
        x = np.array([[1.5, -2.0, 0.5, 3.0, -1.0], [1.0, 2.0, -0.5, 0.25, 0.0]])
        x[0, 1 : 1 + zeros] = 0
        yield OpCase(f"cumprod[{zeros} zeros]", given(ops.cumprod, 1), (constant(x),), k_grad=5)
    for fn in (ops.cumsum, ops.cumprod):
        for dtype in (pydl.int32, pydl.uint8):
            call = given(fn, 0, dtype=dtype)
            yield OpCase(f"{fn.__name__}[{dtype.name}]", call, (whole(1, 3, 6, 3),))


def kernels() -> Iterable[KernelCase]:
    for outer, n, inner in ((3, 17, 1), (2, 9, 5), (1, 5, 131)):
        a, b, y = uniform(-1, 1, outer, n, inner), normal(outer, n, inner), normal(outer, n, inner)
        sizes = {"outer": outer, "n": n, "inner": inner}
        for reverse in (False, True):
            how = f"{outer}x{n}x{inner}{', reverse' * reverse}"
            options = {**sizes, "reverse": reverse}
            yield KernelCase(f"recurrence[{how}]", {"a": a, "b": b, "y": y}, options, k=n)
            yield KernelCase(f"cumprod[{how}]", {"x": a, "y": y}, options, k=n)
            yield KernelCase(f"cumsum[{how}]", {"x": a, "y": y}, options, k=n)


CASES: tuple[OpCase, ...] = (*scans(),)


KERNELS: tuple[KernelCase, ...] = tuple(kernels())


DTYPES: dict[str, Rule | None] = {"cumprod": SUMMED, "cumsum": SUMMED}


ERRORS: tuple[Refusal, ...] = (
    refused("cumsum", lambda x: ops.cumsum(x, 2), (2, 3), error=IndexError,
            message="^cumsum: dim 2 is out of range for 2 dimensions"),
    refused("cumprod", lambda x: ops.cumprod(x, 1), (), error=IndexError,
            message="^cumprod: dim 1 is out of range"),
)  # fmt: skip
