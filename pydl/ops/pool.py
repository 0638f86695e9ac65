"""Max pooling of signals (N, C, L) and images (N, C, H, W), and its inverse.

A signal is an image of height 1. Average, power and adaptive pooling are in their own files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import dtypes
from ..device import Shape
from ..op import Op
from ..tensor import Tensor
from .comparison import ge, where
from .conv import Geometry, Pair, float_only, images, like_input, pair
from .create import empty
from .index import gather
from .shape import cast, reshape

__all__ = ["max_pool1d", "max_pool2d", "max_unpool1d", "max_unpool2d"]


def pooled_images(name: str, dims: int, x: Tensor) -> Tensor:
    """x (N, C, L) or (N, C, H, W), or without N, as images.

    Raises:
        TypeError: x is not floating.
        ValueError: it has another rank, or a length other than N is 0.
    """
    float_only(name, x)
    if x.ndim not in (dims + 1, dims + 2):
        size = "L" if dims == 1 else "H, W"
        raise ValueError(f"{name}: x is (N, C, {size}) or (C, {size}), got {x.shape}")
    if 0 in x.shape[-dims - 1 :]:
        raise ValueError(f"{name}: there is nothing in {x.shape}")
    return images(x, dims)


def window(
    name: str, dims: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any = 1
) -> tuple[Pair, Geometry]:
    """The kernel and how it moves, by its own size unless there is a stride.

    Raises:
        ValueError: a number is out of range, or the padding more than half of the kernel.
    """
    kernel = pair(name, "kernel_size", kernel_size, 1, dims)
    if stride is None:
        stride = kernel[2 - dims :]
    geometry = Geometry.of(name, stride, padding, dilation, dims)
    if any(2 * p > k for p, k in zip(geometry.padding, kernel, strict=True)):
        raise ValueError(
            f"{name}: padding {padding} is more than half of kernel_size {kernel_size}"
        )
    return kernel, geometry


# ---- max


class MaxPool2d(Op):
    """`indices` (int32) gets h * W + w of each winner, -1 where a window meets padding only.

    Where nobody asks for them, they are computed only for backward.
    """

    kernel: Pair
    geometry: Geometry
    size: Pair
    indices: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.shape = x.shape
        y = empty((*x.shape[:2], *self.size), dtype=x.dtype, device=x.device)
        indices = self.indices
        if indices is None and self._recording:
            indices = empty(y.shape, dtype=dtypes.int32, device=x.device)
        places = None if indices is None else indices.data
        x.device.kernels.max_pool2d(x.data, y.data, places, self.kernel, *self.geometry)
        if indices is not None:
            self.save(indices)
        return y

    def backward(self, gy: Tensor) -> Tensor:
        return MaxPool2dBackward.apply(gy, self.saved[0], shape=self.shape)


class MaxPool2dBackward(Op):
    """gy added where the largest elements were."""

    name = "max_pool2d_backward"
    shape: Shape

    def forward(self, gy: Tensor, indices: Tensor) -> Tensor:
        gx = empty(self.shape, dtype=gy.dtype, device=gy.device)
        gy.device.kernels.max_pool2d_backward(gy.data, indices.data, gx.data)
        self.save(indices)
        return gx

    def backward(self, ggx: Tensor) -> tuple[Tensor, None]:
        (indices,) = self.saved
        return where(ge(indices, 0), _picked(ggx, indices), 0.0), None


def _picked(x: Tensor, indices: Tensor) -> Tensor:
    """x (N, C, H, W) at the places h * W + w of indices (N, C, OH, OW)."""
    n, c, h, w = x.shape
    flat = reshape(indices, (n, c, indices.shape[2] * indices.shape[3]))
    return reshape(gather(reshape(x, (n, c, h * w)), 2, flat), indices.shape)


def _max_pool(
    name: str,
    dims: int,
    x: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    x4 = pooled_images(name, dims, x)
    kernel, geometry = window(name, dims, kernel_size, stride, padding, dilation)
    size = geometry.out(name, x4.shape[2:], kernel, ceil_mode)
    indices = None
    if return_indices:
        indices = empty((*x4.shape[:2], *size), dtype=dtypes.int32, device=x.device)
    y = MaxPool2d.apply(x4, kernel=kernel, geometry=geometry, size=size, indices=indices)
    y = like_input(y, x, dims)
    if indices is None:
        return y
    return y, cast(like_input(indices, x, dims), dtypes.int64)


def max_pool1d(
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of a signal.

    Args:
        x: (N, C, L) or (C, L).
        kernel_size: K.
        stride: the step from window to window; kernel_size unless given.
        padding: so many elements on each side that never win; at most half of the kernel.
        dilation: the distance between the elements of a window.
        ceil_mode: keep a last window that hangs over the end.
        return_indices: give the places of the winners too, for `max_unpool1d`.

    Returns:
        (N, C, OL) or (C, OL), OL = (L + 2 padding - dilation (K - 1) - 1) / stride + 1 rounded
        down, or up with ceil_mode; with return_indices also where in L each winner was, int64.
        NaN wins (the last), otherwise the first of equals.

    Raises:
        ValueError: the shape is another, a number is out of range, or x shorter than a window.

    Derivative: twice; the winner gets the gradient.
    Source: Yamaguchi et al., "A neural network for speaker-independent isolated word recognition"
    (1990).
    """
    return _max_pool(
        "max_pool1d", 1, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )


