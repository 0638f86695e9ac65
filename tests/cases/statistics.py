"""Moments, norms, logsumexp."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from opcase import (
    FLOATING,
    PROMOTED,
    OpCase,
    Refusal,
    Rule,
    away,
    constant,
    given,
    ids,
    normal,
    refused,
    terms,
    uniform,
)

from cases.reduce import REDUCED, length
from pydl import ops


def moments() -> Iterable[OpCase]:
    for keepdim in (False, True):
        for shape, dim in REDUCED:
            n, how = length(shape, dim), f"{shape}, {dim}{', keepdim' * keepdim}"
            if not 1 < n <= 2000:
                continue
            for fn in (ops.var, ops.std):
                call = given(fn, dim, keepdim=keepdim)
                yield OpCase(f"{fn.__name__}[{how}]", call, (normal(*shape),), k=n, k_grad=n)
            call = given(ops.logsumexp, dim, keepdim)
            yield OpCase(f"logsumexp[{how}]", call, (normal(*shape),), k=n, k_grad=n)
            call = given(ops.norm, 2, dim, keepdim)
            yield OpCase(f"norm[{how}]", call, (normal(*shape),), k=n, k_grad=n)
    for fn in (ops.var, ops.std):
        for options in ({"correction": 0}, {"unbiased": False}, {"correction": 2.5}):
            call = given(fn, 1, **options)
            yield OpCase(f"{fn.__name__}[{options}]", call, (normal(3, 5),), k=5, k_grad=5)
        yield OpCase(f"{fn.__name__}[False]", given(fn, False), (normal(3, 5),), k=15, k_grad=15)
        yield OpCase(f"{fn.__name__}[one]", fn, (normal(1),), grads=())
        yield OpCase(f"{fn.__name__}[none]", given(fn, 0), (normal(0, 3),), grads=())
        far = constant(1000 + np.random.default_rng(0).normal(0, 1, (4, 100)))
        yield OpCase(f"{fn.__name__}[far from 0]", given(fn, 1), (far,), k=100, grads=())
    yield OpCase("std[0]", given(ops.std, 1), (constant(np.ones((2, 3))),), twice=False,
                 smooth=False)  # fmt: skip
    for fn in (ops.var_mean, ops.std_mean):
        for i in (0, 1):
            yield OpCase(f"{fn.__name__}[{i}]",
                         lambda x, f=fn, i=i: f(x, 1, correction=0, keepdim=True)[i],
                         (terms(3, 5),), k=5, k_grad=5)  # fmt: skip


def norms() -> Iterable[OpCase]:
    for p in (1, 2.5, 3, 0.5, -1, -2, "fro", None):
        for shape, dim in (((3, 5), None), ((3, 5), 0), ((2, 3, 4), (0, 2)), ((7,), 0)):
            n = length(shape, dim)
            call = given(ops.norm, p, dim, keepdim=dim == 0)
            inputs = (away(*shape, gap=0.3),)
            yield OpCase(f"norm[p={p}, {shape}, {dim}]", call, inputs, k=n, k_grad=n)
    for p in (math.inf, -math.inf):
        yield OpCase(f"norm[p={p}]", given(ops.norm, p, 1), (uniform(1, 3, 3, 5),))
    yield OpCase("norm[p=0]", given(ops.norm, 0, 1), (normal(3, 5),), grads=())
    zeros = np.array([[0.0, 0.0, 0.0], [1.5, 0.0, -2.0]])
    for p in (0.5, 1, 1.5, 2, 3):
        yield OpCase(f"norm[p={p}, zeros]", given(ops.norm, p, 1), (constant(zeros),),
                     twice=False, smooth=False)  # fmt: skip
    yield OpCase("norm[(), 0]", given(ops.norm, 2, 0), (away(),))
    yield OpCase("norm[(0, 3), 0]", given(ops.norm, 2, 0), (normal(0, 3),))


def logs() -> Iterable[OpCase]:
    far = np.array([[math.inf, 1e30, 2.0], [3e38, 3e38, -3e38]])
    yield OpCase("logsumexp[huge]", given(ops.logsumexp, 1), (constant(far),), grads=())
    x = np.array([[1000.0, 1000.5], [-1000.0, -1001.0], [0.0, -math.inf], [-math.inf, -math.inf],
                  [math.inf, 1.0]])  # fmt: skip
    yield OpCase("logsumexp[far]", given(ops.logsumexp, 1), (constant(x[:2]),), k=2, smooth=False)
    yield OpCase("logsumexp[infinite]", given(ops.logsumexp, 1), (constant(x[2:]),), grads=())
    yield OpCase("logsumexp[(), 0]", given(ops.logsumexp, 0), (normal(),))
    yield OpCase("logsumexp[(0, 3), 0]", given(ops.logsumexp, 0), (normal(0, 3),))
    yield OpCase("logsumexp[(0, 3), 1]", given(ops.logsumexp, 1), (normal(0, 3),))


CASES: tuple[OpCase, ...] = (*moments(), *norms(), *logs())


DTYPES: dict[str, Rule | None] = {
    "logsumexp": PROMOTED,
    "norm": FLOATING,
    "std": FLOATING,
    "std_mean": FLOATING,
    "var": FLOATING,
    "var_mean": FLOATING,
}


ERRORS: tuple[Refusal, ...] = (
    Refusal("var", lambda d: ops.var(ids((2,), 1, d)), TypeError,
            "^var: x is int64, expected float32"),
    refused("var", lambda x: ops.var(x, 0, True, correction=1), (3,), error=TypeError,
            message="^var: give unbiased or correction, not both"),
    refused("std", lambda x: ops.std(x, 2), (3,), error=IndexError, message="^std: dim 2 is out"),
    refused("var_mean", lambda x: ops.var_mean(x, 2), (3,), error=IndexError,
            message="^var_mean: dim 2 is out"),
    refused("std_mean", lambda x: ops.std_mean(x, 2), (3,), error=IndexError,
            message="^std_mean: dim 2 is out"),
    refused("norm", lambda x: ops.norm(x, "nuc"), (3, 3), message="^norm: p is 'nuc', expected a"),
    refused("norm", lambda x: ops.norm(x, -1.0), (0,), message=r"^norm: there is nothing in dim"),
    Refusal("norm", lambda d: ops.norm(ids((2,), 1, d)), TypeError,
            "^norm: x is int64, expected float32"),
    refused("logsumexp", lambda x: ops.logsumexp(x, 2), (3,), error=IndexError,
            message="^logsumexp: dim 2 is out"),
)  # fmt: skip
