"""Pooling."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opcase import OpCase, Refusal, distinct, given, normal, refused

from pydl import ops

POOLS: tuple[tuple[Any, ...], ...] = (  # x, kernel, stride, padding, ceil_mode
    ((1, 1, 4, 4), 2, None, 0, False),
    ((2, 3, 5, 5), 3, 2, 1, False),
    ((1, 2, 5, 6), (2, 3), (1, 2), (1, 0), True),
    ((1, 1, 6, 6), 3, 2, 0, True),
    ((1, 2, 7, 5), 2, 3, 0, False),
    ((0, 2, 4, 4), 2, None, 0, False),
    ((5, 33, 24, 24), 2, None, 0, False),
    ((2, 17, 31, 33), 3, 2, 1, True),
)


def pools() -> Iterable[OpCase]:
    for x, kernel, stride, padding, ceil in POOLS:
        how = f"{x}, {kernel}, {stride}, {padding}{', ceil' * ceil}"
        o = (kernel, stride, padding)
        call = given(ops.max_pool2d, *o, ceil_mode=ceil)
        yield OpCase(f"max_pool2d[{how}]", call, (distinct(*x),), k_grad=9)
        for count in (True, False):
            call = given(ops.avg_pool2d, *o, ceil, count)
            yield OpCase(f"avg_pool2d[{how}, {count}]", call, (normal(*x),), k=9, k_grad=9)
    call = given(ops.max_pool2d, 2, 1, 0, 2)
    yield OpCase("max_pool2d[dilated]", call, (distinct(1, 2, 5, 5),), k_grad=4)
    call = given(ops.avg_pool2d, 2, divisor_override=3)
    yield OpCase("avg_pool2d[divisor]", call, (normal(1, 2, 5, 5),), k=4, k_grad=4)
    for x, size in (((1, 2, 5, 7), 1), ((1, 2, 5, 7), (3, 2)), ((1, 1, 3, 3), (5, None)),
                    ((9, 32, 15, 16), (7, 7))):  # fmt: skip
        call = given(ops.adaptive_avg_pool2d, size)
        n = x[2] * x[3]
        yield OpCase(f"adaptive_avg_pool2d[{x}, {size}]", call, (normal(*x),), k=n, k_grad=9)


CASES: tuple[OpCase, ...] = (*pools(),)


ERRORS: tuple[Refusal, ...] = (
    refused("max_pool2d", lambda x: ops.max_pool2d(x, 2, padding=2), (1, 1, 4, 4),
            message=r"^max_pool2d: padding \(2, 2\) is more than half of kernel_size \(2, 2\)"),
    refused("avg_pool2d", lambda x: ops.avg_pool2d(x, 2, divisor_override=0), (1, 1, 4, 4),
            message="^avg_pool2d: divisor_override must be positive, got 0"),
    refused("avg_pool2d", lambda x: ops.avg_pool2d(x, 2), (4, 4), message="^avg_pool2d: x is"),
    refused("adaptive_avg_pool2d", lambda x: ops.adaptive_avg_pool2d(x, 2), (1, 1, 0, 4),
            message=r"^adaptive_avg_pool2d: there is nothing in \(1, 1, 0, 4\)"),
)  # fmt: skip
