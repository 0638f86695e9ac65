"""Losses with a margin: nothing to pay where the right side is ahead by that much."""

from __future__ import annotations

from ..tensor import Tensor
from .activation import softplus
from .checks import class_ids, common_float, need_floating
from .comparison import where
from .create import arange
from .cross_entropy import at_class
from .distance import pairwise_distance
from .exponential import sqrt, square
from .index import gather
from .limits import clip, minimum
from .loss import reduced, same_shape
from .precision import wide
from .reduce import mean, sum
from .shape import squeeze, unsqueeze

__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_soft_margin_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
]


@wide
def hinge_embedding_loss(
    x: Tensor, target: Tensor, margin: float = 1.0, *, reduction: str = "mean"
) -> Tensor:
    """x where target is 1, max(0, margin - x) where it is -1.

    Args:
        x: distances, any shape; floating, or target is.
        target: 1 and -1 (where it is neither, the sum of both); x and target broadcast.
        margin: the distance from which a pair counts as far.
        reduction: "mean", "sum" or "none".

    Returns:
        A 0-d tensor; of the common shape for "none".

    Raises:
        ValueError: the shapes do not broadcast.
        TypeError: neither is floating.

    Derivative: twice.
    Source: Hadsell, Chopra and LeCun, "Dimensionality reduction by learning an invariant mapping"
    (2006), equation 4, without the squares.
    """
    x, target = common_float("hinge_embedding_loss", x=x, target=target)
    far = where(target == 1.0, 0.0, clip(margin - x, min=0.0))
    near = where(target == -1.0, 0.0, x)
    return reduced("hinge_embedding_loss", far + near, reduction)


@wide
def margin_ranking_loss(
    a: Tensor, b: Tensor, target: Tensor, margin: float = 0.0, *, reduction: str = "mean"
) -> Tensor:
    """max(0, margin - target (a - b)).

    Args:
        a: any shape, floating.
        b: all three have as many dimensions and broadcast.
        target: 1 where a should be the larger, -1 where b should.
        margin: by how much.
        reduction: "mean", "sum" or "none".

    Returns:
        A 0-d tensor; of the common shape for "none".

    Raises:
        ValueError: the shapes do not fit.
        TypeError: none is floating.

    Derivative: twice.
    Source: Herbrich, Graepel and Obermayer, "Large margin rank boundaries for ordinal regression"
    (2000).
    """
    name = "margin_ranking_loss"
    a, b, target = common_float(name, a=a, b=b, target=target)
    if not a.ndim == b.ndim == target.ndim:
        raise ValueError(
            f"{name}: a {a.shape}, b {b.shape} and target {target.shape} differ in dimensions"
        )
    return reduced(name, clip(margin - target * (a - b), min=0.0), reduction)


@wide
def cosine_embedding_loss(
    a: Tensor, b: Tensor, target: Tensor, margin: float = 0.0, *, reduction: str = "mean"
) -> Tensor:
    """1 - cos(a, b) where target is 1, max(0, cos(a, b) - margin) where it is -1.

    Args:
        a: (N, D) or (D,), floating.
        b: likewise; a and b broadcast.
        target: 1 and -1 (where it is neither, 0 is the loss): (N,), or () beside (D,).
        margin: the cosine up to which a pair counts as different.
        reduction: "mean", "sum" or "none".

    Returns:
        A 0-d tensor; of the shape of target for "none".

    Raises:
        ValueError: the shapes do not fit.
        TypeError: a or b is not floating.

    Derivative: twice (of target: none).
    Source: Wang et al., "CosFace" (2018), section 3.1 (cosine as similarity); 1e-12 is added to
    the squared lengths, as in PyTorch.
    """
    name = "cosine_embedding_loss"
    a, b = common_float(name, a=a, b=b)
    if target.ndim > 1 or a.ndim != target.ndim + 1 or b.ndim != a.ndim:
        raise ValueError(
            f"{name}: expected a and b (N, D) with target (N,), or (D,) with (): "
            f"got {a.shape}, {b.shape} and {target.shape}"
        )
    lengths = (sum(square(a), -1) + 1e-12) * (sum(square(b), -1) + 1e-12)
    cosine = sum(a * b, -1) / sqrt(lengths)
    apart = where(target == -1, clip(cosine - margin, min=0.0), 0.0)
    return reduced(name, where(target == 1, 1.0 - cosine, apart), reduction)


