"""Nearest and linear interpolation of planes x (..., H, W) to y (..., OH, OW).

Places and weights are float32 whatever x is, so that every device reads the same elements.
"""

from __future__ import annotations

import numpy as np

from .precision import A, quiet


@quiet
def _taps(mode: str, scale: float, n: int, out: int) -> tuple[A, A, A]:
    """lo, hi and w: output i is (1 - w) x[lo] + w x[hi]."""
    i, step = np.arange(out, dtype=np.float64), float(np.float32(scale))
    linear = mode in ("linear", "corners")
    if linear and n == out:
        return np.arange(n), np.arange(n), np.zeros(n)
    centres = mode in ("linear", "nearest-exact")
    at = (step * (i + 0.5) - 0.5 if centres else step * i).astype(np.float32)
    if mode == "nearest-exact":
        at = at + np.float32(0.5)
    at = np.nan_to_num(np.maximum(at, 0), nan=0.0, posinf=float(n))
    lo = np.minimum(np.floor(np.minimum(at, n)).astype(np.int64), n - 1)
    if not linear:
        return lo, lo, np.zeros(out)
    w = np.clip(at - lo.astype(np.float32), 0, 1)
    return lo, np.minimum(lo + 1, n - 1), w


def _along_rows(x: A, mode: str, scale: float, out: int) -> A:
    n = x.shape[-1]
    lo, hi, w = _taps(mode, scale, n, out)
    if mode.startswith("nearest") or n == out:
        return np.asarray(x[..., lo])
    w = w.astype(x.dtype)
    return np.asarray((1 - w) * x[..., lo] + w * x[..., hi])


@quiet
def resize(x: A, y: A, mode: str, scale_h: float, scale_w: float) -> None:
    wide = _along_rows(x, mode, scale_w, y.shape[-1])
    y[...] = _along_rows(wide.swapaxes(-1, -2), mode, scale_h, y.shape[-2]).swapaxes(-1, -2)


def _back_along_rows(gy: A, mode: str, scale: float, n: int) -> A:
    lo, hi, w = _taps(mode, scale, n, gy.shape[-1])
    w = w.astype(gy.dtype)
    gx = np.zeros((n, *gy.shape[:-1]), gy.dtype)
    np.add.at(gx, lo, np.moveaxis((1 - w) * gy, -1, 0))
    np.add.at(gx, hi, np.moveaxis(w * gy, -1, 0))
    return np.moveaxis(gx, 0, -1)


@quiet
def resize_backward(gy: A, gx: A, mode: str, scale_h: float, scale_w: float) -> None:
    narrow = _back_along_rows(gy, mode, scale_w, gx.shape[-1])
    gx[...] = _back_along_rows(narrow.swapaxes(-1, -2), mode, scale_h, gx.shape[-2]).swapaxes(
        -1, -2
    )
