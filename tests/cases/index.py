"""Indexing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from opcase import (
    HALVES,
    INTEGERS,
    NATIVE,
    SAME,
    Draw,
    KernelCase,
    OpCase,
    Refusal,
    Rule,
    coins,
    constant,
    given,
    ids,
    normal,
    refused,
    terms,
    whole,
)

from pydl import Tensor, ops
from pydl.nn import functional as F


def reading() -> Iterable[OpCase]:
    for x, dim, index in (((5, 3), 0, (4,)), ((2, 3, 4), 1, ()), ((2, 3, 4), -1, (0,)),
                          ((), 0, (1,)), ((1000, 64), 0, (3000,)),
                          ((4, 257, 33), 1, (300,))):  # fmt: skip
        k = max(1, math.prod(index))
        indices = whole(0, (x or (1,))[dim], *index)
        yield OpCase(f"index_select[{x}, {dim}, {index}]",
                     lambda t, i, d=dim: ops.index_select(t, d, i), (normal(*x), indices),
                     k_grad=k)  # fmt: skip
    for x, dim, index in (((5, 3), 0, (2, 3)), ((5, 3), 1, (4, 6)), ((2, 3, 4), 1, (2, 5, 3)),
                          ((4,), 0, (9,)), ((4, 2), 1, (0,)), ((), 0, (3,)),
                          ((300, 400), 1, (300, 7)), ((65, 33, 17), 0, (80, 33, 17))):  # fmt: skip
        indices = whole(0, (x or (1,))[dim], *index)
        k = max(1, (index or (1,))[dim if len(index) == len(x) else 0])
        yield OpCase(f"gather[{x}, {dim}, {index}]", lambda t, i, d=dim: ops.gather(t, d, i),
                     (normal(*x), indices), k_grad=k)  # fmt: skip
    yield OpCase("select[1, -1]", given(ops.select, 1, -1), (normal(3, 4, 2),))
    for x, index in (((5, 3), (2, 4)), ((7,), ()), ((100, 33), (3000,))):
        size = math.prod(x)
        yield OpCase(f"take[{x}, {index}]", ops.take, (normal(*x), whole(-size, size, *index)),
                     k_grad=max(1, math.prod(index)))  # fmt: skip
    yield OpCase("take_along_dim[1]", lambda t, i: ops.take_along_dim(t, i, 1),
                 (normal(3, 4), whole(-4, 4, 3, 5)), k_grad=5)  # fmt: skip
    yield OpCase("take_along_dim[broadcast]", lambda t, i: ops.take_along_dim(t, i, 0),
                 (normal(3, 4), whole(0, 3, 2, 1)), k_grad=2)  # fmt: skip
    yield OpCase("take_along_dim[None]", ops.take_along_dim, (normal(3, 4), whole(0, 12, 2, 3)),
                 k_grad=6)  # fmt: skip
    yield OpCase("masked_select[]", ops.masked_select, (normal(4, 5), coins(4, 5)), replay=False)
    yield OpCase("masked_select[broadcast]", ops.masked_select, (normal(5), coins(3, 1)),
                 k_grad=3, replay=False)  # fmt: skip
    for n, d, index in ((7, 3, (2, 5)), (5, 1, ()), (3, 4, (0,)), (1000, 65, (32, 33))):
        yield OpCase(f"embedding[{n}, {d}, {index}]", lambda w, i: F.embedding(i, w),
                     (normal(n, d), whole(0, n, *index)),
                     k_grad=max(1, math.prod(index)))  # fmt: skip
    yield OpCase("embedding[padding_idx]", lambda w, i: F.embedding(i, w, padding_idx=-2),
                 (normal(4, 3), whole(0, 4, 9)), k_grad=9, smooth=False)  # fmt: skip


def expressions() -> Iterable[OpCase]:
    calls: list[tuple[str, Callable[..., Tensor], tuple[Any, ...]]] = [
        ("x[i, j]", lambda t, i, j: t[i, j], (whole(-4, 4, 3), whole(-5, 5, 2, 1))),
        ("x[i, :, j]", lambda t, i, j: t[i, :, j], (whole(-4, 4, 3), whole(-2, 2, 2, 1))),
        ("x[:, i]", lambda t, i: t[:, i], (whole(-5, 5, 2, 3),)),
        ("x[1:, None, ..., i]", lambda t, i: t[1:, None, ..., i], (whole(-2, 2, 3),)),
        ("x[0-d]", lambda t, i: t[i], (whole(-4, 4),)),
        ("x[0-d, :, i]", lambda t, i, j: t[i, :, j], (whole(-4, 4), whole(-2, 2, 3))),
        ("x[True, i]", lambda t, i: t[True, i], (whole(-4, 4, 3),)),
    ]
    for text, fn, indices in calls:
        yield OpCase(f"take[{text}]", fn, (normal(4, 5, 2), *indices), k_grad=6)
    yield OpCase("take[x[mask]]", lambda t, m: t[m], (normal(4, 5), coins(4, 5)), replay=False)
    yield OpCase("take[x[:, mask]]", lambda t, m: t[:, m], (normal(4, 5), coins(5)),
                 replay=False)  # fmt: skip


def places() -> Iterable[OpCase]:
    yield OpCase("one_hot[5]", given(ops.one_hot, 5), (whole(0, 5, 3, 4),))
    yield OpCase("one_hot[-1]", ops.one_hot, (whole(0, 7, 9),), replay=False)
    yield OpCase("nonzero[]", ops.nonzero, (coins(7, 5),), replay=False)
    yield OpCase("nonzero[as_tuple]", lambda m: ops.nonzero(m, as_tuple=True)[1], (coins(7, 5),),
                 replay=False)  # fmt: skip
    yield OpCase("argwhere[]", ops.argwhere, (coins(7, 5),), replay=False)


def places_once(n: int, *shape: int, dim: int = 0) -> Draw:
    """int64 in [0, n), no two alike along `dim`."""
    lengths = [n if d == dim else k for d, k in enumerate(shape)]
    part = tuple(slice(k) for k in shape)
    return lambda r: np.argsort(r.random(lengths), axis=dim)[part]


def scattering() -> Iterable[OpCase]:
    for x, dim, index in (((5, 3), 0, (2, 3)), ((5, 3), 1, (4, 2)), ((2, 3, 4), -2, (2, 2, 4)),
                          ((4,), 0, (4,)), ((4, 2), 1, (0,)), ((), 0, ()),
                          ((33, 130), 0, (20, 130))):  # fmt: skip
        n = (x or (1,))[dim]
        once = places_once(n, *(index or (1,)), dim=dim % max(len(index), 1))
        drawn = once if index else constant(0)
        inputs = (normal(*x), drawn, normal(*index))
        yield OpCase(f"scatter[{x}, {dim}, {index}]",
                     lambda t, i, s, d=dim: ops.scatter(t, d, i, s), inputs)  # fmt: skip
    yield OpCase("scatter[number]", lambda t, i: ops.scatter(t, 1, i, value=2.5),
                 (normal(4, 5), whole(0, 5, 4, 3)))  # fmt: skip
    yield OpCase("scatter[longer src]", lambda t, i, s: ops.scatter(t, 0, i, s),
                 (normal(4, 2), places_once(4, 3, 2), normal(5, 3)))  # fmt: skip
    yield OpCase("scatter[add]", lambda t, i, s: ops.scatter(t, 0, i, s, reduce="add"),
                 (normal(4, 2), whole(0, 4, 6, 2), normal(6, 2)), k=6)  # fmt: skip
    yield OpCase("scatter[multiply]", lambda t, i, s: ops.scatter(t, 0, i, s, reduce="multiply"),
                 (normal(4, 2), whole(0, 4, 6, 2), normal(6, 2)), k=6, grads=())  # fmt: skip
    for x, dim, index in (((5, 3), 0, (7, 3)), ((5, 3), 1, (4, 6)), ((2, 3, 4), 1, (2, 5, 4)),
                          ((4,), 0, (9,)), ((300, 400), 1, (300, 7)),
                          ((65, 33, 17), 0, (80, 33, 17))):  # fmt: skip
        yield OpCase(f"scatter_add[{x}, {dim}, {index}]",
                     lambda t, i, s, d=dim: ops.scatter_add(t, d, i, s),
                     (terms(*x), whole(0, x[dim], *index), terms(*index)),
                     k=index[dim] + 1)  # fmt: skip
    for x, dim, k in (((5, 3), 0, 7), ((5, 3), 1, 2), ((2, 3, 4), -2, 5), ((), 0, 1), ((4,), 0, 0),
                      ((100, 257), 0, 600)):  # fmt: skip
        n = (x or (1,))[dim]
        source = tuple(k if d == dim % len(x) else m for d, m in enumerate(x))
        yield OpCase(f"index_add[{x}, {dim}, {k}]",
                     lambda t, i, s, d=dim: ops.index_add(t, d, i, s, alpha=2),
                     (terms(*x), whole(0, n, k), terms(*source)), k=k + 1)  # fmt: skip
        once = places_once(n, min(k, n))
        part = tuple(min(k, n) if d == dim % len(x) else m for d, m in enumerate(x))
        yield OpCase(f"index_copy[{x}, {dim}, {k}]",
                     lambda t, i, s, d=dim: ops.index_copy(t, d, i, s),
                     (normal(*x), once, normal(*part)))  # fmt: skip
        yield OpCase(f"index_fill[{x}, {dim}, {k}]",
                     lambda t, i, d=dim: ops.index_fill(t, d, i, 1.5),
                     (normal(*x), whole(-n, n, k)))  # fmt: skip
    yield OpCase("index_fill[tensor]", lambda t, i, v: ops.index_fill(t, 0, i, v),
                 (normal(4, 3), places_once(4, 2), normal()), k_grad=6)  # fmt: skip
    yield OpCase("masked_scatter[]", ops.masked_scatter, (normal(4, 5), coins(4, 5), normal(20)),
                 replay=False)  # fmt: skip
    yield OpCase("masked_scatter[broadcast]", ops.masked_scatter,
                 (normal(5), coins(3, 1), normal(4, 4)), k_grad=3, replay=False)  # fmt: skip


CASES: tuple[OpCase, ...] = (*reading(), *expressions(), *places(), *scattering())


def writes() -> Iterable[KernelCase]:
    for mode in ("set", "add", "multiply"):
        for kind, draw in (("float", normal), ("int", lambda *n: whole(-9, 9, *n)),
                           ("bool", coins)):  # fmt: skip
            for outer, n, k, inner in ((2, 3, 5, 1), (1, 7, 300, 65)):
                sizes = {"outer": outer, "n": n, "inner": inner, "mode": mode, "wrap": True}
                arrays = {"src": draw(outer, k, inner), "out": draw(outer, n, inner)}
                put = {**arrays, "index": whole(-n, n, k)}
                yield KernelCase(f"put[{mode}, {kind}, {k}x{inner}]", put, sizes, k=k)
                scatter = {**arrays, "index": whole(-n, n, outer, k, inner)}
                yield KernelCase(f"scatter[{mode}, {kind}, {k}x{inner}]", scatter, sizes, k=k)


KERNELS: tuple[KernelCase, ...] = (*writes(),)


COUNTED: Rule = dict.fromkeys((*NATIVE, *HALVES), "int64")
DTYPES: dict[str, Rule] = {
    "argwhere": COUNTED,
    "embedding": SAME,
    "gather": SAME,
    "index_add": SAME,
    "index_copy": SAME,
    "index_fill": SAME,
    "index_select": SAME,
    "masked_scatter": SAME,
    "masked_select": SAME,
    "nonzero": COUNTED,
    "one_hot": dict.fromkeys(INTEGERS, "int64"),
    "scatter": SAME,
    "scatter_add": SAME,
    "select": SAME,
    "take": SAME,
    "take_along_dim": SAME,
}


def row(value: int, device: str) -> Tensor:
    return ids((1,), value, device)


ERRORS: tuple[Refusal, ...] = (
    refused("index_select", lambda x: ops.index_select(x, 0, x), (3,), error=TypeError,
            message="^index_select: index is float32, expected integers"),
    Refusal("index_select", lambda d: ops.index_select(ops.ones(3, device=d), 0, row(3, d)),
            IndexError, r"^index_select: index holds 3, expected \[0, 3\)"),
    Refusal("index_select", lambda d: ops.index_select(ops.ones(3, device=d), 0, row(-1, d)),
            IndexError, r"^index_select: index holds -1, expected \[0, 3\)"),
    Refusal("index_select", lambda d: ops.index_select(ops.ones(3, device=d), 0, ids((1, 1), 0, d)),
            IndexError, r"^index_select: index has shape \(1, 1\), expected one dimension"),
    refused("select", lambda x: ops.select(x, 0, 3), (3,), error=IndexError,
            message="^index 3 is out of range for length 3"),
    refused("select", lambda x: ops.select(x, 1, 0), (3,), error=IndexError,
            message="^select: dim 1 is out of range"),
    Refusal("gather", lambda d: ops.gather(ops.ones(3, 2, device=d), 0, row(0, d)),
            ValueError, r"^gather: index \(1,\) does not fit x \(3, 2\)"),
    Refusal("gather", lambda d: ops.gather(ops.ones(3, device=d), 0, row(-1, d)),
            IndexError, r"^gather: index holds -1, expected \[0, 3\)"),
    Refusal("take", lambda d: ops.take(ops.ones(3, device=d), row(-4, d)),
            IndexError, r"^take: index holds -4, expected \[-3, 3\)"),
    Refusal("take_along_dim", lambda d: ops.take_along_dim(ops.ones(3, 2, device=d), row(0, d), 0),
            ValueError, r"^take_along_dim: indices \(1,\) and x \(3, 2\) differ"),
    Refusal("take_along_dim", lambda d: ops.take_along_dim(ops.ones(3, device=d), row(3, d), 0),
            IndexError, r"^take_along_dim: index holds 3, expected \[-3, 3\)"),
    refused("masked_select", ops.masked_select, (3,), (3,), error=TypeError,
            message="^masked_select: mask is float32, expected bool"),
    refused("nonzero", lambda x: ops.nonzero(x, axis=0), (3,), error=TypeError,
            message="unexpected keyword"),
    refused("argwhere", lambda x: ops.argwhere(x, 0), (3,), error=TypeError,
            message="takes 1 positional argument"),
    Refusal("one_hot", lambda d: ops.one_hot(row(3, d), 3), ValueError,
            r"^one_hot: x holds 3, expected \[0, 3\)"),
    Refusal("one_hot", lambda d: ops.one_hot(row(-1, d)), ValueError, "^one_hot: x holds -1"),
    Refusal("one_hot", lambda d: ops.one_hot(ids((0,), 0, d)), ValueError,
            r"^one_hot: cannot make -1 classes of shape \(0,\)"),
    Refusal("embedding", lambda d: F.embedding(row(3, d), ops.ones(3, 2, device=d)), IndexError,
            r"^embedding: index holds 3, expected \[0, 3\)"),
    Refusal("embedding", lambda d: F.embedding(row(0, d), ops.ones(3, device=d)), ValueError,
            r"^embedding: weight has shape \(3,\), expected \(n, d\)"),
    Refusal("embedding", lambda d: F.embedding(row(0, d), ops.ones(3, 2, device=d), 3), IndexError,
            r"^embedding: padding_idx is 3, expected \[-3, 3\)"),
    Refusal("embedding", lambda d: F.embedding(row(0, d), ops.ones(3, 2, device=d), max_norm=1.0),
            ValueError, "^embedding: max_norm, scale_grad_by_freq and sparse are not supported"),
    Refusal("scatter", lambda d: ops.scatter(ops.ones(3, device=d), 0, row(3, d), 1.0),
            IndexError, r"^scatter: index holds 3, expected \[0, 3\)"),
    Refusal("scatter", lambda d: ops.scatter(ops.ones(3, 2, device=d), 0, ids((1, 1), -1, d), 1.0),
            IndexError, r"^scatter: index holds -1, expected \[0, 3\)"),
    Refusal("scatter", lambda d: ops.scatter(ops.ones(3, device=d), 0, ids((2, 1), 0, d), 1.0),
            ValueError, r"^scatter: index \(2, 1\) does not fit x \(3,\)"),
    Refusal("scatter", lambda d: ops.scatter(ops.ones(3, device=d), 0, row(0, d), row(0, d)),
            TypeError, "^scatter: the source is int64, x is float32"),
    Refusal("scatter", lambda d: ops.scatter(ops.ones(3, device=d), 0, row(0, d), 1.0, "mean"),
            ValueError, "^scatter: reduce is 'mean', expected"),
    Refusal("scatter", lambda d: ops.scatter(ops.ones(3, device=d), 0, row(0, d)), ValueError,
            "^scatter: give src or value"),
    Refusal("scatter_add", lambda d: ops.scatter_add(ops.ones(3, device=d), 0, ids((2,), 0, d),
                                                     ops.ones(1, device=d)),
            ValueError, r"^scatter_add: index \(2,\) does not fit x \(3,\) and src \(1,\)"),
    Refusal("index_add", lambda d: ops.index_add(ops.ones(3, 2, device=d), 0, row(0, d),
                                                 ops.ones(1, 3, device=d)),
            ValueError, r"^index_add: source has shape \(1, 3\), expected \(1, 2\)"),
    Refusal("index_add", lambda d: ops.index_add(ops.ones(3, device=d), 0, ids((1, 1), 0, d),
                                                 ops.ones(1, device=d)),
            IndexError, r"^index_add: index has shape \(1, 1\), expected one dimension"),
    Refusal("index_copy", lambda d: ops.index_copy(ops.ones(3, device=d), 0, row(-1, d),
                                                   ops.ones(1, device=d)),
            IndexError, r"^index_copy: index holds -1, expected \[0, 3\)"),
    Refusal("index_fill", lambda d: ops.index_fill(ops.ones(3, device=d), 0, row(-4, d), 1.0),
            IndexError, r"^index_fill: index holds -4, expected \[-3, 3\)"),
    Refusal("index_fill", lambda d: ops.index_fill(ops.ones(3, device=d), 0, row(0, d), row(0, d)),
            ValueError, r"^index_fill: value has shape \(1,\), expected a number"),
    Refusal("masked_scatter", lambda d: ops.masked_scatter(
                ops.ones(3, device=d), ops.ones(3, device=d).bool(), ops.ones(2, device=d)),
            ValueError, "^masked_scatter: source has 2 elements for 3 places"),
    refused("masked_scatter", lambda x: ops.masked_scatter(x, x, x), (3,), error=TypeError,
            message="^masked_scatter: mask is float32, expected bool"),
)  # fmt: skip
