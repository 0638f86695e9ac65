"""Normalisation and softmax, as the formulas in csrc/core/args/norm.h and softmax.h.

Batch norm sees x as (N, C, S), layer norm as (N, G, C, S); softmax goes over n of
(outer, n, inner).
"""

from __future__ import annotations

import math

import numpy as np

from .precision import A, quiet

# ---- batch normalisation


def _channels(x: A) -> A:
    """x (N, C, ...) as (N, C, S)."""
    return x.reshape(*x.shape[:2], math.prod(x.shape[2:]))


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


# ---- layer normalisation


def _groups(x: A, mean: A, groups: int, channels: int, inner: int) -> A:
    """x as (N, G, C, S)."""
    return x.reshape(mean.size // groups, groups, channels, inner)


def _row_mean(x: A) -> A:
    """Mean of each row of x (N, G, C, S), as (N, G, 1, 1), accumulated in float64."""
    total: A = x.sum(axis=(2, 3), keepdims=True, dtype=np.float64)
    return (total / max(x.shape[2] * x.shape[3], 1)).astype(x.dtype)


@quiet
def layer_norm(
    x: A,
    weight: A | None,
    bias: A | None,
    y: A,
    mean: A,
    rstd: A,
    groups: int,
    channels: int,
    inner: int,
    eps: float,
) -> None:
    """y = (x - mean) * rstd * weight + bias, statistics over the C * S elements of a row."""
    x = _groups(x, mean, groups, channels, inner)
    m = _row_mean(x)
    r = 1 / np.sqrt(_row_mean((x - m) ** 2) + eps)
    mean[...], rstd[...] = m.reshape(mean.shape), r.reshape(rstd.shape)
    v = (x - m) * r
    if weight is not None:
        v = v * weight.reshape(groups, channels, 1)
    y[...] = (v if bias is None else v + bias.reshape(groups, channels, 1)).reshape(y.shape)


@quiet
def layer_norm_backward(
    gy: A,
    x: A,
    weight: A | None,
    mean: A,
    rstd: A,
    gx: A | None,
    gweight: A | None,
    gbias: A | None,
    groups: int,
    channels: int,
    inner: int,
) -> None:
    """gx = rstd * (g - mean(g) - z * mean(g * z)), with g = weight * gy, z = (x - mean) * rstd."""
    gy, x = (_groups(a, mean, groups, channels, inner) for a in (gy, x))
    m, r = (a.reshape(*x.shape[:2], 1, 1) for a in (mean, rstd))
    z = (x - m) * r
    if gweight is not None and gbias is not None:
        gweight[...] = (gy * z).sum(axis=(0, 3), dtype=np.float64).reshape(gweight.shape)
        gbias[...] = gy.sum(axis=(0, 3), dtype=np.float64).reshape(gbias.shape)
    if gx is not None:
        g = gy if weight is None else gy * weight.reshape(groups, channels, 1)
        gx[...] = (r * (g - _row_mean(g) - z * _row_mean(g * z))).reshape(gx.shape)


# ---- softmax


@quiet
def softmax(x: A, y: A, outer: int, n: int, inner: int, log: bool) -> None:
    z = x.reshape(outer, n, inner)
    z = z - z.max(axis=1, keepdims=True, initial=-np.inf)
    total = np.exp(z).sum(axis=1, keepdims=True)
    y[...] = (z - np.log(total) if log else np.exp(z) / total).reshape(y.shape)


@quiet
def softmax_backward(gy: A, y: A, gx: A, outer: int, n: int, inner: int, log: bool) -> None:
    y, gy = (a.reshape(outer, n, inner) for a in (y, gy))
    if log:
        g = gy - np.exp(y) * gy.sum(axis=1, keepdims=True)
    else:
        g = y * (gy - (gy * y).sum(axis=1, keepdims=True))
    gx[...] = g.reshape(gx.shape)
