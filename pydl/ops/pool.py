"""Pooling of images (N, C, H, W)."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..device import Shape
from ..op import Op
from ..tensor import Tensor
from .conv import Geometry, Pair, pair
from .create import empty
from .index import gather
from .shape import reshape

__all__ = [
    "adaptive_avg_pool2d",
    "avg_pool2d",
    "max_pool2d",
]


def _images(name: str, x: Tensor) -> None:
    if x.ndim != 4:
        raise ValueError(f"{name}: x is (N, C, H, W), got {x.shape}")


def _window(
    name: str, kernel_size: Any, stride: Any, padding: Any, dilation: Any = 1
) -> tuple[Pair, Geometry]:
    kernel = pair(name, "kernel_size", kernel_size, 1)
    geometry = Geometry.of(name, kernel if stride is None else stride, padding, dilation)
    if any(2 * p > k for p, k in zip(geometry.padding, kernel, strict=True)):
        raise ValueError(
            f"{name}: padding {geometry.padding} is more than half of kernel_size {kernel}"
        )
    return kernel, geometry


class MaxPool2d(Op):
    kernel: Pair
    geometry: Geometry
    ceil_mode: bool

    def forward(self, x: Tensor) -> Tensor:
        self.shape = x.shape
        oh, ow = self.geometry.out("max_pool2d", x.shape[2:], self.kernel, self.ceil_mode)
        y = empty(*x.shape[:2], oh, ow, dtype=x.dtype, device=x.device)
        indices = empty(y.shape, dtype=dtypes.int32, device=x.device)
        x.device.kernels.max_pool2d(x.data, y.data, indices.data, self.kernel, *self.geometry)
        self.save(indices)
        return y

    def backward(self, gy: Tensor) -> Tensor:
        return MaxPool2dBackward.apply(gy, self.saved[0], of=self)


class MaxPool2dBackward(Op):
    """gy added where the largest elements were."""

    name = "max_pool2d_backward"
    of: MaxPool2d

    def forward(self, gy: Tensor, indices: Tensor) -> Tensor:
        gx = empty(self.of.shape, dtype=gy.dtype, device=gy.device)
        gy.device.kernels.max_pool2d_backward(
            gy.data, indices.data, gx.data, self.of.kernel, *self.of.geometry
        )
        self.save(indices)
        return gx

    def backward(self, ggx: Tensor) -> tuple[Tensor, None]:
        (indices,) = self.saved
        n, c, oh, ow = indices.shape
        flat = reshape(indices, (n, c, oh * ow))
        picked = gather(reshape(ggx, (n, c, ggx.shape[2] * ggx.shape[3])), 2, flat)
        return reshape(picked, (n, c, oh, ow)), None


def max_pool2d(
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The largest element of each window; NaN wins, the first of equals gets the gradient.

    Args:
        x: (N, C, H, W).
        kernel_size: int or (KH, KW).
        stride: int or pair; kernel_size by default.
        padding: int or pair, at most half of the kernel; counts as -inf.
        dilation: int or pair.
        ceil_mode: keep a last window that hangs over the edge.

    Returns:
        (N, C, OH, OW).
    """
    _images("max_pool2d", x)
    kernel, geometry = _window("max_pool2d", kernel_size, stride, padding, dilation)
    return MaxPool2d.apply(x, kernel=kernel, geometry=geometry, ceil_mode=ceil_mode)


class AvgPool2d(Op):
    kernel: Pair
    geometry: Geometry
    ceil_mode: bool
    count_include_pad: bool
    divisor: int

    def options(self) -> tuple[Any, ...]:
        """What both kernels take after the arrays."""
        g = self.geometry
        return self.kernel, g.stride, g.padding, self.count_include_pad, self.divisor

    def forward(self, x: Tensor) -> Tensor:
        self.shape = x.shape
        oh, ow = self.geometry.out("avg_pool2d", x.shape[2:], self.kernel, self.ceil_mode)
        y = empty(*x.shape[:2], oh, ow, dtype=x.dtype, device=x.device)
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
            ceil_mode=of.ceil_mode,
            count_include_pad=of.count_include_pad,
            divisor=of.divisor,
        )


def avg_pool2d(
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window.

    Args:
        x: (N, C, H, W).
        kernel_size: int or (KH, KW).
        stride: int or pair; kernel_size by default.
        padding: int or pair of zeros, at most half of the kernel.
        ceil_mode: keep a last window that hangs over the edge.
        count_include_pad: the padding counts in the divisor.
        divisor_override: divide by this instead.

    Returns:
        (N, C, OH, OW).
    """
    _images("avg_pool2d", x)
    kernel, geometry = _window("avg_pool2d", kernel_size, stride, padding)
    if divisor_override is not None and divisor_override < 1:
        raise ValueError(f"avg_pool2d: divisor_override must be positive, got {divisor_override}")
    return AvgPool2d.apply(
        x,
        kernel=kernel,
        geometry=geometry,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
        divisor=divisor_override or 0,
    )


class AdaptiveAvgPool2d(Op):
    size: Pair

    def forward(self, x: Tensor) -> Tensor:
        self.shape = x.shape
        y = empty(*x.shape[:2], *self.size, dtype=x.dtype, device=x.device)
        x.device.kernels.adaptive_avg_pool2d(x.data, y.data)
        return y

    def backward(self, gy: Tensor) -> Tensor:
        return AdaptiveAvgPool2dBackward.apply(gy, shape=self.shape)


class AdaptiveAvgPool2dBackward(Op):
    """gy spread evenly over each cell."""

    name = "adaptive_avg_pool2d_backward"
    shape: Shape

    def forward(self, gy: Tensor) -> Tensor:
        self.size = gy.shape[2:]
        gx = empty(self.shape, dtype=gy.dtype, device=gy.device)
        gy.device.kernels.adaptive_avg_pool2d_backward(gy.data, gx.data)
        return gx

    def backward(self, ggx: Tensor) -> Tensor:
        return AdaptiveAvgPool2d.apply(ggx, size=self.size)


def adaptive_avg_pool2d(x: Tensor, output_size: Any) -> Tensor:
    """The mean over cells [i H // OH, ceil((i + 1) H / OH)) that cover the image.

    Args:
        x: (N, C, H, W), not empty.
        output_size: int or (OH, OW); None keeps a length.

    Returns:
        (N, C, OH, OW).
    """
    _images("adaptive_avg_pool2d", x)
    two = (output_size,) * 2 if output_size is None or isinstance(output_size, int) else output_size
    kept = [x.shape[2 + i] if n is None else n for i, n in enumerate(two)]
    size = pair("adaptive_avg_pool2d", "output_size", kept, 1)
    if 0 in x.shape[2:]:
        raise ValueError(f"adaptive_avg_pool2d: there is nothing in {x.shape}")
    return AdaptiveAvgPool2d.apply(x, size=size)
