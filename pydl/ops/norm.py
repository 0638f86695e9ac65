"""Normalisation: of channels over the batch, of rows, of groups of channels.

The gradients are fused kernels. Where they are themselves differentiated (`create_graph=True`) the
same formulas are written with ops instead, in `composed`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..dtypes import HALVES, float32
from ..op import Op, is_grad_enabled, no_grad
from ..tensor import Tensor
from .arithmetic import pow
from .assign import copy_
from .avg_pool import avg_pool2d
from .checks import need_floating, statistics_type
from .create import empty, empty_like
from .exponential import sqrt, square
from .pad import pad
from .precision import wide
from .reduce import mean, sum
from .shape import reshape
from .statistics import var

__all__ = [
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "rms_norm",
]

Three = tuple[Tensor | None, Tensor | None, Tensor | None]  # gradients of x, weight and bias


def composed(
    gy: Tensor, x: Tensor, weight: Tensor | None, dims: tuple[int, ...], eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of x, weight and bias as ops.

    Args:
        gy: (N, G, C, S), like x.
        x: normalised over `dims`.
        weight: (G, C, 1), or None.
        dims: the dimensions that statistics are taken over.
        eps: added to the variance.
    """
    centred = x - mean(x, dims, keepdim=True)
    rstd = 1.0 / sqrt(mean(square(centred), dims, keepdim=True) + eps)
    z = centred * rstd
    g = gy if weight is None else gy * weight
    gx = g - mean(g, dims, keepdim=True) - z * mean(g * z, dims, keepdim=True)
    return rstd * gx, sum(gy * z, (0, 3)), sum(gy, (0, 3))


class BatchNorm(Op):
    """weight * (x - mean) / sqrt(var + eps) + bias per channel.

    Inputs: x, then weight and bias, each where `given`.
    """

    given: tuple[bool, bool]
    running: tuple[Tensor, Tensor] | None
    training: bool
    momentum: float
    eps: float

    def forward(self, x: Tensor, *affine: Tensor) -> Tensor:
        weight, bias = _placed(affine, self.given)
        y = empty_like(x)
        mean = empty(x.shape[1], dtype=statistics_type(x), device=x.device)
        rstd = empty_like(mean)
        running = self.running or (None, None)
        arrays = [t if t is None else t.data for t in (x, weight, bias, *running, y, mean, rstd)]
        x.device.kernels.batch_norm(*arrays, self.training, self.momentum, self.eps)
        if self.training and self.running is not None:
            for t in self.running:
                t.mark_changed()
        self.affine_dtype = affine[0].dtype if affine else mean.dtype
        self.save(x, *affine[: self.given[0]], mean, rstd)
        return y

    def backward(self, gy: Tensor) -> tuple[Tensor | None, ...]:
        gradients = self.composed(gy) if is_grad_enabled() else self.fused(gy)
        return _chosen(gradients, self.given)

    def fused(self, gy: Tensor) -> Three:
        x, *weight, mean, rstd = self.saved
        gx = empty_like(x) if self.needs[0] else None
        gweight, gbias = (
            empty(mean.shape, dtype=self.affine_dtype, device=x.device) for _ in range(2)
        )
        gy.device.kernels.batch_norm_backward(
            gy.data, x.data, weight[0].data if weight else None, mean.data, rstd.data,
            None if gx is None else gx.data, gweight.data, gbias.data, self.training,
        )  # fmt: skip
        return gx, gweight, gbias

    def composed(self, gy: Tensor) -> Three:
        x, *weight, m, rstd = self.saved
        C = x.shape[1]
        shape = (x.shape[0], 1, C, math.prod(x.shape[2:]))
        g, x4 = reshape(gy, shape), reshape(x, shape)
        w = reshape(weight[0], (1, C, 1)) if weight else None
        if self.training:
            gx, gw, gb = composed(g, x4, w, (0, 3), self.eps)
        else:
            r = reshape(rstd, (C, 1))
            z = (x4 - reshape(m, (C, 1))) * r
            gx, gw, gb = (g if w is None else g * w) * r, sum(g * z, (0, 3)), sum(g, (0, 3))
        return reshape(gx, x.shape), reshape(gw, (C,)), reshape(gb, (C,))


