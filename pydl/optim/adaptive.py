"""Adagrad, Adadelta and RMSprop: a step size for each weight, from the squares of its gradients."""

from __future__ import annotations

from collections.abc import Iterable

from ..tensor import Tensor
from .optimizer import Bucket, Group, Optimizer

__all__ = ["Adadelta", "Adagrad", "RMSprop"]


class Adagrad(Optimizer):
    """Divides by the root of the sum of all squared gradients.

    g += weight_decay * p;  s += g^2;  p -= lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    Args:
        params: Parameters, or groups (see Optimizer).
        lr: Learning rate.
        lr_decay: How fast it falls with the steps.
        weight_decay: Weight of the L2 penalty.
        initial_accumulator_value: What s begins with.
        eps: Added to the denominator.
        maximize: Ascend instead.

    Raises:
        ValueError: an option out of range.

    Source: Duchi, Hazan and Singer, Adaptive Subgradient Methods for Online Learning and
    Stochastic Optimization (2011).
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check(self, group: Group) -> None:
        self._require(group, lr=0, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=0)

    def _state_names(self, group: Group) -> dict[str, float]:
        return {"sum": group["initial_accumulator_value"]}

    def _launch(self, group: Group, bucket: Bucket) -> None:
        params, grads = bucket.arrays()
        bucket.device.kernels.adagrad(
            params,
            grads,
            bucket.states["sum"],
            bucket.lr,
            bucket.step.data,
            group["lr_decay"],
            group["weight_decay"],
            group["eps"],
            group["maximize"],
            bucket.kept,
            bucket.halves,
        )


class Adadelta(Optimizer):
    """Steps as large as the steps of late, in relation to the gradients of late.

    g += weight_decay * p;  s = rho * s + (1 - rho) * g^2;  d = sqrt(a + eps) / sqrt(s + eps) * g;
    a = rho * a + (1 - rho) * d^2;  p -= lr * d

    Args:
        params: Parameters, or groups (see Optimizer).
        lr: Learning rate.
        rho: How much of the running means is kept, in [0, 1].
        eps: Added under both roots.
        weight_decay: Weight of the L2 penalty.
        maximize: Ascend instead.

    Raises:
        ValueError: an option out of range.

    Source: Zeiler, ADADELTA: An Adaptive Learning Rate Method (2012), algorithm 1.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check(self, group: Group) -> None:
        self._require(group, lr=0, eps=0, weight_decay=0)
        if not 0 <= group["rho"] <= 1:
            raise ValueError(f"Adadelta: rho must be in [0, 1], got {group['rho']}")

    def _state_names(self, group: Group) -> dict[str, float]:
        return {"square_avg": 0.0, "acc_delta": 0.0}

    def _launch(self, group: Group, bucket: Bucket) -> None:
        params, grads = bucket.arrays()
        bucket.device.kernels.adadelta(
            params,
            grads,
            bucket.states["square_avg"],
            bucket.states["acc_delta"],
            bucket.lr,
            bucket.step.data,
            group["rho"],
            group["eps"],
            group["weight_decay"],
            group["maximize"],
            bucket.kept,
            bucket.halves,
        )


class RMSprop(Optimizer):
    """Divides by the root of a running mean of the squared gradients.

    g += weight_decay * p;  s = alpha * s + (1 - alpha) * g^2;  p -= lr * g / (sqrt(s) + eps)
    (centered: sqrt(s - a^2), a the running mean of g; momentum: v = momentum * v + the quotient,
    p -= lr * v)

    Args:
        params: Parameters, or groups (see Optimizer).
        lr: Learning rate.
        alpha: How much of the running means is kept.
        eps: Added to the denominator.
        weight_decay: Weight of the L2 penalty.
        momentum: How much of the last direction is kept.
        centered: Divide by the estimated deviation instead.
        maximize: Ascend instead.

    Raises:
        ValueError: an option out of range.

    Source: Hinton, Neural Networks for Machine Learning (2012), lecture 6e; centered: Graves,
    Generating Sequences With Recurrent Neural Networks (2013), eq. 38-45.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check(self, group: Group) -> None:
        self._require(group, lr=0, alpha=0, eps=0, weight_decay=0, momentum=0)

    def _state_names(self, group: Group) -> dict[str, float]:
        names = {"square_avg": 0.0}
        if group["momentum"] > 0:
            names["momentum_buffer"] = 0.0
        if group["centered"]:
            names["grad_avg"] = 0.0
        return names

    def _launch(self, group: Group, bucket: Bucket) -> None:
        params, grads = bucket.arrays()
        bucket.device.kernels.rmsprop(
            params,
            grads,
            bucket.states["square_avg"],
            bucket.states.get("momentum_buffer", []),
            bucket.states.get("grad_avg", []),
            bucket.lr,
            bucket.step.data,
            group["alpha"],
            group["eps"],
            group["weight_decay"],
            group["momentum"],
            group["centered"],
            group["maximize"],
            bucket.kept,
            bucket.halves,
        )
