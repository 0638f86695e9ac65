"""Batch normalisation, softmax and cross entropy, as the formulas in csrc/core/kernels.h.

x is (N, C, ...), seen as (N, C, S); softmax goes over n of (outer, n, inner).
"""

from __future__ import annotations

import math

import numpy as np

from .precision import A, quiet, widen

# ---- batch normalisation


def _channels(x: A) -> A:
    """x (N, C, ...) as (N, C, S)."""
    return widen(x).reshape(*x.shape[:2], math.prod(x.shape[2:]))


def _sum(x: A) -> A:
    """Sum of x (N, C, S) for each channel, as (C, 1), accumulated in float64."""
    total: A = x.sum(axis=(0, 2), dtype=np.float64).astype(x.dtype)[:, None]
    return total


@quiet
def batch_norm(
    x: A,
    weight: A | None,
    bias: A | None,
    running_mean: A | None,
    running_var: A | None,
    y: A,
    mean: A,
    rstd: A,
    training: bool,
    momentum: float,
    eps: float,
) -> None:
    """y = (x - mean) * rstd * weight + bias; the running variance is the unbiased one."""
    x = _channels(x)
    n = x.shape[0] * x.shape[2]
    if training:
        m = _sum(x) / n
        var = _sum((x - m) ** 2) / n
        if running_mean is not None and running_var is not None:
            unbiased = var * n / (n - 1)
            running_mean[...] = (1 - momentum) * running_mean + momentum * m[:, 0]
            running_var[...] = (1 - momentum) * running_var + momentum * unbiased[:, 0]
    else:
        if running_mean is None or running_var is None:
            raise ValueError("batch_norm: evaluation needs running_mean and running_var")
        m, var = running_mean[:, None], running_var[:, None]
    r = 1 / np.sqrt(var + eps)
    mean[...], rstd[...] = m[:, 0], r[:, 0]
    v = (x - m) * (r if weight is None else r * weight[:, None])
    y[...] = (v if bias is None else v + bias[:, None]).reshape(y.shape)


@quiet
def batch_norm_backward(
    gy: A,
    x: A,
    weight: A | None,
    mean: A,
    rstd: A,
    gx: A | None,
    gweight: A,
    gbias: A,
    training: bool,
) -> None:
    """gx = weight * rstd * (gy - mean(gy) - z * mean(gy * z)), with z = (x - mean) * rstd.

    Not training, mean and rstd are constants: gx = weight * rstd * gy.
    """
    gy, x, r = _channels(gy), _channels(x), rstd[:, None]
    n = x.shape[0] * x.shape[2]
    z = (x - mean[:, None]) * r
    gw, gb = _sum(gy * z), _sum(gy)
    gweight[...], gbias[...] = gw[:, 0], gb[:, 0]
    if gx is not None:
        g = gy - gb / n - z * (gw / n) if training else gy
        gx[...] = (g * (r if weight is None else r * weight[:, None])).reshape(gx.shape)


# ---- softmax


@quiet
def softmax(x: A, y: A, outer: int, n: int, inner: int, log: bool) -> None:
    z = widen(x).reshape(outer, n, inner)
    z = z - z.max(axis=1, keepdims=True, initial=-np.inf)
    total = np.exp(z).sum(axis=1, keepdims=True)
    y[...] = (z - np.log(total) if log else np.exp(z) / total).reshape(y.shape)


@quiet
def softmax_backward(gy: A, y: A, gx: A, outer: int, n: int, inner: int, log: bool) -> None:
    y, gy = (widen(a).reshape(outer, n, inner) for a in (y, gy))
    if log:
        g = gy - np.exp(y) * gy.sum(axis=1, keepdims=True)
    else:
        g = y * (gy - (gy * y).sum(axis=1, keepdims=True))
    gx[...] = g.reshape(gx.shape)


# ---- cross entropy


def _weights(weight: A | None, x: A) -> A:
    """Weight of each class, (C,)."""
    return np.ones(x.shape[1], x.dtype) if weight is None else widen(weight)


def _targets(target: A, x: A, ignore_index: int) -> tuple[A, A, A]:
    """Class ids (N, S), 0 where out of range; where they are ignored; what to add: 0 or NaN."""
    t = target.reshape(x.shape[0], x.shape[2])
    ignored, valid = t == ignore_index, (t >= 0) & (t < x.shape[1])
    return np.where(valid, t, 0), ignored, np.where(valid, 0, np.nan)


@quiet
def cross_entropy(
    x: A,
    target: A,
    weight: A | None,
    loss: A,
    count: A,
    lse: A,
    ignore_index: int,
    smoothing: float,
) -> None:
    """loss = w_t * (1 - e) * (lse - x_t) + e/C * sum_c w_c * (lse - x_c), e the smoothing."""
    x = _channels(x)
    w = _weights(weight, x)
    t, ignored, invalid = _targets(target, x, ignore_index)
    top = x.max(axis=1, keepdims=True, initial=-np.inf)
    z = np.log(np.exp(x - top).sum(axis=1, keepdims=True)) + top
    surprise = z - x
    value = w[t] * (1 - smoothing) * np.take_along_axis(surprise, t[:, None], axis=1)[:, 0]
    if smoothing:
        value = value + smoothing / max(x.shape[1], 1) * (w[:, None] * surprise).sum(axis=1)
    loss[...] = np.where(ignored, 0, value + invalid).reshape(loss.shape)
    count[...] = np.where(ignored, 0, w[t] + invalid).reshape(count.shape)
    lse[...] = z.reshape(lse.shape)


@quiet
def cross_entropy_backward(
    gy: A,
    x: A,
    target: A,
    weight: A | None,
    lse: A,
    gx: A,
    ignore_index: int,
    smoothing: float,
) -> None:
    """gx_c = gy * (w_t * (1 - e) * (p_c - [c = t]) + e/C * (p_c * sum_k w_k - w_c)).

    p = softmax(x), e the smoothing.
    """
    x = _channels(x)
    N, C, S = x.shape
    w = _weights(weight, x)
    t, ignored, invalid = (a[:, None] for a in _targets(target, x, ignore_index))
    p = np.exp(x - widen(lse).reshape(N, 1, S))
    hit = np.arange(C)[:, None] == t
    g = w[t] * (1 - smoothing) * (p - hit) + invalid
    if smoothing:
        g = g + smoothing / max(C, 1) * (p * w.sum() - w[:, None])
    gx[...] = np.where(ignored, 0, widen(gy).reshape(N, 1, S) * g).reshape(gx.shape)
