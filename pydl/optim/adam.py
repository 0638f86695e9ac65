"""Adam and AdamW; the kernel has the arithmetic."""

from __future__ import annotations

from collections.abc import Iterable

from ..tensor import Tensor
from .optimizer import Bucket, Group, Optimizer

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Steps of the size of the learning rate, from running means of g and g^2.

    g += weight_decay * p;  m = beta1 * m + (1 - beta1) * g;  v = beta2 * v + (1 - beta2) * g^2;
    p -= lr * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)

    Args:
        params: Parameters, or groups (see Optimizer).
        lr: Learning rate.
        betas: (beta1, beta2), each in [0, 1).
        eps: Added to the denominator.
        weight_decay: Weight of the L2 penalty.
        amsgrad: Divide by the largest v so far.
        maximize: Ascend instead.

    Raises:
        ValueError: an option out of range.

    Source: Kingma and Ba, Adam: A Method for Stochastic Optimization (2015), algorithm 1;
    amsgrad: Reddi et al., On the Convergence of Adam and Beyond (2018).
    """

    _decoupled = False

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check(self, group: Group) -> None:
        self._require(group, lr=0, eps=0, weight_decay=0)
        if not all(0 <= beta < 1 for beta in group["betas"]):
            raise ValueError(f"{self._name}: betas must be in [0, 1), got {group['betas']}")

    def _state_names(self, group: Group) -> dict[str, float]:
        names = {"exp_avg": 0.0, "exp_avg_sq": 0.0}
        return {**names, "max_exp_avg_sq": 0.0} if group["amsgrad"] else names

    def _launch(self, group: Group, bucket: Bucket) -> None:
        params, grads = bucket.arrays()
        bucket.device.kernels.adam(
            params,
            grads,
            bucket.states["exp_avg"],
            bucket.states["exp_avg_sq"],
            bucket.states.get("max_exp_avg_sq", []),
            bucket.lr,
            bucket.step.data,
            group["betas"][0],
            group["betas"][1],
            group["eps"],
            group["weight_decay"],
            self._decoupled,
            group["maximize"],
        )


class AdamW(Adam):
    """Adam whose weight decay is apart from the gradient: p -= lr * weight_decay * p.

    Args:
        params: Parameters, or groups (see Optimizer).
        lr: Learning rate.
        betas: (beta1, beta2), each in [0, 1).
        eps: Added to the denominator.
        weight_decay: Part of the weights, times lr, that each step takes away.
        amsgrad: Divide by the largest v so far.
        maximize: Ascend instead.

    Raises:
        ValueError: an option out of range.

    Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization (2019), algorithm 2.
    """

    _decoupled = True

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
