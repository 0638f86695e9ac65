"""Batch normalisation."""

from __future__ import annotations

from ..device import Device
from ..dtypes import DType, float32, int64
from ..ops.create import ones, zeros
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module, Parameter

__all__ = ["BatchNorm1d", "BatchNorm2d"]


class BatchNorm(Module):
    """What both share: y = (x - mean) / sqrt(var + eps) * weight + bias, for each channel.

    In training, mean and var are those of the batch, and the running ones move towards them (by
    the unbiased var); in evaluation the running ones are used.

    Args:
        num_features: Channels C.
        eps: Added to the variance.
        momentum: How far the running statistics move, in [0, 1]; None makes them the mean over
            all batches so far (this reads the count on the host: not for a captured step).
        affine: Whether there are weight and bias.
        track_running_stats: Without them the batch is always used.
        device: Where the parameters are.
        dtype: Of the parameters and statistics.

    Source: Ioffe and Szegedy, Batch Normalization: Accelerating Deep Network Training by
    Reducing Internal Covariate Shift (2015), algorithm 1.
    """

    dims: tuple[int, ...]
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
    ) -> None:
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        C = (num_features,)
        self.weight = Parameter(ones(C, dtype=dtype, device=device)) if affine else None
        self.bias = Parameter(zeros(C, dtype=dtype, device=device)) if affine else None
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
        if self.weight is not None and self.bias is not None:
            init.ones_(self.weight)
            init.zeros_(self.bias)

    def reset_running_stats(self) -> None:
        """Running mean 0, running variance 1, no batches seen."""
        for buffer, value in (
            (self.running_mean, 0.0),
            (self.running_var, 1.0),
            (self.num_batches_tracked, 0),
        ):
            if buffer is not None:
                buffer.fill_(value)

    def forward(self, x: Tensor) -> Tensor:
        """x to its own shape.

        Raises:
            ValueError: other dimensions or channels than the layer is made for.
        """
        name = type(self).__name__
        if x.ndim not in self.dims or x.shape[1] != self.num_features:
            dims = " or ".join(f"{n}-d" for n in self.dims)
            raise ValueError(
                f"{name}: expected {dims} input with C={self.num_features}, got x={x.shape}"
            )
        use_batch = self.training or self.running_mean is None
        return F.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            use_batch,
            self._count_batch() if self.training else 0.0,
            self.eps,
        )

    def extra_repr(self) -> str:
        """Sizes and options."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, track_running_stats={self.track_running_stats}"
        )

    def _count_batch(self) -> float:
        """Counts the batch; how far the running statistics move towards it."""
        count = self.num_batches_tracked
        if count is None:
            return 0.0
        one = count.device.constant(1, int64)
        count.device.kernels.add(count.data, one, count.data)
        count.mark_changed()
        return 1.0 / count.item() if self.momentum is None else self.momentum


class BatchNorm1d(BatchNorm):
    """Batch normalisation of vectors (N, C) or sequences (N, C, L); arguments: see BatchNorm."""

    dims = (2, 3)


class BatchNorm2d(BatchNorm):
    """Batch normalisation of images (N, C, H, W); arguments: see BatchNorm."""

    dims = (4,)
