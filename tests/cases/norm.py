"""Normalisation and softmax."""

from __future__ import annotations

import math
from collections.abc import Iterable

from opcase import (
    FLOATING,
    OpCase,
    Refusal,
    Rule,
    away,
    given,
    ids,
    normal,
    refused,
    uniform,
)

from pydl import Tensor, ops


def batch_norms() -> Iterable[OpCase]:
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
        k = {"k": n, "k_grad": n}
        yield OpCase(f"batch_norm[{x}, train]", trained, (normal(*x), *affine), **k)
        yield OpCase(f"batch_norm[{x}, running]", running, (normal(*x), normal(c), positive),
                     k=n, grads=())  # fmt: skip
        yield OpCase(f"batch_norm[{x}, train, plain]", trained, (normal(*x),), **k)
        yield OpCase(f"batch_norm[{x}, eval]", fixed, (normal(*x), *affine, normal(c), positive),
                     **k, grads=(0, 1, 2))  # fmt: skip
        yield OpCase(f"batch_norm[{x}, eval, plain]", fixed, (normal(*x), normal(c), positive),
                     **k, grads=(0,))  # fmt: skip

    def one(t: Tensor, value: Tensor, which: str) -> Tensor:
        return ops.batch_norm(t, None, None, training=True, **{which: value})  # type: ignore

    for which in ("weight", "bias"):
        yield OpCase(f"batch_norm[{which} alone]", given(one, which=which),
                     (normal(2, 3, 4), normal(3)), k=8, k_grad=8)  # fmt: skip
    yield OpCase("batch_norm[empty]", trained, (normal(0, 3), normal(3), normal(3)))


