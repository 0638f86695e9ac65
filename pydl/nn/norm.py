"""Normalisation layers; the formulas are in pydl.nn.functional."""

from __future__ import annotations

from collections.abc import Sequence

from ..device import Device
from ..dtypes import DType, float32, int64
from ..op import no_grad
from ..ops.assign import copy_
from ..ops.create import ones, zeros, zeros_like
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module, Parameter

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "GroupNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "LayerNorm",
    "LocalResponseNorm",
    "RMSNorm",
]


class Affine(Module):
    """What layers with a weight (1 at first) and a bias (0 at first) share."""

    weight: Parameter | None
    bias: Parameter | None

    def add_affine(
        self, shape: Sequence[int], weight: bool, bias: bool, device: str | Device, dtype: DType
    ) -> None:
        """Sets weight and bias, each None where it is not wanted."""
        size = tuple(shape)
        self.weight = Parameter(ones(size, dtype=dtype, device=device)) if weight else None
        self.bias = Parameter(zeros(size, dtype=dtype, device=device)) if bias else None

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class ChannelNorm(Affine):
    """What batch and instance norm share: their options and running statistics.

    Args:
        num_features: Channels C.
        eps: Added to the variance.
        momentum: How far the running statistics move, in [0, 1]; None (batch norm only) makes them
            the mean over all batches so far.
        affine: Whether there is a weight.
        track_running_stats: Whether there are running statistics, used in evaluation.
        device: Where the parameters are.
        dtype: Of the parameters and statistics.
        bias: Whether there is a bias, where affine.
    """

    ranks: tuple[int, ...]
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: str | Device = "cpu",
        dtype: DType = float32,
        *,
        bias: bool = True,
    ) -> None:
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        C = (num_features,)
        self.add_affine(C, affine, affine and bias, device, dtype)
        track = track_running_stats
        mean = zeros(C, dtype=dtype, device=device) if track else None
        self.register_buffer("running_mean", mean)
        var = ones(C, dtype=dtype, device=device) if track else None
        self.register_buffer("running_var", var)
        count = zeros((), dtype=int64, device=device) if track else None
        self.register_buffer("num_batches_tracked", count)

    def reset_parameters(self) -> None:
        """Weight 1, bias 0, running mean 0, running variance 1."""
        self.reset_running_stats()
        super().reset_parameters()

    def reset_running_stats(self) -> None:
        """Running mean 0, running variance 1, no batches seen."""
        for buffer, value in (
            (self.running_mean, 0.0),
            (self.running_var, 1.0),
            (self.num_batches_tracked, 0),
        ):
            if buffer is not None:
                buffer.fill_(value)

    def check(self, x: Tensor, channel: int = 1) -> None:
        """Raise where x has other dimensions or channels than the layer is made for."""
        if x.ndim in self.ranks and x.shape[channel] == self.num_features:
            return
        ranks = " or ".join(f"{n}-d" for n in self.ranks)
        raise ValueError(
            f"{type(self).__name__}: expected {ranks} input with C={self.num_features}, "
            f"got x={x.shape}"
        )

    def extra_repr(self) -> str:
        """Sizes and options."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


class BatchNorm(ChannelNorm):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, for each channel.

    In training, mean and var are those of the batch, and the running ones move towards them (by
    the unbiased var); in evaluation the running ones are used, where there are any.

    Args: see ChannelNorm.

    Source: Ioffe and Szegedy, Batch Normalization: Accelerating Deep Network Training by
    Reducing Internal Covariate Shift (2015), algorithm 1.
    """

    def forward(self, x: Tensor) -> Tensor:
        """x to its own shape.

        Raises:
            ValueError: other dimensions or channels than the layer is made for.
        """
        self.check(x)
        mean, var = self.running_mean, self.running_var
        affine = (self.weight, self.bias)
        if not self.training or mean is None or var is None:
            use_batch = self.training or mean is None
            return F.batch_norm(x, mean, var, *affine, use_batch, 0.0, self.eps)
        self._count_batch()
        if self.momentum is not None:
            return F.batch_norm(x, mean, var, *affine, True, self.momentum, self.eps)
        m, v = zeros_like(mean), zeros_like(var)
        y = F.batch_norm(x, m, v, *affine, True, 1.0, self.eps)
        with no_grad():
            for running, value in ((mean, m), (var, v)):
                copy_(running, running + (value - running) / self.num_batches_tracked)
        return y

    def _count_batch(self) -> None:
        count = self.num_batches_tracked
        if count is None:
            return
        one = count.device.constant(1, int64)
        count.device.kernels.add(count.data, one, count.data)
        count.mark_changed()


