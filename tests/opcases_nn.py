"""Op cases of networks: convolution, pooling, normalisation, losses; options of the kernels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from opcase import (
    BIG,
    Draw,
    KernelCase,
    OpCase,
    away,
    constant,
    distinct,
    given,
    grid,
    normal,
    simplex,
    uniform,
    whole,
)

import pydl
from pydl import Tensor, ops
from pydl.nn import functional as F

# ---- convolution

# x, weight, stride, padding, dilation, groups
CONVOLUTIONS: tuple[tuple[Any, ...], ...] = (
    ((1, 1, 3, 3), (1, 1, 1, 1), 1, 0, 1, 1),
    ((2, 2, 4, 5), (3, 2, 3, 3), 1, 0, 1, 1),
    ((1, 2, 5, 4), (2, 2, 3, 2), (2, 1), (1, 0), 1, 1),
    ((1, 1, 7, 7), (2, 1, 3, 3), 1, 2, 2, 1),
    ((1, 4, 4, 4), (4, 2, 3, 3), 2, 1, 1, 2),
    ((2, 3, 4, 4), (3, 1, 2, 2), 1, 1, 1, 3),
    ((1, 2, 5, 5), (1, 2, 2, 2), 3, 0, 1, 1),
    ((1, 2, 4, 4), (2, 2, 3, 3), 1, "same", 1, 1),
    ((1, 2, 5, 4), (2, 2, 2, 4), 1, "same", 1, 1),
    ((0, 2, 4, 4), (3, 2, 3, 3), 1, 0, 1, 1),
    ((4, 1, 28, 28), (33, 1, 3, 3), 1, 0, 1, 1),
    ((3, 32, 26, 26), (64, 32, 3, 3), 1, 0, 1, 1),
    ((5, 17, 15, 15), (31, 17, 5, 5), 1, 2, 1, 1),
    ((2, 3, 33, 31), (16, 3, 7, 7), 2, 3, 1, 1),
    ((2, 64, 14, 14), (96, 64, 1, 1), 1, 0, 1, 1),
    ((2, 24, 17, 17), (24, 1, 3, 3), 1, 1, 1, 24),
    ((2, 16, 20, 18), (32, 4, 3, 3), (2, 1), (1, 2), (1, 2), 4),
)


def convolutions() -> Iterable[OpCase]:
    for x, w, stride, padding, dilation, groups in CONVOLUTIONS:
        how = f"{x}, {w}, {stride}, {padding}, {dilation}, {groups}"
        window = {"stride": stride, "padding": padding, "dilation": dilation}
        call = given(ops.conv2d, groups=groups, **window)
        taps = math.prod(w[2:])
        k_grad = max(x[0] * x[2] * x[3], w[0] // groups * taps, 1)
        inputs = (normal(*x), normal(*w), normal(w[0]))
        k = math.prod(w[1:]) + 1  # and the bias
        yield OpCase(f"conv2d[{how}]", call, inputs[:2], k=k, k_grad=k_grad)
        yield OpCase(f"conv2d[{how}, bias]", call, inputs, k=k, k_grad=k_grad)
    for x, kernel, stride, padding, dilation in (
        ((2, 2, 4, 5), (3, 2), 1, 0, 1),
        ((1, 2, 5, 5), 3, 2, 1, 1),
        ((1, 1, 6, 7), (2, 3), (2, 1), (0, 2), (2, 1)),
        ((3, 17, 30, 31), 3, 1, 1, 1),
    ):
        how = f"{x}, {kernel}, {stride}, {padding}, {dilation}"
        o = (kernel, dilation, padding, stride)
        taps = kernel**2 if isinstance(kernel, int) else math.prod(kernel)
        yield OpCase(f"unfold[{how}]", given(ops.unfold, *o), (normal(*x),), k_grad=taps)
        col = ops.unfold(pydl.zeros(x), *o).shape
        yield OpCase(f"fold[{how}]", given(ops.fold, x[2:], *o), (normal(*col),), k=taps)


# ---- pooling, normalisation, softmax, losses

POOLS: tuple[tuple[Any, ...], ...] = (  # x, kernel, stride, padding, ceil_mode
    ((1, 1, 4, 4), 2, None, 0, False),
    ((2, 3, 5, 5), 3, 2, 1, False),
    ((1, 2, 5, 6), (2, 3), (1, 2), (1, 0), True),
    ((1, 1, 6, 6), 3, 2, 0, True),
    ((1, 2, 7, 5), 2, 3, 0, False),
    ((0, 2, 4, 4), 2, None, 0, False),
    ((5, 33, 24, 24), 2, None, 0, False),
    ((2, 17, 31, 33), 3, 2, 1, True),
)


def pools() -> Iterable[OpCase]:
    for x, kernel, stride, padding, ceil in POOLS:
        how = f"{x}, {kernel}, {stride}, {padding}{', ceil' * ceil}"
        o = (kernel, stride, padding)
        call = given(ops.max_pool2d, *o, ceil_mode=ceil)
        yield OpCase(f"max_pool2d[{how}]", call, (distinct(*x),), k_grad=9)
        for count in (True, False):
            call = given(ops.avg_pool2d, *o, ceil, count)
            yield OpCase(f"avg_pool2d[{how}, {count}]", call, (normal(*x),), k=9, k_grad=9)
    call = given(ops.max_pool2d, 2, 1, 0, 2)
    yield OpCase("max_pool2d[dilated]", call, (distinct(1, 2, 5, 5),), k_grad=4)
    call = given(ops.avg_pool2d, 2, divisor_override=3)
    yield OpCase("avg_pool2d[divisor]", call, (normal(1, 2, 5, 5),), k=4, k_grad=4)
    for x, size in (((1, 2, 5, 7), 1), ((1, 2, 5, 7), (3, 2)), ((1, 1, 3, 3), (5, None)),
                    ((9, 32, 15, 16), (7, 7))):  # fmt: skip
        call = given(ops.adaptive_avg_pool2d, size)
        n = x[2] * x[3]
        yield OpCase(f"adaptive_avg_pool2d[{x}, {size}]", call, (normal(*x),), k=n, k_grad=9)


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


# ---- kernels whose options no op uses yet, and the optimizers


def kernels() -> Iterable[KernelCase]:
    matrices = {"a": normal(33, 65), "b": normal(65, 31), "out": normal(33, 31), "bias": normal(31)}
    for options in ({"relu": True}, {"alpha": 0.5}, {"accumulate": True},
                    {"relu": True, "alpha": -2.0, "accumulate": True}):  # fmt: skip
        yield KernelCase(f"gemm[{options}]", matrices, options, k=65)
    yield KernelCase(
        "conv2d[relu]",
        {"x": normal(2, 3, 9, 9), "w": normal(5, 3, 3, 3), "bias": normal(5),
         "y": normal(2, 5, 9, 9)},
        {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1, "relu": True},
        k=27,
    )  # fmt: skip

    sizes = [0, 1, 7, 33, BIG, *[5] * 14]  # more than one launch takes

    def several(draw: Callable[..., Draw]) -> list[Draw]:
        return [draw(n) for n in sizes]

    state = several(lambda n: uniform(0.1, 1, n))
    for step in (1, 3):
        base: dict[str, Any] = {"params": several(normal), "grads": several(normal),
                                "lr": constant([0.1]), "step": constant([step])}  # fmt: skip
        for nesterov in (False, True):
            yield KernelCase(f"sgd[{step}, {nesterov}]", {**base, "momentum_buffers": state},
                             {"momentum": 0.9, "dampening": 0.0, "weight_decay": 0.1,
                              "nesterov": nesterov, "maximize": False}, k=4)  # fmt: skip
        yield KernelCase(f"adagrad[{step}]", {**base, "sums": state},
                         {"lr_decay": 0.1, "weight_decay": 0.1, "eps": 1e-6, "maximize": True},
                         k=4)  # fmt: skip
        yield KernelCase(f"adadelta[{step}]", {**base, "square_avgs": state, "acc_deltas": state},
                         {"rho": 0.9, "eps": 1e-3, "weight_decay": 0.1, "maximize": False},
                         k=4)  # fmt: skip
        yield KernelCase(
            f"rmsprop[{step}]",
            {**base, "square_avgs": [uniform(1, 2, n) for n in sizes], "momentum_buffers": state,
             "grad_avgs": [uniform(-0.5, 0.5, n) for n in sizes]},
            {"alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1, "momentum": 0.5, "centered": True,
             "maximize": False},
            k=4,
        )  # fmt: skip
        for amsgrad in (False, True):
            yield KernelCase(
                f"adam[{step}, {amsgrad}]",
                {**base, "exp_avgs": several(normal), "exp_avg_sqs": state,
                 "max_exp_avg_sqs": state if amsgrad else []},
                {"beta1": 0.9, "beta2": 0.99, "eps": 1e-6, "weight_decay": 0.1,
                 "decoupled": amsgrad, "maximize": False},
                k=4,
            )  # fmt: skip
