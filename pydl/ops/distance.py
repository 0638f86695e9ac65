"""Lengths of vectors, and distances and angles between them."""

from __future__ import annotations

from collections.abc import Sequence

from ..tensor import Tensor
from .checks import common_float, need_floating
from .comparison import where
from .elementwise import broadcast_shapes
from .limits import clip
from .precision import wide
from .reduce import expand, sum
from .shape import normal_dim, unsqueeze
from .statistics import norm

__all__ = ["cdist", "cosine_similarity", "normalize", "pairwise_distance"]


@wide
def normalize(
    x: Tensor, p: float = 2.0, dim: int | Sequence[int] = 1, eps: float = 1e-12
) -> Tensor:
    """x / max(||x||, eps), the norm taken over `dim`.

    Args:
        x: any shape, floating.
        p: the order of the norm.
        dim: one dimension or several.
        eps: the least divisor.

    Returns:
        The shape and dtype of x.

    Raises:
        IndexError: there is no such dimension.
        TypeError: x is not floating.

    Derivative: twice.
    Source: Golub and Van Loan, "Matrix computations", section 2.2 (vector norms).
    """
    need_floating("normalize", x=x)
    return x / clip(norm(x, p, dim, keepdim=True), min=eps)


@wide
def cosine_similarity(a: Tensor, b: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """a b / (max(||a||, eps) max(||b||, eps)) over `dim`: the cosine of the angle between them.

    Args:
        a: any shape; floating, or b is.
        b: a and b broadcast.
        dim: a dimension of their common shape.
        eps: the least length; the gradient ignores this limit.

    Returns:
        The common shape without `dim`.

    Raises:
        ValueError: the shapes do not broadcast.
        IndexError: there is no such dimension.
        TypeError: neither is floating.

    Derivative: twice; the subgradient of a length of 0 is 0.
    Source: Salton and McGill, "Introduction to modern information retrieval" (1983), section 4.1.
    """
    name = "cosine_similarity"
    a, b = common_float(name, a=a, b=b)
    shape = broadcast_shapes(name, a.shape, b.shape)
    wanted = normal_dim(name, dim, max(len(shape), 1))
    d = wanted if shape else None
    a, b = expand(a, shape), expand(b, shape)
    return sum(a / _length(a, d, eps) * (b / _length(b, d, eps)), d)


def _length(x: Tensor, dim: int | None, eps: float) -> Tensor:
    n = norm(x, 2.0, dim, keepdim=True)
    return where(n < eps, n - n.detach() + eps, n)


@wide
def pairwise_distance(
    a: Tensor, b: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """||a - b + eps|| over the last dimension.

    Args:
        a: (..., D); floating, or b is.
        b: a and b broadcast.
        p: the order of the norm.
        eps: added to each difference, so that the gradient exists.
        keepdim: keep the last dimension with length 1.

    Returns:
        The common shape without D.

    Raises:
        ValueError: the shapes do not broadcast.
        TypeError: neither is floating.

    Derivative: twice.
    Source: Golub and Van Loan, "Matrix computations", section 2.2 (vector norms); eps as PyTorch.
    """
    a, b = common_float("pairwise_distance", a=a, b=b)
    broadcast_shapes("pairwise_distance", a.shape, b.shape)
    difference = a - b + eps
    return norm(difference, p, -1 if difference.ndim else None, keepdim=keepdim)


@wide
def cdist(a: Tensor, b: Tensor, p: float = 2.0) -> Tensor:
    """||a_i - b_j|| of every row of a and every row of b.

    Args:
        a: (..., P, D), floating.
        b: (..., R, D), of the dtype of a; leading dimensions broadcast.
        p: the order of the norm, not negative.

    Returns:
        (..., P, R), by differences (..., P, R, D) throughout: exact for near points.

    Raises:
        ValueError: the shapes do not fit, or p is negative.
        TypeError: the dtypes differ or are not floating.

    Derivative: twice; the subgradient where two rows are equal is 0.
    Source: Golub and Van Loan, "Matrix computations", section 2.2 (vector norms).
    """
    need_floating("cdist", a=a, b=b)
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-1]:
        raise ValueError(f"cdist: a {a.shape} and b {b.shape} are not (..., P, D) and (..., R, D)")
    if p < 0:
        raise ValueError(f"cdist: p must not be negative, got {p}")
    broadcast_shapes("cdist", a.shape[:-2], b.shape[:-2])
    difference = unsqueeze(a, -2) - unsqueeze(b, -3)
    return norm(difference, p if a.shape[-1] else 2.0, -1)