class BatchNorm1d(BatchNorm):
    """Batch normalisation of vectors (N, C) or sequences (N, C, L); arguments: see ChannelNorm."""

    ranks = (2, 3)


class BatchNorm2d(BatchNorm):
    """Batch normalisation of images (N, C, H, W); arguments: see ChannelNorm."""

    ranks = (4,)


class InstanceNorm(ChannelNorm):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, for each channel of each sample.

    Args: see ChannelNorm; there are neither weights nor running statistics by default.

    Source: Ulyanov, Vedaldi and Lempitsky, Instance Normalization (2016), equation 2.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: str | Device = "cpu",
        dtype: DType = float32,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def forward(self, x: Tensor) -> Tensor:
        """x to its own shape; N may be missing.

        Raises:
            ValueError: other dimensions or channels than the layer is made for.
        """
        single = x.ndim == self.ranks[0]
        self.check(x, 0 if single else 1)
        y = F.instance_norm(
            x.unsqueeze(0) if single else x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            self.momentum or 0.0,
            self.eps,
        )
        return y.squeeze(0) if single else y


class InstanceNorm1d(InstanceNorm):
    """Instance normalisation of sequences (N, C, L) or (C, L); arguments: see ChannelNorm."""

    ranks = (2, 3)


class InstanceNorm2d(InstanceNorm):
    """Instance normalisation of images (N, C, H, W) or (C, H, W); arguments: see ChannelNorm."""

    ranks = (3, 4)


class LayerNorm(Affine):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, over the last dimensions.

    Args:
        normalized_shape: The last dimensions of x, or the last one.
        eps: Added to the variance.
        elementwise_affine: Whether there is a weight.
        bias: Whether there is a bias, where elementwise_affine.
        device: Where the parameters are.
        dtype: Of the parameters.

    Source: Ba, Kiros and Hinton, Layer Normalization (2016), equation 4.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: str | Device = "cpu",
        dtype: DType = float32,
    ) -> None:
        self.normalized_shape = _shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        both = elementwise_affine and bias
        self.add_affine(self.normalized_shape, elementwise_affine, both, device, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., *normalized_shape) to its own shape."""
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Sizes and options."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


def _shape(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    return (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)


class RMSNorm(Affine):
    """y = x / sqrt(mean(x^2) + eps) * weight, over the last dimensions.

    Args:
        normalized_shape: The last dimensions of x, or the last one.
        eps: Added to the mean; None for the rounding unit of x's dtype.
        elementwise_affine: Whether there is a weight.
        device: Where the weight is.
        dtype: Of the weight.

    Source: Zhang and Sennrich, Root Mean Square Layer Normalization (2019), equation 4.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: str | Device = "cpu",
        dtype: DType = float32,
    ) -> None:
        self.normalized_shape = _shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.add_affine(self.normalized_shape, elementwise_affine, False, device, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., *normalized_shape) to its own shape."""
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """Sizes and options."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class GroupNorm(Affine):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, over each group of channels of a sample.

    Args:
        num_groups: In how many groups the channels are split.
        num_channels: Channels C.
        eps: Added to the variance.
        affine: Whether there is a weight.
        device: Where the parameters are.
        dtype: Of the parameters.
        bias: Whether there is a bias, where affine.

    Raises:
        ValueError: num_groups does not divide num_channels.

    Source: Wu and He, Group Normalization (2018), equations 1 to 6.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: str | Device = "cpu",
        dtype: DType = float32,
        *,
        bias: bool = True,
    ) -> None:
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(
                f"GroupNorm: num_groups={num_groups} must divide num_channels={num_channels}"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self.add_affine((num_channels,), affine, affine and bias, device, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, ...) to its own shape."""
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Sizes and options."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    """y = x / (k + alpha * mean of x^2 over neighbouring channels) ^ beta.

    Args:
        size: How many channels.
        alpha: Factor of the mean.
        beta: Exponent.
        k: Added to the mean.

    Source: Krizhevsky, Sutskever and Hinton, ImageNet Classification with Deep Convolutional
    Neural Networks (2012), section 3.3.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, ...) to its own shape."""
        return F.local_response_norm(x, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """Options."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
