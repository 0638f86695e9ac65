"""Signals (N, C, L) and images (N, C, H, W) in another size; pixels moved between the channels and
the plane.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..device import Shape
from ..op import Op
from ..tensor import Tensor
from .adaptive_pool import adaptive_avg_pool1d, adaptive_avg_pool2d
from .conv import Pair, float_only, images, like_input
from .create import empty
from .shape import permute, reshape

__all__ = ["interpolate", "pixel_shuffle", "pixel_unshuffle"]

MODES = ("nearest", "nearest-exact", "linear", "bilinear", "area")


class Resize(Op):
    """x (N, C, H, W) as (N, C, *size); `scales` are inputs per output."""

    mode: str
    size: Pair
    scales: tuple[float, float]

    def forward(self, x: Tensor) -> Tensor:
        self.shape = x.shape
        y = empty((*x.shape[:2], *self.size), dtype=x.dtype, device=x.device)
        x.device.kernels.resize(x.data, y.data, self.mode, *self.scales)
        return y

    def backward(self, gy: Tensor) -> Tensor:
        return ResizeBackward.apply(gy, of=self)


class ResizeBackward(Op):
    """gy spread over the elements that were read, with their weights."""

    of: Resize

    def forward(self, gy: Tensor) -> Tensor:
        of = self.of
        gx = empty(of.shape, dtype=gy.dtype, device=gy.device)
        gy.device.kernels.resize_backward(gy.data, gx.data, of.mode, *of.scales)
        return gx

    def backward(self, ggx: Tensor) -> Tensor:
        of = self.of
        return Resize.apply(ggx, mode=of.mode, size=of.size, scales=of.scales)


def interpolate(
    x: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """x in another size.

    Output i lies at s (i + 1/2) - 1/2 of the input, s being inputs per output; with align_corners
    at i (L - 1) / (OL - 1). Places and weights are float32 whatever x is.

    Args:
        x: (N, C, L) or (N, C, H, W).
        size: of the output, int or (OH, OW); or else scale_factor.
        scale_factor: outputs per input, number or pair; the size is rounded down.
        mode: "nearest" takes the element at s i rounded down, "nearest-exact" the one that is
            nearest, "linear" (signals) and "bilinear" (images) weigh the two or four neighbours,
            "area" takes the means of adaptive_avg_pool.
        align_corners: the first and the last elements of both lie on each other (linear modes).
        recompute_scale_factor: s from the two sizes, and not from scale_factor.
        antialias: False is all there is.

    Returns:
        (N, C, OL) or (N, C, OH, OW).

    Raises:
        ValueError: not one of size and scale_factor, another rank or mode, nothing in x or in the
            output, or an option that the mode does not have.

    Derivative: twice.
    Source: Press et al., "Numerical recipes" (2007), sections 3.2 and 3.6; the places of the
    pixels: torch.nn.functional.interpolate.
    """
    dims = x.ndim - 2
    _check_mode(x, mode, align_corners, antialias)
    out, factors = _sizes(x, size, scale_factor, recompute_scale_factor)
    if mode == "area":
        return adaptive_avg_pool1d(x, out) if dims == 1 else adaptive_avg_pool2d(x, out)
    float_only("interpolate", x)
    if 0 in x.shape[1:] or min(out) < 1:
        raise ValueError(f"interpolate: there is nothing in {x.shape}, or in an output of {out}")
    steps = [
        _step(n, o, f, bool(align_corners))
        for n, o, f in zip(x.shape[2:], out, factors, strict=True)
    ]
    if not mode.startswith("nearest"):
        mode = "corners" if align_corners else "linear"
    lead = (1,) if dims == 1 else ()
    y = Resize.apply(images(x, dims), mode=mode, size=(*lead, *out), scales=(*lead, *steps))
    return like_input(y, x, dims)


def _check_mode(x: Tensor, mode: str, align_corners: bool | None, antialias: bool) -> None:
    if mode not in MODES:
        raise ValueError(f"interpolate: mode {mode!r} is none of {', '.join(MODES)}")
    if (
        x.ndim not in (3, 4)
        or (mode == "linear" and x.ndim == 4)
        or (mode == "bilinear" and x.ndim == 3)
    ):
        raise ValueError(
            f"interpolate: mode {mode!r} does not go with x {x.shape}: linear is for (N, C, L), "
            "bilinear for (N, C, H, W), the others are for both"
        )
    if align_corners is not None and not mode.endswith("linear"):
        raise ValueError(f"interpolate: mode {mode!r} has no align_corners")
    if antialias:
        raise ValueError("interpolate: there is no antialias")


def _sizes(
    x: Tensor, size: Any, scale_factor: Any, recompute: bool | None
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """The lengths of the output, and the scale factors that count, or None for each."""
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: expected either size or scale_factor")
    value = scale_factor if size is None else size
    dims = x.ndim - 2
    given = tuple(value) if isinstance(value, Sequence) else (value,) * dims
    if len(given) != dims:
        what = "scale_factor" if size is None else "size"
        raise ValueError(f"interpolate: {what} {value} does not fit x {x.shape}")
    if size is not None:
        if recompute:
            raise ValueError("interpolate: recompute_scale_factor is for scale_factor, not size")
        if not all(isinstance(n, int) for n in given):
            raise TypeError(f"interpolate: size is int or a pair of them, got {value!r}")
        return given, (None,) * dims
    factors = tuple(float(f) for f in given)
    out = tuple(math.floor(n * f) for n, f in zip(x.shape[2:], factors, strict=True))
    return out, (None,) * dims if recompute else factors


def _step(n: int, out: int, factor: float | None, align_corners: bool) -> float:
    """Inputs per output, in float32."""
    if align_corners:
        return float(np.float32(n - 1) / np.float32(out - 1)) if out > 1 else 0.0
    return float(np.float32(1.0 / factor) if factor else np.float32(n) / np.float32(out))


def _square(name: str, x: Tensor, r: int) -> tuple[Shape, tuple[int, int, int]]:
    """The leading dimensions of x and the last three."""
    if x.ndim < 3:
        raise ValueError(f"{name}: x is (..., C, H, W), got {x.shape}")
    if not isinstance(r, int):
        raise TypeError(f"{name}: the factor is an int, got {r!r}")
    if r < 1:
        raise ValueError(f"{name}: the factor is at least 1, got {r}")
    c, h, w = x.shape[-3:]
    return x.shape[:-3], (c, h, w)


def pixel_shuffle(x: Tensor, upscale_factor: int) -> Tensor:
    """Every r^2 channels as one of r times the height and width.

    y[..., c, h r + i, w r + j] = x[..., (c r + i) r + j, h, w].

    Args:
        x: (..., C r^2, H, W), any dtype.
        upscale_factor: r.

    Returns:
        (..., C, H r, W r), of the dtype of x.

    Raises:
        ValueError: r^2 does not divide the channels, or is not positive.

    Derivative: twice.
    Source: Shi et al., "Real-time single image and video super-resolution using an efficient
    sub-pixel convolutional neural network" (2016), eq. 4.
    """
    r = upscale_factor
    lead, (c, h, w) = _square("pixel_shuffle", x, r)
    if c % (r * r):
        raise ValueError(f"pixel_shuffle: {c} channels are not a multiple of {r}^2 ({x.shape})")
    n = len(lead)
    apart = reshape(x, (*lead, c // (r * r), r, r, h, w))
    moved = permute(apart, (*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return reshape(moved, (*lead, c // (r * r), h * r, w * r))


def pixel_unshuffle(x: Tensor, downscale_factor: int) -> Tensor:
    """The inverse of `pixel_shuffle`: r x r pixels become r^2 channels.

    Args:
        x: (..., C, H r, W r), any dtype.
        downscale_factor: r.

    Returns:
        (..., C r^2, H, W), of the dtype of x.

    Raises:
        ValueError: r does not divide the height and the width, or is not positive.

    Derivative: twice.
    Source: Shi et al., "Real-time single image and video super-resolution using an efficient
    sub-pixel convolutional neural network" (2016), eq. 4.
    """
    r = downscale_factor
    lead, (c, h, w) = _square("pixel_unshuffle", x, r)
    if h % r or w % r:
        raise ValueError(f"pixel_unshuffle: {r} does not divide the plane of {x.shape}")
    n = len(lead)
    apart = reshape(x, (*lead, c, h // r, r, w // r, r))
    moved = permute(apart, (*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return reshape(moved, (*lead, c * r * r, h // r, w // r))
