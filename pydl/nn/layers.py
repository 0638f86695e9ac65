"""Layers with weights, and those that only move or drop elements."""

from __future__ import annotations

import math
from typing import Any

from ..device import Device
from ..dtypes import DType, float32
from ..ops.conv import Pair, pair
from ..ops.create import empty
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module, Parameter

__all__ = ["Conv2d", "Dropout", "Flatten", "Identity", "Linear", "Unflatten"]


class Linear(Module):
    """y = x w^T + b, w and b drawn from U(-1 / sqrt(in), 1 / sqrt(in)).

    x is (..., in_features), y (..., out_features).

    Args:
        in_features: Length of each input.
        out_features: Length of each output.
        bias: Whether to add b.
        device: Where the weights are.
        dtype: Of the weights.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: str | Device = "cpu",
        dtype: DType = float32,
    ) -> None:
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(empty((out_features, in_features), dtype=dtype, device=device))
        self.bias = Parameter(empty((out_features,), dtype=dtype, device=device)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weight and bias anew."""
        _reset(self.weight, self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., in_features) to (..., out_features)."""
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Sizes."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Conv2d(Module):
    """Cross-correlation of images (N, C, H, W) with O kernels, to (N, O, OH, OW).

    OH = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1, and OW likewise. Weights and
    bias are drawn from U(-r, r), r = 1 / sqrt(C / groups * KH * KW).

    Args:
        in_channels: C.
        out_channels: O.
        kernel_size: (KH, KW), or one number for both, as in the following.
        stride: Step from window to window.
        padding: Zeros on each side; "valid" for none, "same" for OH, OW = H, W (stride 1 and an
            odd window).
        dilation: Distance between the elements of a window.
        groups: Channels are split into so many groups that do not mix.
        bias: Whether to add a number to each output channel.
        padding_mode: "zeros" is all there is.
        device: Where the weights are.
        dtype: Of the weights.

    Raises:
        ValueError: channels that groups does not divide, "same" with a stride, another
            padding_mode, or sizes out of range.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair | str = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: str | Device = "cpu",
        dtype: DType = float32,
    ) -> None:
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"Conv2d: groups={groups} must divide in_channels={in_channels} and "
                f"out_channels={out_channels}"
            )
        if padding_mode != "zeros":
            raise ValueError(f'Conv2d: padding_mode must be "zeros", got {padding_mode!r}')
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = pair("Conv2d", "kernel_size", kernel_size, 1)
        self.stride = pair("Conv2d", "stride", stride, 1)
        self.padding: str | Pair = (
            padding if isinstance(padding, str) else pair("Conv2d", "padding", padding, 0)
        )
        self.dilation = pair("Conv2d", "dilation", dilation, 1)
        self.groups = groups
        if isinstance(self.padding, str) and self.padding not in ("same", "valid"):
            raise ValueError(f'Conv2d: padding must be "same" or "valid", got {padding!r}')
        if self.padding == "same" and self.stride != (1, 1):
            raise ValueError(f'Conv2d: padding="same" needs stride 1, got {self.stride}')
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = Parameter(empty(shape, dtype=dtype, device=device))
        self.bias = Parameter(empty((out_channels,), dtype=dtype, device=device)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weight and bias anew."""
        _reset(self.weight, self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W) to (N, O, OH, OW)."""
        return F.conv2d(
            x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        """Sizes, and what is not the default."""
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        )
        if self.padding != (0, 0):
            text += f", padding={self.padding}"
        if self.dilation != (1, 1):
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        return text if self.bias is not None else f"{text}, bias=False"


class Dropout(Module):
    """In training, sets each element to 0 with probability p and divides the others by 1 - p.

    Args:
        p: Probability, in [0, 1].
        inplace: Accepted for code from PyTorch; the result is always a new tensor.

    Raises:
        ValueError: p is out of range.

    Source: Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting
    (2014).
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p must be in [0, 1], got {p}")
        self.p = p
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape; itself in evaluation mode."""
        return F.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}, inplace={self.inplace}"


class Flatten(Module):
    """Makes one dimension of several: (N, C, H, W) becomes (N, C H W).

    Args:
        start_dim: The first of them.
        end_dim: The last of them.
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Tensor) -> Tensor:
        """The same memory in the new shape."""
        return x.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """The dimensions."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Makes several dimensions of one: what Flatten does, undone.

    Args:
        dim: The dimension.
        unflattened_size: What it becomes; one length may be -1.
    """

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]) -> None:
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)

    def forward(self, x: Tensor) -> Tensor:
        """The same memory in the new shape."""
        dim = self.dim % x.ndim
        return x.reshape(*x.shape[:dim], *self.unflattened_size, *x.shape[dim + 1 :])

    def extra_repr(self) -> str:
        """The dimension and what it becomes."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class Identity(Module):
    """Gives back its input; arguments of any kind are ignored."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def forward(self, x: Tensor) -> Tensor:
        """x itself."""
        return x


def _reset(weight: Tensor, bias: Tensor | None) -> None:
    """PyTorch's defaults: both from U(-1 / sqrt(fan_in), 1 / sqrt(fan_in))."""
    init.kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        bound = 1 / math.sqrt(max(1, math.prod(weight.shape[1:])))
        init.uniform_(bias, -bound, bound)
