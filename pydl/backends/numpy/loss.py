"""Cross entropy of x (N, C, ...), seen as (N, C, S), as the formulas in csrc/core/args/loss.h."""

from __future__ import annotations

import numpy as np

from .norm import _channels
from .precision import A, quiet


def _weights(weight: A | None, x: A) -> A:
    """Weight of each class, (C,)."""
    return np.ones(x.shape[1], x.dtype) if weight is None else weight


def _targets(target: A, x: A, ignore_index: int) -> tuple[A, A]:
    """Class ids (N, S), 0 where they are ignored, and where that is.

    Raises:
        IndexError: one is no class.
    """
    t = target.reshape(x.shape[0], x.shape[2])
    ignored = t == ignore_index
    wrong = ~ignored & ((t < 0) | (t >= x.shape[1]))
    if wrong.any():
        raise IndexError(f"cross_entropy: target holds {t[wrong][0]}, expected [0, {x.shape[1]})")
    return np.where(ignored, 0, t), ignored


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
    t, ignored = _targets(target, x, ignore_index)
    top = x.max(axis=1, keepdims=True, initial=-np.inf)
    z = np.log(np.exp(x - top).sum(axis=1, keepdims=True)) + top
    surprise = z - x
    value = w[t] * (1 - smoothing) * np.take_along_axis(surprise, t[:, None], axis=1)[:, 0]
    if smoothing:
        value = value + smoothing / max(x.shape[1], 1) * (w[:, None] * surprise).sum(axis=1)
    loss[...] = np.where(ignored, 0, value).reshape(loss.shape)
    count[...] = np.where(ignored, 0, w[t]).reshape(count.shape)
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

    p = softmax(x), e the smoothing; gy may be one number for all.
    """
    x = _channels(x)
    N, C, S = x.shape
    w = _weights(weight, x)
    t, ignored = (a[:, None] for a in _targets(target, x, ignore_index))
    p = np.exp(x - lse.reshape(N, 1, S))
    hit = np.arange(C)[:, None] == t
    g = w[t] * (1 - smoothing) * (p - hit)
    if smoothing:
        g = g + smoothing / max(C, 1) * (p * w.sum() - w[:, None])
    each = gy if gy.ndim == 0 else gy.reshape(N, 1, S)
    gx[...] = np.where(ignored, 0, each * g).reshape(gx.shape)