def row_norms() -> Iterable[OpCase]:
    for x, shape in (((4, 3), (3,)), ((2, 3, 4), (3, 4)), ((3, 1), (1,)), ((0, 3), (3,)),
                     ((3, 0), (0,)), ((5, 65), (65,)), ((300, 129), (129,)), ((7, 5000), (5000,)),
                     ((5000, 7), (7,))):  # fmt: skip
        n = math.prod(shape)
        k = {"k": n, "k_grad": max(n, math.prod(x[: len(x) - len(shape)]))}
        weight, bias = uniform(0.5, 1.5, *shape), normal(*shape)
        layer = given(layered, normalized_shape=shape)
        yield OpCase(f"layer_norm[{x}, {shape}]", layer, (normal(*x), weight, bias), **k)
        yield OpCase(f"layer_norm[{x}, {shape}, plain]", layer, (normal(*x),), **k)
        yield OpCase(f"layer_norm[{x}, {shape}, no bias]", layer, (normal(*x), weight), **k)
        if n != 1:
            rms = given(root, shape)
            yield OpCase(f"rms_norm[{x}, {shape}]", rms, (normal(*x), weight), **k)
    yield OpCase("rms_norm[plain]", given(root, 4, eps=0.1), (normal(2, 3, 4),), k=4, k_grad=4)
    for x, groups in (((2, 4, 3), 2), ((3, 8), 2), ((2, 3, 2, 2), 1), ((2, 3, 5), 3),
                      ((1, 6, 1), 2), ((0, 4, 3), 2), ((3, 70, 33), 35), ((40, 6, 9, 11), 3),
                      ((2, 3, 2500), 3)):  # fmt: skip
        c, s = x[1], math.prod(x[2:])
        k = {"k": c // groups * s, "k_grad": max(x[0] * s, c // groups * s)}
        affine = (uniform(0.5, 1.5, c), normal(c))
        group = given(grouped, num_groups=groups)
        yield OpCase(f"group_norm[{x}, {groups}]", group, (normal(*x), *affine), **k)
        yield OpCase(f"group_norm[{x}, {groups}, plain]", group, (normal(*x),), **k)
    yield OpCase("group_norm[bias alone]", lambda x, b: ops.group_norm(x, 2, bias=b),
                 (normal(2, 4, 3), normal(4)), k=6, k_grad=6)  # fmt: skip


def layered(x: Tensor, *affine: Tensor, normalized_shape: tuple[int, ...]) -> Tensor:
    return ops.layer_norm(x, normalized_shape, *affine)


def root(x: Tensor, *rest: object, **options: float) -> Tensor:
    *weight, shape = rest
    return ops.rms_norm(x, shape, *weight, **options)  # type: ignore[arg-type]


def grouped(x: Tensor, *affine: Tensor, num_groups: int) -> Tensor:
    return ops.group_norm(x, num_groups, *affine)


def other_norms() -> Iterable[OpCase]:
    def moved(t: Tensor, *start: Tensor) -> Tensor:
        mean, var = (ops.clone(s) for s in start)
        ops.instance_norm(t, mean, var, momentum=0.25)
        return ops.cat([mean, var])

    def fixed(t: Tensor, mean: Tensor, var: Tensor, *affine: Tensor) -> Tensor:
        return ops.instance_norm(t, mean, var, *affine, use_input_stats=False)

    for x in ((2, 3, 4), (2, 2, 3, 2), (0, 3, 2), (2, 0, 3), (9, 5, 17, 11)):
        c, s = x[1], math.prod(x[2:])
        k = {"k": s, "k_grad": max(x[0] * s, 1)}
        affine, positive = (uniform(0.5, 1.5, c), normal(c)), uniform(0.5, 2, c)
        yield OpCase(f"instance_norm[{x}]", plain_instance, (normal(*x),), **k)
        yield OpCase(f"instance_norm[{x}, affine]", plain_instance, (normal(*x), *affine), **k)
        yield OpCase(f"instance_norm[{x}, eval]", fixed,
                     (normal(*x), normal(c), positive, *affine), **k, grads=(0, 3, 4))  # fmt: skip
        if x[0] and c:
            yield OpCase(f"instance_norm[{x}, running]", moved, (normal(*x), normal(c), positive),
                         k=x[0] * s, grads=())  # fmt: skip
    for x, size in (((2, 5, 3), 3), ((2, 3, 2, 2), 2), ((1, 4, 1), 9), ((0, 3, 2), 3),
                    ((3, 33, 5, 7), 5)):  # fmt: skip
        call = given(ops.local_response_norm, size, alpha=0.3, beta=0.7, k=1.5)
        yield OpCase(f"local_response_norm[{x}, {size}]", call, (away(*x),), k=size,
                     k_grad=size)  # fmt: skip


def plain_instance(x: Tensor, *affine: Tensor) -> Tensor:
    return ops.instance_norm(x, None, None, *affine)


def softmaxes() -> Iterable[OpCase]:
    for x, dim in (((5,), 0), ((3, 5), 1), ((3, 5), 0), ((2, 3, 4), 1), ((2, 1), 1), ((4, 33), -1),
                   ((7, 1003), 1), ((1003, 7), 0), ((500, 100), 1), ((0, 3), 1)):  # fmt: skip
        for fn in (ops.softmax, ops.log_softmax):
            yield OpCase(f"{fn.__name__}[{x}, {dim}]", given(fn, dim), (normal(*x),),
                         k=x[dim], k_grad=x[dim])  # fmt: skip


CASES: tuple[OpCase, ...] = (*batch_norms(), *row_norms(), *other_norms(), *softmaxes())


def mixed(d: str) -> Tensor:
    wide = ops.ones(4, 3, device="numpy").double()
    return ops.batch_norm(wide, None, None, ops.ones(3, device="numpy"), training=True)


ERRORS: tuple[Refusal, ...] = (
    refused("softmax", lambda x: ops.softmax(x, 2), (2, 3), error=IndexError,
            message="^softmax: dim 2 is out of range for 2 dimensions"),
    Refusal("log_softmax", lambda d: ops.log_softmax(ids((2,), 1, d)), TypeError,
            "^log_softmax: expected a floating tensor, got int64"),
    refused("batch_norm", lambda x, m: ops.batch_norm(x, m, m), (4, 3), (2,),
            message=r"^batch_norm: running_mean is \(2,\), expected \(3,\) for x \(4, 3\)"),
    refused("batch_norm", lambda x: ops.batch_norm(x, None, None), (4, 3),
            message="^batch_norm: running statistics are needed when not training"),
    refused("batch_norm", lambda x: ops.batch_norm(x, None, None, training=True), (1, 3),
            message="^batch_norm: more than one value per channel is needed"),
    refused("batch_norm", lambda x, m: ops.batch_norm(x, m, None), (4, 3), (3,),
            message="^batch_norm: give both running statistics, or neither"),
    refused("batch_norm", lambda x: ops.batch_norm(x, None, None, training=True, eps=0.0), (4, 3),
            message="^batch_norm: eps must be positive when training, got 0.0"),
    refused("batch_norm", lambda x: ops.batch_norm(x, None, None), (4,),
            message=r"^batch_norm: x is \(N, C, ...\), got \(4,\)"),
    Refusal("batch_norm", mixed, TypeError, "^batch_norm: weight is float32, but x is float64"),
    refused("layer_norm", lambda x: ops.layer_norm(x, 4), (2, 3),
            message=r"^layer_norm: x \(2, 3\) does not end in normalized_shape \(4,\)"),
    refused("layer_norm", lambda x: ops.layer_norm(x, ()), (2, 3),
            message=r"^layer_norm: x \(2, 3\) does not end in normalized_shape \(\)"),
    refused("layer_norm", lambda x, b: ops.layer_norm(x, 3, None, b), (2, 3), (2,),
            message=r"^layer_norm: bias is \(2,\), expected \(3,\) for x \(2, 3\)"),
    Refusal("layer_norm", lambda d: ops.layer_norm(ids((2, 3), 1, d), 3), TypeError,
            r"^layer_norm: x is int64, expected float32; use \.float\(\)"),
    refused("rms_norm", lambda x: ops.rms_norm(x, (2, 2)), (2, 3),
            message=r"^rms_norm: x \(2, 3\) does not end in normalized_shape \(2, 2\)"),
    refused("group_norm", lambda x: ops.group_norm(x, 2), (2, 3),
            message=r"^group_norm: num_groups=2 does not divide C=3 of \(2, 3\)"),
    refused("group_norm", lambda x: ops.group_norm(x, 0), (2, 3),
            message="^group_norm: num_groups=0 does not divide C=3"),
    refused("group_norm", lambda x: ops.group_norm(x, 1), (1, 1, 1),
            message="^group_norm: more than one value per group is needed"),
    refused("group_norm", lambda x: ops.group_norm(x, 1), (3,),
            message=r"^group_norm: x is \(N, C, ...\), got \(3,\)"),
    refused("instance_norm", ops.instance_norm, (2, 3, 1),
            message="^instance_norm: more than one element per channel is needed"),
    refused("instance_norm", lambda x: ops.instance_norm(x, use_input_stats=False), (2, 3, 4),
            message="^instance_norm: running statistics are needed, not use_input_stats"),
    refused("instance_norm", lambda x, m: ops.instance_norm(x, m), (2, 3, 4), (3,),
            message="^instance_norm: give both running statistics, or neither"),
    refused("local_response_norm", lambda x: ops.local_response_norm(x, 3), (2, 3),
            message=r"^local_response_norm: x is \(N, C, ...\) of 3 or more, got \(2, 3\)"),
    refused("local_response_norm", lambda x: ops.local_response_norm(x, 0), (2, 3, 4),
            message="^local_response_norm: size must be positive, got 0"),
)  # fmt: skip

DTYPES: dict[str, Rule] = {
    "batch_norm": FLOATING,
    "group_norm": FLOATING,
    "instance_norm": FLOATING,
    "layer_norm": FLOATING,
    "local_response_norm": FLOATING,
    "log_softmax": FLOATING,
    "rms_norm": FLOATING,
    "softmax": FLOATING,
}
