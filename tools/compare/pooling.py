"""Calls of pooling, interpolation and pixel shuffling."""

from __future__ import annotations

from typing import Any

import numpy as np

from .convolution import each
from .engine import op
from .values import Arr, Call, Draw

VALUES = ("plain", "plain", "grid", "nonfinite")


def images(d: Draw, n: int, low: int = 2, high: int = 9) -> Arr:
    """(N, C, ...) or (C, ...) with n spatial dimensions; seldom of another rank or empty."""
    size = tuple(d.integer(low, high) for _ in range(n))
    batch = () if d.chance(0.2) else (0 if d.chance(0.05) else d.integer(1, 3),)
    channels = 0 if d.chance(0.03) else d.integer(1, 4)
    if d.chance(0.03):
        return d.tensor(size)
    return d.tensor((*batch, channels, *size), mode=d.pick(*VALUES))


@op("F.max_pool1d", "F.max_pool2d")
def max_pool(d: Draw, name: str) -> Call:
    """stride, padding up to half the kernel, dilation, ceil_mode, return_indices."""
    n = int(name[-2])
    kernel = each(d, n, 1, 2, 2, 3, 4)
    options = d.options(
        0.5,
        stride=[None, each(d, n, 1, 2, 3, 5)],
        padding=[0, 1, each(d, n, 0, 1)],
        dilation=[1, each(d, n, 1, 1, 2)],
        ceil_mode=[False, True],
        return_indices=[False, True],
    )
    if d.chance(0.04):
        options["padding"] = d.pick(-1, 3)
    return Call((images(d, n), kernel), options, k=16)


@op("F.avg_pool1d", "F.avg_pool2d")
def avg_pool(d: Draw, name: str) -> Call:
    """stride, padding, ceil_mode, count_include_pad, divisor_override (2d)."""
    n = int(name[-2])
    kernel = each(d, n, 1, 2, 2, 3, 4)
    options = d.options(
        0.5,
        stride=[each(d, n, 1, 2, 3, 5)],
        padding=[0, 1, each(d, n, 0, 1)],
        ceil_mode=[False, True],
        count_include_pad=[False, True],
    )
    if n == 2:
        options |= d.options(0.25, divisor_override=[None, 1, 3, -2, 0])
    if d.chance(0.04):
        options["padding"] = d.pick(-1, 3)
    return Call((images(d, n), kernel), options, k=32)


ADAPTIVE = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
]


@op(*("F." + n for n in ADAPTIVE))
def adaptive(d: Draw, name: str) -> Call:
    """Output sizes below, above and equal to the input's; None keeps one (2d)."""
    n = int(name[-2])
    size: Any = each(d, n, 1, 2, 3, 5, 7, 11, 0 if d.chance(0.1) else 4)
    if n == 2 and d.chance(0.2):
        size = d.pick((None, 3), (2, None), (None, None))
    kwargs = d.options(0.4, return_indices=[True, False]) if "max" in name else {}
    return Call((images(d, n, 1, 9), size), kwargs, k=64)


@op("F.lp_pool1d", "F.lp_pool2d")
def lp_pool(d: Draw, name: str) -> Call:
    """norm_type, kernel, stride, ceil_mode."""
    n = int(name[-2])
    x = d.tensor((2, d.integer(1, 3), *(d.integer(3, 9) for _ in range(n))), mode="plain")
    kwargs = d.options(0.5, stride=[None, each(d, n, 1, 2, 3)], ceil_mode=[True, False])
    kernel = each(d, n, 1, 2, 3)
    alone = set(np.atleast_1d(kernel)) == {1}  # |x|, whose second derivative is rounding only
    return Call((x, d.pick(1.0, 2.0, 3.0, 2), kernel), kwargs, k=64, twice=not alone)


@op("F.max_unpool1d", "F.max_unpool2d")
def max_unpool(d: Draw, name: str) -> Call:
    """Indices of a max pooling; output_size."""
    n = int(name[-2])
    batch = () if d.chance(0.15) else (d.integer(1, 2),)
    channels, kernel = d.integer(1, 3), d.integer(2, 3)
    small = tuple(d.integer(1, 4) for _ in range(n))
    large = tuple(s * kernel for s in small)
    index = np.zeros((*batch, channels, *small), np.int64)
    for place in np.ndindex(index.shape):
        corner = [p * kernel + d.integer(0, kernel - 1) for p in place[-n:]]
        index[place] = corner[0] if n == 1 else corner[0] * large[1] + corner[1]
    if d.chance(0.05):
        index.flat[0] = 10_000
    kwargs = d.options(0.4, stride=[kernel, None])
    if d.chance(0.3):
        kwargs["output_size"] = large if d.chance(0.5) else (*batch, channels, *large)
    x = d.tensor((*batch, channels, *small))
    return Call((x, Arr(index, "int64"), kernel), kwargs)


MODES = ["nearest", "nearest", "bilinear", "bilinear", "linear", "bicubic", "area", "nearest-exact"]


@op("F.interpolate", "F.upsample")
def interpolate(d: Draw, name: str) -> Call:
    """size or scale_factor, mode, align_corners, recompute_scale_factor, antialias."""
    mode = d.pick(*MODES)
    n = {"linear": 1, "bilinear": 2, "bicubic": 2}.get(mode, d.pick(1, 2, 2))
    if d.chance(0.04):
        n = 3 - n
    x = d.tensor(
        (d.integer(1, 2), d.integer(1, 3), *(d.integer(1, 6) for _ in range(n))), mode="plain"
    )
    kwargs: dict[str, Any] = {}
    if d.chance(0.5):
        kwargs["size"] = each(d, n, 1, 2, 3, 7, 8, 0 if d.chance(0.05) else 4)
    else:
        factor = d.pick(0.5, 1.0, 1.5, 2, 2.0, 3.3, 0.7)
        kwargs["scale_factor"] = factor if d.chance(0.6) else (factor,) * n
    if d.chance(0.03):
        kwargs = d.pick({}, {"size": 2, "scale_factor": 2.0})
    if mode != "nearest" or d.chance(0.4):
        kwargs["mode"] = mode
    if mode in ("linear", "bilinear", "bicubic") or d.chance(0.03):
        kwargs |= d.options(0.6, align_corners=[True, False, None])
    if "scale_factor" in kwargs and name == "F.interpolate":
        kwargs |= d.options(0.3, recompute_scale_factor=[True, False, None])
    if name == "F.interpolate" and mode in ("bilinear", "bicubic"):
        kwargs |= d.options(0.08, antialias=[True])
    return Call((x,), kwargs, k=64)


@op("F.pixel_shuffle", "F.pixel_unshuffle")
def pixel_shuffle(d: Draw, name: str) -> Call:
    """Any leading dimensions; sizes that do not divide raise."""
    r = d.integer(1, 3)
    lead = d.shape(0, 2)
    c, h, w = d.integer(1, 3), d.integer(1, 4), d.integer(1, 4)
    shape = (c * r * r, h, w) if name == "F.pixel_shuffle" else (c, h * r, w * r)
    x = d.tensor((*lead, *shape), ("float32", "float32", "float32", "int64"))
    return Call((x, r if d.chance(0.9) else d.pick(0, -1, 4)))


@op("F.channel_shuffle")
def channel_shuffle(d: Draw, name: str) -> Call:
    """Channels in groups."""
    groups = d.integer(1, 3)
    return Call((d.tensor((2, groups * d.integer(1, 3), 2, 3)), groups))
