"""Losses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

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
    simplex,
    uniform,
    whole,
)

from pydl import Tensor, ops


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
                yield OpCase(f"cross_entropy[{x}, {reduction}, {smoothing}]", call, inputs, **how)
            weighted = given(ops.cross_entropy, ignore_index=0, label_smoothing=smoothing)
            if c > 1:
                yield OpCase(f"cross_entropy[{x}, weighted, {smoothing}]", weighted,
                             (*inputs, uniform(0.5, 2, c)), **how, grads=(0,))  # fmt: skip
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
    for fn in (ops.cross_entropy, ops.nll_loss):
        for shape in ((), (1,)):
            yield OpCase(f"{fn.__name__}[one row, {shape}]", fn, (normal(5), whole(0, 5, *shape)),
                         k=5, k_grad=5)  # fmt: skip
    yield from yes_or_no()


def yes_or_no() -> Iterable[OpCase]:
    for shape in ((7,), (3, 4), ()):
        n = math.prod(shape)
        chance = (uniform(0.1, 0.9, *shape), uniform(0, 1, *shape))
        for reduction in ("mean", "sum", "none"):
            k = {"k": n, "k_grad": n}
            call = given(ops.binary_cross_entropy, reduction=reduction)
            yield OpCase(f"binary_cross_entropy[{shape}, {reduction}]", call, chance, **k)
            name = "binary_cross_entropy_with_logits"
            call = given(ops.binary_cross_entropy_with_logits, reduction=reduction)
            yield OpCase(f"{name}[{shape}, {reduction}]", call,
                         (away(*shape), uniform(0, 1, *shape)), **k)  # fmt: skip
    yield OpCase("binary_cross_entropy[certain]", given(ops.binary_cross_entropy, reduction="none"),
                 (coin_floats(9), coin_floats(9)), smooth=False)  # fmt: skip

    def positive(t: Tensor, y: Tensor, w: Tensor, p: Tensor) -> Tensor:
        return ops.binary_cross_entropy_with_logits(t, y, w, reduction="sum", pos_weight=p)

    yield OpCase("binary_cross_entropy_with_logits[weighted]", positive,
                 (away(3, 4), uniform(0, 1, 3, 4), uniform(0.5, 2, 4), uniform(0.5, 2, 4)),
                 k=12, k_grad=12)  # fmt: skip
    call = given(ops.binary_cross_entropy, reduction="sum")
    yield OpCase("binary_cross_entropy[weighted]", call,
                 (uniform(0.1, 0.9, 3, 4), uniform(0, 1, 3, 4), uniform(0.5, 2, 4)),
                 k=12, k_grad=12)  # fmt: skip


def coin_floats(*shape: int) -> Draw:
    """0.0 and 1.0."""
    return lambda r: r.integers(0, 2, shape).astype(float)


def numbers() -> Iterable[OpCase]:
    for shape in ((7,), (3, 4), (), (0,)):
        n = math.prod(shape)
        pair = (grid(*shape), grid(*shape, shift=0.1))
        positive = (uniform(0.5, 3, *shape), uniform(0.1, 4, *shape))
        for reduction in ("mean", "sum", "none"):
            k = {"k": n, "k_grad": n, "smooth": n > 0}
            where = f"{shape}, {reduction}"
            for fn in (ops.mse_loss, ops.l1_loss, ops.smooth_l1_loss, ops.huber_loss):
                call = given(fn, reduction=reduction)
                yield OpCase(f"{fn.__name__}[{where}]", call, pair, **k)
            call = given(ops.kl_div, reduction=reduction)
            yield OpCase(f"kl_div[{where}]", call, (normal(*shape), positive[1]), **k)
            call = given(ops.poisson_nll_loss, reduction=reduction)
            yield OpCase(f"poisson_nll_loss[{where}]", call, pair, **k)
            call = given(ops.gaussian_nll_loss, reduction=reduction)
            yield OpCase(f"gaussian_nll_loss[{where}]", call, (*pair, positive[1]), **k)
    pair, k = (grid(3, 4), grid(3, 4, shift=0.1)), {"k": 12, "k_grad": 12}
    weight = uniform(0.5, 2, 3, 4)
    for fn in (ops.mse_loss, ops.l1_loss, ops.huber_loss):
        for reduction in ("mean", "sum", "none"):
            yield OpCase(f"{fn.__name__}[weighted, {reduction}]", weighted(fn, reduction),
                         (*pair, weight), **k)  # fmt: skip
    yield OpCase("mse_loss[integers]", ops.mse_loss, (normal(5), whole(-3, 3, 5)), k=5, k_grad=5)
    for beta in (0.0, 0.3, 2.0):
        yield OpCase(
            f"smooth_l1_loss[beta {beta}]", given(ops.smooth_l1_loss, beta=beta), pair, **k
        )
    for delta in (0.3, 2.0):
        yield OpCase(f"huber_loss[delta {delta}]", given(ops.huber_loss, delta=delta), pair, **k)
    for name, options in (("log", {"log_target": True}), ("batchmean", {"reduction": "batchmean"})):
        yield OpCase(f"kl_div[{name}]", given(ops.kl_div, **options),
                     (normal(3, 4), uniform(0.1, 1, 3, 4)), **k)  # fmt: skip
    yield OpCase("kl_div[broadcast]", ops.kl_div, (normal(3, 1), uniform(0.1, 1, 4)), **k)
    yield OpCase("poisson_nll_loss[rate, full]",
                 given(ops.poisson_nll_loss, log_input=False, full=True),
                 (uniform(0.5, 3, 3, 4), away(3, 4, kinks=(1.0,))), **k, grads=(0,))  # fmt: skip
    for shape in ((3,), (3, 1), (1, 4)):
        call = given(ops.gaussian_nll_loss, full=True)
        yield OpCase(f"gaussian_nll_loss[var {shape}, full]", call,
                     (*pair, uniform(0.5, 2, *shape)), **k)  # fmt: skip
    yield OpCase("gaussian_nll_loss[number]", given(ops.gaussian_nll_loss, 0.3), pair, **k)


def weighted(fn: Callable[..., Tensor], reduction: str) -> Callable[..., Tensor]:
    return lambda x, y, w: fn(x, y, reduction=reduction, weight=w)


CASES: tuple[OpCase, ...] = (*losses(), *numbers())


def classes(op: str, x: tuple[int, ...], shape: tuple[int, ...], error: type[Exception],
            message: str, value: int = 0, **options: object) -> Refusal:  # fmt: skip
    """A loss of x and one class id everywhere."""
    fn: Callable[..., Tensor] = getattr(ops, op)
    return Refusal(op, lambda d: fn(ops.ones(x, device=d), ids(shape, value, d), **options), error,
                   message)  # fmt: skip


ERRORS: tuple[Refusal, ...] = (
    classes("cross_entropy", (2, 3), (3,), ValueError,
            r"^cross_entropy: target \(3,\) does not fit x \(2, 3\)"),
    refused("cross_entropy", ops.cross_entropy, (2, 3), (2, 4),
            message=r"^cross_entropy: probabilities \(2, 4\) do not have the shape of x \(2, 3\)"),
    classes("cross_entropy", (2, 3), (2,), IndexError,
            r"^cross_entropy: target holds 3, expected \[0, 3\)", 3),
    classes("cross_entropy", (2, 3), (2,), IndexError,
            r"^cross_entropy: target holds -1, expected \[0, 3\)", -1),
    classes("cross_entropy", (2, 3), (2,), ValueError,
            "^cross_entropy: label_smoothing is in", label_smoothing=2),
    classes("cross_entropy", (2, 3), (2,), ValueError,
            "^cross_entropy: reduction 'max': choose 'mean', 'sum' or 'none'", reduction="max"),
    classes("cross_entropy", (), (), ValueError, "^cross_entropy: x is .* got a 0-d tensor"),
    refused("cross_entropy", lambda x: ops.cross_entropy(x, x, ignore_index=1), (2, 3),
            message="^cross_entropy: ignore_index is for class ids, target is floating"),
    Refusal("cross_entropy", lambda d: ops.cross_entropy(ops.ones(2, 3, device=d),
                                                         ids((2,), 1, d).bool()),
            TypeError, "^cross_entropy: target is bool, expected integers: class ids"),
    classes("nll_loss", (2, 3), (2, 2), ValueError,
            r"^nll_loss: target \(2, 2\) does not fit x \(2, 3\)"),
    classes("nll_loss", (2, 3), (2,), IndexError, "^nll_loss: target holds a class outside", 3),
    classes("nll_loss", (2, 3), (2,), IndexError, "^nll_loss: target holds a class outside", -1),
    refused("nll_loss", lambda x, w: ops.nll_loss(x, ids((2,), 0, x.device.name), w), (2, 3), (2,),
            message=r"^nll_loss: weight \(2,\) does not fit x \(2, 3\)"),
    refused("binary_cross_entropy", ops.binary_cross_entropy, (2, 1), (2, 3),
            message=r"^binary_cross_entropy: x \(2, 1\) and target \(2, 3\) are not of one shape"),
    refused("binary_cross_entropy", ops.binary_cross_entropy, (2,), (2,), (3, 2),
            message=r"^binary_cross_entropy: a weight \(3, 2\) does not broadcast to x \(2,\)"),
    Refusal("binary_cross_entropy", lambda d: ops.binary_cross_entropy(
        ops.ones(2, device=d), ids((2,), 1, d)), TypeError,
        r"^binary_cross_entropy: target is int64, expected float32; use \.float\(\)"),
    refused("binary_cross_entropy_with_logits", ops.binary_cross_entropy_with_logits, (2,), (),
            message="^binary_cross_entropy_with_logits: x "),
    refused("mse_loss", ops.mse_loss, (2, 1), (2, 3),
            message=r"^mse_loss: x \(2, 1\) and target \(2, 3\) are not of one shape"),
    refused("mse_loss", lambda x: ops.mse_loss(x, 1.0), (2,), error=TypeError,
            message="^mse_loss: target is a float, expected a Tensor"),
    refused("l1_loss", ops.l1_loss, (2, 1), (2,), message="^l1_loss: x "),
    Refusal("l1_loss", lambda d: ops.l1_loss(ids((2,), 1, d), ids((2,), 1, d)), TypeError,
            "^l1_loss: x is int64, expected float32"),
    refused("l1_loss", lambda x, w: ops.l1_loss(x, x, weight=w), (2,), (1,),
            message=r"^l1_loss: x \(2,\) and weight \(1,\) are not of one shape"),
    refused("smooth_l1_loss", lambda x, y: ops.smooth_l1_loss(x, y, beta=-1.0), (2,), (2,),
            message="^smooth_l1_loss: beta must not be negative, got -1"),
    refused("huber_loss", lambda x, y: ops.huber_loss(x, y, delta=0.0), (2,), (2,),
            message="^huber_loss: delta must be positive, got 0"),
    Refusal("kl_div", lambda d: ops.kl_div(ops.ones(2, device=d), ids((2,), 1, d)), TypeError,
            "^kl_div: target is int64, expected float32"),
    refused("kl_div", lambda x: ops.kl_div(x, x, reduction="max"), (2,),
            message="^kl_div: reduction 'max'"),
    refused("poisson_nll_loss", ops.poisson_nll_loss, (2,), (3,), message="do not broadcast"),
    refused("gaussian_nll_loss", ops.gaussian_nll_loss, (2, 3), (2, 3), (3,),
            message=r"^gaussian_nll_loss: var \(3,\) does not fit x \(2, 3\)"),
    refused("gaussian_nll_loss", lambda x: ops.gaussian_nll_loss(x, x, -1.0), (2,),
            message="^gaussian_nll_loss: var must not be negative, got -1"),
)  # fmt: skip

DTYPES: dict[str, Rule] = {
    "binary_cross_entropy": FLOATING,
    "binary_cross_entropy_with_logits": FLOATING,
    "cross_entropy": FLOATING,
    "gaussian_nll_loss": FLOATING,
    "huber_loss": FLOATING,
    "kl_div": FLOATING,
    "l1_loss": FLOATING,
    "mse_loss": FLOATING,
    "nll_loss": FLOATING,
    "poisson_nll_loss": FLOATING,
    "smooth_l1_loss": FLOATING,
}
