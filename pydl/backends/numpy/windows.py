"""What convolution and pooling share: the input as seen by one position of the kernel at a time.

All pairs are (height, width). Output (i, j) meets kernel position (kh, kw) at row
i * SH + kh * DH - PH and column j * SW + kw * DW - PW of the input.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .precision import A

Pair = tuple[int, int]


def pad(
    x: A, size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, value: float = 0.0
) -> A:
    """x (..., H, W) with `padding` before it, and behind it what the last of `size` windows needs.

    That can be less than `padding`, or more (ceil_mode), but x is never cut.
    """
    around = [(0, 0)] * (x.ndim - 2)
    for n, o, k, s, p, d in zip(x.shape[-2:], size, kernel, stride, padding, dilation, strict=True):
        around.append((p, max(0, (o - 1) * s + (k - 1) * d + 1 - n - p)))
    return np.pad(x, around, constant_values=value)


def windows(
    padded: A, size: Pair, kernel: Pair, stride: Pair, dilation: Pair
) -> Iterator[tuple[int, int, A]]:
    """Yields kh, kw and the view (..., OH, OW) of what that kernel position meets."""
    (OH, OW), (SH, SW), (DH, DW) = size, stride, dilation
    for kh in range(kernel[0]):
        for kw in range(kernel[1]):
            h, w = kh * DH, kw * DW
            yield kh, kw, padded[..., h : h + OH * SH : SH, w : w + OW * SW : SW]