class LayerNorm(Op):
    """Each row of x, seen as (N, G, C, S), normalised; weight and bias are of its G * C channels.

    Inputs: x, then weight and bias, each where `given`.
    """

    given: tuple[bool, bool]
    shape: tuple[int, int, int, int]
    eps: float

    def forward(self, x: Tensor, *affine: Tensor) -> Tensor:
        weight, bias = _placed(affine, self.given)
        y = empty_like(x)
        mean = empty(self.shape[:2], dtype=statistics_type(x), device=x.device)
        rstd = empty_like(mean)
        arrays = [t if t is None else t.data for t in (x, weight, bias, y, mean, rstd)]
        x.device.kernels.layer_norm(*arrays, *self.shape[1:], self.eps)
        self.affine = (affine[0].shape, affine[0].dtype) if affine else ((), x.dtype)
        self.save(x, *affine[: self.given[0]], mean, rstd)
        return y

    def backward(self, gy: Tensor) -> tuple[Tensor | None, ...]:
        gradients = self.composed(gy) if is_grad_enabled() else self.fused(gy)
        return _chosen(gradients, self.given)

    def fused(self, gy: Tensor) -> Three:
        x, *weight, mean, rstd = self.saved
        gx = empty_like(x) if self.needs[0] else None
        wanted = any(self.needs[1:])
        gweight, gbias = (
            empty(self.affine[0], dtype=self.affine[1], device=x.device) if wanted else None
            for _ in range(2)
        )
        gradients = [t if t is None else t.data for t in (gx, gweight, gbias)]
        gy.device.kernels.layer_norm_backward(
            gy.data, x.data, weight[0].data if weight else None, mean.data, rstd.data, *gradients,
            *self.shape[1:],
        )  # fmt: skip
        return gx, gweight, gbias

    def composed(self, gy: Tensor) -> Three:
        x, *weight, _, _ = self.saved
        w = reshape(weight[0], (*self.shape[1:3], 1)) if weight else None
        g, x4 = reshape(gy, self.shape), reshape(x, self.shape)
        gx, gw, gb = composed(g, x4, w, (2, 3), self.eps)
        if not any(self.given):
            return reshape(gx, x.shape), None, None
        return reshape(gx, x.shape), reshape(gw, self.affine[0]), reshape(gb, self.affine[0])


def _placed(affine: Sequence[Tensor], given: tuple[bool, bool]) -> list[Tensor | None]:
    """Weight and bias out of those that are given."""
    if given == (True, True):
        return [*affine]
    rest = iter(affine)
    return [next(rest) if there else None for there in given]


def _chosen(gradients: Three, given: tuple[bool, bool]) -> tuple[Tensor | None, ...]:
    """The gradients of x and of what is given."""
    if given == (True, True):
        return gradients
    gx, *affine = gradients
    return (gx, *(g for g, there in zip(affine, given, strict=True) if there))


def _checked(name: str, x: Tensor, shape: tuple[int, ...], **named: Tensor | None) -> None:
    """Raise where x is not floating, or a parameter is not of its dtype and this shape.

    Beside an x of a half type a parameter may be float32.
    """
    half = x.dtype in HALVES
    same = {n: t for n, t in named.items() if not (half and t is not None and t.dtype is float32)}
    need_floating(name, x=x, **same)
    for what, t in named.items():
        if t is not None and t.shape != shape:
            raise ValueError(f"{name}: {what} is {t.shape}, expected {shape} for x {x.shape}")


