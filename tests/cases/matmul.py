"""Matrix products."""

from __future__ import annotations

import math
from collections.abc import Iterable

from opcase import (
    FLOATING,
    SAME,
    SUMMED,
    KernelCase,
    OpCase,
    Refusal,
    Rule,
    given,
    ids,
    normal,
    refused,
)

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
    ((3, 4), (2, 4, 2)),
    ((1, 3, 4), (5, 4, 2)),
    ((5, 3, 4), (1, 1, 4, 2)),
    ((2, 1, 3, 4), (4,)),
    ((4,), (2, 3, 4, 2)),
    ((2, 3, 0), (2, 0, 4)),
    ((3, 1, 2, 4), (1, 5, 4, 3)),
)
EQUATIONS = (
    ("ij,jk->ik", (3, 4), (4, 5)), ("ij,jk", (3, 4), (4, 5)), ("ij,kj->ik", (3, 4), (5, 4)),
    ("ji,jk->ki", (4, 3), (4, 5)), ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("bij,kj->bik", (2, 3, 4), (5, 4)), ("ij->ji", (3, 4)), ("ba", (3, 4)), ("ij->", (3, 4)),
    ("ij->j", (3, 4)), ("i,j->ij", (3,), (4,)), ("i,i->", (5,), (5,)), ("i,i->i", (5,), (5,)),
    ("ii->i", (4, 4)), ("ii", (4, 4)), ("iij->j", (3, 3, 2)), ("iji->ji", (3, 2, 3)),
    ("...ij,...jk->...ik", (2, 1, 3, 4), (5, 4, 2)), ("...ij,jk", (2, 3, 4), (4, 2)),
    ("i...->...", (2, 3, 4)), ("i...->i", (2, 3, 4)), ("...,...->...", (2, 3), (3,)),
    ("...,i", (2, 3), (4,)), (" i j , j k -> i k ", (3, 4), (4, 2)), ("ij,ij->ij", (2, 3), (2, 1)),
    ("ij,jk->ik", (3, 1), (4, 2)), ("bn,anm,bm->ba", (2, 3), (4, 3, 5), (2, 5)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)), ("ij,k->", (2, 3), (4,)), ("iI->I", (2, 3)),
    ("bhid,bhjd->bhij", (2, 3, 4, 5), (2, 3, 6, 5)), ("ij,jk->ik", (3, 0), (0, 4)),
    ("ij,jk->ki", (33, 40), (40, 31)), (",i", (), (3,)), ("ij->i...", (2, 3)),
)  # fmt: skip


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


def named_products() -> Iterable[OpCase]:
    yield OpCase("mm[3x4x5]", ops.mm, (normal(3, 4), normal(4, 5)), k=4, k_grad=5)
    yield OpCase("bmm[2x3x4x5]", ops.bmm, (normal(2, 3, 4), normal(2, 4, 5)), k=4, k_grad=5)
    yield OpCase("mv[3x4]", ops.mv, (normal(3, 4), normal(4)), k=4, k_grad=3)
    yield OpCase("dot[5]", ops.dot, (normal(5), normal(5)), k=5)
    yield OpCase("dot[0]", ops.dot, (normal(0), normal(0)))
    yield OpCase("outer[3x4]", ops.outer, (normal(3), normal(4)), k_grad=4)
    inputs = (normal(3, 4), normal(4, 5))
    for x, options in (((3, 5), {}), ((5,), {"beta": 0.5}), ((), {"alpha": 2, "beta": -1}),
                       ((3, 1), {"beta": 0}), ((1, 5), {"alpha": 0.5})):  # fmt: skip
        call = given(ops.addmm, **options)
        yield OpCase(f"addmm[{x}, {options}]", call, (normal(*x), *inputs), k=5, k_grad=15)
    inputs = (normal(2, 3, 4), normal(2, 4, 5))
    for x, options in (((2, 3, 5), {}), ((5,), {"alpha": 2, "beta": -1})):
        call = given(ops.baddbmm, **options)
        yield OpCase(f"baddbmm[{x}, {options}]", call, (normal(*x), *inputs), k=5, k_grad=15)
    for shape in ((4, 4), (3, 5), (5, 3), (0, 3), (1, 1)):
        yield OpCase(f"trace[{shape}]", ops.trace, (normal(*shape),), k=5)


def sums_of_products() -> Iterable[OpCase]:
    for equation, *shapes in EQUATIONS:
        inputs = tuple(normal(*s) for s in shapes)
        k = max(1, *(math.prod(s) for s in shapes))  # bounds the terms of every sum
        yield OpCase(f"einsum[{equation}, {shapes}]", lambda *xs, e=equation: ops.einsum(e, *xs),
                     inputs, k=k, k_grad=k)  # fmt: skip
    yield OpCase("einsum[list]", lambda *xs: ops.einsum("ij,jk", xs), (normal(2, 3), normal(3, 4)),
                 k=3, k_grad=4)  # fmt: skip
    for a, b, dims in (((2, 3), (3, 4), 1), ((2, 3), (4,), 0), ((2, 3, 4), (3, 4, 5), 2),
                       ((2, 3, 4), (4, 5, 2), ([0, 2], [2, 0])), ((2, 3), (2, 3), ([0, 1], [0, 1])),
                       ((2, 3), (2, 1), ([0, 1], [0, 1])),
                       ((2, 3), (5, 3), ([-1], [-1]))):  # fmt: skip
        yield OpCase(f"tensordot[{a}, {b}, {dims}]", given(ops.tensordot, dims),
                     (normal(*a), normal(*b)), k=24, k_grad=24)  # fmt: skip


