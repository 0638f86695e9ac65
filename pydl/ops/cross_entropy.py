"""Losses of classes: cross entropy of logits, of log-probabilities, and of yes and no."""

from __future__ import annotations

import math

from ..op import Op, is_grad_enabled, no_grad
from ..recording import thread
from ..tensor import Tensor
from .activation import softplus
from .checks import class_ids, need_floating, statistics_type
from .comparison import where
from .create import arange, empty, empty_like
from .elementwise import broadcast_shapes
from .exponential import log
from .index import gather
from .limits import clip
from .loss import reduced, same_shape
from .precision import wide
from .reduce import expand, sum
from .shape import cast, reshape, squeeze, unsqueeze
from .softmax import log_softmax, softmax

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "nll_loss",
]


class CrossEntropy(Op):
    """The loss (N, S) of logits x (N, C, S) and class ids, or its mean, weighted by `count` (N, S).

    The mean is one op here, not three: small networks spend more time in Python than in kernels.
    """

    target: Tensor
    weight: Tensor | None
    ignore_index: int
    smoothing: float
    mean: bool
    count: Tensor

    def forward(self, x: Tensor) -> Tensor:
        loss = empty(self.target.shape, dtype=statistics_type(x), device=x.device)
        lse, self.count = empty_like(loss), empty_like(loss)
        w = None if self.weight is None else self.weight.data
        x.device.kernels.cross_entropy(
            x.data, self.target.data, w, loss.data, self.count.data, lse.data,
            self.ignore_index, self.smoothing,
        )  # fmt: skip
        if not self.mean:
            self.save(x, lse)
            return loss
        y, total = _total(loss), _total(self.count)
        x.device.kernels.div(y.data, total.data, y.data)
        self.save(x, lse, total)
        return y

    def backward(self, gy: Tensor) -> Tensor:
        """gy * (softmax(x) - target), ignored rows 0."""
        x, lse, *total = self.saved
        if total:
            gy = gy / total[0]
        if is_grad_enabled():
            return self.composed(gy, x)
        gx = empty_like(x)
        w = None if self.weight is None else self.weight.data
        x.device.kernels.cross_entropy_backward(
            gy.data, x.data, self.target.data, w, lse.data, gx.data, self.ignore_index,
            self.smoothing,
        )  # fmt: skip
        return gx

    def composed(self, gy: Tensor, x: Tensor) -> Tensor:
        """The same, to be differentiated again."""
        N, C, S = x.shape[0], x.shape[1], math.prod(x.shape[2:])
        p = softmax(reshape(x, (N, C, S)), 1)
        target = reshape(self.target, (N, 1, S))
        classes = reshape(arange(C, device=x.device), (C, 1))
        hit = (target == classes).to(x.dtype)
        own = reshape(self.count.detach(), (N, 1, S)) * (1.0 - self.smoothing)
        g = own * (p - hit)
        if self.smoothing:
            each = self.smoothing / C
            total = float(C) if self.weight is None else sum(self.weight.detach())
            w = 1.0 if self.weight is None else reshape(self.weight.detach(), (C, 1))
            g = g + each * (p * total - w)
        ignored = target == self.ignore_index
        gy = gy if self.mean else reshape(gy, (N, 1, S))
        gy = where(ignored, 0.0, gy)  # of the mean of nothing it is infinite
        return reshape(gy * where(ignored, 0.0, g), x.shape)


def _total(x: Tensor) -> Tensor:
    """The sum, off the tape."""
    y = empty((), dtype=x.dtype, device=x.device)
    x.device.kernels.reduce_sum(x.data, y.data, 1, x.numel(), 1, scale=1.0)
    return y


def _fit(name: str, x: Tensor, target: Tensor, weight: Tensor | None) -> None:
    """Raise unless target is (N, ...) and weight (C,) beside x (N, C, ...)."""
    need_floating(name, x=x, weight=weight)
    if target.shape != (x.shape[0], *x.shape[2:]):
        raise ValueError(
            f"{name}: target {target.shape} does not fit x {x.shape}: expected class ids "
            f"{(x.shape[0], *x.shape[2:])}"
        )
    if weight is not None and weight.shape != x.shape[1:2]:
        raise ValueError(f"{name}: weight {weight.shape} does not fit x {x.shape}")