@wide
def soft_margin_loss(x: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """log(1 + e^(-target x)).

    Args:
        x: any shape, floating.
        target: 1 and -1; x and target broadcast.
        reduction: "mean", "sum" or "none".

    Returns:
        A 0-d tensor; of the common shape for "none".

    Raises:
        ValueError: the shapes do not broadcast.
        TypeError: neither is floating.

    Derivative: twice.
    Source: Hastie, Tibshirani and Friedman, "The elements of statistical learning" (2009),
    equation 10.18 (binomial deviance).
    """
    x, target = common_float("soft_margin_loss", x=x, target=target)
    return reduced("soft_margin_loss", softplus(-target * x, 1.0, 40.0), reduction)


@wide
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    *,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin + d(anchor, positive) - d(anchor, negative)), d being `pairwise_distance`.

    Args:
        anchor: (N, D) or (D,); one of the three is floating.
        positive: what should be near; all three have as many dimensions and broadcast.
        negative: what should be far.
        margin: by how much farther, positive.
        p: the order of the norm.
        eps: added to each difference.
        swap: take d(positive, negative) for d(anchor, negative) where it is less.
        reduction: "mean", "sum" or "none".

    Returns:
        A 0-d tensor; of the shape without D for "none".

    Raises:
        ValueError: the shapes do not fit, or margin is not positive.
        TypeError: none is floating.

    Derivative: twice.
    Source: Balntas et al., "Learning local feature descriptors with triplets and shallow
    convolutional neural networks" (2016), section 3 (swap: "anchor swap").
    """
    name = "triplet_margin_loss"
    if margin <= 0:
        raise ValueError(f"{name}: margin must be positive, got {margin}")
    a, near, far = common_float(name, anchor=anchor, positive=positive, negative=negative)
    if not a.ndim == near.ndim == far.ndim:
        raise ValueError(
            f"{name}: anchor {a.shape}, positive {near.shape} and negative {far.shape} differ in "
            "dimensions"
        )
    behind = pairwise_distance(a, far, p, eps)
    if swap:
        behind = minimum(behind, pairwise_distance(near, far, p, eps))
    loss = clip(margin + pairwise_distance(a, near, p, eps) - behind, min=0.0)
    return reduced(name, loss, reduction)


@wide
def multi_margin_loss(
    x: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
) -> Tensor:
    """sum over the other classes of max(0, margin - x_target + x_i)^p, divided by C.

    Args:
        x: scores (N, C) or (C,), floating.
        target: class ids, integers (N,), or () or (1,) beside (C,).
        p: 1 or 2.
        margin: by how much the right class must be ahead.
        weight: (C,), factor of each class, or None.
        reduction: "mean", "sum" or "none".

    Returns:
        A 0-d tensor; of the shape of target for "none".

    Raises:
        ValueError: the shapes do not fit, or p is something else.
        TypeError: x or weight is not floating, or target is not integer.
        IndexError: a target is no class.

    Derivative: twice.
    Source: Crammer and Singer, "On the algorithmic implementation of multiclass kernel-based vector
    machines" (2001), section 4, summed instead of the largest.
    """
    name = "multi_margin_loss"
    need_floating(name, x=x, weight=weight)
    if p not in (1, 2):
        raise ValueError(f"{name}: p is 1 or 2, got {p}")
    rows = unsqueeze(x, 0) if x.ndim == 1 else x
    ids = unsqueeze(target, 0) if x.ndim == 1 and target.ndim == 0 else target
    if rows.ndim != 2 or ids.shape != rows.shape[:1] or rows.shape[1] == 0:
        raise ValueError(f"{name}: x {x.shape} is (N, C) or (C,), target {target.shape} (N,) or ()")
    if weight is not None and weight.shape != rows.shape[1:]:
        raise ValueError(f"{name}: weight {weight.shape} does not fit x {x.shape}")
    ids = class_ids(name, ids)
    behind = clip(margin - unsqueeze(at_class(name, rows, ids), 1) + rows, min=0.0)
    loss = behind if p == 1 else square(behind)
    loss = where(unsqueeze(ids, 1) == arange(rows.shape[1], device=x.device), 0.0, loss)
    if weight is not None:
        loss = loss * unsqueeze(gather(weight, 0, ids), 1)
    loss = mean(loss, 1)
    return reduced(name, squeeze(loss, 0) if target.ndim == 0 else loss, reduction)


@wide
def multilabel_soft_margin_loss(
    x: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """Binary cross entropy of sigmoid(x), the mean over the classes.

    Args:
        x: logits (..., C), floating.
        target: 1 for each class that is there, else 0; of the shape of x.
        weight: factor that broadcasts to x, or None.
        reduction: "mean", "sum" or "none".

    Returns:
        A 0-d tensor; of the shape of x without C for "none".

    Raises:
        ValueError: the shapes do not fit.
        TypeError: x is not floating.

    Derivative: twice.
    Source: Bishop, "Pattern recognition and machine learning" (2006), equation 4.90.
    """
    name = "multilabel_soft_margin_loss"
    x, target = common_float(name, x=x, target=target)
    same_shape(name, x, target=target)
    if x.ndim == 0:
        raise ValueError(f"{name}: x is (..., C), got a 0-d tensor")
    loss = (1.0 - target) * x + softplus(-x, 1.0, 40.0)
    return reduced(name, mean(loss if weight is None else loss * weight, -1), reduction)
