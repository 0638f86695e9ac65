"""Pooling."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from opcase import (
    FLOATING,
    KernelCase,
    OpCase,
    Refusal,
    Rule,
    distinct,
    given,
    grid,
    ids,
    normal,
    refused,
    uniform,
    whole,
)

from pydl import Tensor, ops

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


SIGNALS: tuple[tuple[Any, ...], ...] = (  # x, kernel, stride, padding, ceil_mode
    ((2, 3, 9), 3, 2, 1, True),
    ((3, 8), 2, None, 0, False),
    ((7, 19, 101), 5, 3, 2, False),
)
CELLS: tuple[tuple[Any, ...], ...] = (  # x, output_size
    ((1, 2, 5, 7), 1),
    ((1, 2, 5, 7), (3, 2)),
    ((2, 3, 3), (5, None)),
    ((0, 2, 3, 3), 2),
    ((1, 2, 3, 3), (2, 0)),
    ((9, 32, 15, 16), (7, 7)),
    ((33, 129, 7, 7), 1),
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
    for x, kernel, stride, padding, ceil in SIGNALS:
        how = f"{x}, {kernel}, {stride}, {padding}{', ceil' * ceil}"
        o = (kernel, stride, padding)
        call = given(ops.max_pool1d, *o, ceil_mode=ceil)
        yield OpCase(f"max_pool1d[{how}]", call, (distinct(*x),), k_grad=5)
        call = given(ops.avg_pool1d, *o, ceil, False)
        yield OpCase(f"avg_pool1d[{how}]", call, (normal(*x),), k=5, k_grad=5)
    for fn, x in ((ops.max_pool2d, (1, 2, 5, 5)), (ops.max_pool1d, (2, 2, 9))):
        call = given(fn, 2, 1, 0, 2)
        yield OpCase(f"{fn.__name__}[dilated]", call, (distinct(*x),), k_grad=4)
    yield OpCase("max_pool2d[an empty window]", given(ops.max_pool2d, 2, 2, 1, 3, True),
                 (distinct(2, 3, 4),))  # fmt: skip
    for n in (3, -2):
        call = given(ops.avg_pool2d, 2, divisor_override=n)
        yield OpCase(f"avg_pool2d[divisor {n}]", call, (normal(2, 5, 5),), k=4, k_grad=4)
    for p in (1.0, 2.0, 3):
        call = given(ops.lp_pool2d, p, (2, 3), ceil_mode=True)
        yield OpCase(f"lp_pool2d[{p}]", call, (uniform(0.5, 2, 1, 2, 5, 4),), k=9, k_grad=9)
        call = given(ops.lp_pool1d, p, 3, 2)
        yield OpCase(f"lp_pool1d[{p}]", call, (uniform(0.5, 2, 2, 2, 8),), k=9, k_grad=9)


def winners(fn: Any, *arguments: Any) -> Any:
    """Only the indices."""
    return lambda x: fn(x, *arguments, return_indices=True)[1]


def places() -> Iterable[OpCase]:
    for name, fn, x, arguments in (
        ("max_pool2d", ops.max_pool2d, (2, 3, 9, 7), (3, 2, 1)),
        ("max_pool2d[steps]", ops.max_pool2d, (2, 3, 40, 41), (3, 1)),
        ("max_pool1d", ops.max_pool1d, (2, 3, 33), (2,)),
        ("adaptive_max_pool2d", ops.adaptive_max_pool2d, (2, 3, 9, 7), ((4, 3),)),
        ("adaptive_max_pool1d", ops.adaptive_max_pool1d, (3, 33), (7,)),
    ):
        op = name.split("[")[0]
        yield OpCase(f"{op}[indices, {x}]", winners(fn, *arguments), (grid(*x),), grads=())
    yield OpCase("max_unpool2d[]", unpooled(ops.max_pool2d, ops.max_unpool2d, 2, None, (5, 7)),
                 (distinct(1, 2, 5, 7),))  # fmt: skip
    yield OpCase("max_unpool2d[3, 2]", unpooled(ops.max_pool2d, ops.max_unpool2d, 3, 2, None),
                 (distinct(2, 4, 5, 7),), smooth=False)  # fmt: skip
    yield OpCase("max_unpool2d[big]", unpooled(ops.max_pool2d, ops.max_unpool2d, 2, None, None),
                 (distinct(9, 31, 22, 24),))  # fmt: skip
    yield OpCase("max_unpool1d[]", unpooled(ops.max_pool1d, ops.max_unpool1d, 3, 3, (2, 3, 10)),
                 (distinct(2, 3, 10),))  # fmt: skip
    yield OpCase("max_unpool1d[given]", lambda x, i: ops.max_unpool1d(x, i, 2),
                 (normal(2, 2), lambda r: np.array([[0, 3], [2, 1]])))  # fmt: skip


def unpooled(pool: Any, unpool: Any, kernel: Any, stride: Any, size: Any) -> Any:
    """Pooled and unpooled again."""

    def call(x: Tensor) -> Tensor:
        y, indices = pool(x, kernel, stride, return_indices=True)
        return unpool(y * y, indices, kernel, stride, 0, size)  # type: ignore[no-any-return]

    return call


def cells() -> Iterable[OpCase]:
    for x, size in CELLS:
        n = max(1, x[-2] * x[-1])
        call = given(ops.adaptive_avg_pool2d, size)
        yield OpCase(f"adaptive_avg_pool2d[{x}, {size}]", call, (normal(*x),), k=n, k_grad=9)
        call = given(ops.adaptive_max_pool2d, size)
        yield OpCase(f"adaptive_max_pool2d[{x}, {size}]", call, (distinct(*x),), k_grad=9)
    for x, n in (((2, 3, 7), 3), ((3, 7), 1), ((2, 1, 2), 5)):
        call = given(ops.adaptive_avg_pool1d, n)
        yield OpCase(f"adaptive_avg_pool1d[{x}, {n}]", call, (normal(*x),), k=7, k_grad=5)
        call = given(ops.adaptive_max_pool1d, n)
        yield OpCase(f"adaptive_max_pool1d[{x}, {n}]", call, (distinct(*x),), k_grad=5)


CASES: tuple[OpCase, ...] = (*pools(), *places(), *cells())
KERNELS: tuple[KernelCase, ...] = (
    KernelCase("max_unpool2d[twice the same]",
               {"x": normal(7, 3, 5), "indices": whole(0, 9, 7, 3, 5), "y": normal(7, 3, 3)}),
)  # fmt: skip
DTYPES: dict[str, Rule | None] = dict.fromkeys(
    (
        *(f"{kind}_pool{n}d" for kind in ("max", "avg", "lp") for n in (1, 2)),
        *(f"adaptive_{kind}_pool{n}d" for kind in ("max", "avg") for n in (1, 2)),
        "max_unpool1d",
        "max_unpool2d",
    ),
    FLOATING,
)


def at(value: int, *shape: int) -> Any:
    """x of such a shape and one index for all of it."""
    return lambda d: (ops.ones(shape, device=d), ids(shape, value, d))


ERRORS: tuple[Refusal, ...] = (
    refused("max_pool1d", lambda x: ops.max_pool1d(x, 2), (1, 1, 4, 4),
            message=r"^max_pool1d: x is \(N, C, L\) or \(C, L\), got \(1, 1, 4, 4\)"),
    refused("max_pool1d", lambda x: ops.max_pool1d(x, 5), (1, 4),
            message="^max_pool1d: a window of 5 is larger than the padded input of 4"),
    refused("max_pool2d", lambda x: ops.max_pool2d(x, 2, padding=2), (1, 1, 4, 4),
            message="^max_pool2d: padding 2 is more than half of kernel_size 2"),
    refused("max_pool2d", lambda x: ops.max_pool2d(x, 2, 0), (1, 1, 4, 4),
            message="^max_pool2d: stride is an int or a pair of at least 1, got 0"),
    refused("max_pool2d", lambda x: ops.max_pool2d(x, 2), (2, 0, 4, 4),
            message=r"^max_pool2d: there is nothing in \(2, 0, 4, 4\)"),
    refused("avg_pool1d", lambda x: ops.avg_pool1d(x, (2, 2)), (1, 4),
            message="^avg_pool1d: kernel_size is an int of at least 1"),
    refused("avg_pool2d", lambda x: ops.avg_pool2d(x, 2, divisor_override=0), (1, 1, 4, 4),
            message="^avg_pool2d: divisor_override is 0"),
    refused("avg_pool2d", lambda x: ops.avg_pool2d(x, 2), (4, 4), message="^avg_pool2d: x is"),
    refused("lp_pool1d", lambda x: ops.lp_pool1d(x, 2, 2), (4,), message="^lp_pool1d: x is"),
    refused("lp_pool2d", lambda x: ops.lp_pool2d(x, 0, 2), (1, 4, 4),
            message="^lp_pool2d: norm_type is 0"),
    refused("adaptive_avg_pool1d", lambda x: ops.adaptive_avg_pool1d(x, -1), (1, 4),
            message="^adaptive_avg_pool1d: output_size is an int of at least 0, got -1"),
    refused("adaptive_avg_pool2d", lambda x: ops.adaptive_avg_pool2d(x, 2), (1, 1, 0, 4),
            message=r"^adaptive_avg_pool2d: there is nothing in \(1, 1, 0, 4\)"),
    refused("adaptive_max_pool1d", lambda x: ops.adaptive_max_pool1d(x, 2), (2, 0, 4),
            message="^adaptive_max_pool1d: there is nothing"),
    refused("adaptive_max_pool2d", lambda x: ops.adaptive_max_pool2d(x, (1, 2, 3)), (1, 4, 4),
            message="^adaptive_max_pool2d: output_size is an int or a pair"),
    Refusal("max_unpool1d", lambda d: ops.max_unpool1d(*at(4, 1, 2)(d), 2), IndexError,
            "^max_unpool2d: indices hold"),
    Refusal("max_unpool1d", lambda d: ops.max_unpool1d(*at(0, 1, 2)(d), 2, 2, 0, (6,)), ValueError,
            r"^max_unpool1d: output_size \(6,\) is a stride or more from \(4,\)"),
    Refusal("max_unpool2d", lambda d: ops.max_unpool2d(*at(-1, 1, 2, 2)(d), 2), IndexError,
            "^max_unpool2d: indices hold"),
    Refusal("max_unpool2d", lambda d: ops.max_unpool2d(ops.ones(1, 2, 2, device=d),
            ops.ones(1, 2, 2, device=d), 2), TypeError, "^max_unpool2d: indices are int64, got f"),
    Refusal("max_unpool2d", lambda d: ops.max_unpool2d(ops.ones(1, 2, 2, device=d),
            ids((1, 2, 1), 0, d), 2), ValueError, r"^max_unpool2d: indices \(1, 2, 1\) are not"),
)  # fmt: skip
