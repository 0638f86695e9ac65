"""Convolution as matrix products over im2col, with its two gradients.

x (N, C, H, W), w (O, C/G, KH, KW), y (N, O, OH, OW), G groups; stride, padding and dilation are
(height, width). Per group, with col (K, OH*OW) and K = C/G * KH * KW:
y = w @ col;  gw = sum over N of gy @ col.T;  gcol = w.T @ gy, which col2im sums into gx.
"""

from __future__ import annotations

import math

import numpy as np

from .precision import A, quiet
from .windows import Pair, pad, windows


def _size(x: A, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Pair:
    """(OH, OW): how many whole windows fit."""
    OH, OW = (
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(x.shape[2:], kernel, stride, padding, dilation, strict=True)
    )
    return OH, OW


@quiet
def im2col(x: A, col: A, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> None:
    """x (N, C, H, W) to col (N, C*KH*KW, OH*OW)."""
    size = _size(x, kernel, stride, padding, dilation)
    cells = col.reshape(*x.shape[:2], *kernel, *size)
    padded = pad(x, size, kernel, stride, padding, dilation)
    for kh, kw, window in windows(padded, size, kernel, stride, dilation):
        cells[:, :, kh, kw] = window


@quiet
def col2im(col: A, x: A, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> None:
    """The adjoint of im2col: every cell of col is added to where it came from."""
    size = _size(x, kernel, stride, padding, dilation)
    cells = col.reshape(*x.shape[:2], *kernel, *size)
    padded = pad(np.zeros(x.shape, cells.dtype), size, kernel, stride, padding, dilation)
    for kh, kw, window in windows(padded, size, kernel, stride, dilation):
        window += cells[:, :, kh, kw]
    (H, W), (PH, PW) = x.shape[2:], padding
    x[...] = padded[:, :, PH : PH + H, PW : PW + W]


def _columns(x: A, w: A, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> A:
    """im2col of x, apart for each group: (N, G, K, OH*OW)."""
    kernel: Pair = w.shape[2:]
    OH, OW = _size(x, kernel, stride, padding, dilation)
    col = np.empty((x.shape[0], groups, math.prod(w.shape[1:]), OH * OW), x.dtype)
    im2col(x, col, kernel, stride, padding, dilation)
    return col


def _grouped(x: A, groups: int) -> A:
    """Weights (O, C/G, KH, KW) to (G, O/G, K)."""
    return x.reshape(groups, x.shape[0] // groups, math.prod(x.shape[1:]))


def _grouped_image(y: A, groups: int) -> A:
    """Images (N, O, OH, OW) to (N, G, O/G, OH*OW)."""
    N, maps, OH, OW = y.shape
    return y.reshape(N, groups, maps // groups, OH * OW)


@quiet
def conv2d(
    x: A,
    w: A,
    bias: A | None,
    y: A,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    relu: bool = False,
) -> None:
    v = _grouped(w, groups) @ _columns(x, w, stride, padding, dilation, groups)
    v = v.reshape(y.shape)
    if bias is not None:
        v += bias[:, None, None]
    y[...] = np.maximum(v, 0) if relu else v


@quiet
def conv2d_grad_input(
    gy: A,
    w: A,
    gx: A,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    bias: A | None = None,
) -> None:
    """With a bias of each channel of gx: the transposed convolution."""
    gcol = _grouped(w, groups).swapaxes(1, 2) @ _grouped_image(gy, groups)
    col2im(gcol, gx, w.shape[2:], stride, padding, dilation)
    if bias is not None:
        gx += bias[:, None, None]


@quiet
def conv2d_grad_weight(
    gy: A, x: A, gw: A, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> None:
    col = _columns(x, gw, stride, padding, dilation, groups)
    products = _grouped_image(gy, groups) @ col.swapaxes(2, 3)  # (N, G, O/G, K)
    gw[...] = products.sum(axis=0).reshape(gw.shape)
