"""Matrix products."""

from __future__ import annotations

import math
from collections.abc import Iterable

from opcase import KernelCase, OpCase, Refusal, given, normal, refused

from pydl import ops
from pydl.ops.matmul import gemm

MATMULS = (
    ((5,), (5,)),
    ((3, 4), (4,)),
    ((4,), (4, 3)),
    ((1, 1), (1, 1)),
    ((2, 3), (3, 4)),
    ((0, 3), (3, 4)),
    ((3, 0), (0, 4)),
    ((7, 15), (15, 9)),
    ((17, 33), (33, 31)),
    ((1, 100), (100, 65)),
    ((65, 100), (100, 1)),
    ((129, 300), (300, 257)),
    ((6, 2000), (2000, 8)),
    ((2, 3, 4), (4, 2)),
    ((2, 3, 4), (2, 4, 2)),
    ((2, 1, 3, 4), (3, 4, 2)),
    ((5, 31, 17), (5, 17, 33)),
    ((0, 3, 4), (0, 4, 2)),
)


def products() -> Iterable[OpCase]:
    for a, b in MATMULS:
        k = max(a[-1], 1)
        batch = math.prod(a[:-1]) * math.prod(b[:-2])  # bounds what a broadcast operand sums over
        long = max(batch, b[-1], 1)
        yield OpCase(f"matmul[{a}, {b}]", ops.matmul, (normal(*a), normal(*b)), k=k, k_grad=long)
    for ta in (False, True):
        for tb in (False, True):
            for m, n, k in ((3, 4, 5), (33, 47, 65), (130, 70, 257)):
                a, b = normal(*((k, m) if ta else (m, k))), normal(*((n, k) if tb else (k, n)))
                how = f"gemm {m}x{n}x{k}{' a.T' * ta}{' b.T' * tb}"
                call = given(gemm, ta, tb)
                yield OpCase(f"matmul[{how}]", call, (a, b), k=k, k_grad=max(m, n))
    for x, out in (((4, 3), 5), ((3,), 4), ((2, 3, 4), 1), ((33, 100), 65), ((130, 300), 200)):
        n, rows = x[-1], math.prod(x[:-1])
        inputs = (normal(*x), normal(out, n), normal(out))
        yield OpCase(f"linear[{x}, {out}]", ops.linear, inputs, k=n, k_grad=max(rows, out))
        yield OpCase(f"linear[{x}, {out}, no bias]", ops.linear, inputs[:2], k=n,
                     k_grad=max(rows, out))  # fmt: skip
    for x in ((5,), (4, 7), (2, 3, 0)):
        inputs = (normal(*x), normal(x[-1]), normal())
        yield OpCase(
            f"linear[{x}, one]",
            ops.linear,
            inputs,
            k=x[-1],
            k_grad=max(math.prod(x), math.prod(x[:-1])),
        )


def kernels() -> Iterable[KernelCase]:
    matrices = {"a": normal(33, 65), "b": normal(65, 31), "out": normal(33, 31), "bias": normal(31)}
    for options in ({"relu": True}, {"alpha": 0.5}, {"accumulate": True},
                    {"relu": True, "alpha": -2.0, "accumulate": True}):  # fmt: skip
        yield KernelCase(f"gemm[{options}]", matrices, options, k=65)


CASES: tuple[OpCase, ...] = (*products(),)


KERNELS: tuple[KernelCase, ...] = tuple(kernels())


ERRORS: tuple[Refusal, ...] = (
    refused("matmul", ops.matmul, (2, 3), (4, 5),
            message=r"^matmul: \(2, 3\) and \(4, 5\) do not fit: inner lengths differ"),
    refused("matmul", ops.matmul, (), (4, 5), message="^matmul: expected vectors or matrices"),
    refused("linear", ops.linear, (2, 3), (4, 5), message=r"^linear: weight \(4, 5\) is"),
    refused("linear", ops.linear, (2, 3), (4, 3), (3,), message=r"^linear: bias \(3,\) does"),
)  # fmt: skip
