"""Pooling layers: signals (N, C, L) and images (N, C, H, W), or one without N, to smaller ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..tensor import Tensor
from . import functional as F
from .module import Module

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "LPPool1d",
    "LPPool2d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxUnpool1d",
    "MaxUnpool2d",
]

Size = int | tuple[int, ...]


def _spread(value: Size, dims: int) -> tuple[int, ...]:
    return (value,) * dims if isinstance(value, int) else tuple(value)


# ---- max


class MaxPool1d(Module):
    """The largest element of each window of a signal.

    Args:
        kernel_size: Length of the window.
        stride: Step from window to window; the window's own length unless given.
        padding: Border on each side, at most half a window, that never wins.
        dilation: Distance between the elements of a window.
        return_indices: Whether to give the places of the winners too, for `MaxUnpool1d`.
        ceil_mode: Keep a last window that hangs over the end.
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def options(self) -> tuple[Any, ...]:
        """What the function takes after x."""
        return (
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )

    def forward(self, x: Tensor) -> Any:
        """x (N, C, L) to (N, C, OL), with return_indices a pair of them."""
        return F.max_pool1d(x, *self.options())

    def extra_repr(self) -> str:
        """Sizes."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool2d(MaxPool1d):
    """The largest element of each window of an image.

    Args:
        kernel_size: Window, one number or (height, width), as in the following.
        stride: Step from window to window; the window's own size unless given.
        padding: Border on each side, at most half a window, that never wins.
        dilation: Distance between the elements of a window.
        return_indices: Whether to give the places of the winners too, for `MaxUnpool2d`.
        ceil_mode: Keep a last window that hangs over the edge.
    """

    def forward(self, x: Tensor) -> Any:
        """x (N, C, H, W) to (N, C, OH, OW), with return_indices a pair of them."""
        return F.max_pool2d(x, *self.options())


class MaxUnpool1d(Module):
    """Zeros with the winners of `MaxPool1d` back at their places.

    Args:
        kernel_size: Of the pooling, as the two following.
        stride: The window's own length unless given.
        padding: 0 unless given.
    """

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> None:
        self.kernel_size = _spread(kernel_size, 1)
        self.stride = _spread(kernel_size if stride is None else stride, 1)
        self.padding = _spread(padding, 1)

    def forward(
        self, x: Tensor, indices: Tensor, output_size: Sequence[int] | None = None
    ) -> Tensor:
        """x and indices (N, C, L) to (N, C, OL)."""
        return F.max_unpool1d(x, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        """Sizes."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool2d(Module):
    """Zeros with the winners of `MaxPool2d` back at their places.

    Args:
        kernel_size: Of the pooling, one number or (height, width), as the two following.
        stride: The window's own size unless given.
        padding: 0 unless given.
    """

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> None:
        self.kernel_size = _spread(kernel_size, 2)
        self.stride = _spread(kernel_size if stride is None else stride, 2)
        self.padding = _spread(padding, 2)

    def forward(
        self, x: Tensor, indices: Tensor, output_size: Sequence[int] | None = None
    ) -> Tensor:
        """x and indices (N, C, H, W) to (N, C, OH, OW)."""
        return F.max_unpool2d(x, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        """Sizes."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


# ---- average


class AvgPool1d(Module):
    """The mean of each window of a signal.

    Args:
        kernel_size: Length of the window.
        stride: Step from window to window; the window's own length unless given.
        padding: Zeros on each side, at most half a window.
        ceil_mode: Keep a last window that hangs over the end.
        count_include_pad: Whether zeros of the padding count as elements.
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        self.kernel_size = _spread(kernel_size, 1)
        self.stride = _spread(kernel_size if stride is None else stride, 1)
        self.padding = _spread(padding, 1)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, L) to (N, C, OL)."""
        return F.avg_pool1d(
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )

    def extra_repr(self) -> str:
        """Sizes."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(Module):
    """The mean of each window of an image.

    Args:
        kernel_size: Window, one number or (height, width), as in the following.
        stride: Step from window to window; the window's own size unless given.
        padding: Zeros on each side, at most half a window.
        ceil_mode: Keep a last window that hangs over the edge.
        count_include_pad: Whether zeros of the padding count as elements.
        divisor_override: Divide by this instead of the number of elements.
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) to (N, C, OH, OW)."""
        return F.avg_pool2d(
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        """Sizes."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class LPPool1d(Module):
    """The p-norm of each window of a signal.

    Args:
        norm_type: p.
        kernel_size: Length of the window.
        stride: Step from window to window; the window's own length unless given.
        ceil_mode: Keep a last window that hangs over the end.
    """

    def __init__(
        self,
        norm_type: float,
        kernel_size: Size,
        stride: Size | None = None,
        ceil_mode: bool = False,
    ) -> None:
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, L) to (N, C, OL)."""
        return F.lp_pool1d(x, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        """The norm and sizes."""
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, ceil_mode={self.ceil_mode}"
        )


class LPPool2d(LPPool1d):
    """The p-norm of each window of an image.

    Args:
        norm_type: p.
        kernel_size: Window, one number or (height, width), as in the following.
        stride: Step from window to window; the window's own size unless given.
        ceil_mode: Keep a last window that hangs over the edge.
    """

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) to (N, C, OH, OW)."""
        return F.lp_pool2d(x, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


# ---- to a given size


class AdaptiveAvgPool1d(Module):
    """The means of stretches laid out so that the output has a given length.

    Args:
        output_size: OL.
    """

    def __init__(self, output_size: Any) -> None:
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, L) to (N, C, OL)."""
        return F.adaptive_avg_pool1d(x, self.output_size)

    def extra_repr(self) -> str:
        """The size."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool2d(AdaptiveAvgPool1d):
    """The means of windows laid out so that the output has a given size.

    Args:
        output_size: (OH, OW), or one number for both; None in the pair keeps a length.
    """

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) to (N, C, OH, OW)."""
        return F.adaptive_avg_pool2d(x, self.output_size)


class AdaptiveMaxPool1d(Module):
    """The largest elements of stretches laid out so that the output has a given length.

    Args:
        output_size: OL.
        return_indices: Whether to give the places of the winners too.
    """

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, x: Tensor) -> Any:
        """x (N, C, L) to (N, C, OL), with return_indices a pair of them."""
        return F.adaptive_max_pool1d(x, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        """The size."""
        return f"output_size={self.output_size}"


class AdaptiveMaxPool2d(AdaptiveMaxPool1d):
    """The largest elements of windows laid out so that the output has a given size.

    Args:
        output_size: (OH, OW), or one number for both; None in the pair keeps a length.
        return_indices: Whether to give the places of the winners too.
    """

    def forward(self, x: Tensor) -> Any:
        """x (N, C, H, W) to (N, C, OH, OW), with return_indices a pair of them."""
        return F.adaptive_max_pool2d(x, self.output_size, self.return_indices)
