"""Adaptive pooling: signals (N, C, L) and images (N, C, H, W) to a size that is given.

Output i of OH is computed from the rows [i H // OH, ceil((i + 1) H / OH)): they cover the image and
may share a row. Size 1 is global pooling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import dtypes
from ..device import Shape
from ..op import Op
from ..tensor import Tensor
from .conv import Pair, float_only, images, like_input
from .create import empty
from .pool import MaxPool2dBackward
from .shape import cast

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
]


class AdaptiveAvgPool2d(Op):
    size: Pair

    def forward(self, x: Tensor) -> Tensor:
        self.shape = x.shape
        y = empty((*x.shape[:2], *self.size), dtype=x.dtype, device=x.device)
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


class AdaptiveMaxPool2d(Op):
    """`indices` (int32) gets h * W + w of each winner."""

    indices: Tensor

    def forward(self, x: Tensor) -> Tensor:
        self.shape = x.shape
        y = empty(self.indices.shape, dtype=x.dtype, device=x.device)
        x.device.kernels.adaptive_max_pool2d(x.data, y.data, self.indices.data)
        self.save(self.indices)
        return y

    def backward(self, gy: Tensor) -> Tensor:
        return MaxPool2dBackward.apply(gy, self.saved[0], shape=self.shape)


def _sizes(name: str, dims: int, x: Tensor, output_size: Any) -> Pair:
    """(OH, OW), checked with x."""
    float_only(name, x)
    if x.ndim not in (dims + 1, dims + 2):
        size = "L" if dims == 1 else "H, W"
        raise ValueError(f"{name}: x is (N, C, {size}) or (C, {size}), got {x.shape}")
    if 0 in x.shape[-dims:]:
        raise ValueError(f"{name}: there is nothing in {x.shape}")
    wanted = tuple(output_size) if isinstance(output_size, Sequence) else (output_size,) * dims
    sizes = [n if m is None else m for m, n in zip(wanted, x.shape[-dims:], strict=False)]
    if len(wanted) != dims or not all(isinstance(n, int) and n >= 0 for n in sizes):
        kind = "an int" if dims == 1 else "an int or a pair"
        raise ValueError(f"{name}: output_size is {kind} of at least 0, got {output_size!r}")
    return (1, sizes[0]) if dims == 1 else (sizes[0], sizes[1])


def _adaptive_avg_pool(name: str, dims: int, x: Tensor, output_size: Any) -> Tensor:
    size = _sizes(name, dims, x, output_size)
    return like_input(AdaptiveAvgPool2d.apply(images(x, dims), size=size), x, dims)


def _adaptive_max_pool(
    name: str, dims: int, x: Tensor, output_size: Any, return_indices: bool
) -> Any:
    size = _sizes(name, dims, x, output_size)
    if 0 in x.shape[1:]:
        raise ValueError(f"{name}: there is nothing in {x.shape}")
    x4 = images(x, dims)
    indices = empty((*x4.shape[:2], *size), dtype=dtypes.int32, device=x.device)
    y = like_input(AdaptiveMaxPool2d.apply(x4, indices=indices), x, dims)
    if not return_indices:
        return y
    return y, cast(like_input(indices, x, dims), dtypes.int64)


def adaptive_avg_pool1d(x: Tensor, output_size: Any) -> Tensor:
    """The means over `output_size` stretches that cover a signal.

    Args:
        x: (N, C, L) or (C, L), L > 0.
        output_size: OL; None keeps L.

    Returns:
        (N, C, OL) or (C, OL).

    Raises:
        ValueError: the shape is another or empty, or output_size negative.

    Derivative: twice.
    Source: Lin, Chen and Yan, "Network in network" (2014), section 3.2, for size 1.
    """
    return _adaptive_avg_pool("adaptive_avg_pool1d", 1, x, output_size)


def adaptive_avg_pool2d(x: Tensor, output_size: Any) -> Tensor:
    """The means over OH x OW cells that cover an image.

    Args:
        x: (N, C, H, W) or (C, H, W), H and W > 0.
        output_size: int or (OH, OW); None in the pair keeps a length.

    Returns:
        (N, C, OH, OW) or (C, OH, OW).

    Raises:
        ValueError: the shape is another or empty, or output_size no int or pair, or negative.

    Derivative: twice.
    Source: Lin, Chen and Yan, "Network in network" (2014), section 3.2, for size 1.
    """
    return _adaptive_avg_pool("adaptive_avg_pool2d", 2, x, output_size)


def adaptive_max_pool1d(x: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest elements of `output_size` stretches that cover a signal.

    Args:
        x: (N, C, L) or (C, L), with elements (but the first length may be 0).
        output_size: OL; None keeps L.
        return_indices: give the places of the winners too.

    Returns:
        (N, C, OL) or (C, OL); with return_indices also where in L each winner was, int64. NaN wins
        (the last), otherwise the first of equals.

    Raises:
        ValueError: the shape is another or empty, or output_size negative.

    Derivative: twice; the winner gets the gradient.
    Source: He et al., "Spatial pyramid pooling in deep convolutional networks for visual
    recognition" (2015), section 2.2.
    """
    return _adaptive_max_pool("adaptive_max_pool1d", 1, x, output_size, return_indices)


def adaptive_max_pool2d(x: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest elements of OH x OW cells that cover an image.

    Args:
        x: (N, C, H, W) or (C, H, W), with elements (but the first length may be 0).
        output_size: int or (OH, OW); None in the pair keeps a length.
        return_indices: give the places of the winners too.

    Returns:
        (N, C, OH, OW) or (C, OH, OW); with return_indices also h * W + w of each winner, int64.
        NaN wins (the last), otherwise the first of equals.

    Raises:
        ValueError: the shape is another or empty, or output_size no int or pair, or negative.

    Derivative: twice; the winner gets the gradient.
    Source: He et al., "Spatial pyramid pooling in deep convolutional networks for visual
    recognition" (2015), section 2.2.
    """
    return _adaptive_max_pool("adaptive_max_pool2d", 2, x, output_size, return_indices)