def max_pool2d(
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of an image.

    Args:
        x: (N, C, H, W) or (C, H, W).
        kernel_size: int or (KH, KW).
        stride: int or pair, the step from window to window; kernel_size unless given.
        padding: int or pair, a border that never wins; at most half of the kernel.
        dilation: int or pair, the distance between the elements of a window.
        ceil_mode: keep a last window that hangs over the edge.
        return_indices: give the places of the winners too, for `max_unpool2d`.

    Returns:
        (N, C, OH, OW) or (C, OH, OW), OH = (H + 2 padding - dilation (KH - 1) - 1) / stride + 1
        rounded down, or up with ceil_mode, and OW alike; with return_indices also h * W + w of
        each winner, int64. NaN wins (the last), otherwise the first of equals.

    Raises:
        ValueError: the shape is another, a number is out of range, or x smaller than a window.

    Derivative: twice; the winner gets the gradient.
    Source: Riesenhuber and Poggio, "Hierarchical models of object recognition in cortex" (1999).
    """
    return _max_pool(
        "max_pool2d", 2, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )


# ---- unpooling


class MaxUnpool2d(Op):
    """Zeros of `size` with x at the places of the indices, the later of two at one place."""

    size: Pair

    def forward(self, x: Tensor, indices: Tensor) -> Tensor:
        y = empty((*x.shape[:2], *self.size), dtype=x.dtype, device=x.device)
        x.device.kernels.max_unpool2d(x.data, indices.data, y.data)
        self.save(indices)
        return y

    def backward(self, gy: Tensor) -> tuple[Tensor, None]:
        return _picked(gy, self.saved[0]), None


def _max_unpool(
    name: str,
    dims: int,
    x: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    output_size: Sequence[int] | None,
) -> Tensor:
    x4 = pooled_images(name, dims, x)
    if indices.dtype is not dtypes.int64:
        raise TypeError(f"{name}: indices are int64, got {indices.dtype.name}")
    if indices.shape != x.shape:
        raise ValueError(f"{name}: indices {indices.shape} are not of the shape of x {x.shape}")
    kernel, geometry = window(name, dims, kernel_size, stride, padding)
    size = [
        (n - 1) * s + k - 2 * p
        for n, k, s, p in zip(x4.shape[2:], kernel, geometry.stride, geometry.padding, strict=True)
    ]
    if output_size is not None:
        wanted = [int(n) for n in output_size][-dims:]
        fits = len(output_size) in (dims, dims + 2) and all(
            abs(a - b) < s
            for a, b, s in zip(wanted, size[-dims:], geometry.stride[-dims:], strict=True)
        )
        if not fits:
            raise ValueError(
                f"{name}: output_size {tuple(output_size)} is a stride or more from "
                f"{tuple(size[-dims:])}"
            )
        size[-dims:] = wanted
    if min(size) < 1:
        raise ValueError(f"{name}: nothing is left of {x.shape} with padding {padding}")
    y = MaxUnpool2d.apply(x4, images(indices, dims), size=(size[0], size[1]))
    return like_input(y, x, dims)


def max_unpool1d(
    x: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Zeros with the winners of `max_pool1d` back at their places.

    Args:
        x: (N, C, L) or (C, L).
        indices: int64, of the shape of x: the places that max_pool1d gave; of two that are equal
            the later counts.
        kernel_size: of the pooling, as the two following.
        stride: kernel_size unless given.
        padding: 0 unless given.
        output_size: (OL,) or (N, C, OL), where several lengths are pooled to L.

    Returns:
        (N, C, OL) or (C, OL), OL = (L - 1) stride + K - 2 padding, or that of output_size.

    Raises:
        ValueError: shapes do not fit, or output_size is a stride or more away.
        TypeError: the indices are not int64.
        IndexError: an index is outside of the result.

    Derivative: twice; each element gets the gradient of its place.
    Source: Zeiler and Fergus, "Visualizing and understanding convolutional networks" (2014).
    """
    return _max_unpool("max_unpool1d", 1, x, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    x: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Zeros with the winners of `max_pool2d` back at their places.

    Args:
        x: (N, C, H, W) or (C, H, W).
        indices: int64, of the shape of x: the places h * OW + w that max_pool2d gave; of two that
            are equal the later counts.
        kernel_size: of the pooling, as the two following.
        stride: kernel_size unless given.
        padding: 0 unless given.
        output_size: (OH, OW) or (N, C, OH, OW), where several sizes are pooled to (H, W).

    Returns:
        (N, C, OH, OW) or (C, OH, OW), OH = (H - 1) stride + KH - 2 padding and OW alike, or those
        of output_size.

    Raises:
        ValueError: shapes do not fit, or output_size is a stride or more away.
        TypeError: the indices are not int64.
        IndexError: an index is outside of the result.

    Derivative: twice; each element gets the gradient of its place.
    Source: Zeiler and Fergus, "Visualizing and understanding convolutional networks" (2014).
    """
    return _max_unpool("max_unpool2d", 2, x, indices, kernel_size, stride, padding, output_size)
