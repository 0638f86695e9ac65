"""Transposed convolution: the gradient of a convolution by its input, as a layer of its own."""

from __future__ import annotations

from typing import Any

from ..device import Shape
from ..recording import thread
from ..tensor import Tensor
from .conv import (
    Conv2dGradInput,
    Geometry,
    Pair,
    check_layout,
    float_only,
    images,
    like_input,
    pair,
)
from .pad import pad
from .precision import lowered

__all__ = [
    "conv_transpose1d",
    "conv_transpose2d",
]


def _size(name: str, given: Shape, kernel: Shape, geometry: Geometry, extra: Pair) -> Pair:
    """(OH, OW) for inputs of size `given`.

    Raises:
        ValueError: there is no such output.
    """
    stride, padding, dilation = geometry
    if any(n >= max(s, d) for n, s, d in zip(extra, stride, dilation, strict=True)):
        raise ValueError(
            f"{name}: output_padding {extra} must be smaller than stride {stride} or dilation "
            f"{dilation}"
        )
    h, w = (
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, k, s, p, d, e in zip(given, kernel, *geometry, extra, strict=True)
    )
    if min(given) < 1 or min(h, w) < 1:
        raise ValueError(
            f"{name}: an input of {tuple(given)} gives an output of {(h, w)} (kernel "
            f"{tuple(kernel)}, stride {stride}, padding {padding}, dilation {dilation})"
        )
    return h, w


def _transposed(
    name: str,
    dims: int,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Tensor:
    both = check_layout(name, dims, x, weight, "C, O/groups")
    c = x.shape[-dims - 1]
    if c != weight.shape[0]:
        raise ValueError(f"{name}: weight has C={weight.shape[0]}, input has C={c} {both}")
    if groups < 1 or c % groups:
        raise ValueError(f"{name}: groups={groups} does not divide C {both}")
    channels = weight.shape[1] * groups
    geometry = Geometry.of(name, stride, padding, dilation, dims)
    extra = pair(name, "output_padding", output_padding, 0, dims)
    gy, w = images(x, dims), images(weight, dims)
    size = _size(name, gy.shape[2:], w.shape[2:], geometry, extra)
    seen = geometry.out(name, size, w.shape[2:])
    if seen != gy.shape[2:]:  # output_padding >= stride: windows that would lie beyond the input
        gy = pad(gy, (0, seen[1] - gy.shape[3], 0, seen[0] - gy.shape[2]))
    inputs = [gy, w]
    if bias is not None:
        if bias.shape != (channels,):
            raise ValueError(f"{name}: bias {bias.shape} does not fit O={channels} {both}")
        float_only(name, x, bias)
        inputs.append(bias)
    shape = (gy.shape[0], channels, *size)
    y = Conv2dGradInput.apply(*inputs, geometry=geometry, groups=groups, shape=shape)
    return like_input(y, x, dims)


def conv_transpose1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """1-D transposed convolution: the adjoint of `conv1d` with the same options, plus a bias.

    Args:
        x: (N, C, L) or (C, L).
        weight: (C, O / groups, K): that of the conv1d from O to C channels.
        bias: (O,), or None.
        stride: the step in the output from one element of x to the next.
        padding: so much is cut off each side of the output.
        output_padding: so much more of the output at its end; smaller than stride or dilation.
        groups: C and O are cut into this many groups that do not see each other.
        dilation: the distance between the taps of the window.

    Returns:
        (N, O, OL) or (O, OL), OL = (L - 1) stride - 2 padding + dilation (K - 1) + output_padding
        + 1.

    Raises:
        ValueError: the shapes do not fit.
        TypeError: the tensors are not floating, or of different types.

    Derivative: twice.
    Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning" (2016),
    section 4.
    """
    if thread.autocast is not None:
        x, weight, bias = lowered(x, weight, bias)
    return _transposed(
        "conv_transpose1d", 1, x, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """2-D transposed convolution: the adjoint of `conv2d` with the same options, plus a bias.

    Args:
        x: (N, C, H, W) or (C, H, W).
        weight: (C, O / groups, KH, KW): that of the conv2d from O to C channels.
        bias: (O,), or None.
        stride: int or (height, width): the step in the output from one pixel of x to the next.
        padding: int or pair: so much is cut off each side of the output.
        output_padding: int or pair: so much more of the output below and right; smaller than
            stride or dilation.
        groups: C and O are cut into this many groups that do not see each other.
        dilation: int or pair: the distance between the taps of the window.

    Returns:
        (N, O, OH, OW) or (O, OH, OW), OH = (H - 1) stride - 2 padding + dilation (KH - 1)
        + output_padding + 1.

    Raises:
        ValueError: the shapes do not fit.
        TypeError: the tensors are not floating, or of different types.

    Derivative: twice.
    Source: Zeiler et al., "Deconvolutional networks" (2010); the arithmetic: Dumoulin and Visin,
    "A guide to convolution arithmetic for deep learning" (2016), section 4.
    """
    if thread.autocast is not None:
        x, weight, bias = lowered(x, weight, bias)
    return _transposed(
        "conv_transpose2d", 2, x, weight, bias, stride, padding, output_padding, groups, dilation
    )
