"""Max, average and adaptive pooling of x (..., H, W) to y (..., OH, OW), and max unpooling.

The rules at the edges are PyTorch's. Windows may reach beyond the padded input (ceil_mode), which
is not told here: it follows from the shape of y.
"""

from __future__ import annotations

import math

import numpy as np

from .precision import A, quiet
from .windows import Pair, pad, windows

# ---- max


@quiet
def max_pool2d(
    x: A, y: A, indices: A | None, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> None:
    """indices: h * W + w of the winner: the first of equals, the last NaN; -1 for none. Or None."""
    if indices is None:
        indices = np.empty(y.shape, np.int32)
    (H, W), (SH, SW), (PH, PW), (DH, DW) = x.shape[-2:], stride, padding, dilation
    OH, OW = size = y.shape[-2], y.shape[-1]
    padded = pad(x, size, kernel, stride, padding, dilation)
    y[...], indices[...] = -np.inf, -1
    for kh, kw, window in windows(padded, size, kernel, stride, dilation):
        h = (np.arange(OH) * SH + kh * DH - PH)[:, None]
        w = np.arange(OW) * SW + kw * DW - PW
        inside = (h >= 0) & (h < H) & (w >= 0) & (w < W)
        wins = inside & ((indices < 0) | (window > y) | np.isnan(window))
        np.copyto(y, window, where=wins)
        np.copyto(indices, h * W + w, where=wins)


@quiet
def max_pool2d_backward(gy: A, indices: A, gx: A) -> None:
    H, W = gx.shape[-2:]
    inside = (indices >= 0) & (indices < H * W)
    flat = np.zeros(gx.size, gy.dtype)
    np.add.at(flat, _flat(indices, H * W)[inside], gy[inside])
    gx[...] = flat.reshape(gx.shape)


def max_unpool2d(x: A, indices: A, y: A) -> None:
    """A place that is named twice keeps the later element."""
    H, W = y.shape[-2:]
    if ((indices < 0) | (indices >= H * W)).any():
        raise IndexError(f"max_unpool2d: indices hold a place outside [0, {H * W})")
    y[...] = 0
    y.reshape(-1)[_flat(indices, H * W)] = x


def _flat(indices: A, size: int) -> A:
    """Places in all planes, of `size` elements each, as one array."""
    planes = np.arange(math.prod(indices.shape[:-2]), dtype=np.int64)
    return planes.reshape(*indices.shape[:-2], 1, 1) * size + indices


# ---- average


def _divisors(
    shape: Pair, size: Pair, kernel: Pair, stride: Pair, padding: Pair, with_pad: bool, divisor: int
) -> A:
    """What each window's sum is divided by, (OH, OW).

    Padding may count, but what a window has beyond the padded input (ceil_mode) never does.
    """
    if divisor:
        return np.full(size, divisor)
    counts = []
    for n, o, k, s, p in zip(shape, size, kernel, stride, padding, strict=True):
        start = np.arange(o) * s - p
        end = np.minimum(start + k, n + p)
        if not with_pad:
            start, end = np.maximum(start, 0), np.minimum(end, n)
        counts.append(end - start)
    return np.maximum(np.outer(*counts), 1)


@quiet
def avg_pool2d(
    x: A,
    y: A,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    count_include_pad: bool,
    divisor: int,
) -> None:
    shape, size = x.shape[-2:], y.shape[-2:]
    padded = pad(x, size, kernel, stride, padding, (1, 1))
    total = np.zeros(y.shape, padded.dtype)
    for _, _, window in windows(padded, size, kernel, stride, (1, 1)):
        total += window
    y[...] = total / _divisors(shape, size, kernel, stride, padding, count_include_pad, divisor)


@quiet
def avg_pool2d_backward(
    gy: A,
    gx: A,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    count_include_pad: bool,
    divisor: int,
) -> None:
    (H, W), (PH, PW), size = gx.shape[-2:], padding, gy.shape[-2:]
    count = _divisors((H, W), size, kernel, stride, padding, count_include_pad, divisor)
    share = gy / count.astype(gy.dtype)
    padded = pad(np.zeros(gx.shape, share.dtype), size, kernel, stride, padding, (1, 1))
    for _, _, window in windows(padded, size, kernel, stride, (1, 1)):
        window += share
    gx[...] = padded[..., PH : PH + H, PW : PW + W]


# ---- adaptive


def _bins(n: int, size: int) -> list[slice]:
    """Bin i is [floor(i * n / size), ceil((i + 1) * n / size)): bins may share an element."""
    return [slice(i * n // size, -(-(i + 1) * n // size)) for i in range(size)]


@quiet
def adaptive_max_pool2d(x: A, y: A, indices: A) -> None:
    """indices: h * W + w of the winner, the first of equals, the last NaN."""
    y[...], indices[...] = -np.inf, -1
    for i, rows in enumerate(_bins(x.shape[-2], y.shape[-2])):
        for j, columns in enumerate(_bins(x.shape[-1], y.shape[-1])):
            best, where = y[..., i, j], indices[..., i, j]
            for h in range(rows.start, rows.stop):
                for w in range(columns.start, columns.stop):
                    v = x[..., h, w]
                    wins = (where < 0) | (v > best) | np.isnan(v)
                    np.copyto(best, v, where=wins)
                    np.copyto(where, h * x.shape[-1] + w, where=wins)


@quiet
def adaptive_avg_pool2d(x: A, y: A) -> None:
    for i, rows in enumerate(_bins(x.shape[-2], y.shape[-2])):
        for j, columns in enumerate(_bins(x.shape[-1], y.shape[-1])):
            y[..., i, j] = x[..., rows, columns].mean(axis=(-2, -1))


@quiet
def adaptive_avg_pool2d_backward(gy: A, gx: A) -> None:
    total = np.zeros(gx.shape, gy.dtype)
    for i, rows in enumerate(_bins(gx.shape[-2], gy.shape[-2])):
        for j, columns in enumerate(_bins(gx.shape[-1], gy.shape[-1])):
            count = (rows.stop - rows.start) * (columns.stop - columns.start)
            total[..., rows, columns] += gy[..., i : i + 1, j : j + 1] / count
    gx[...] = total
