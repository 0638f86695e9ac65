"""Losses."""

from __future__ import annotations

import math
from collections.abc import Iterable

from opcase import (
    BIG,
    OpCase,
    Refusal,
    away,
    given,
    grid,
    ids,
    normal,
    refused,
    simplex,
    uniform,
    whole,
)

from pydl import Tensor, ops
from pydl.nn import functional as F


def losses() -> Iterable[OpCase]:
    for x in ((4, 3), (1, 1), (2, 3, 4), (2, 3, 2, 2), (128, 10), (33, 1003), (5, 17, 9, 8)):
        c, n = x[1], math.prod(x) // x[1]
        target = whole(0, c, x[0], *x[2:])
        inputs = (normal(*x), target)
        likelihood = uniform(-5, -0.1, *x)
        how = {"k": n * c, "k_grad": n * c}
        for smoothing in (0.0, 0.1) if c > 1 else (0.0,):
            for reduction in ("mean", "sum", "none"):
                call = given(ops.cross_entropy, reduction=reduction, label_smoothing=smoothing)
                yield OpCase(f"cross_entropy[{x}, {reduction}, {smoothing}]", call, inputs, **how,
                             twice=False)  # fmt: skip
            weighted = given(ops.cross_entropy, ignore_index=0, label_smoothing=smoothing)
            if c > 1:
                yield OpCase(f"cross_entropy[{x}, weighted, {smoothing}]", weighted,
                             (*inputs, uniform(0.5, 2, c)), **how, grads=(0,),
                             twice=False)  # fmt: skip
        for reduction in ("mean", "none"):
            call = given(ops.nll_loss, reduction=reduction)
            yield OpCase(f"nll_loss[{x}, {reduction}]", call, (likelihood, target), **how)
        if c > 1:
            call = given(ops.nll_loss, ignore_index=0)
            yield OpCase(f"nll_loss[{x}, weighted]", call,
                         (likelihood, target, uniform(0.5, 2, c)), **how, grads=(0,))  # fmt: skip
    soft = (normal(4, 3), simplex(4, 3))
    for e in (0.0, 0.1):
        call = given(ops.cross_entropy, label_smoothing=e)
        yield OpCase(f"cross_entropy[soft, {e}]", call, soft, k=12, k_grad=12)
    call = given(ops.cross_entropy, reduction="sum")
    inputs = (*soft, uniform(0.5, 2, 3))
    yield OpCase("cross_entropy[soft, weighted]", call, inputs, k=12, k_grad=12)
    yield OpCase("cross_entropy[one row]", ops.cross_entropy, (normal(5), whole(0, 5)), k=5,
                 k_grad=5, twice=False)  # fmt: skip
    for shape in ((7,), (3, 4), (), (BIG,)):
        n = math.prod(shape)
        pair = (grid(*shape), grid(*shape, shift=0.1))
        chance = (uniform(0.1, 0.9, *shape), uniform(0, 1, *shape))
        for reduction in ("mean", "sum", "none"):
            k = {"k": n, "k_grad": n}
            for fn in (ops.mse_loss, ops.l1_loss, ops.smooth_l1_loss):
                call = given(fn, reduction=reduction)
                yield OpCase(f"{fn.__name__}[{shape}, {reduction}]", call, pair, **k)
            call = given(ops.binary_cross_entropy, reduction=reduction)
            yield OpCase(f"binary_cross_entropy[{shape}, {reduction}]", call, chance, **k)
            name = "binary_cross_entropy_with_logits"
            call = given(F.binary_cross_entropy_with_logits, reduction=reduction)
            yield OpCase(f"{name}[{shape}, {reduction}]", call,
                         (away(*shape), uniform(0, 1, *shape)), **k)  # fmt: skip

    def positive(t: Tensor, y: Tensor, w: Tensor, p: Tensor) -> Tensor:
        return ops.binary_cross_entropy_with_logits(t, y, w, "sum", p)

    yield OpCase("binary_cross_entropy_with_logits[weighted]", positive,
                 (away(3, 4), uniform(0, 1, 3, 4), uniform(0.5, 2, 4), uniform(0.5, 2, 4)),
                 k=12, k_grad=12)  # fmt: skip
    call = given(ops.binary_cross_entropy, reduction="sum")
    yield OpCase("binary_cross_entropy[weighted]", call,
                 (uniform(0.1, 0.9, 3, 4), uniform(0, 1, 3, 4), uniform(0.5, 2, 4)),
                 k=12, k_grad=12)  # fmt: skip


CASES: tuple[OpCase, ...] = (*losses(),)


ERRORS: tuple[Refusal, ...] = (
    Refusal("cross_entropy", lambda d: ops.cross_entropy(ops.ones(2, 3, device=d), ids((3,), 0, d)),
            ValueError, r"^cross_entropy: target \(3,\) does not fit x \(2, 3\)"),
    refused("cross_entropy", ops.cross_entropy, (2, 3), (2, 4),
            message=r"^cross_entropy: probabilities \(2, 4\) do not have the shape of x \(2, 3\)"),
    Refusal("cross_entropy", lambda d: ops.cross_entropy(ops.ones(2, 3), ids((2,), 3, "cpu")),
            IndexError, r"^cross_entropy: target holds 3, expected \[0, 3\)"),
    Refusal("cross_entropy", lambda d: ops.cross_entropy(
        ops.ones(2, 3, device=d), ids((2,), 1, d), label_smoothing=2), ValueError,
        "^cross_entropy: label_smoothing is in"),
    Refusal("cross_entropy", lambda d: ops.cross_entropy(
        ops.ones(2, 3, device=d), ids((2,), 1, d), reduction="max"), ValueError,
        "^cross_entropy: reduction 'max': choose 'mean', 'sum' or 'none'"),
    Refusal("nll_loss", lambda d: ops.nll_loss(ops.ones(2, 3, device=d), ids((2, 2), 1, d)),
            ValueError, r"^nll_loss: target \(2, 2\) does not fit x \(2, 3\)"),
    refused("mse_loss", ops.mse_loss, (2, 1), (2, 3), message=r"^mse_loss: input \(2, 1\) and"),
    refused("smooth_l1_loss", lambda x, y: ops.smooth_l1_loss(x, y, beta=-1.0), (2,), (2,),
            message="^smooth_l1_loss: beta must not be negative, got -1"),
)  # fmt: skip
