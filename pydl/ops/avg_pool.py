"""Average and power-average (Lp) pooling of signals (N, C, L) and images (N, C, H, W)."""

from __future__ import annotations

from typing import Any

from ..op import Op
from ..tensor import Tensor
from .arithmetic import pow
from .comparison import eq, where
from .conv import Geometry, Pair, like_input
from .create import empty
from .pool import pooled_images, window
from .precision import wide

__all__ = ["avg_pool1d", "avg_pool2d", "lp_pool1d", "lp_pool2d"]


class AvgPool2d(Op):
    """`size` is (OH, OW), `divisor` 0 for the number of elements."""

    kernel: Pair
    geometry: Geometry
    size: Pair
    count_include_pad: bool
    divisor: int

    def options(self) -> tuple[Any, ...]:
        """What both kernels take after the arrays."""
        g = self.geometry
        return self.kernel, g.stride, g.padding, self.count_include_pad, self.divisor

    def forward(self, x: Tensor) -> Tensor:
        self.shape = x.shape
        y = empty((*x.shape[:2], *self.size), dtype=x.dtype, device=x.device)
        x.device.kernels.avg_pool2d(x.data, y.data, *self.options())
        return y

    def backward(self, gy: Tensor) -> Tensor:
        return AvgPool2dBackward.apply(gy, of=self)


class AvgPool2dBackward(Op):
    """gy spread evenly over each window."""

    name = "avg_pool2d_backward"
    of: AvgPool2d

    def forward(self, gy: Tensor) -> Tensor:
        gx = empty(self.of.shape, dtype=gy.dtype, device=gy.device)
        gy.device.kernels.avg_pool2d_backward(gy.data, gx.data, *self.of.options())
        return gx

    def backward(self, ggx: Tensor) -> Tensor:
        of = self.of
        return AvgPool2d.apply(
            ggx,
            kernel=of.kernel,
            geometry=of.geometry,
            size=of.size,
            count_include_pad=of.count_include_pad,
            divisor=of.divisor,
        )


def _avg_pool(
    name: str,
    dims: int,
    x: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    x4 = pooled_images(name, dims, x)
    kernel, geometry = window(name, dims, kernel_size, stride, padding)
    if divisor_override == 0:
        raise ValueError(f"{name}: divisor_override is 0")
    y = AvgPool2d.apply(
        x4,
        kernel=kernel,
        geometry=geometry,
        size=geometry.out(name, x4.shape[2:], kernel, ceil_mode),
        count_include_pad=count_include_pad,
        divisor=divisor_override or 0,
    )
    return like_input(y, x, dims)


def avg_pool1d(
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of a signal.

    Args:
        x: (N, C, L) or (C, L).
        kernel_size: K.
        stride: the step from window to window; kernel_size unless given.
        padding: so many zeros on each side, at most half of the kernel.
        ceil_mode: keep a last window that hangs over the end.
        count_include_pad: the padding counts in the divisor (what hangs over never does).

    Returns:
        (N, C, OL) or (C, OL), OL = (L + 2 padding - K) / stride + 1 rounded down, or up with
        ceil_mode.

    Raises:
        ValueError: the shape is another, a number is out of range, or x shorter than a window.

    Derivative: twice.
    Source: LeCun et al., "Gradient-based learning applied to document recognition" (1998),
    section II-B.
    """
    return _avg_pool("avg_pool1d", 1, x, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of an image.

    Args:
        x: (N, C, H, W) or (C, H, W).
        kernel_size: int or (KH, KW).
        stride: int or pair, the step from window to window; kernel_size unless given.
        padding: int or pair of zeros on each side, at most half of the kernel.
        ceil_mode: keep a last window that hangs over the edge.
        count_include_pad: the padding counts in the divisor (what hangs over never does).
        divisor_override: divide by this instead; not 0.

    Returns:
        (N, C, OH, OW) or (C, OH, OW), OH = (H + 2 padding - KH) / stride + 1 rounded down, or up
        with ceil_mode, and OW alike.

    Raises:
        ValueError: the shape is another, a number is out of range, or x smaller than a window.

    Derivative: twice.
    Source: LeCun et al., "Gradient-based learning applied to document recognition" (1998),
    section II-B.
    """
    return _avg_pool(
        "avg_pool2d",
        2,
        x,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
    )


@wide
def _lp_pool(
    name: str, dims: int, x: Tensor, p: float, kernel_size: Any, stride: Any, ceil_mode: bool
) -> Tensor:
    pooled_images(name, dims, x)  # for its refusals
    if p == 0:
        raise ValueError(f"{name}: norm_type is 0")
    mean = _avg_pool(name, dims, pow(x, p), kernel_size, stride, 0, ceil_mode)
    kernel, _ = window(name, dims, kernel_size, None, 0)
    safe = where(eq(mean, 0.0), 0.0, mean)  # no gradient from 0, where the root is infinitely steep
    return pow(safe * (kernel[0] * kernel[1]), 1.0 / p)


def lp_pool1d(
    x: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of a signal: (sum of x^p)^(1/p), without absolute values.

    Args:
        x: (N, C, L) or (C, L).
        norm_type: p; 1 sums, large ones come near the maximum.
        kernel_size: K.
        stride: the step from window to window; kernel_size unless given.
        ceil_mode: keep a last window that hangs over the end; what is there of it counts as if it
            were whole.

    Returns:
        (N, C, OL) or (C, OL), OL = (L - K) / stride + 1 rounded down, or up with ceil_mode.

    Raises:
        ValueError: the shape is another, a number is out of range, or x shorter than a window.

    Derivative: twice; 0 where the sum is 0.
    Source: Sermanet, Chintala and LeCun, "Convolutional neural networks applied to house numbers
    digit classification" (2012), section 3.2.
    """
    return _lp_pool("lp_pool1d", 1, x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    x: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of an image: (sum of x^p)^(1/p), without absolute values.

    Args:
        x: (N, C, H, W) or (C, H, W).
        norm_type: p; 1 sums, large ones come near the maximum.
        kernel_size: int or (KH, KW).
        stride: int or pair, the step from window to window; kernel_size unless given.
        ceil_mode: keep a last window that hangs over the edge; what is there of it counts as if it
            were whole.

    Returns:
        (N, C, OH, OW) or (C, OH, OW), OH = (H - KH) / stride + 1 rounded down, or up with
        ceil_mode, and OW alike.

    Raises:
        ValueError: the shape is another, a number is out of range, or x smaller than a window.

    Derivative: twice; 0 where the sum is 0.
    Source: Sermanet, Chintala and LeCun, "Convolutional neural networks applied to house numbers
    digit classification" (2012), section 3.2.
    """
    return _lp_pool("lp_pool2d", 2, x, norm_type, kernel_size, stride, ceil_mode)
