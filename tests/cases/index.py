"""Indexing."""

from __future__ import annotations

import math
from collections.abc import Iterable

from opcase import OpCase, Refusal, coins, given, ids, normal, refused, whole

from pydl import ops


def indexing() -> Iterable[OpCase]:
    for x, dim, index in (((5, 3), 0, (4,)), ((3, 5), 1, (2, 3)), ((2, 3, 4), 1, ()),
                          ((2, 3, 4), -1, (0,)), ((1000, 64), 0, (3000,)),
                          ((4, 257, 33), 1, (300,))):  # fmt: skip
        k = max(1, math.prod(index))
        indices = whole(-x[dim], x[dim], *index)
        yield OpCase(f"index_select[{x}, {dim}, {index}]",
                     lambda t, i, d=dim: ops.index_select(t, d, i), (normal(*x), indices),
                     k_grad=k)  # fmt: skip
    for x, dim, index in (((5, 3), 0, (2, 3)), ((5, 3), 1, (4, 6)), ((2, 3, 4), 1, (2, 5, 3)),
                          ((4,), 0, (9,)), ((300, 400), 1, (300, 7)),
                          ((65, 33, 17), 0, (80, 33, 17))):  # fmt: skip
        indices = whole(-x[dim], x[dim], *index)
        yield OpCase(f"gather[{x}, {dim}, {index}]", lambda t, i, d=dim: ops.gather(t, d, i),
                     (normal(*x), indices), k_grad=index[dim])  # fmt: skip
    yield OpCase("index_select[x[i, j]]", lambda t, i, j: t[i, j],
                 (normal(4, 5, 2), whole(-4, 4, 3), whole(-5, 5, 2, 1)), k_grad=6)  # fmt: skip
    yield OpCase("index_select[x[mask]]", lambda t, m: t[m], (normal(4, 5), coins(4, 5)),
                 replay=False)  # fmt: skip
    yield OpCase("index_select[x[:, mask]]", lambda t, m: t[:, m], (normal(4, 5), coins(5)),
                 replay=False)  # fmt: skip
    yield OpCase("one_hot[]", given(ops.one_hot, 5), (whole(-1, 7, 3, 4),))
    yield OpCase("nonzero[]", lambda m: ops.nonzero(m)[1], (coins(7, 5),), replay=False)


CASES: tuple[OpCase, ...] = (*indexing(),)


ERRORS: tuple[Refusal, ...] = (
    refused("index_select", lambda x: ops.index_select(x, 0, x), (3,), error=TypeError,
            message="^index_select: index is float32, expected integers"),
    Refusal("index_select", lambda d: ops.index_select(ops.ones(3, device=d), 0, ids((1,), 3, d)),
            IndexError, "3"),
    Refusal("gather", lambda d: ops.gather(ops.ones(3, 2, device=d), 0, ids((1,), 0, d)),
            ValueError, r"^gather: index \(1,\) does not fit x \(3, 2\)"),
    Refusal("gather", lambda d: ops.gather(ops.ones(3, device=d), 0, ids((1,), -4, d)),
            IndexError, "-?[14]"),
)  # fmt: skip
