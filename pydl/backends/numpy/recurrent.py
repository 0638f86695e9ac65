"""Recurrent layers over a whole sequence, forward and backward, by the formulas in
csrc/core/args/recurrent.h.

T steps of N rows with H units: a (T, N, G H) is what the input gives to the G gates, w (G H, H) the
recurrent weights, h and c (T, N, H) the states; g before a name is its gradient.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .precision import A, quiet


def _steps(T: int, reverse: bool) -> Iterator[tuple[int, int | None]]:
    """Each step in the order taken, and the one before it."""
    order = range(T - 1, -1, -1) if reverse else range(T)
    return zip(order, [None, *order], strict=False)


def _sigmoid(x: A) -> A:
    y: A = 1 / (1 + np.exp(-x))
    return y


@quiet
def rnn(a: A, h0: A, w: A, h: A, relu: bool, reverse: bool) -> None:
    """h = tanh(a + w h'), or relu; h' is the state before."""
    for t, before in _steps(len(a), reverse):
        s = a[t] + (h0 if before is None else h[before]) @ w.T
        h[t] = np.maximum(s, 0) if relu else np.tanh(s)


@quiet
def rnn_backward(gh: A, h: A, w: A, ga: A, gh0: A, relu: bool, reverse: bool) -> None:
    gh0[...] = 0
    for t, _ in _steps(len(h), not reverse):
        g = gh[t] + gh0
        ga[t] = np.where(h[t] <= 0, 0, g) if relu else g * (1 - h[t] ** 2)
        gh0[...] = ga[t] @ w


@quiet
def lstm(a: A, h0: A, c0: A, w: A, gates: A | None, states: A, reverse: bool) -> None:
    """c = f c' + i g and h = o tanh(c), with i, f, g, o of a + w h'; states is h and c."""
    h, c = states
    for t, before in _steps(len(a), reverse):
        h_before, c_before = (h0, c0) if before is None else (h[before], c[before])
        i, f, g, o = np.split(a[t] + h_before @ w.T, 4, axis=1)
        i, f, g, o = _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o)
        c[t] = f * c_before + i * g
        h[t] = o * np.tanh(c[t])
        if gates is not None:
            gates[t] = np.concatenate([i, f, g, o], axis=1)


@quiet
def lstm_backward(
    gstates: A, gates: A, states: A, c0: A, w: A, ga: A, gh0: A, gc0: A, reverse: bool
) -> None:
    c = states[1]
    before = dict(_steps(len(c), reverse))
    gh0[...] = gc0[...] = 0
    for t, _ in _steps(len(c), not reverse):
        i, f, g, o = np.split(gates[t], 4, axis=1)
        b = before[t]
        gh, y = gstates[0, t] + gh0, np.tanh(c[t])
        gc = gstates[1, t] + gc0 + gh * o * (1 - y**2)
        gi = gc * g * i * (1 - i)
        gf = gc * (c0 if b is None else c[b]) * f * (1 - f)
        gg = gc * i * (1 - g**2)
        go = gh * y * o * (1 - o)
        ga[t] = np.concatenate([gi, gf, gg, go], axis=1)
        gh0[...] = ga[t] @ w
        gc0[...] = gc * f


@quiet
def gru(a: A, h0: A, w: A, b: A | None, gates: A | None, h: A, reverse: bool) -> None:
    """h = (1 - z) n + z h', with u = w h' + b, r and z of a + u, n = tanh(a_n + r u_n)."""
    for t, before in _steps(len(a), reverse):
        h_before = h0 if before is None else h[before]
        u = h_before @ w.T if b is None else h_before @ w.T + b
        (ar, az, an), (ur, uz, un) = np.split(a[t], 3, axis=1), np.split(u, 3, axis=1)
        r, z = _sigmoid(ar + ur), _sigmoid(az + uz)
        n = np.tanh(an + r * un)
        h[t] = n + z * (h_before - n)
        if gates is not None:
            gates[t] = np.concatenate([r, z, n, un], axis=1)


@quiet
def gru_backward(gh: A, gates: A, h: A, h0: A, w: A, ga: A, gu: A, gh0: A, reverse: bool) -> None:
    before = dict(_steps(len(h), reverse))
    gh0[...] = 0
    for t, _ in _steps(len(h), not reverse):
        r, z, n, un = np.split(gates[t], 4, axis=1)
        b = before[t]
        g = gh[t] + gh0
        gn = g * (1 - z) * (1 - n**2)
        gr = gn * un * r * (1 - r)
        gz = g * ((h0 if b is None else h[b]) - n) * z * (1 - z)
        ga[t] = np.concatenate([gr, gz, gn], axis=1)
        gu[t] = np.concatenate([gr, gz, gn * r], axis=1)
        gh0[...] = g * z + gu[t] @ w
