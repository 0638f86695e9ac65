"""Optimizers: one update of each parameter, in place on parameters and states; PyTorch's rules.

`lr` (1,) and `step` (1,) are arrays, as they change from step to step; `step` counts this update.
Where `kept` (1,) is 0, nothing is done. `halves` are parameters of a half type, whose float32
masters are `params`: a master that does not round to its parameter takes its value first.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from .precision import A, convert, quiet


def _update(rule: Callable[..., None]) -> Callable[..., None]:
    """What all rules share: `kept` and `halves`."""
    signature = inspect.signature(rule)

    @functools.wraps(rule)
    @quiet
    def call(*args: Any, **options: Any) -> None:
        given = signature.bind(*args, **options).arguments
        kept, halves = given.pop("kept", None), given.pop("halves", ())
        if kept is not None and kept[0] == 0:
            return
        for p, half in zip(given["params"], halves, strict=bool(len(halves))):
            p[...] = np.where(convert(p, half.dtype) == half, p, convert(half, p.dtype))
        grads = [g if g.dtype == p.dtype else convert(g, p.dtype)
                 for p, g in zip(given["params"], given["grads"], strict=True)]  # fmt: skip
        rule(**{**given, "grads": grads})
        for p, half in zip(given["params"], halves, strict=bool(len(halves))):
            half[...] = convert(p, half.dtype)

    return call


def _gradient(p: A, g: A, weight_decay: float, maximize: bool) -> A:
    """The direction to descend, with the gradient of the L2 penalty: a new array."""
    g = -g if maximize else g
    return g + weight_decay * p if weight_decay else g


@_update
def sgd(
    params: Sequence[A],
    grads: Sequence[A],
    momentum_buffers: Sequence[A],
    lr: A,
    step: A,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
    kept: A | None = None,
    halves: Sequence[A] = (),
) -> None:
    for p, g, v in zip_longest(params, grads, momentum_buffers):
        g = _gradient(p, g, weight_decay, maximize)
        if momentum:
            v[...] = g if step[0] == 1 else momentum * v + (1 - dampening) * g
            g = g + momentum * v if nesterov else v
        p -= float(lr[0]) * g


@_update
def adagrad(
    params: Sequence[A],
    grads: Sequence[A],
    sums: Sequence[A],
    lr: A,
    step: A,
    lr_decay: float,
    weight_decay: float,
    eps: float,
    maximize: bool,
    kept: A | None = None,
    halves: Sequence[A] = (),
) -> None:
    rate = float(lr[0]) / (1 + (int(step[0]) - 1) * lr_decay)
    for p, g, s in zip(params, grads, sums, strict=True):
        g = _gradient(p, g, weight_decay, maximize)
        s += g * g
        p -= rate * g / (np.sqrt(s) + eps)


@_update
def adadelta(
    params: Sequence[A],
    grads: Sequence[A],
    square_avgs: Sequence[A],
    acc_deltas: Sequence[A],
    lr: A,
    step: A,
    rho: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
    kept: A | None = None,
    halves: Sequence[A] = (),
) -> None:
    for p, g, s, a in zip(params, grads, square_avgs, acc_deltas, strict=True):
        g = _gradient(p, g, weight_decay, maximize)
        s[...] = rho * s + (1 - rho) * g * g
        delta = np.sqrt(a + eps) / np.sqrt(s + eps) * g
        a[...] = rho * a + (1 - rho) * delta * delta
        p -= float(lr[0]) * delta


@_update
def rmsprop(
    params: Sequence[A],
    grads: Sequence[A],
    square_avgs: Sequence[A],
    momentum_buffers: Sequence[A],
    grad_avgs: Sequence[A],
    lr: A,
    step: A,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    centered: bool,
    maximize: bool,
    kept: A | None = None,
    halves: Sequence[A] = (),
) -> None:
    for p, g, s, v, a in zip_longest(params, grads, square_avgs, momentum_buffers, grad_avgs):
        g = _gradient(p, g, weight_decay, maximize)
        s[...] = alpha * s + (1 - alpha) * g * g
        variance = s
        if centered:
            a[...] = alpha * a + (1 - alpha) * g
            variance = s - a * a
        g = g / (np.sqrt(variance) + eps)
        if momentum:
            v[...] = momentum * v + g
            g = v
        p -= float(lr[0]) * g


@_update
def adam(
    params: Sequence[A],
    grads: Sequence[A],
    exp_avgs: Sequence[A],
    exp_avg_sqs: Sequence[A],
    max_exp_avg_sqs: Sequence[A],
    lr: A,
    step: A,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    maximize: bool,
    kept: A | None = None,
    halves: Sequence[A] = (),
) -> None:
    rate, t = float(lr[0]), int(step[0])
    for p, g, m, v, top in zip_longest(params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs):
        g = _gradient(p, g, 0.0 if decoupled else weight_decay, maximize)
        if decoupled:
            p *= 1 - rate * weight_decay
        m[...] = beta1 * m + (1 - beta1) * g
        v[...] = beta2 * v + (1 - beta2) * g * g
        if top is not None:
            np.maximum(top, v, out=top)
        v_hat = (v if top is None else top) / (1 - beta2**t)
        p -= rate / (1 - beta1**t) * m / (np.sqrt(v_hat) + eps)


@_update
def nadam(
    params: Sequence[A],
    grads: Sequence[A],
    exp_avgs: Sequence[A],
    exp_avg_sqs: Sequence[A],
    lr: A,
    step: A,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    momentum_decay: float,
    decoupled: bool,
    maximize: bool,
    kept: A | None = None,
    halves: Sequence[A] = (),
) -> None:
    rate, t = float(lr[0]), int(step[0])
    mu = beta1 * (1 - 0.5 * 0.96 ** (np.arange(1, t + 2) * momentum_decay))
    product = float(np.prod(mu[:-1]))
    for p, g, m, v in zip(params, grads, exp_avgs, exp_avg_sqs, strict=True):
        g = _gradient(p, g, 0.0 if decoupled else weight_decay, maximize)
        if decoupled:
            p *= 1 - rate * weight_decay
        m[...] = beta1 * m + (1 - beta1) * g
        v[...] = beta2 * v + (1 - beta2) * g * g
        root = np.sqrt(v / (1 - beta2**t)) + eps
        p -= rate * (1 - mu[-2]) / (1 - product) * g / root
        p -= rate * mu[-1] / (1 - product * mu[-1]) * m / root


@_update
def radam(
    params: Sequence[A],
    grads: Sequence[A],
    exp_avgs: Sequence[A],
    exp_avg_sqs: Sequence[A],
    lr: A,
    step: A,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    maximize: bool,
    kept: A | None = None,
    halves: Sequence[A] = (),
) -> None:
    rate, t = float(lr[0]), int(step[0])
    limit = 2 / (1 - beta2) - 1
    length = limit - 2 * t * beta2**t / (1 - beta2**t)
    for p, g, m, v in zip(params, grads, exp_avgs, exp_avg_sqs, strict=True):
        g = _gradient(p, g, 0.0 if decoupled else weight_decay, maximize)
        if decoupled:
            p *= 1 - rate * weight_decay
        m[...] = beta1 * m + (1 - beta1) * g
        v[...] = beta2 * v + (1 - beta2) * g * g
        change = rate * m / (1 - beta1**t)
        if length > 5:  # the variance of the step is finite
            r = (length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)
            change = change * np.sqrt(r * (1 - beta2**t)) / (np.sqrt(v) + eps)
        p -= change


@_update
def adamax(
    params: Sequence[A],
    grads: Sequence[A],
    exp_avgs: Sequence[A],
    exp_infs: Sequence[A],
    lr: A,
    step: A,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
    kept: A | None = None,
    halves: Sequence[A] = (),
) -> None:
    rate = float(lr[0]) / (1 - beta1 ** int(step[0]))
    for p, g, m, h in zip(params, grads, exp_avgs, exp_infs, strict=True):
        g = _gradient(p, g, weight_decay, maximize)
        m[...] = beta1 * m + (1 - beta1) * g
        h[...] = np.maximum(beta2 * h, np.abs(g) + eps)
        p -= rate * m / h


@_update
def rprop(
    params: Sequence[A],
    grads: Sequence[A],
    prevs: Sequence[A],
    step_sizes: Sequence[A],
    lr: A,
    step: A,
    eta_minus: float,
    eta_plus: float,
    smallest: float,
    largest: float,
    maximize: bool,
    kept: A | None = None,
    halves: Sequence[A] = (),
) -> None:
    for p, g, prev, size in zip(params, grads, prevs, step_sizes, strict=True):
        g = _gradient(p, g, 0.0, maximize)
        agreement = np.sign(g * prev)
        factor = np.where(agreement > 0, eta_plus, np.where(agreement < 0, eta_minus, 1.0))
        size[...] = np.clip(size * factor, smallest, largest)
        g = np.where(agreement < 0, 0, g)
        p -= np.sign(g) * size
        prev[...] = g


@_update
def lion(
    params: Sequence[A],
    grads: Sequence[A],
    exp_avgs: Sequence[A],
    lr: A,
    step: A,
    beta1: float,
    beta2: float,
    weight_decay: float,
    maximize: bool,
    kept: A | None = None,
    halves: Sequence[A] = (),
) -> None:
    rate = float(lr[0])
    for p, g, m in zip(params, grads, exp_avgs, strict=True):
        g = _gradient(p, g, 0.0, maximize)
        p *= 1 - rate * weight_decay
        p -= rate * np.sign(beta1 * m + (1 - beta1) * g)
        m[...] = beta2 * m + (1 - beta2) * g


def unscale(grads: Sequence[A], scale: A, found: A, kept: A) -> None:
    with np.errstate(all="ignore"):
        for g in grads:
            wide = convert(g, scale.dtype) * (1 / scale[0])
            g[...] = convert(wide, g.dtype)
            if not np.isfinite(wide).all():
                found[0], kept[0] = 1, 0


def update_scale(scale: A, good: A, found: A, growth: float, backoff: float, interval: int) -> None:
    if found[0] != 0:
        scale *= backoff
        good[0] = 0
        return
    good += 1
    if good[0] >= interval:
        grown = scale[0] * growth
        scale[0] = grown if grown <= np.finfo(np.float32).max else scale[0]
        good[0] = 0
