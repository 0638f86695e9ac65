"""Batch normalisation."""

from __future__ import annotations

from ..op import Op
from ..tensor import Tensor
from .create import empty, empty_like

__all__ = [
    "batch_norm",
]


class BatchNorm(Op):
    """weight * (x - mean) / sqrt(var + eps) + bias per channel; the backward kernel is fused.

    Its second derivative is not offered.
    """

    running: tuple[Tensor, Tensor] | None
    training: bool
    momentum: float
    eps: float

    def forward(self, x: Tensor, *affine: Tensor) -> Tensor:
        weight, bias = affine or (None, None)
        y = empty_like(x)
        mean = empty(x.shape[1], dtype=x.dtype, device=x.device)
        rstd = empty_like(mean)
        running = self.running or (None, None)
        arrays = [t if t is None else t.data for t in (x, weight, bias, *running, y, mean, rstd)]
        x.device.kernels.batch_norm(*arrays, self.training, self.momentum, self.eps)
        if self.training and self.running is not None:
            for t in self.running:
                t.mark_changed()
        self.save(x, *affine[:1], mean, rstd)
        return y

    def backward(self, gy: Tensor) -> tuple[Tensor | None, ...]:
        x, *weight, mean, rstd = self.saved
        gweight = empty_like(mean)
        gbias = empty_like(mean)
        gx = BatchNormBackward.apply(
            gy, x, *weight, mean=mean, rstd=rstd, out=(gweight, gbias), training=self.training,
            wanted=self.needs[0],
        )  # fmt: skip
        return (gx, gweight, gbias)[: len(self.needs)]


class BatchNormBackward(Op):
    """Gradients of x, and into `out` those of weight and bias."""

    mean: Tensor
    rstd: Tensor
    out: tuple[Tensor, Tensor]
    training: bool
    wanted: bool

    def forward(self, gy: Tensor, x: Tensor, *weight: Tensor) -> Tensor:
        gx = empty_like(x)
        gy.device.kernels.batch_norm_backward(
            gy.data,
            x.data,
            weight[0].data if weight else None,
            self.mean.data,
            self.rstd.data,
            gx.data if self.wanted else None,
            *(t.data for t in self.out),
            self.training,
        )
        return gx


def batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalisation of each channel over the batch.

    Args:
        x: (N, C, ...).
        running_mean: (C,), updated in place when training: r = (1 - momentum) r + momentum mean.
            May be None when training.
        running_var: (C,), likewise, with the unbiased variance.
        weight: (C,), or None for 1.
        bias: (C,), or None for 0.
        training: use the statistics of this batch rather than the running ones.
        momentum: weight of this batch in the running statistics.
        eps: added to the variance.

    Raises:
        ValueError: shapes do not fit, or a batch has one value per channel.

    Source: Ioffe and Szegedy, "Batch normalization" (2015), algorithm 1.
    """
    if x.ndim < 2:
        raise ValueError(f"batch_norm: x is (N, C, ...), got {x.shape}")
    channels = x.shape[1]
    named = {
        "running_mean": running_mean,
        "running_var": running_var,
        "weight": weight,
        "bias": bias,
    }
    for name, t in named.items():
        if t is not None and t.shape != (channels,):
            raise ValueError(f"batch_norm: {name} is {t.shape}, x {x.shape} has C={channels}")
    if (weight is None) != (bias is None) or (running_mean is None) != (running_var is None):
        raise ValueError(
            "batch_norm: give weight and bias, and both running statistics, or neither"
        )
    if not training and running_mean is None:
        raise ValueError("batch_norm: running statistics are needed when not training")
    if training and channels and x.numel() // channels < 2:
        raise ValueError(f"batch_norm: more than one value per channel is needed, got {x.shape}")
    running = None
    if running_mean is not None and running_var is not None:
        running = (running_mean, running_var)
    affine = () if weight is None or bias is None else (weight, bias)
    return BatchNorm.apply(
        x, *affine, running=running, training=training, momentum=momentum, eps=eps
    )
