"""im2col (`unfold`) and col2im (`fold`), the explicit form of convolution that the books teach.

`conv2d` does not use them: it gathers while packing.
"""

from __future__ import annotations

from typing import Any

from ..op import Op
from ..tensor import Tensor
from .conv import Geometry, Pair, float_only, pair
from .create import empty
from .shape import reshape

__all__ = [
    "fold",
    "unfold",
]


class Unfold(Op):
    kernel: Pair
    geometry: Geometry

    def forward(self, x: Tensor) -> Tensor:
        self.size = x.shape[2:]
        oh, ow = self.geometry.out("unfold", x.shape[2:], self.kernel)
        taps = self.kernel[0] * self.kernel[1]
        col = empty(x.shape[0], x.shape[1] * taps, oh * ow, dtype=x.dtype, device=x.device)
        x.device.kernels.im2col(x.data, col.data, self.kernel, *self.geometry)
        return col

    def backward(self, gy: Tensor) -> Tensor:
        return Fold.apply(gy, size=self.size, kernel=self.kernel, geometry=self.geometry)


class Fold(Op):
    size: Pair
    kernel: Pair
    geometry: Geometry

    def forward(self, col: Tensor) -> Tensor:
        channels = col.shape[1] // (self.kernel[0] * self.kernel[1])
        x = empty(col.shape[0], channels, *self.size, dtype=col.dtype, device=col.device)
        col.device.kernels.col2im(col.data, x.data, self.kernel, *self.geometry)
        return x

    def backward(self, gy: Tensor) -> Tensor:
        return Unfold.apply(gy, kernel=self.kernel, geometry=self.geometry)


def unfold(
    x: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """im2col: every window of an image as a column.

    Args:
        x: (N, C, H, W) or (C, H, W).
        kernel_size: int or (KH, KW).
        dilation: int or pair, as for conv2d.
        padding: int or pair.
        stride: int or pair.

    Returns:
        (N, C * KH * KW, OH * OW), or without N.

    Raises:
        ValueError: the window does not fit.
        TypeError: x is not floating.

    Derivative: twice.
    Source: Chellapilla, Puri and Simard, "High performance convolutional neural networks for
    document processing" (2006), section 3.
    """
    if x.ndim not in (3, 4):
        raise ValueError(f"unfold: x is (N, C, H, W) or (C, H, W), got {x.shape}")
    float_only("unfold", x)
    kernel = pair("unfold", "kernel_size", kernel_size, 1)
    geometry = Geometry.of("unfold", stride, padding, dilation)
    if x.ndim == 4:
        return Unfold.apply(x, kernel=kernel, geometry=geometry)
    col = Unfold.apply(reshape(x, (1, *x.shape)), kernel=kernel, geometry=geometry)
    return reshape(col, col.shape[1:])


def fold(
    x: Tensor,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Tensor:
    """col2im: columns summed into an image; the adjoint of `unfold`, not its inverse.

    Args:
        x: (N, C * KH * KW, OH * OW), or without N.
        output_size: int or (H, W).
        kernel_size: int or (KH, KW).
        dilation: int or pair.
        padding: int or pair.
        stride: int or pair.

    Returns:
        (N, C, H, W) or (C, H, W).

    Raises:
        ValueError: the columns are not those of such an image.
        TypeError: x is not floating.

    Derivative: twice.
    Source: Chellapilla, Puri and Simard, "High performance convolutional neural networks for
    document processing" (2006), section 3.
    """
    size = pair("fold", "output_size", output_size, 1)
    kernel = pair("fold", "kernel_size", kernel_size, 1)
    geometry = Geometry.of("fold", stride, padding, dilation)
    oh, ow = geometry.out("fold", size, kernel)
    taps = kernel[0] * kernel[1]
    if x.ndim not in (2, 3) or x.shape[-2] % taps or x.shape[-1] != oh * ow:
        raise ValueError(
            f"fold: x is (N, C*KH*KW, OH*OW) or without N, with KH*KW={taps} and "
            f"OH*OW={oh * ow}, got {x.shape}"
        )
    float_only("fold", x)
    if x.ndim == 3:
        return Fold.apply(x, size=size, kernel=kernel, geometry=geometry)
    y = Fold.apply(reshape(x, (1, *x.shape)), size=size, kernel=kernel, geometry=geometry)
    return reshape(y, y.shape[1:])
