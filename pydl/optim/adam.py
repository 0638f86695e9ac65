"""Adam and its relatives; the kernels have the arithmetic."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from ..tensor import Tensor
from .optimizer import Bucket, Group, Optimizer

__all__ = ["Adam", "AdamW", "Adamax", "NAdam", "RAdam"]


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
        decoupled_weight_decay: Decay the weights apart from the gradient: AdamW.

    Raises:
        ValueError: an option out of range.

    Source: Kingma and Ba, Adam: A Method for Stochastic Optimization (2015), algorithm 1;
    amsgrad: Reddi et al., On the Convergence of Adam and Beyond (2018).
    """

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
        decoupled_weight_decay: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _check(self, group: Group) -> None:
        self._require(group, lr=0, eps=0, weight_decay=0)
        self._require_betas(group)

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
            group["decoupled_weight_decay"],
            group["maximize"],
            bucket.kept,
            bucket.halves,
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
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            decoupled_weight_decay=True,
        )


class Relative(Optimizer):
    """What NAdam, RAdam and Adamax share: two states, and the order of their kernels' arguments."""

    _kernel: ClassVar[str]
    _second: ClassVar[str] = "exp_avg_sq"  # the state beside exp_avg
    _options: ClassVar[tuple[str, ...]]  # what the kernel takes after the weight decay

    def _check(self, group: Group) -> None:
        self._require(group, lr=0, eps=0, weight_decay=0)
        self._require_betas(group)

    def _state_names(self, group: Group) -> dict[str, float]:
        return {"exp_avg": 0.0, self._second: 0.0}

    def _launch(self, group: Group, bucket: Bucket) -> None:
        params, grads = bucket.arrays()
        getattr(bucket.device.kernels, self._kernel)(
            params,
            grads,
            bucket.states["exp_avg"],
            bucket.states[self._second],
            bucket.lr,
            bucket.step.data,
            *group["betas"],
            group["eps"],
            group["weight_decay"],
            *(group[option] for option in self._options),
            bucket.kept,
            bucket.halves,
        )


class NAdam(Relative):
    """Adam with Nesterov's momentum.

    mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2);  m and v as in Adam;
    h = sqrt(v / (1 - beta2^t)) + eps;
    p -= lr ((1 - mu_t) g / (1 - mu_1 ... mu_t) + mu_{t+1} m / (1 - mu_1 ... mu_{t+1})) / h

    Args:
        params: Parameters, or groups (see Optimizer).
        lr: Learning rate.
        betas: (beta1, beta2), each in [0, 1).
        eps: Added to the denominator.
        weight_decay: Weight of the L2 penalty.
        momentum_decay: How fast mu approaches beta1.
        decoupled_weight_decay: Decay the weights apart from the gradient, as AdamW does.
        maximize: Ascend instead.

    Raises:
        ValueError: an option out of range.

    Source: Dozat, Incorporating Nesterov Momentum into Adam (2016), algorithm 2.
    """

    _kernel = "nadam"
    _options = ("momentum_decay", "decoupled_weight_decay", "maximize")

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _check(self, group: Group) -> None:
        super()._check(group)
        self._require(group, momentum_decay=0)


class RAdam(Relative):
    """Adam that waits with its second moment until that can be trusted.

    m and v as in Adam;  r_t = the rectification of the paper's algorithm 2, from the length of the
    average rho_t;  p -= lr m / (1 - beta1^t) * (r_t sqrt(1 - beta2^t) / (sqrt(v) + eps) where
    rho_t > 5, else 1)

    Args:
        params: Parameters, or groups (see Optimizer).
        lr: Learning rate.
        betas: (beta1, beta2), each in [0, 1).
        eps: Added to the denominator.
        weight_decay: Weight of the L2 penalty.
        decoupled_weight_decay: Decay the weights apart from the gradient, as AdamW does.
        maximize: Ascend instead.

    Raises:
        ValueError: an option out of range.

    Source: Liu et al., On the Variance of the Adaptive Learning Rate and Beyond (2020).
    """

    _kernel = "radam"
    _options = ("decoupled_weight_decay", "maximize")

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)


class Adamax(Relative):
    """Adam with the largest recent gradient in place of the second moment.

    g += weight_decay * p;  m = beta1 * m + (1 - beta1) * g;  h = max(beta2 * h, |g| + eps);
    p -= lr * m / (1 - beta1^t) / h

    Args:
        params: Parameters, or groups (see Optimizer).
        lr: Learning rate.
        betas: (beta1, beta2), each in [0, 1).
        eps: Added to |g|.
        weight_decay: Weight of the L2 penalty.
        maximize: Ascend instead.

    Raises:
        ValueError: an option out of range.

    Source: Kingma and Ba, Adam: A Method for Stochastic Optimization (2015), algorithm 2.
    """

    _kernel = "adamax"
    _second = "exp_inf"
    _options = ("maximize",)

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults)
