"""Op cases of random shapes and options, native against the oracle: what nobody thought of.

Seeded; `native` in the names has test_isa.py repeat them for every ISA.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from opcase import (
    OpCase,
    assert_gradients_near,
    assert_near,
    distinct,
    given,
    normal,
    terms,
    whole,
)

from pydl import Tensor, ops
from pydl.ops.matmul import gemm

REPEATS = 40
Rng = np.random.Generator


def pick(rng: Rng, *choices: Any) -> Any:
    return choices[rng.integers(len(choices))]


def window(rng: Rng, least: int = 1) -> dict[str, tuple[int, int]]:
    """Stride, padding and dilation."""
    names = {"stride": (1, 4), "padding": (0, 3), "dilation": (1, 3)}
    return {n: (int(rng.integers(*ends)), int(rng.integers(*ends))) for n, ends in names.items()}


def image_of(rng: Rng, kernel: tuple[int, int], how: dict[str, tuple[int, int]]) -> tuple[int, int]:
    """A size that the window fits into."""
    spans = [
        d * (k - 1) + 1 - 2 * p
        for k, d, p in zip(kernel, how["dilation"], how["padding"], strict=True)
    ]
    h, w = (max(1, s) + int(rng.integers(0, 40 if rng.random() < 0.3 else 6)) for s in spans)
    return h, w


def convolution(rng: Rng, name: str) -> OpCase:
    how: dict[str, Any] = window(rng)
    kernel = int(rng.integers(1, 6)), int(rng.integers(1, 6))
    groups = pick(rng, 1, 1, 1, 2, 3)
    c, o = groups * int(rng.integers(1, 20)), groups * int(rng.integers(1, 20))
    n, size = int(rng.integers(1, 5)), image_of(rng, kernel, how)
    inputs = [normal(n, c, *size), normal(o, c // groups, *kernel), normal(o)]
    taps = math.prod(kernel)
    longest = max(n * size[0] * size[1], o * taps)
    call = given(ops.conv2d, **how, groups=groups)
    used = tuple(inputs[: pick(rng, 2, 3)])
    return OpCase(name, call, used, k=c // groups * taps + 1, k_grad=longest)


def pooling(rng: Rng, name: str) -> OpCase:
    how = window(rng)
    kernel = int(rng.integers(1, 6)), int(rng.integers(1, 6))
    how["padding"] = tuple(min(p, k // 2) for p, k in zip(how["padding"], kernel, strict=True))
    ceil = bool(rng.random() < 0.5)
    planes = int(rng.integers(1, 4)), int(rng.integers(1, 9))
    taps = math.prod(kernel)
    if rng.random() < 0.5:
        x = distinct(*planes, *image_of(rng, kernel, how))
        call = given(ops.max_pool2d, kernel, **how, ceil_mode=ceil)
        return OpCase(name, call, (x,), k_grad=taps)
    how["dilation"] = (1, 1)
    x = normal(*planes, *image_of(rng, kernel, how))
    del how["dilation"]
    options = {"ceil_mode": ceil, "count_include_pad": bool(rng.random() < 0.5)}
    call = given(ops.avg_pool2d, kernel, **how, **options)
    return OpCase(name, call, (x,), k=taps, k_grad=taps)


def adaptive(rng: Rng, name: str) -> OpCase:
    size = int(rng.integers(1, 30)), int(rng.integers(1, 30))
    out = int(rng.integers(1, 12)), int(rng.integers(1, 12))
    call = given(ops.adaptive_avg_pool2d, out)
    k = math.prod(-(-n // m) + 1 for n, m in zip(size, out, strict=True))
    back = math.prod(-(-m // n) + 1 for n, m in zip(size, out, strict=True))
    return OpCase(name, call, (normal(2, 3, *size),), k=k, k_grad=back)


def columns(rng: Rng, name: str) -> OpCase:
    how: dict[str, Any] = window(rng)
    kernel = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    x = normal(2, int(rng.integers(1, 5)), *image_of(rng, kernel, how))
    return OpCase(name, given(ops.unfold, kernel, **how), (x,), k_grad=math.prod(kernel))


def product(rng: Rng, name: str) -> OpCase:
    m, n, k = (int(rng.integers(1, pick(rng, 8, 40, 300))) for _ in range(3))
    ta, tb = bool(rng.random() < 0.5), bool(rng.random() < 0.5)
    lead = pick(rng, (), (), (int(rng.integers(1, 6)),))
    a, b = ((k, m) if ta else (m, k)), ((n, k) if tb else (k, n))
    inputs = (normal(*lead, *a), normal(*lead, *b))
    return OpCase(name, given(gemm, ta, tb), inputs, k=k, k_grad=max(m, n))


def some_shape(rng: Rng, rank: int) -> tuple[int, ...]:
    most = {0: 1, 1: 5000, 2: 200, 3: 40, 4: 12}.get(rank, 5)
    return tuple(pick(rng, 1, int(rng.integers(1, most + 1))) for _ in range(rank))


def reduction(rng: Rng, name: str) -> OpCase:
    shape = some_shape(rng, int(rng.integers(1, 6)))
    dims = tuple(i for i in range(len(shape)) if rng.random() < 0.5) or (0,)
    k = math.prod(shape[d] for d in dims)
    fn = pick(rng, ops.sum, ops.mean, ops.sum)
    return OpCase(name, given(fn, dims, bool(rng.random() < 0.5)), (terms(*shape),), k=k)


def broadcast(rng: Rng, name: str) -> OpCase:
    shape = some_shape(rng, int(rng.integers(1, 7)))

    def part() -> tuple[int, ...]:
        kept = tuple(1 if rng.random() < 0.3 else n for n in shape)
        return kept[int(rng.integers(0, 2)) :]

    inputs = (normal(*part()), normal(*part()))
    fn = pick(rng, ops.add, ops.sub, ops.mul)
    return OpCase(name, fn, inputs, k_grad=math.prod(shape))


def movement(rng: Rng, name: str) -> OpCase:
    rank = int(rng.integers(1, 6))
    shape = some_shape(rng, rank)
    order = tuple(int(d) for d in rng.permutation(rank))
    step = pick(rng, 1, 1, 2, -1, -3)
    key = tuple(slice(None, None, step if i == rank - 1 else pick(rng, 1, 1, -2)) for i in order)

    def fn(x: Tensor) -> Tensor:
        y = ops.permute(x, order)[key]
        return ops.cat([y, ops.flip(y, 0)], rank - 1)

    return OpCase(name, fn, (normal(*shape),), k_grad=2)


def probability(rng: Rng, name: str) -> OpCase:
    shape = some_shape(rng, int(rng.integers(1, 5)))
    dim = int(rng.integers(len(shape)))
    fn = pick(rng, ops.softmax, ops.log_softmax)
    return OpCase(name, given(fn, dim), (normal(*shape),), k=shape[dim], k_grad=shape[dim])


def lookup(rng: Rng, name: str) -> OpCase:
    shape = some_shape(rng, int(rng.integers(1, 5)))
    dim = int(rng.integers(len(shape)))
    k = int(rng.integers(1, 60))
    where = (*shape[:dim], k, *shape[dim + 1 :])
    inputs = (normal(*shape), whole(0, shape[dim], *where))
    return OpCase(name, lambda x, i: ops.gather(x, dim, i), inputs, k_grad=k)


MAKERS: list[Callable[[Rng, str], OpCase]] = [
    convolution, pooling, adaptive, columns, product, reduction, broadcast, movement, probability,
    lookup,
]  # fmt: skip


@pytest.mark.parametrize("i", range(REPEATS))
@pytest.mark.parametrize("make", MAKERS, ids=lambda f: f.__name__)
def test_native(make: Callable[[Rng, str], OpCase], i: int) -> None:
    case = make(np.random.default_rng([i, MAKERS.index(make)]), f"{make.__name__}[{i}]")
    got, want = (case.fn(*case.tensors(device)) for device in ("cpu", "numpy"))
    assert_near(got, want, case.k, whole=True, what=case.name)
    assert_gradients_near(case)
