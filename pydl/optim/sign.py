"""Rprop and Lion: steps from the signs of gradients; the kernels have the arithmetic."""

from __future__ import annotations

from collections.abc import Iterable

from ..tensor import Tensor
from .optimizer import Bucket, Group, Optimizer

__all__ = ["Lion", "Rprop"]


class Rprop(Optimizer):
    """A step size for each weight, that grows while the sign of its gradient stays.

    size *= etas[1] where g agrees in sign with the last g, etas[0] where it does not (and g = 0
    then);  p -= sign(g) * size.  For whole batches: the noise of small ones turns signs.

    Args:
        params: Parameters, or groups (see Optimizer).
        lr: The first step size.
        etas: (factor below 1, factor above 1).
        step_sizes: (smallest, largest).
        maximize: Ascend instead.

    Raises:
        ValueError: an option out of range.

    Source: Riedmiller and Braun, A Direct Adaptive Method for Faster Backpropagation Learning: The
    RPROP Algorithm (1993); without the step back.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50.0),
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize}
        super().__init__(params, defaults)

    def _check(self, group: Group) -> None:
        self._require(group, lr=0)
        if not 0 < group["etas"][0] < 1 < group["etas"][1]:
            raise ValueError(f"Rprop: expected 0 < etas[0] < 1 < etas[1], got {group['etas']}")

    def _state_names(self, group: Group) -> dict[str, float]:
        return {"prev": 0.0, "step_size": group["lr"]}

    def _launch(self, group: Group, bucket: Bucket) -> None:
        params, grads = bucket.arrays()
        bucket.device.kernels.rprop(
            params,
            grads,
            bucket.states["prev"],
            bucket.states["step_size"],
            bucket.lr,
            bucket.step.data,
            *group["etas"],
            *group["step_sizes"],
            group["maximize"],
            bucket.kept,
            bucket.halves,
        )


class Lion(Optimizer):
    """Steps of one size, by the sign of an interpolated momentum; half the memory of Adam.

    p *= 1 - lr * weight_decay;  p -= lr * sign(beta1 * m + (1 - beta1) * g);
    m = beta2 * m + (1 - beta2) * g

    Args:
        params: Parameters, or groups (see Optimizer).
        lr: Learning rate: a third to a tenth of Adam's.
        betas: (beta1, beta2), each in [0, 1).
        weight_decay: Part of the weights, times lr, that each step takes away.
        maximize: Ascend instead.

    Raises:
        ValueError: an option out of range.

    Source: Chen et al., Symbolic Discovery of Optimization Algorithms (2023), algorithm 2.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults)

    def _check(self, group: Group) -> None:
        self._require(group, lr=0, weight_decay=0)
        self._require_betas(group)

    def _state_names(self, group: Group) -> dict[str, float]:
        return {"exp_avg": 0.0}

    def _launch(self, group: Group, bucket: Bucket) -> None:
        params, grads = bucket.arrays()
        bucket.device.kernels.lion(
            params,
            grads,
            bucket.states["exp_avg"],
            bucket.lr,
            bucket.step.data,
            *group["betas"],
            group["weight_decay"],
            group["maximize"],
            bucket.kept,
            bucket.halves,
        )
