"""Layers with weights, and those that only move or drop elements."""

from __future__ import annotations

import math
from typing import Any

from ..device import Device
from ..dtypes import DType, float32
from ..ops.create import empty
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module, Parameter

__all__ = [
    "Bilinear",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Flatten",
    "Identity",
    "Linear",
    "Unflatten",
]


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
        reset(self.weight, self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., in_features) to (..., out_features)."""
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Sizes."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Bilinear(Module):
    """y = x1^T W x2 + b, W and b drawn from U(-1 / sqrt(in1), 1 / sqrt(in1)).

    x1 is (..., in1_features), x2 (..., in2_features), y (..., out_features).

    Args:
        in1_features: Length of each first input.
        in2_features: Length of each second input.
        out_features: Length of each output.
        bias: Whether to add b.
        device: Where the weights are.
        dtype: Of the weights.

    Raises:
        ValueError: in1_features is not positive.
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: str | Device = "cpu",
        dtype: DType = float32,
    ) -> None:
        if in1_features < 1:
            raise ValueError(f"Bilinear: in1_features must be at least 1, got {in1_features}")
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        shape = (out_features, in1_features, in2_features)
        self.weight = Parameter(empty(shape, dtype=dtype, device=device))
        self.bias = Parameter(empty((out_features,), dtype=dtype, device=device)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weight and bias anew."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """x1 (..., in1_features) and x2 (..., in2_features) to (..., out_features)."""
        return F.bilinear(x1, x2, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Sizes."""
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


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
            raise ValueError(f"{type(self).__name__}: p must be in [0, 1], got {p}")
        self.p = p
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape; itself in evaluation mode."""
        return F.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout1d(Dropout):
    """In training, sets each channel to 0 with probability p and divides the others by 1 - p.

    Args:
        p: Probability, in [0, 1].
        inplace: Accepted for code from PyTorch; the result is always a new tensor.

    Raises:
        ValueError: p is out of range.

    Source: Tompson et al., Efficient Object Localization Using Convolutional Networks (2015).
    """

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, L) or (C, L); itself in evaluation mode."""
        return F.dropout1d(x, self.p, self.training)


class Dropout2d(Dropout):
    """In training, sets each channel to 0 with probability p and divides the others by 1 - p.

    Args:
        p: Probability, in [0, 1].
        inplace: Accepted for code from PyTorch; the result is always a new tensor.

    Raises:
        ValueError: p is out of range.

    Source: Tompson et al., Efficient Object Localization Using Convolutional Networks (2015).
    """

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, H, W); itself in evaluation mode."""
        return F.dropout2d(x, self.p, self.training)


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


def reset(weight: Tensor, bias: Tensor | None) -> None:
    """PyTorch's defaults: both from U(-1 / sqrt(fan_in), 1 / sqrt(fan_in))."""
    init.kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        bound = 1 / math.sqrt(max(1, math.prod(weight.shape[1:])))
        init.uniform_(bias, -bound, bound)
