"""Losses with a margin, and distances, as modules; the formulas are in pydl.nn.functional."""

from __future__ import annotations

from ..tensor import Tensor
from . import functional as F
from .loss import Loss, WeightedLoss
from .module import Module

__all__ = [
    "CosineEmbeddingLoss",
    "CosineSimilarity",
    "HingeEmbeddingLoss",
    "MarginRankingLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "PairwiseDistance",
    "SoftMarginLoss",
    "TripletMarginLoss",
]


class HingeEmbeddingLoss(Loss):
    """x where the target is 1, max(0, margin - x) where it is -1.

    Args:
        margin: The distance from which a pair counts as far.
        reduction: See pydl.nn.loss.
    """

    def __init__(self, margin: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.margin = margin

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """x distances, target 1 and -1."""
        return F.hinge_embedding_loss(x, target, self.margin, reduction=self.reduction)


class MarginRankingLoss(Loss):
    """max(0, margin - target (a - b)).

    Args:
        margin: By how much one should be the larger.
        reduction: See pydl.nn.loss.
    """

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.margin = margin

    def forward(self, a: Tensor, b: Tensor, target: Tensor) -> Tensor:
        """a and b scores, target 1 where a should be the larger, else -1."""
        return F.margin_ranking_loss(a, b, target, self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(Loss):
    """1 - cos(a, b) where the target is 1, max(0, cos(a, b) - margin) where it is -1.

    Args:
        margin: The cosine up to which a pair counts as different.
        reduction: See pydl.nn.loss.
    """

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.margin = margin

    def forward(self, a: Tensor, b: Tensor, target: Tensor) -> Tensor:
        """a and b (N, D) with target (N,), or (D,) with ()."""
        return F.cosine_embedding_loss(a, b, target, self.margin, reduction=self.reduction)


class SoftMarginLoss(Loss):
    """log(1 + e^(-target x))."""

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """x scores, target 1 and -1."""
        return F.soft_margin_loss(x, target, reduction=self.reduction)


class MultiMarginLoss(WeightedLoss):
    """The sum over the other classes of max(0, margin - x_target + x_i)^p, divided by C.

    Args:
        p: 1 or 2.
        margin: By how much the right class must be ahead.
        weight: (C), one weight a class.
        reduction: See pydl.nn.loss.
    """

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Tensor | None = None,
        *,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, reduction=reduction)
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: p must be 1 or 2, got {p}")
        self.p = p
        self.margin = margin

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """x (N, C) or (C,) scores, target (N,) or () classes."""
        return F.multi_margin_loss(
            x, target, self.p, self.margin, self.weight, reduction=self.reduction
        )


class MultiLabelSoftMarginLoss(WeightedLoss):
    """Binary cross entropy of sigmoid(x), the mean over the classes.

    Args:
        weight: Multiplies each element; broadcasts.
        reduction: See pydl.nn.loss.
    """

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """x (..., C) logits, target of the same shape: 1 for each class that is there, else 0."""
        return F.multilabel_soft_margin_loss(x, target, self.weight, reduction=self.reduction)


class TripletMarginLoss(Loss):
    """max(0, margin + d(anchor, positive) - d(anchor, negative)).

    Args:
        margin: By how much farther the negative must be.
        p: The order of the norm.
        eps: Added to each difference.
        swap: Take d(positive, negative) for d(anchor, negative) where it is less.
        reduction: See pydl.nn.loss.

    Source: Balntas et al., Learning Local Feature Descriptors with Triplets and Shallow
    Convolutional Neural Networks (2016).
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        *,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        if margin <= 0:
            raise ValueError(f"TripletMarginLoss: margin must be > 0, got {margin}")
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """All three (N, D) or (D,)."""
        return F.triplet_margin_loss(
            anchor, positive, negative, self.margin, self.p, self.eps, self.swap,
            reduction=self.reduction,
        )  # fmt: skip


class CosineSimilarity(Module):
    """The cosine of the angle between vectors.

    Args:
        dim: The dimension that the vectors lie in.
        eps: The least length.
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        self.dim = dim
        self.eps = eps

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """a and b broadcast; the result lacks `dim`."""
        return F.cosine_similarity(a, b, self.dim, self.eps)


class PairwiseDistance(Module):
    """The norm of a - b + eps over the last dimension.

    Args:
        p: The order of the norm.
        eps: Added to each difference.
        keepdim: Keep the last dimension with length 1.
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """a and b (..., D) broadcast."""
        return F.pairwise_distance(a, b, self.norm, self.eps, self.keepdim)
