"""Losses. Each is the mean over the batch unless `reduction` says otherwise."""

from __future__ import annotations

from ..op import Op
from ..tensor import Tensor
from .activation import log_softmax
from .arithmetic import abs, clip, exp, log, maximum, square, where
from .create import empty, empty_like
from .elementwise import broadcast_shapes
from .index import gather
from .reduce import expand, mean, sum
from .shape import reshape, squeeze, unsqueeze

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "smooth_l1_loss",
]


def reduced(name: str, loss: Tensor, reduction: str) -> Tensor:
    """The mean, the sum or the loss itself.

    Raises:
        ValueError: `reduction` is something else.
    """
    if reduction == "mean":
        return mean(loss)
    if reduction == "sum":
        return sum(loss)
    if reduction == "none":
        return loss
    raise ValueError(f"{name}: reduction {reduction!r}: choose 'mean', 'sum' or 'none'")


# ---- classes


class CrossEntropy(Op):
    """The unreduced loss (N, S) of logits x (N, C, S) and class ids; `count` (N, S) on the side."""

    target: Tensor
    weight: Tensor | None
    ignore_index: int
    smoothing: float
    count: Tensor

    def forward(self, x: Tensor) -> Tensor:
        shape = (x.shape[0], *x.shape[2:])
        loss = empty(shape, dtype=x.dtype, device=x.device)
        lse = empty_like(loss)
        w = None if self.weight is None else self.weight.data
        x.device.kernels.cross_entropy(
            x.data, self.target.data, w, loss.data, self.count.data, lse.data,
            self.ignore_index, self.smoothing,
        )  # fmt: skip
        self.save(x, lse)
        return loss

    def backward(self, gy: Tensor) -> Tensor:
        return CrossEntropyBackward.apply(gy, *self.saved, of=self)


class CrossEntropyBackward(Op):
    """gy * (softmax(x) - target), ignored rows 0."""

    of: CrossEntropy

    def forward(self, gy: Tensor, x: Tensor, lse: Tensor) -> Tensor:
        of = self.of
        gx = empty_like(x)
        w = None if of.weight is None else of.weight.data
        x.device.kernels.cross_entropy_backward(
            gy.data, x.data, of.target.data, w, lse.data, gx.data, of.ignore_index, of.smoothing
        )
        return gx