def kernels() -> Iterable[KernelCase]:
    matrices = {"a": normal(33, 65), "b": normal(65, 31), "out": normal(33, 31), "bias": normal(31)}
    for options in ({"relu": True}, {"alpha": 0.5}, {"accumulate": True},
                    {"relu": True, "alpha": -2.0, "accumulate": True}):  # fmt: skip
        yield KernelCase(f"gemm[{options}]", matrices, options, k=65)


CASES: tuple[OpCase, ...] = (*products(), *named_products(), *sums_of_products())


KERNELS: tuple[KernelCase, ...] = tuple(kernels())


DTYPES: dict[str, Rule | None] = {
    "addmm": FLOATING,
    "baddbmm": FLOATING,
    "bmm": FLOATING,
    "dot": FLOATING,
    "einsum": FLOATING,
    "linear": FLOATING,
    "matmul": FLOATING,
    "mm": FLOATING,
    "mv": FLOATING,
    "outer": SAME,
    "tensordot": FLOATING,
    "trace": SUMMED,
}


ERRORS: tuple[Refusal, ...] = (
    refused("matmul", ops.matmul, (2, 3), (4, 5),
            message=r"^matmul: \(2, 3\) and \(4, 5\) do not fit: inner lengths differ"),
    refused("matmul", ops.matmul, (), (4, 5), message="^matmul: expected vectors or matrices"),
    Refusal("matmul", lambda d: ops.matmul(ids((2, 2), 1, d), ids((2, 2), 1, d)), TypeError,
            "^matmul: a is int64, expected float32"),
    refused("matmul", ops.matmul, (2, 3, 4), (3, 4, 5), message="^matmul: shapes .* broadcast"),
    refused("mm", ops.mm, (2, 3), (3,), message="^mm: expected 2 and 2 dimensions"),
    refused("mv", ops.mv, (2, 3), (3, 1), message="^mv: expected 2 and 1 dimensions"),
    refused("dot", ops.dot, (1,), (3,), message="^matmul: .* inner lengths differ"),
    refused("bmm", ops.bmm, (2, 3, 4), (1, 4, 5), message="^bmm: batches of .* differ"),
    refused("outer", ops.outer, (2, 1), (3,), message="^outer: expected 1 and 1 dimensions"),
    refused("trace", ops.trace, (2,), message=r"^trace: expected a matrix, got shape \(2,\)"),
    refused("addmm", ops.addmm, (3,), (2, 3), (3, 2), message="^addmm: "),
    refused("addmm", ops.addmm, (1, 1, 2), (2, 3), (3, 2), message="^addmm: x .* does not broad"),
    refused("baddbmm", ops.baddbmm, (2,), (2, 3), (3, 2), message="^bmm: expected 3 and 3"),
    *(refused("einsum", lambda *x, e=e: ops.einsum(e, *x), *s, message=m) for e, s, m in (
        ("ij->ik", [(2, 3)], "^einsum: 'k' of the output"),
        ("ij->ii", [(2, 3)], "^einsum: 'i' of the output"),
        ("ij", [(2, 3, 4)], "^einsum: 'ij' of 'ij' does not fit an operand of 3"),
        ("ij,jk", [(2, 3)], "^einsum: 'ij,jk' is about 2 operands, got 1"),
        ("ij,jk", [(2, 3), (4, 2)], "^einsum: 'j' is 3 long in one operand and 4"),
        ("ii->i", [(3, 1)], "^einsum: 'i' is repeated, but the lengths differ"),
        ("i1->i", [(2, 3)], "^einsum: 'i1' of"), ("i..->i", [(2,)], r"^einsum: 'i\.\.' of"),
        ("......", [(2,)], "^einsum: "), ("ij,jk->->ik", [(2, 3), (3, 2)], "^einsum: "),
    )),
    refused("tensordot", ops.tensordot, (2, 3), (2, 4), message="^tensordot: dim 1 of .* differ"),
    refused("tensordot", lambda a, b: ops.tensordot(a, b, 3), (2, 3), (2, 4),
            message="^tensordot: dims is 3"),
    refused("tensordot", lambda a, b: ops.tensordot(a, b, ([0], [0, 1])), (2, 3), (2, 4),
            message="^tensordot: dims is .* two equal sequences"),
    refused("linear", ops.linear, (2, 3), (4, 5), message=r"^linear: weight \(4, 5\) is"),
    refused("linear", ops.linear, (2, 3), (4, 3), (3,), message=r"^linear: bias \(3,\) does"),
    refused("linear", ops.linear, (2, 3), (4, 3), (1, 4), message=r"^linear: bias \(1, 4\) does"),
)  # fmt: skip
