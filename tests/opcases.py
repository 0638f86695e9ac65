"""The one table of op cases: it drives forward, gradients, every ISA, threads, replay and errors.

Not a test itself: test_ops, test_grad, test_threads, test_isa and test_registry walk it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from opcase import (
    BIG,
    TAILS,
    Draw,
    KernelCase,
    OpCase,
    away,
    coins,
    distinct,
    given,
    grid,
    normal,
    terms,
    uniform,
    whole,
)
from opcases_nn import convolutions, kernels, losses, norms, pools
from refusals import ERRORS as ERRORS

import pydl
from pydl import Tensor, ops
from pydl.nn import functional as F
from pydl.ops.matmul import gemm

# ---- elementwise

UNARY: dict[str, tuple[Callable[[Tensor], Tensor], Callable[..., Draw]]] = {
    "neg": (ops.neg, normal),
    "abs": (ops.abs, away),
    "sign": (ops.sign, away),
    "exp": (ops.exp, normal),
    "log": (ops.log, lambda *s: uniform(0.1, 4, *s)),
    "sqrt": (ops.sqrt, lambda *s: uniform(0.1, 4, *s)),
    "square": (ops.square, normal),
    "reciprocal": (ops.reciprocal, lambda *s: away(*s, gap=0.3)),
    "clip": (given(ops.clip, -0.5, 0.9), lambda *s: away(*s, kinks=(-0.5, 0.9))),
    "clamp": (given(ops.clamp, min=0.25), lambda *s: away(*s, kinks=(0.25,))),
    "step": (ops.step, away),
    "relu": (ops.relu, away),
    "leaky_relu": (given(ops.leaky_relu, 0.1), away),
    "sigmoid": (ops.sigmoid, normal),
    "tanh": (ops.tanh, normal),
    "gelu": (ops.gelu, lambda *s: away(*s, kinks=(-0.75,), gap=0.2)),  # no slope there
    "gelu[tanh]": (given(ops.gelu, "tanh"), lambda *s: away(*s, kinks=(-0.75,), gap=0.2)),
    "silu": (ops.silu, lambda *s: away(*s, kinks=(-1.28,), gap=0.2)),
    "elu": (given(ops.elu, 1.5), away),
    "softplus": (given(ops.softplus, 2.0, 3.5), lambda *s: away(*s, kinks=(1.75,))),
}


def label(name: str, what: object) -> str:
    """ "op[a]" and b as "op[a, b]"."""
    return f"{name[:-1]}, {what}]" if name.endswith("]") else f"{name}[{what}]"


def unary() -> Iterable[OpCase]:
    for name, (fn, draw) in UNARY.items():
        k = 2 if "gelu" in name else 1  # the argument of its exp is a sum of products
        for n in (*TAILS, BIG):
            yield OpCase(label(name, n), fn, (draw(n),), k=k)
        yield OpCase(label(name, "0-d"), fn, (draw(),), k=k)
        yield OpCase(label(name, "3x5"), fn, (draw(3, 5),), k=k)


BINARY: dict[str, tuple[Callable[[Any, Any], Tensor], Callable[..., Draw], Callable[..., Draw]]] = {
    "add": (ops.add, normal, normal),
    "sub": (ops.sub, normal, normal),
    "mul": (ops.mul, normal, normal),
    "div": (ops.div, normal, lambda *s: away(*s, gap=0.4)),
    "pow": (ops.pow, lambda *s: uniform(0.3, 2, *s), normal),
    "maximum": (ops.maximum, grid, lambda *s: grid(*s, shift=0.1)),
    "minimum": (ops.minimum, grid, lambda *s: grid(*s, shift=0.1)),
    "eq": (ops.eq, grid, grid),
    "ne": (ops.ne, grid, grid),
    "lt": (ops.lt, grid, grid),
    "le": (ops.le, grid, grid),
    "gt": (ops.gt, grid, grid),
    "ge": (ops.ge, grid, grid),
}
BROADCASTS = (
    ((), (7,)),
    ((3, 1), (1, 5)),
    ((2, 3, 4), (4,)),
    ((4,), (2, 3, 4)),
    ((2, 1, 3), (2, 4, 1)),
    ((5, 1), (1,)),
    ((0, 3), (3,)),
    ((2, 1, 3, 1, 2), (1, 4, 1, 2, 1)),
    ((257, 300), (300,)),
    ((257, 300), (257, 1)),
    ((1, 70_001), (3, 1)),
)


def binary() -> Iterable[OpCase]:
    for name, (fn, left, right) in BINARY.items():
        grads = () if fn in (ops.eq, ops.ne, ops.lt, ops.le, ops.gt, ops.ge) else None
        for n in (*TAILS, BIG):
            yield OpCase(f"{name}[{n}]", fn, (left(n), right(n)), grads=grads)
        for a, b in BROADCASTS:
            out = math.prod(np.broadcast_shapes(a, b))
            k = out // max(1, min(math.prod(a), math.prod(b)))
            yield OpCase(f"{name}[{a}, {b}]", fn, (left(*a), right(*b)), k_grad=k, grads=grads)
    for exponent in (2, 3, 0.5, -1, -1.5, 0):
        yield OpCase(f"pow[x ** {exponent}]", given(ops.pow, exponent), (uniform(0.3, 2, 9),))
    yield OpCase("pow[2 ** x]", lambda x: 2.0**x, (normal(9),))
    yield OpCase("pow[base 0]", lambda x: x**3.0, (lambda r: np.zeros(4),), twice=False)
    yield OpCase("sub[1 - x]", lambda x: 1 - x, (normal(9),))
    yield OpCase("div[1 / x]", lambda x: 1 / x, (away(9, gap=0.3),))
    yield OpCase("add[twice the same]", lambda x: x + x, (normal(9),))
    yield OpCase("mul[twice the same]", lambda x: x * x * x, (normal(9),))
    for n in (*TAILS, BIG):
        yield OpCase(f"where[{n}]", ops.where, (coins(n), normal(n), normal(n)))
    for c, a, b in (
        ((3, 1), (1, 5), ()),
        ((4,), (2, 1, 4), (3, 1)),
        ((257, 300), (300,), (257, 1)),
    ):
        k = math.prod(np.broadcast_shapes(c, a, b))
        yield OpCase(
            f"where[{c}, {a}, {b}]", ops.where, (coins(*c), normal(*a), normal(*b)), k_grad=k
        )
    yield OpCase("where[numbers]", lambda c: ops.where(c, 1.5, 2), (coins(9),))
    yield OpCase("where[number]", lambda c, a: ops.where(c, a, 2), (coins(9), normal(9)))


# ---- reductions, expand

REDUCED: tuple[tuple[tuple[int, ...], Any], ...] = (
    ((), None),
    ((1,), None),
    ((17,), 0),
    ((1003,), None),
    ((3, 5, 7), 0),
    ((3, 5, 7), 1),
    ((3, 5, 7), -1),
    ((2, 3, 4), (0, 2)),
    ((2, 3, 4), (0, 1)),
    ((2, 3, 4), None),
    ((2, 3, 2, 3), (0, 2)),
    ((2, 1, 3), (0, 2)),
    ((4, 1), 1),
    ((300, 401), 0),
    ((300, 401), 1),
    ((8, 33, 17, 19), (0, 2, 3)),
    ((BIG,), None),
)


def length(shape: tuple[int, ...], dim: Any) -> int:
    """How many elements a reduction over `dim` sees."""
    dims = range(len(shape)) if dim is None else (dim,) if isinstance(dim, int) else dim
    return max(1, math.prod(shape[d] for d in dims))


def reductions() -> Iterable[OpCase]:
    for keepdim in (False, True):
        for shape, dim in REDUCED:
            n, how = length(shape, dim), f"{shape}, {dim}{', keepdim' * keepdim}"
            for fn in (ops.sum, ops.mean):
                call = given(fn, dim, keepdim)
                yield OpCase(f"{fn.__name__}[{how}]", call, (terms(*shape),), k=n)
            if 1 < n <= 2000:
                for fn in (ops.var, ops.std):
                    call = given(fn, dim, keepdim=keepdim)
                    yield OpCase(f"{fn.__name__}[{how}]", call, (normal(*shape),), k=n, k_grad=n)
            if n <= 2000:
                factors = uniform(0.9, 1.1, *shape)
                call = given(ops.prod, dim, keepdim)
                yield OpCase(f"prod[{how}]", call, (factors,), k=n, k_grad=n)
            for fn in (ops.any, ops.all):
                flags = coins(*shape, chance=0.1 if fn is ops.any else 0.9)
                yield OpCase(f"{fn.__name__}[{how}]", given(fn, dim, keepdim), (flags,))
            yield from extremes(shape, dim, keepdim, how)
    for n in TAILS:
        yield OpCase(f"sum[{n}]", ops.sum, (terms(n),), k=max(n, 1))
        yield OpCase(f"sum[3 rows of {n}, 0]", given(ops.sum, 0), (terms(3, n),), k=3)
        yield OpCase(f"sum[{n}x3, 0]", given(ops.sum, 0), (terms(n, 3),), k=max(n, 1))
        if n > 0:
            yield OpCase(f"mean[5 rows of {n}, 1]", given(ops.mean, 1), (terms(5, n),), k=n)
    for shape, to in (((3, 1), (2, 3, 4)), ((), (5,)), ((1, 1), (300, 401)), ((1, 0), (2, 0))):
        yield OpCase(
            f"expand[{shape}, {to}]",
            given(ops.expand, to),
            (normal(*shape),),
            k_grad=math.prod(to),
        )


def largest(x: Tensor, fn: Callable[..., Any], *how: Any) -> Tensor:
    """The values of max or min."""
    return fn(x, *how).values


def extremes(shape: Any, dim: Any, keepdim: bool, how: str) -> Iterable[OpCase]:
    """max, min, argmax, argmin, where they take such a `dim`."""
    if isinstance(dim, tuple):
        return
    for fn, arg in ((ops.max, ops.argmax), (ops.min, ops.argmin)):
        if dim is not None:
            call = given(largest, fn, dim, keepdim)
            yield OpCase(f"{fn.__name__}[{how}]", call, (distinct(*shape),))
        elif not keepdim:
            yield OpCase(f"{fn.__name__}[{how}]", fn, (distinct(*shape),))
        call = given(arg, dim, keepdim)
        yield OpCase(f"{arg.__name__}[{how}]", call, (grid(*shape),), grads=())


# ---- matrix products

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


# ---- movement, indexing


def movement() -> Iterable[OpCase]:
    moves: list[tuple[str, Callable[[Tensor], Tensor], tuple[int, ...]]] = [
        ("reshape[3x4 to 2x-1]", given(ops.reshape, (2, -1)), (3, 4)),
        ("reshape[empty]", given(ops.reshape, (0, 5)), (3, 0)),
        ("flatten[1]", given(ops.flatten, 1), (2, 3, 4)),
        ("flatten[0-d]", ops.flatten, ()),
        ("squeeze[all]", ops.squeeze, (1, 3, 1)),
        ("squeeze[-1]", given(ops.squeeze, -1), (1, 3, 1)),
        ("unsqueeze[1]", given(ops.unsqueeze, 1), (2, 3)),
        ("clone[33]", ops.clone, (33,)),
        ("narrow[1]", given(ops.narrow, 1, 1, 2), (3, 4)),
        ("flip[0]", given(ops.flip, 0), (5, 3)),
        ("flip[both]", given(ops.flip, (0, 1)), (33, 17)),
        ("pad[one]", given(ops.pad, (1, 2)), (3, 4)),
        ("pad[two, value]", given(ops.pad, (1, 0, 2, 3), value=1.5), (2, 3, 4)),
        ("pad[cut]", given(ops.pad, (-1, 2, 0, -1)), (3, 4)),
        ("pad[big]", given(ops.pad, (1, 1, 1, 1)), (9, 5, 41, 43)),
        ("transpose[0, 1]", given(ops.transpose, 0, 1), (3, 4)),
        ("transpose[big]", given(ops.transpose, 0, 1), (301, 257)),
        ("permute[2, 0, 1]", given(ops.permute, (2, 0, 1)), (2, 3, 4)),
        ("permute[0, 2, 3, 1]", given(ops.permute, (0, 2, 3, 1)), (3, 17, 31, 33)),
        ("permute[3, 2, 1, 0]", given(ops.permute, (3, 2, 1, 0)), (5, 8, 7, 6)),
        ("permute[1, 0, 2]", given(ops.permute, (1, 0, 2)), (33, 65, 16)),
    ]
    keys: list[tuple[str, Any]] = [
        ("1", 1), ("-1", -1), ("1:3", slice(1, 3)), ("::2", slice(None, None, 2)),
        ("::-1", slice(None, None, -1)), ("..., 0", (..., 0)), (":, 1:, ::2", np.s_[:, 1:, ::2]),
        ("None, 1, :, None", np.s_[None, 1, :, None]), ("5:2", slice(5, 2)),
        ("2::-2, ::3", np.s_[2::-2, ::3]), ("list", [0, 2, 2]), (":, list", np.s_[:, [3, 0, -1]]),
        ("1:3, :, list", np.s_[1:3, :, [1, 1]]), ("list, :, list", np.s_[[0, 1], :, [1, 0]]),
    ]  # fmt: skip
    for text, key in keys:
        moves.append((f"index_select[x[{text}]]", given(Tensor.__getitem__, key), (4, 5, 3)))
    for name, fn, shape in moves:
        yield OpCase(name, fn, (normal(*shape),), k_grad=3)
    for dim, shapes in ((0, ((2, 3), (1, 3), (4, 3))), (1, ((3, 2), (3, 0), (3, 65))),
                        (-1, ((2, 3, 4), (2, 3, 1))), (0, ((BIG,), (7,)))):  # fmt: skip
        inputs = tuple(normal(*s) for s in shapes)
        yield OpCase(f"cat[{shapes}, {dim}]", lambda *xs, d=dim: ops.cat(xs, d), inputs)
    for dim in (0, 1, -1):
        inputs = (normal(3, 4), normal(3, 4))
        yield OpCase(f"stack[{dim}]", lambda *xs, d=dim: ops.stack(xs, d), inputs)
    yield OpCase("concat[]", lambda *xs: ops.concat(xs), (normal(2), normal(3)))
    yield OpCase("concatenate[]", lambda *xs: ops.concatenate(xs), (normal(2), normal(3)))


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


def there_and_back(x: Tensor) -> Tensor:
    """To the other device, as float32."""
    other = "cpu" if x.device.name == "numpy" else "numpy"
    return x.float().to(other).to(x.device).to(x.dtype)


def conversions() -> Iterable[OpCase]:
    for n in TAILS:
        call = given(Tensor.to, pydl.float16)
        yield OpCase(f"to[float16, {n}]", call, (normal(n),), smooth=False)
    yield OpCase("to[device]", there_and_back, (normal(3, 4),), smooth=False, replay=False)
    yield OpCase("to[int64]", Tensor.long, (normal(3, 4, scale=9),), grads=())


# ---- new tensors, random numbers


def creation() -> Iterable[OpCase]:
    def like(x: Tensor) -> dict[str, Any]:
        return {"dtype": x.dtype, "device": x.device}

    makers: dict[str, Callable[[Tensor], Tensor]] = {
        "zeros[]": lambda x: ops.zeros(x.shape, **like(x)),
        "ones[]": lambda x: ops.ones(x.shape, **like(x)),
        "full[]": lambda x: ops.full(x.shape, 2.5, **like(x)),
        "empty[]": lambda x: ops.empty(x.shape, **like(x)).fill_(1.0),
        "zeros_like[]": ops.zeros_like,
        "ones_like[]": ops.ones_like,
        "full_like[]": lambda x: ops.full_like(x, -1.25),
        "empty_like[]": lambda x: ops.empty_like(x).zero_(),
        "arange[float]": lambda x: ops.arange(0.5, 20.0, 0.25, **like(x)),
        "arange[int]": lambda x: ops.arange(10, -10, -3, device=x.device),
        "arange[big]": lambda x: ops.arange(BIG, device=x.device),
        "rand[]": lambda x: pydl.rand(x.shape, **like(x)),
        "randn[]": lambda x: pydl.randn(x.shape, **like(x)),
        "rand[big]": lambda x: pydl.rand(BIG, **like(x)),
        "randn[big]": lambda x: pydl.randn(BIG, **like(x)),
        "randint[]": lambda x: pydl.randint(-5, 2**31, x.shape, x.device),
        "randperm[]": lambda x: pydl.randperm(1003, x.device),
    }
    for name, fn in makers.items():
        yield OpCase(name, fn, (normal(3, 5),), grads=())
    for n in (*TAILS, BIG):
        yield OpCase(f"dropout[{n}]", dropout, (normal(n),))


def dropout(x: Tensor) -> Tensor:
    """The same stream at every call, as finite differences need it."""
    pydl.manual_seed(0)
    return F.dropout(x, 0.3)


CASES: tuple[OpCase, ...] = tuple(
    case
    for family in (unary, binary, reductions, products, convolutions, pools, norms, losses,
                   movement, indexing, conversions, creation)
    for case in family()
)  # fmt: skip

KERNELS: tuple[KernelCase, ...] = tuple(kernels())