def cross_entropy(
    x: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log softmax(x) at the target class.

    Args:
        x: logits (N, C), (N, C, ...) or (C,).
        target: class ids, integers (N,), (N, ...) or (); or probabilities, floating, of x's shape.
        weight: (C,), factor of each class.
        ignore_index: a target id that counts for nothing.
        reduction: "mean" (over the weights of the targets, ignored ones left out; over N for
            probabilities), "sum" or "none".
        label_smoothing: e in [0, 1]: the target becomes (1 - e) target + e / C.

    Raises:
        ValueError: the shapes do not fit.
        IndexError: a target is no class.

    Source: Szegedy et al., "Rethinking the inception architecture" (2015), section 7 (smoothing).
    """
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"cross_entropy: label_smoothing is in [0, 1], got {label_smoothing}")
    if x.ndim == 0:
        raise ValueError("cross_entropy: x is (N, C, ...) or (C,), got a 0-d tensor")
    if x.ndim == 1:
        one = cross_entropy(
            unsqueeze(x, 0), unsqueeze(target, 0), weight, ignore_index, reduction, label_smoothing
        )
        return squeeze(one, 0) if reduction == "none" else one
    if weight is not None and weight.shape != x.shape[1:2]:
        raise ValueError(f"cross_entropy: weight {weight.shape} does not fit x {x.shape}")
    if target.dtype.is_floating:
        return _soft_cross_entropy(x, target, weight, reduction, label_smoothing)
    if target.shape != (x.shape[0], *x.shape[2:]):
        raise ValueError(
            f"cross_entropy: target {target.shape} does not fit x {x.shape}: expected class ids "
            f"{(x.shape[0], *x.shape[2:])} or probabilities {x.shape}"
        )
    count = empty(target.shape, dtype=x.dtype, device=x.device)
    loss = CrossEntropy.apply(
        x,
        target=target.long(),
        weight=weight,
        ignore_index=ignore_index,
        smoothing=label_smoothing,
        count=count,
    )
    return (
        sum(loss) / sum(count) if reduction == "mean" else reduced("cross_entropy", loss, reduction)
    )


def _soft_cross_entropy(
    x: Tensor, target: Tensor, weight: Tensor | None, reduction: str, smoothing: float
) -> Tensor:
    if target.shape != x.shape:
        raise ValueError(
            f"cross_entropy: probabilities {target.shape} do not have the shape of x {x.shape}"
        )
    if smoothing > 0.0:
        target = target * (1.0 - smoothing) + smoothing / x.shape[1]
    if weight is not None:
        target = target * reshape(weight, (-1, *[1] * (x.ndim - 2)))
    loss = -sum(target * log_softmax(x, 1), 1)
    if reduction != "mean":
        return reduced("cross_entropy", loss, reduction)
    return sum(loss) / loss.numel()


def nll_loss(
    x: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """-x at the target class, x being log-probabilities; arguments as for `cross_entropy`."""
    if x.ndim < 2 or target.shape != (x.shape[0], *x.shape[2:]):
        raise ValueError(f"nll_loss: target {target.shape} does not fit x {x.shape}")
    if weight is not None and weight.shape != x.shape[1:2]:
        raise ValueError(f"nll_loss: weight {weight.shape} does not fit x {x.shape}")
    target = target.long()
    kept = target != ignore_index
    safe = where(kept, target, 0)
    loss = squeeze(-gather(x, 1, unsqueeze(safe, 1)), 1)
    count = kept.float().to(x.dtype)
    if weight is not None:
        shape = (1, -1, *[1] * (x.ndim - 2))
        w = expand(reshape(weight, shape), x.shape)
        count = count * squeeze(gather(w, 1, unsqueeze(safe, 1)), 1)
    loss = where(kept, loss * count, 0.0)
    return sum(loss) / sum(count) if reduction == "mean" else reduced("nll_loss", loss, reduction)


# ---- numbers


def _same(name: str, x: Tensor, target: Tensor) -> None:
    if x.shape != target.shape:
        broadcast_shapes(name, x.shape, target.shape)
        raise ValueError(
            f"{name}: input {x.shape} and target {target.shape} differ; expand one if you mean it"
        )


def mse_loss(x: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """(x - target)^2; both of one shape."""
    _same("mse_loss", x, target)
    return reduced("mse_loss", square(x - target), reduction)


def l1_loss(x: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """|x - target|; both of one shape."""
    _same("l1_loss", x, target)
    return reduced("l1_loss", abs(x - target), reduction)


def smooth_l1_loss(x: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """d^2 / (2 beta) where d = |x - target| < beta, else d - beta / 2.

    Source: Girshick, "Fast R-CNN" (2015), equation 3.
    """
    _same("smooth_l1_loss", x, target)
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta must not be negative, got {beta}")
    if beta == 0:
        return l1_loss(x, target, reduction)
    d = abs(x - target)
    loss = where(d < beta, square(d) * (0.5 / beta), d - 0.5 * beta)
    return reduced("smooth_l1_loss", loss, reduction)


def binary_cross_entropy(
    x: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """-(target log x + (1 - target) log(1 - x)), logarithms limited to -100.

    Args:
        x: probabilities in [0, 1].
        target: of the same shape.
        weight: factor that broadcasts to x, or None.
        reduction: "mean", "sum" or "none".
    """
    _same("binary_cross_entropy", x, target)
    target = target if target.dtype is x.dtype else target.to(x.dtype)
    loss = -(target * clip(log(x), min=-100.0) + (1.0 - target) * clip(log(1.0 - x), min=-100.0))
    return reduced("binary_cross_entropy", loss if weight is None else loss * weight, reduction)


def binary_cross_entropy_with_logits(
    x: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Binary cross entropy of sigmoid(x), without overflow.

    Args:
        x: logits.
        target: of the same shape.
        weight: factor that broadcasts to x, or None.
        reduction: "mean", "sum" or "none".
        pos_weight: factor of the positive part that broadcasts to x, or None.
    """
    name = "binary_cross_entropy_with_logits"
    _same(name, x, target)
    target = target if target.dtype is x.dtype else target.to(x.dtype)
    # log(1 + e^-x) = max(-x, 0) + log(1 + e^-|x|)
    tail = log(1.0 + exp(-abs(x))) + maximum(-x, 0.0)
    scale = 1.0 if pos_weight is None else (pos_weight - 1.0) * target + 1.0
    loss = (1.0 - target) * x + tail * scale
    return reduced(name, loss if weight is None else loss * weight, reduction)
