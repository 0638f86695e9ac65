"""Normalisation and softmax."""

from __future__ import annotations

import math
from collections.abc import Iterable

from opcase import OpCase, Refusal, given, ids, normal, refused, uniform

from pydl import Tensor, ops


def norms() -> Iterable[OpCase]:
    for x in ((4, 3), (2, 3, 4), (2, 2, 3, 2), (33, 65), (64, 17, 13, 11), (128, 300)):
        c, n = x[1], math.prod(x) // x[1]

        def trained(t: Tensor, *affine: Tensor) -> Tensor:
            return ops.batch_norm(t, None, None, *affine, training=True)

        def running(t: Tensor, *start: Tensor) -> Tensor:
            mean, var = (ops.clone(s) for s in start)
            ops.batch_norm(t, mean, var, training=True, momentum=0.25)
            return ops.cat([mean, var])

        def fixed(t: Tensor, *rest: Tensor) -> Tensor:
            return ops.batch_norm(t, rest[-2].detach(), rest[-1].detach(), *rest[:-2])

        scale, positive = uniform(0.5, 1.5, c), uniform(0.5, 2, c)
        affine = (scale, normal(c))
        yield OpCase(f"batch_norm[{x}, train]", trained, (normal(*x), *affine), k=n, k_grad=n,
                     twice=False)  # fmt: skip
        yield OpCase(f"batch_norm[{x}, running]", running, (normal(*x), normal(c), positive),
                     k=n, grads=())  # fmt: skip
        yield OpCase(f"batch_norm[{x}, train, plain]", trained, (normal(*x),), k=n, k_grad=n,
                     twice=False)  # fmt: skip
        yield OpCase(f"batch_norm[{x}, eval]", fixed, (normal(*x), *affine, normal(c), positive),
                     k=n, k_grad=n, grads=(0, 1, 2), twice=False)  # fmt: skip
        yield OpCase(f"batch_norm[{x}, eval, plain]", fixed, (normal(*x), normal(c), positive),
                     k=n, k_grad=n, grads=(0,), twice=False)  # fmt: skip
    for x, dim in (((5,), 0), ((3, 5), 1), ((3, 5), 0), ((2, 3, 4), 1), ((2, 1), 1), ((4, 33), -1),
                   ((7, 1003), 1), ((1003, 7), 0), ((500, 100), 1), ((0, 3), 1)):  # fmt: skip
        for fn in (ops.softmax, ops.log_softmax):
            yield OpCase(f"{fn.__name__}[{x}, {dim}]", given(fn, dim), (normal(*x),),
                         k=x[dim], k_grad=x[dim])  # fmt: skip


CASES: tuple[OpCase, ...] = (*norms(),)


ERRORS: tuple[Refusal, ...] = (
    refused("softmax", lambda x: ops.softmax(x, 2), (2, 3), error=IndexError,
            message="^softmax: dim 2 is out of range for 2 dimensions"),
    Refusal("log_softmax", lambda d: ops.log_softmax(ids((2,), 1, d)), TypeError,
            "^log_softmax: expected a floating tensor, got int64"),
    refused("batch_norm", lambda x, m: ops.batch_norm(x, m, m), (4, 3), (2,),
            message=r"^batch_norm: running_mean is \(2,\), x \(4, 3\) has C=3"),
    refused("batch_norm", lambda x: ops.batch_norm(x, None, None), (4, 3),
            message="^batch_norm: running statistics are needed when not training"),
    refused("batch_norm", lambda x: ops.batch_norm(x, None, None, training=True), (1, 3),
            message="^batch_norm: more than one value per channel is needed"),
    refused("batch_norm", lambda x, w: ops.batch_norm(x, None, None, w, training=True), (4, 3),
            (3,), message="^batch_norm: give weight and bias"),
)  # fmt: skip
