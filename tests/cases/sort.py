"""Sorting."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from opcase import (
    BIG,
    SAME,
    TO_INT64,
    OpCase,
    Refusal,
    Rule,
    coins,
    constant,
    distinct,
    given,
    grid,
    refused,
    whole,
)

from cases.extreme import indices, values
from pydl import ops

LINES = (
    ((), -1), ((1,), 0), ((7,), 0), ((3, 4), 0), ((3, 4), 1), ((2, 3, 4), 1), ((0, 3), 0),
    ((3, 0), 0), ((3, 40), 1), ((3, 41), 1), ((1003,), 0), ((100, 33), 0), ((1000, 10), 1),
)  # fmt: skip
SPECIAL = np.array([1.0, math.nan, -0.0, math.inf, 0.0, -math.inf, -1.0, math.nan, 0.0, -3e38])


def sorts() -> Iterable[OpCase]:
    for shape, dim in LINES:
        for descending in (False, True):
            how = f"{shape}, {dim}{', descending' * descending}"
            call: Callable[..., Any] = given(values, ops.sort, dim, descending)
            yield OpCase(f"sort[{how}]", call, (distinct(*shape),))
            call = given(ops.argsort, dim, descending)
            yield OpCase(f"argsort[{how}]", call, (grid(*shape),), grads=())
    for draw, name in ((whole(-9, 9, 3, 50), "int64"), (whole(-(2**62), 2**62, 99), "large"),
                       (coins(200), "bool"), (constant(SPECIAL), "special"),
                       (constant(np.tile(SPECIAL, 30)), "special, long"),
                       (grid(2, BIG), "big")):  # fmt: skip
        for descending in (False, True):
            call = given(ops.argsort, -1, descending)
            how = f"{name}{', descending' * descending}"
            yield OpCase(f"argsort[{how}]", call, (draw,), grads=())
    for shape, dim, k in (((), 0, 1), ((5,), 0, 0), ((5,), 0, 5), ((3, 10), 1, 3), ((10, 3), 0, 4),
                          ((2, 60, 3), 1, 7), ((4, 1000), -1, 5)):  # fmt: skip
        for largest in (True, False):
            call = given(values, ops.topk, k, dim, largest)
            yield OpCase(f"topk[{shape}, {k}, {dim}, {largest}]", call, (distinct(*shape),))
    yield OpCase("topk[indices]", given(indices, ops.topk, 3), (grid(4, 9),), grads=())


CASES: tuple[OpCase, ...] = (*sorts(),)


DTYPES: dict[str, Rule | None] = {"argsort": TO_INT64, "sort": SAME, "topk": SAME}


ERRORS: tuple[Refusal, ...] = (
    refused("sort", lambda x: ops.sort(x, 2), (2, 3), error=IndexError,
            message="^sort: dim 2 is out of range for 2 dimensions"),
    refused("argsort", lambda x: ops.argsort(x, 1), (2,), error=IndexError,
            message="^argsort: dim 1 is out of range"),
    refused("topk", lambda x: ops.topk(x, 4), (2, 3),
            message=r"^topk: k is 4, dimension 1 of \(2, 3\) has 3 elements"),
)  # fmt: skip
