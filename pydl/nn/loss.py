"""Losses as modules; the formulas are in pydl.nn.functional. Those of classes come first.

`reduction` is "mean", "sum" or "none". Options behind PyTorch's `size_average`, which no longer
exists, are given by name.
"""

from __future__ import annotations

from ..tensor import Tensor
from . import functional as F
from .module import Module

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "GaussianNLLLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "MSELoss",
    "NLLLoss",
    "PoissonNLLLoss",
    "SmoothL1Loss",
]

_REDUCTIONS = ("none", "mean", "sum")


class Loss(Module):
    """What all losses share: `reduction`."""

    reductions: tuple[str, ...] = _REDUCTIONS

    def __init__(self, *, reduction: str = "mean") -> None:
        if reduction not in self.reductions:
            raise ValueError(
                f"{type(self).__name__}: reduction must be one of {', '.join(self.reductions)}, "
                f"got {reduction!r}"
            )
        self.reduction = reduction


class WeightedLoss(Loss):
    """A loss with a weight for each class or element, which is state, but not learned."""

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)


# ---- classes


class CrossEntropyLoss(WeightedLoss):
    """-log softmax(x) of the target class.

    Args:
        weight: (C), one weight a class; "mean" divides by the sum of those used.
        ignore_index: A target that does not count.
        reduction: See the module.
        label_smoothing: Part of the target that is spread evenly over all classes.
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, reduction=reduction)
        if not 0 <= label_smoothing <= 1:
            raise ValueError(
                f"CrossEntropyLoss: label_smoothing must be in [0, 1], got {label_smoothing}"
            )
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """x (N, C, ...) or (C,) logits; target (N, ...) classes, or of x's shape probabilities."""
        return F.cross_entropy(
            x,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(WeightedLoss):
    """-x of the target class.

    Args:
        weight: (C), one weight a class; "mean" divides by the sum of those used.
        ignore_index: A target that does not count.
        reduction: See the module.
    """

    def __init__(
        self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__(weight, reduction=reduction)
        self.ignore_index = ignore_index

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """x (N, C, ...) or (C,) log-probabilities, target (N, ...) or () classes."""
        return F.nll_loss(
            x,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


class BCELoss(WeightedLoss):
    """-(t log(x) + (1 - t) log(1 - x)), both logarithms cut off at -100.

    Args:
        weight: Multiplies each element; broadcasts.
        reduction: See the module.
    """

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """x probabilities, target of the same shape and in [0, 1]."""
        return F.binary_cross_entropy(x, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(WeightedLoss):
    """BCELoss of sigmoid(x), without overflow.

    Args:
        weight: Multiplies each element; broadcasts.
        reduction: See the module.
        pos_weight: Multiplies the positive term, one weight a class; broadcasts.
    """

    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(weight, reduction=reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """x logits, target of the same shape and in [0, 1]."""
        return F.binary_cross_entropy_with_logits(
            x, target, weight=self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


# ---- numbers


class MSELoss(Loss):
    """(x - target)^2."""

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """x and target of one shape."""
        return F.mse_loss(x, target, reduction=self.reduction)


class L1Loss(Loss):
    """|x - target|."""

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """x and target of one shape."""
        return F.l1_loss(x, target, reduction=self.reduction)


class SmoothL1Loss(Loss):
    """d^2 / (2 beta) where d = |x - target| < beta, d - beta / 2 elsewhere.

    Args:
        reduction: See the module.
        beta: Where the parabola ends.

    Source: Girshick, Fast R-CNN (2015), eq. 3.
    """

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        if beta < 0:
            raise ValueError(f"SmoothL1Loss: beta must be >= 0, got {beta}")
        self.beta = beta

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """x and target of one shape."""
        return F.smooth_l1_loss(x, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(Loss):
    """d^2 / 2 where d = |x - target| < delta, delta (d - delta / 2) elsewhere.

    Args:
        reduction: See the module.
        delta: Where the parabola ends.

    Source: Huber, Robust Estimation of a Location Parameter (1964).
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        if delta <= 0:
            raise ValueError(f"HuberLoss: delta must be > 0, got {delta}")
        self.delta = delta

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """x and target of one shape."""
        return F.huber_loss(x, target, self.reduction, self.delta)


class KLDivLoss(Loss):
    """target (log target - x).

    Args:
        reduction: See the module, and "batchmean": the sum divided by N, the divergence itself.
        log_target: The target holds logarithms, too.
    """

    reductions = (*_REDUCTIONS, "batchmean")

    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.log_target = log_target

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """x logarithms of probabilities, target probabilities."""
        return F.kl_div(x, target, reduction=self.reduction, log_target=self.log_target)


class PoissonNLLLoss(Loss):
    """e^x - target x, or x - target log(x): x is the rate of a Poisson distribution.

    Args:
        log_input: x is the logarithm of the rate.
        full: Add Stirling's approximation of log(target!).
        eps: Added to a rate before its logarithm is taken.
        reduction: See the module.
    """

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        *,
        eps: float = 1e-8,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """x (logarithms of) rates, target counts."""
        return F.poisson_nll_loss(
            x, target, self.log_input, self.full, eps=self.eps, reduction=self.reduction
        )


class GaussianNLLLoss(Loss):
    """(log var + (x - target)^2 / var) / 2.

    Args:
        full: Add log(2 pi) / 2.
        eps: The least variance.
        reduction: See the module.

    Source: Nix and Weigend, Estimating the Mean and Variance of the Target Probability
    Distribution (1994).
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full = full
        self.eps = eps

    def forward(self, x: Tensor, target: Tensor, var: Tensor | float) -> Tensor:
        """x means, target what was seen, var variances (see F.gaussian_nll_loss)."""
        return F.gaussian_nll_loss(x, target, var, self.full, self.eps, self.reduction)
