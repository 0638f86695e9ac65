"""Stochastic gradient descent; the kernel has the arithmetic."""

from __future__ import annotations

from collections.abc import Iterable

from ..tensor import Tensor
from .optimizer import Bucket, Group, Optimizer

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and Nesterov's variant.

    g += weight_decay * p;  v = momentum * v + (1 - dampening) * g  (v = g the first time);
    p -= lr * v  (Nesterov: p -= lr * (g + momentum * v))

    Args:
        params: Parameters, or groups (see Optimizer).
        lr: Learning rate.
        momentum: How much of the last direction is kept.
        dampening: How much less of the gradient enters the momentum.
        weight_decay: Weight of the L2 penalty.
        nesterov: Look ahead along the momentum; needs momentum and no dampening.
        maximize: Ascend instead.

    Raises:
        ValueError: an option out of range.

    Source: Sutskever et al., On the importance of initialization and momentum in deep learning
    (2013).
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check(self, group: Group) -> None:
        self._require(group, lr=0, momentum=0, weight_decay=0)
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError(
                f"SGD: nesterov needs momentum > 0 and dampening 0, got "
                f"{group['momentum']} and {group['dampening']}"
            )

    def _state_names(self, group: Group) -> dict[str, float]:
        return {"momentum_buffer": 0.0} if group["momentum"] != 0 else {}

    def _launch(self, group: Group, bucket: Bucket) -> None:
        params, grads = bucket.arrays()
        bucket.device.kernels.sgd(
            params,
            grads,
            bucket.states.get("momentum_buffer", []),
            bucket.lr,
            bucket.step.data,
            group["momentum"],
            group["dampening"],
            group["weight_decay"],
            group["nesterov"],
            group["maximize"],
            bucket.kept,
            bucket.halves,
        )
