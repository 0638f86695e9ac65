"""Losses of numbers: what a network says, x, beside what it should have said, target.

Losses of classes are in cross_entropy.py, those with a margin in margin.py.
"""

from __future__ import annotations

import math

from ..tensor import Tensor
from .arithmetic import abs
from .checks import common_float
from .comparison import where
from .exponential import exp, log, square
from .limits import clip
from .precision import wide
from .reduce import mean, sum
from .shape import unsqueeze

__all__ = [
    "gaussian_nll_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "poisson_nll_loss",
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


def same_shape(name: str, x: Tensor, **others: Tensor | None) -> None:
    """Raise where another has not the shape of x; the keys are the names."""
    for what, t in others.items():
        if t is not None and t.shape != x.shape:
            raise ValueError(f"{name}: x {x.shape} and {what} {t.shape} are not of one shape")


def _pair(
    name: str, x: Tensor, target: Tensor, weight: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    a, b = common_float(name, x=x, target=target)
    same_shape(name, a, target=b, weight=weight)
    return a, b


def _weighted(name: str, loss: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """The reduced loss; with weights the mean is a weighted one."""
    if weight is None:
        return reduced(name, loss, reduction)
    if reduction == "mean":
        return sum(loss * weight) / sum(weight)
    return reduced(name, loss * weight, reduction)


@wide
def mse_loss(
    x: Tensor, target: Tensor, *, reduction: str = "mean", weight: Tensor | None = None
) -> Tensor:
    """(x - target)^2.

    Args:
        x: any shape; floating, or target is.
        target: of the shape of x.
        reduction: "mean", "sum" or "none".
        weight: factor of each element, of the shape of x; "mean" is then divided by its sum.

    Returns:
        A 0-d tensor; of the shape of x for "none".

    Raises:
        ValueError: the shapes differ.
        TypeError: neither is floating.

    Derivative: twice.
    Source: Bishop, "Pattern recognition and machine learning" (2006), equation 1.2.
    """
    a, b = _pair("mse_loss", x, target, weight)
    return _weighted("mse_loss", square(a - b), weight, reduction)


@wide
def l1_loss(
    x: Tensor, target: Tensor, *, reduction: str = "mean", weight: Tensor | None = None
) -> Tensor:
    """|x - target|.

    Args:
        x: any shape; floating, or target is.
        target: of the shape of x.
        reduction: "mean", "sum" or "none".
        weight: factor of each element, of the shape of x; "mean" is then divided by its sum.

    Returns:
        A 0-d tensor; of the shape of x for "none".

    Raises:
        ValueError: the shapes differ.
        TypeError: neither is floating.

    Derivative: twice; the subgradient where both are equal is 0.
    Source: Bishop, "Pattern recognition and machine learning" (2006), section 1.5.5.
    """
    a, b = _pair("l1_loss", x, target, weight)
    return _weighted("l1_loss", abs(a - b), weight, reduction)


@wide
def smooth_l1_loss(
    x: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0
) -> Tensor:
    """d^2 / (2 beta) where d = |x - target| < beta, else d - beta / 2.

    Args:
        x: any shape; floating, or target is.
        target: of the shape of x.
        reduction: "mean", "sum" or "none".
        beta: where the parabola ends; with 0 this is `l1_loss`.

    Returns:
        A 0-d tensor; of the shape of x for "none".

    Raises:
        ValueError: the shapes differ, or beta is negative.
        TypeError: neither is floating.

    Derivative: twice.
    Source: Girshick, "Fast R-CNN" (2015), equation 3.
    """
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta must not be negative, got {beta}")
    a, b = _pair("smooth_l1_loss", x, target)
    if beta == 0:
        return reduced("smooth_l1_loss", abs(a - b), reduction)
    difference = a - b
    d = abs(difference)
    inner = clip(difference, -beta, beta)  # no infinity squared, whose gradient is NaN
    loss = where(d < beta, square(inner) * (0.5 / beta), d - 0.5 * beta)
    return reduced("smooth_l1_loss", loss, reduction)


@wide
def huber_loss(
    x: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """d^2 / 2 where d = |x - target| < delta, else delta (d - delta / 2).

    Args:
        x: any shape; floating, or target is.
        target: of the shape of x.
        reduction: "mean", "sum" or "none".
        delta: where the parabola ends.
        weight: factor of each element, of the shape of x.

    Returns:
        A 0-d tensor; of the shape of x for "none".

    Raises:
        ValueError: the shapes differ, or delta is not positive.
        TypeError: neither is floating.

    Derivative: twice.
    Source: Huber, "Robust estimation of a location parameter" (1964), section 4.
    """
    if delta <= 0:
        raise ValueError(f"huber_loss: delta must be positive, got {delta}")
    a, b = _pair("huber_loss", x, target, weight)
    difference = a - b
    d = abs(difference)
    inner = clip(difference, -delta, delta)  # no infinity squared, whose gradient is NaN
    loss = where(d < delta, 0.5 * square(inner), delta * (d - 0.5 * delta))
    return reduced("huber_loss", loss if weight is None else loss * weight, reduction)


@wide
def kl_div(
    x: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False
) -> Tensor:
    """target (log target - x), x being logarithms of probabilities: Kullback and Leibler's.

    Args:
        x: logarithms of probabilities, any shape, floating.
        target: probabilities, floating; x and target broadcast.
        reduction: "mean" (over all elements), "batchmean" (the sum over the length of the first
            dimension: the divergence itself), "sum" or "none".
        log_target: target holds logarithms, too.

    Returns:
        A 0-d tensor; of the common shape for "none".

    Raises:
        ValueError: the shapes do not broadcast.
        TypeError: one is not floating.

    Derivative: twice.
    Source: Kullback and Leibler, "On information and sufficiency" (1951), equation 2.4.
    """
    for what, t in (("x", x), ("target", target)):
        if not t.dtype.is_floating:
            raise TypeError(f"kl_div: {what} is {t.dtype.name}, expected float32; use .float()")
    x, target = common_float("kl_div", x=x, target=target)
    if log_target:
        loss = exp(target) * (target - x)
    else:
        loss = target * log(where(target == 0.0, 1.0, target)) - target * x
    if reduction == "batchmean":
        return sum(loss) / x.shape[0] if x.shape and x.shape[0] else mean(loss)
    return reduced("kl_div", loss, reduction)


@wide
def poisson_nll_loss(
    x: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    *,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """rate - target log(rate): the negative log-likelihood of a Poisson distribution.

    Args:
        x: the logarithm of the rate, or the rate; floating.
        target: counts; x and target broadcast.
        log_input: x is the logarithm of the rate.
        full: add Stirling's approximation of log(target!) where target > 1.
        eps: added to a rate before its logarithm is taken.
        reduction: "mean", "sum" or "none".

    Returns:
        A 0-d tensor; of the common shape for "none".

    Raises:
        ValueError: the shapes do not broadcast.
        TypeError: neither is floating.

    Derivative: twice.
    Source: Bishop, "Pattern recognition and machine learning" (2006), section 4.3.6 (exponential
    family); Stirling's formula.
    """
    x, target = common_float("poisson_nll_loss", x=x, target=target)
    loss = exp(x) - target * x if log_input else x - target * log(x + eps)
    if full:
        many = target > 1.0
        t = where(many, target, 1.0)
        loss = loss + where(many, t * log(t) - t + 0.5 * log(2.0 * math.pi * t), 0.0)
    return reduced("poisson_nll_loss", loss, reduction)


@wide
def gaussian_nll_loss(
    x: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """(log var + (x - target)^2 / var) / 2: the negative log-likelihood of a normal distribution.

    Args:
        x: means, any shape, floating.
        target: what was seen; x and target broadcast.
        var: variances: a number, of the shape of x, of that shape without the last dimension, or
            with one length of 1 instead of x's. A negative one gives NaN.
        full: add log(2 pi) / 2.
        eps: the least variance; the gradient ignores this limit.
        reduction: "mean", "sum" or "none".

    Returns:
        A 0-d tensor; of the common shape for "none".

    Raises:
        ValueError: the shapes do not fit, or a number var is negative.
        TypeError: none is floating.

    Derivative: twice.
    Source: Nix and Weigend, "Estimating the mean and variance of the target probability
    distribution" (1994), equation 4.
    """
    name = "gaussian_nll_loss"
    if isinstance(var, (int, float)):
        if var < 0:
            raise ValueError(f"{name}: var must not be negative, got {var}")
        x, target = common_float(name, x=x, target=target)
        spread = x.detach() * 0.0 + var
    else:
        x, target, spread = common_float(name, x=x, target=target, var=var)
        spread = _spread_of(name, x, spread)
    least = spread - spread.detach() + eps  # eps, with the gradient of spread
    spread = where(spread < eps, where(spread < 0.0, float("nan"), least), spread)
    loss = 0.5 * (log(spread) + square(x - target) / spread)
    if full:
        loss = loss + 0.5 * math.log(2.0 * math.pi)
    return reduced(name, loss, reduction)


def _spread_of(name: str, x: Tensor, var: Tensor) -> Tensor:
    """var, ready to broadcast to x."""
    if var.shape == x.shape:
        return var
    if var.shape == x.shape[:-1]:
        return unsqueeze(var, -1)
    other = [n for n, m in zip(var.shape, x.shape, strict=False) if n != m]
    if var.ndim == x.ndim and other == [1]:
        return var
    raise ValueError(f"{name}: var {var.shape} does not fit x {x.shape}")
