"""Losses with a margin."""

from __future__ import annotations

import math
from collections.abc import Iterable

from opcase import (
    FLOATING,
    Draw,
    OpCase,
    Refusal,
    Rule,
    away,
    given,
    grid,
    ids,
    normal,
    refused,
    uniform,
    whole,
)

from pydl import ops


def signs(*shape: int) -> Draw:
    """1.0 and -1.0."""
    return lambda r: r.integers(0, 2, shape) * 2.0 - 1.0


def margins() -> Iterable[OpCase]:
    for shape in ((7,), (3, 4), (), (0,)):
        n = math.prod(shape)
        k = {"k": n, "k_grad": n, "smooth": n > 0}
        pair = (grid(*shape), grid(*shape, shift=0.1))
        for reduction in ("mean", "sum", "none"):
            where = f"{shape}, {reduction}"
            call = given(ops.hinge_embedding_loss, margin=0.7, reduction=reduction)
            yield OpCase(f"hinge_embedding_loss[{where}]", call, (away(*shape, kinks=(0.7,)),
                         signs(*shape)), **k, grads=(0,))  # fmt: skip
            call = given(ops.margin_ranking_loss, margin=0.3, reduction=reduction)
            yield OpCase(f"margin_ranking_loss[{where}]", call, (*pair, signs(*shape)), **k,
                         grads=(0, 1))  # fmt: skip
            call = given(ops.soft_margin_loss, reduction=reduction)
            yield OpCase(f"soft_margin_loss[{where}]", call, (normal(*shape), signs(*shape)), **k)
    yield OpCase("soft_margin_loss[broadcast]", ops.soft_margin_loss, (normal(3, 1), signs(4)),
                 k=12, k_grad=12)  # fmt: skip
    for x in ((3, 5), (1, 4), (0, 3), (4,)):
        n = math.prod(x)
        k = {"k": n, "k_grad": n, "smooth": n > 0}
        for reduction in ("mean", "none"):
            where = f"{x}, {reduction}"
            call = given(ops.cosine_embedding_loss, margin=-0.1, reduction=reduction)
            yield OpCase(f"cosine_embedding_loss[{where}]", call,
                         (uniform(0.1, 1, *x), normal(*x), signs(*x[:-1])), **k,
                         grads=(0, 1))  # fmt: skip
            call = given(ops.multilabel_soft_margin_loss, reduction=reduction)
            yield OpCase(f"multilabel_soft_margin_loss[{where}]", call,
                         (normal(*x), uniform(0, 1, *x)), **k)  # fmt: skip
            for p in (1, 2):
                call = given(ops.multi_margin_loss, p, 0.8, reduction=reduction)
                yield OpCase(f"multi_margin_loss[{where}, {p}]", call,
                             (grid(*x), whole(0, x[-1], *x[:-1])), **k)  # fmt: skip
    yield OpCase("multi_margin_loss[weighted]",
                 lambda x, t, w: ops.multi_margin_loss(x, t, 2, 0.8, w),
                 (grid(3, 4), whole(0, 4, 3), uniform(0.5, 2, 4)), k=12, k_grad=12)  # fmt: skip
    yield OpCase("multilabel_soft_margin_loss[weighted]", ops.multilabel_soft_margin_loss,
                 (normal(3, 4), uniform(0, 1, 3, 4), uniform(0.5, 2, 4)), k=12,
                 k_grad=12)  # fmt: skip


CASES: tuple[OpCase, ...] = (*margins(),)

ERRORS: tuple[Refusal, ...] = (
    refused("hinge_embedding_loss", ops.hinge_embedding_loss, (2,), (3,),
            message="do not broadcast"),
    refused("margin_ranking_loss", ops.margin_ranking_loss, (2,), (2,), (),
            message=r"^margin_ranking_loss: a \(2,\), b \(2,\) and target \(\) differ in"),
    refused("cosine_embedding_loss", ops.cosine_embedding_loss, (2, 3), (2, 3), (),
            message=r"^cosine_embedding_loss: expected a and b \(N, D\) with target \(N,\)"),
    Refusal("soft_margin_loss", lambda d: ops.soft_margin_loss(ids((2,), 1, d), ids((2,), 1, d)),
            TypeError, "^soft_margin_loss: x is int64, expected float32"),
    Refusal("multi_margin_loss", lambda d: ops.multi_margin_loss(ops.ones(2, 3, device=d),
            ids((2,), 3, d)), IndexError, "^multi_margin_loss: target holds a class outside"),
    Refusal("multi_margin_loss", lambda d: ops.multi_margin_loss(ops.ones(2, 3, device=d),
            ids((2,), 0, d), p=3), ValueError, "^multi_margin_loss: p is 1 or 2, got 3"),
    Refusal("multi_margin_loss", lambda d: ops.multi_margin_loss(ops.ones(2, 3, device=d),
            ids((3,), 0, d)), ValueError, r"^multi_margin_loss: x \(2, 3\) is \(N, C\) or"),
    refused("multilabel_soft_margin_loss", ops.multilabel_soft_margin_loss, (2, 3), (3,),
            message=r"^multilabel_soft_margin_loss: x \(2, 3\) and target \(3,\) are not of one"),
)  # fmt: skip

DTYPES: dict[str, Rule] = {
    "cosine_embedding_loss": FLOATING,
    "hinge_embedding_loss": FLOATING,
    "margin_ranking_loss": FLOATING,
    "multi_margin_loss": FLOATING,
    "multilabel_soft_margin_loss": FLOATING,
    "soft_margin_loss": FLOATING,
}