def cross_entropy(
    x: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log softmax(x) at the target class.

    Args:
        x: logits (N, C), (N, C, ...) or (C,), floating.
        target: class ids, integers (N,), (N, ...) or (); or probabilities, floating, of x's shape.
        weight: (C,), factor of each class.
        ignore_index: a target id that counts for nothing.
        reduction: "mean" (over the weights of the targets, ignored ones left out; over N for
            probabilities), "sum" or "none".
        label_smoothing: e in [0, 1]: the target becomes (1 - e) target + e / C.

    Returns:
        A 0-d tensor; of the shape of class ids for "none".

    Raises:
        ValueError: the shapes do not fit, or ignore_index is given for probabilities.
        TypeError: x or weight is not floating, or target is bool.
        IndexError: a target is no class.

    Derivative: twice; of target, where it holds probabilities, too; of weight: none for class ids.
    Source: Szegedy et al., "Rethinking the inception architecture" (2015), section 7 (smoothing).
    """
    name = "cross_entropy"
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"{name}: label_smoothing is in [0, 1], got {label_smoothing}")
    if x.ndim == 0:
        raise ValueError(f"{name}: x is (N, C, ...) or (C,), got a 0-d tensor")
    if x.ndim == 1:
        flat = target.dtype.is_floating or target.shape != (1,)
        one = cross_entropy(
            unsqueeze(x, 0), unsqueeze(target, 0) if flat else target, weight,
            ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing,
        )  # fmt: skip
        return squeeze(one, 0) if reduction == "none" else one
    if target.dtype.is_floating:
        if ignore_index >= 0:
            raise ValueError(f"{name}: ignore_index is for class ids, target is floating")
        return _soft_cross_entropy(x, target, weight, reduction, label_smoothing)
    _fit(name, x, target, weight)
    mean = reduction == "mean"
    loss = CrossEntropy.apply(
        x, target=class_ids(name, target), weight=weight, ignore_index=ignore_index,
        smoothing=label_smoothing, mean=mean,
    )  # fmt: skip
    loss = loss if mean else reduced(name, loss, reduction)
    return loss if thread.autocast is not None else cast(loss, x.dtype)


@wide
def _soft_cross_entropy(
    x: Tensor, target: Tensor, weight: Tensor | None, reduction: str, smoothing: float
) -> Tensor:
    need_floating("cross_entropy", x=x, target=target, weight=weight)
    if target.shape != x.shape:
        raise ValueError(
            f"cross_entropy: probabilities {target.shape} do not have the shape of x {x.shape}"
        )
    if weight is not None and weight.shape != x.shape[1:2]:
        raise ValueError(f"cross_entropy: weight {weight.shape} does not fit x {x.shape}")
    if smoothing > 0.0:
        target = target * (1.0 - smoothing) + smoothing / x.shape[1]
    if weight is not None:
        target = target * reshape(weight, (-1, *[1] * (x.ndim - 2)))
    loss = -sum(target * log_softmax(x, 1), 1)
    if reduction != "mean" or loss.numel() == 0:
        return reduced("cross_entropy", loss, reduction)
    return sum(loss) / loss.numel()


@wide
def nll_loss(
    x: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """-x at the target class: the negative log-likelihood.

    Args:
        x: logarithms of probabilities (N, C), (N, C, ...) or (C,), floating.
        target: class ids, integers (N,), (N, ...) or ().
        weight: (C,), factor of each class.
        ignore_index: a target id that counts for nothing.
        reduction: "mean" (over the weights of the targets, ignored ones left out), "sum" or "none".

    Returns:
        A 0-d tensor; of the shape of target for "none".

    Raises:
        ValueError: the shapes do not fit.
        TypeError: x or weight is not floating, or target is not integer.
        IndexError: a target is no class.

    Derivative: twice.
    Source: Bishop, "Pattern recognition and machine learning" (2006), equation 4.108.
    """
    if x.ndim == 0:
        raise ValueError("nll_loss: x is (N, C, ...) or (C,), got a 0-d tensor")
    if x.ndim == 1:
        ids = target if target.shape == (1,) else unsqueeze(target, 0)
        one = nll_loss(unsqueeze(x, 0), ids, weight, ignore_index=ignore_index, reduction=reduction)
        return squeeze(one, 0) if reduction == "none" else one
    _fit("nll_loss", x, target, weight)
    ids = class_ids("nll_loss", target)
    kept = ids != ignore_index
    ids = where(kept, ids, 0)
    loss = where(kept, -at_class("nll_loss", x, ids), 0.0)
    count = kept.to(x.dtype)
    if weight is not None:
        w = expand(reshape(weight, (-1, *[1] * (x.ndim - 2))), x.shape)
        count = count * at_class("nll_loss", w, ids)
        loss = loss * count
    return sum(loss) / sum(count) if reduction == "mean" else reduced("nll_loss", loss, reduction)


def at_class(name: str, x: Tensor, ids: Tensor) -> Tensor:
    """x (N, C, ...) at the class ids (N, ...).

    Raises:
        IndexError: an id is no class; a negative one, too, which would count from the end.
    """
    C = x.shape[1]
    try:
        return squeeze(gather(x, 1, unsqueeze(where(ids < 0, C, ids), 1)), 1)
    except IndexError:
        raise IndexError(f"{name}: target holds a class outside [0, {C})") from None


# ---- yes and no


class BinaryCrossEntropy(Op):
    """-(t log x + (1 - t) log(1 - x)), logarithms limited to -100; finite for x in [0, 1]."""

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        with no_grad():
            loss = -(target * _limited_log(x) + (1.0 - target) * _limited_log(1.0 - x))
        self.save(x, target)
        return loss

    def backward(self, gy: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, target = self.saved
        gx = gt = None
        if self.needs[0]:
            gx = gy * (x - target) / clip(x * (1.0 - x), min=1e-12)
        if self.needs[1]:
            gt = gy * (_limited_log(1.0 - x) - _limited_log(x))
        return gx, gt


def _limited_log(x: Tensor) -> Tensor:
    return clip(log(x), min=-100.0)


def _scaled(name: str, loss: Tensor, weight: Tensor | None) -> Tensor:
    """loss * weight, of the shape of loss."""
    if weight is None:
        return loss
    if broadcast_shapes(name, loss.shape, weight.shape) != loss.shape:
        raise ValueError(f"{name}: a weight {weight.shape} does not broadcast to x {loss.shape}")
    return loss * weight


@wide
def binary_cross_entropy(
    x: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """-(target log x + (1 - target) log(1 - x)), logarithms limited to -100.

    Args:
        x: probabilities, any shape, floating; outside [0, 1] the result is NaN.
        target: of the shape and dtype of x, in [0, 1].
        weight: factor that broadcasts to x, or None.
        reduction: "mean", "sum" or "none".

    Returns:
        A 0-d tensor; of the shape of x for "none".

    Raises:
        ValueError: the shapes do not fit.
        TypeError: the dtypes differ or are not floating.

    Derivative: twice.
    Source: Bishop, "Pattern recognition and machine learning" (2006), equation 4.90.
    """
    name = "binary_cross_entropy"
    need_floating(name, x=x, target=target, weight=weight)
    same_shape(name, x, target=target)
    return reduced(name, _scaled(name, BinaryCrossEntropy.apply(x, target), weight), reduction)


@wide
def binary_cross_entropy_with_logits(
    x: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Binary cross entropy of sigmoid(x), without overflow.

    Args:
        x: logits, any shape, floating.
        target: of the shape and dtype of x, in [0, 1].
        weight: factor that broadcasts to x, or None.
        reduction: "mean", "sum" or "none".
        pos_weight: factor of the positive part that broadcasts to x, or None.

    Returns:
        A 0-d tensor; of the shape of x for "none".

    Raises:
        ValueError: the shapes do not fit.
        TypeError: the dtypes differ or are not floating.

    Derivative: twice.
    Source: Bishop, "Pattern recognition and machine learning" (2006), equation 4.90, with
    log sigmoid(x) = -softplus(-x).
    """
    name = "binary_cross_entropy_with_logits"
    need_floating(name, x=x, target=target, weight=weight, pos_weight=pos_weight)
    same_shape(name, x, target=target)
    tail = softplus(-x, 1.0, 40.0)  # log(1 + e^-x)
    if pos_weight is not None:
        tail = tail * (_scaled(name, target, pos_weight - 1.0) + 1.0)
    loss = (1.0 - target) * x + tail
    return reduced(name, _scaled(name, loss, weight), reduction)