def _rows(
    x: Tensor,
    shape: tuple[int, int, int, int],
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> Tensor:
    affine = [t for t in (weight, bias) if t is not None]
    given = (weight is not None, bias is not None)
    return LayerNorm.apply(x, *affine, given=given, shape=shape, eps=eps)


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
    """(x - mean) / sqrt(var + eps) * weight + bias, for each channel, over the batch.

    Args:
        x: (N, C, ...), floating.
        running_mean: (C,), updated in place when training: r = (1 - momentum) r + momentum mean.
            May be None when training.
        running_var: (C,), likewise, with the unbiased variance.
        weight: (C,), or None for 1.
        bias: (C,), or None for 0.
        training: use the statistics of this batch rather than the running ones.
        momentum: weight of this batch in the running statistics.
        eps: added to the variance.

    Returns:
        The shape and dtype of x.

    Raises:
        ValueError: shapes do not fit, a batch has one value per channel, or eps is not positive.
        TypeError: x is not floating, or another tensor is not of its dtype.

    Derivative: twice (of the running statistics: none).
    Source: Ioffe and Szegedy, "Batch normalization" (2015), algorithm 1.
    """
    if x.ndim < 2:
        raise ValueError(f"batch_norm: x is (N, C, ...), got {x.shape}")
    C = x.shape[1]
    _checked("batch_norm", x, (C,), running_mean=running_mean, running_var=running_var,
             weight=weight, bias=bias)  # fmt: skip
    if (running_mean is None) != (running_var is None):
        raise ValueError("batch_norm: give both running statistics, or neither")
    if not training and running_mean is None:
        raise ValueError("batch_norm: running statistics are needed when not training")
    if training and C and x.numel() // C == 1:
        raise ValueError(f"batch_norm: more than one value per channel is needed, got {x.shape}")
    if training and eps <= 0.0:
        raise ValueError(f"batch_norm: eps must be positive when training, got {eps}")
    running = (running_mean, running_var) if running_mean is not None else None
    affine = [t for t in (weight, bias) if t is not None]
    if x.numel() == 0:  # no statistics: nothing but the affine part, for its gradients
        return _affine(x, weight, bias)
    given = (weight is not None, bias is not None)
    return BatchNorm.apply(
        x, *affine, given=given, running=running, training=training, momentum=momentum, eps=eps
    )


def _affine(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """x * weight + bias per channel of x (N, C, ...)."""
    shape = (x.shape[1], *[1] * (x.ndim - 2))
    y = x if weight is None else x * reshape(weight, shape)
    return y if bias is None else y + reshape(bias, shape)


def layer_norm(
    x: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, over the last dimensions.

    Args:
        x: (..., *normalized_shape), floating.
        normalized_shape: the last dimensions of x, that mean and variance are taken over.
        weight: of `normalized_shape`, or None for 1.
        bias: of `normalized_shape`, or None for 0.
        eps: added to the variance.

    Returns:
        The shape and dtype of x.

    Raises:
        ValueError: x does not end in `normalized_shape`, or weight or bias is not of that shape.
        TypeError: x is not floating, or weight or bias is not of its dtype.

    Derivative: twice.
    Source: Ba, Kiros and Hinton, "Layer normalization" (2016), equation 4.
    """
    last = _last_dims("layer_norm", x, normalized_shape)
    _checked("layer_norm", x, last, weight=weight, bias=bias)
    rows = math.prod(x.shape[: x.ndim - len(last)])
    return _rows(x, (rows, 1, math.prod(last), 1), weight, bias, eps)


def _last_dims(name: str, x: Tensor, normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    last = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not last or x.shape[-len(last) :] != last:
        raise ValueError(f"{name}: x {x.shape} does not end in normalized_shape {last}")
    return last


def group_norm(
    x: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, over each group of channels of a sample.

    Args:
        x: (N, C, ...), floating.
        num_groups: in how many groups the C channels are split.
        weight: (C,), or None for 1.
        bias: (C,), or None for 0.
        eps: added to the variance.

    Returns:
        The shape and dtype of x.

    Raises:
        ValueError: num_groups does not divide C, shapes do not fit, or there is one value only.
        TypeError: x is not floating, or weight or bias is not of its dtype.

    Derivative: twice.
    Source: Wu and He, "Group normalization" (2018), equations 1 to 6.
    """
    if x.ndim < 2:
        raise ValueError(f"group_norm: x is (N, C, ...), got {x.shape}")
    C = x.shape[1]
    if num_groups < 1 or C % num_groups:
        raise ValueError(f"group_norm: num_groups={num_groups} does not divide C={C} of {x.shape}")
    _checked("group_norm", x, (C,), weight=weight, bias=bias)
    if x.numel() == num_groups:
        raise ValueError(f"group_norm: more than one value per group is needed, got {x.shape}")
    shape = (x.shape[0], num_groups, C // num_groups, math.prod(x.shape[2:]))
    return _rows(x, shape, weight, bias, eps)


def instance_norm(
    x: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, for each channel of each sample.

    Args:
        x: (N, C, ...), floating, with more than one element per channel.
        running_mean: (C,), moved in place towards the mean over the samples, or None.
        running_var: (C,), likewise, with the unbiased variance.
        weight: (C,), or None for 1.
        bias: (C,), or None for 0.
        use_input_stats: normalise by the statistics of x; otherwise by the running ones.
        momentum: weight of x in the running statistics.
        eps: added to the variance.

    Returns:
        The shape and dtype of x.

    Raises:
        ValueError: shapes do not fit, a channel has one element, or running statistics are missing.
        TypeError: x is not floating, or another tensor is not of its dtype.

    Derivative: twice (of the running statistics: none).
    Source: Ulyanov, Vedaldi and Lempitsky, "Instance normalization" (2016), equation 2.
    """
    if x.ndim < 2:
        raise ValueError(f"instance_norm: x is (N, C, ...), got {x.shape}")
    if not use_input_stats:
        if running_mean is None:
            raise ValueError("instance_norm: running statistics are needed, not use_input_stats")
        return batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    N, C, S = x.shape[0], x.shape[1], math.prod(x.shape[2:])
    _checked("instance_norm", x, (C,), running_mean=running_mean, running_var=running_var,
             weight=weight, bias=bias)  # fmt: skip
    if S == 1:
        raise ValueError(f"instance_norm: more than one element per channel is needed: {x.shape}")
    if (running_mean is None) != (running_var is None):
        raise ValueError("instance_norm: give both running statistics, or neither")
    if x.numel() == 0:  # as in batch_norm
        return _affine(x, weight, bias)
    if running_mean is not None and running_var is not None:
        with no_grad():
            rows = reshape(x, (N, C, S))
            _move(running_mean, mean(rows, (0, 2)), momentum)
            _move(running_var, mean(var(rows, 2), 0), momentum)
    return _rows(x, (N, C, 1, S), weight, bias, eps)


def _move(running: Tensor, value: Tensor, momentum: float) -> None:
    copy_(running, (1.0 - momentum) * running + momentum * value)


@wide
def local_response_norm(
    x: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """x / (k + alpha * mean of x^2 over `size` neighbouring channels) ^ beta.

    Args:
        x: (N, C, ...) of 3 dimensions or more, floating; there are zeros beyond the channels.
        size: how many channels: size // 2 before, (size - 1) // 2 after.
        alpha: factor of the mean.
        beta: exponent.
        k: added to the mean.

    Returns:
        The shape and dtype of x.

    Raises:
        ValueError: x has fewer dimensions, or size is not positive.
        TypeError: x is not floating.

    Derivative: twice.
    Source: Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional
    neural networks" (2012), section 3.3; alpha is divided by size, as in PyTorch.
    """
    _checked("local_response_norm", x, ())
    if x.ndim < 3:
        raise ValueError(f"local_response_norm: x is (N, C, ...) of 3 or more, got {x.shape}")
    if size < 1:
        raise ValueError(f"local_response_norm: size must be positive, got {size}")
    if x.numel() == 0:
        return x
    squares = reshape(square(x), (x.shape[0], 1, x.shape[1], math.prod(x.shape[2:])))
    around = pad(squares, (0, 0, size // 2, (size - 1) // 2))
    means = reshape(avg_pool2d(around, (size, 1), 1), x.shape)
    return x / pow(alpha * means + k, beta)


@wide
def rms_norm(
    x: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """x / sqrt(mean(x^2) + eps) * weight, over the last dimensions.

    Args:
        x: (..., *normalized_shape), floating.
        normalized_shape: the last dimensions of x, that the mean is taken over.
        weight: of `normalized_shape`, or None for 1.
        eps: added to the mean; the distance from 1 to the next number of x's dtype by default.

    Returns:
        The shape and dtype of x.

    Raises:
        ValueError: x does not end in `normalized_shape`, or weight is not of that shape.
        TypeError: x is not floating, or weight is not of its dtype.

    Derivative: twice.
    Source: Zhang and Sennrich, "Root mean square layer normalization" (2019), equation 4.
    """
    last = _last_dims("rms_norm", x, normalized_shape)
    _checked("rms_norm", x, last, weight=weight)
    tiny = float(np.finfo(statistics_type(x).numpy).eps) if eps is None else eps
    dims = tuple(range(x.ndim - len(last), x.ndim))
    y = x / sqrt(mean(square(x), dims, keepdim=True) + tiny)
    return y if weight is None else y * weight
