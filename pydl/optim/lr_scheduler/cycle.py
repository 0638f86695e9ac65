"""Schedules that rise again: cosine annealing, warm restarts, triangles."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ...recording import repeated
from ..optimizer import Optimizer
from .base import LRScheduler

__all__ = ["CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR"]


class CosineAnnealingLR(LRScheduler):
    """From initial_lr to eta_min along half a cosine in T_max steps, and back, and so on.

    lr = eta_min + (initial_lr - eta_min) * (1 + cos(pi * steps / T_max)) / 2

    Source: Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts (2017),
    eq. 5 (without the restarts).
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        if T_max <= 0:
            raise ValueError(f"CosineAnnealingLR: T_max must be positive, got {T_max}")
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The formula of the class."""
        part = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (base - self.eta_min) * part for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine from initial_lr to eta_min, again and again, each T_mult times as long.

    It sets the rate, whatever else changes it.

    Args:
        optimizer: See LRScheduler.
        T_0: Steps of the first fall.
        T_mult: How much longer each is than the one before.
        eta_min: The lowest rate.
        last_epoch: See LRScheduler.

    Raises:
        ValueError: T_0 or T_mult is no positive integer.

    Source: Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts (2017),
    eq. 5.
    """

    _absolute = True

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        for name, value in (("T_0", T_0), ("T_mult", T_mult)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"CosineAnnealingWarmRestarts: {name} is a positive integer, got {value}"
                )
        self.T_0 = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The formula of the class."""
        since, length = self.last_epoch, self.T_0
        while since >= length:
            since, length = since - length, length * self.T_mult
        part = (1 + math.cos(math.pi * since / length)) / 2
        return [self.eta_min + (base - self.eta_min) * part for base in self.base_lrs]


class CyclicLR(LRScheduler):
    """The rate goes up and down between two values; the momentum the other way.

    It is stepped once a batch, and sets the rate, whatever else changes it.

    Args:
        optimizer: See LRScheduler.
        base_lr: The lower rate, or a list of one for each group.
        max_lr: The upper rate, or a list.
        step_size_up: Steps of a rise.
        step_size_down: Steps of a fall; as many by default.
        mode: "triangular", "triangular2" (each cycle half as high) or "exp_range" (the height
            falls by gamma in each step).
        gamma: For "exp_range".
        scale_fn: A height of one's own in place of the mode's. It is not part of `state_dict()`.
        scale_mode: Whether scale_fn gets the number of the "cycle", from 1, or of "iterations".
        cycle_momentum: Whether the momentum (SGD, RMSprop) or beta1 (Adam) moves too.
        base_momentum: The momentum at the peak, or a list.
        max_momentum: The momentum at the foot, or a list.
        last_epoch: See LRScheduler.

    Raises:
        ValueError: an unknown mode, a list of another length, or no momentum to cycle.

    Source: Smith, Cyclical Learning Rates for Training Neural Networks (2017).
    """

    _absolute = True

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        groups = optimizer.param_groups
        if scale_fn is None and mode not in ("triangular", "triangular2", "exp_range"):
            raise ValueError(
                f"CyclicLR: mode {mode!r}: choose 'triangular', 'triangular2' or 'exp_range'"
            )
        if cycle_momentum and not all("momentum" in g or "betas" in g for g in groups):
            raise ValueError("CyclicLR: cycle_momentum needs an optimizer with momentum or betas")
        bases = each("CyclicLR: base_lr", base_lr, len(groups))
        self.max_lrs = each("CyclicLR: max_lr", max_lr, len(groups))
        self.base_momenta = each("CyclicLR: base_momentum", base_momentum, len(groups))
        self.max_momenta = each("CyclicLR: max_momentum", max_momentum, len(groups))
        self.length = float(step_size_up + (step_size_down or step_size_up))
        self.rise = step_size_up / self.length
        self.mode = mode
        self.gamma = gamma
        self.scale_fn = scale_fn
        self.scale_mode = scale_mode
        self.cycle_momentum = cycle_momentum
        if last_epoch == -1:
            for group, lr in zip(groups, bases, strict=True):
                group["initial_lr"] = lr
        super().__init__(optimizer, last_epoch)
        self.base_lrs = bases

    def get_lr(self) -> list[float]:
        """The formula of the class."""
        height = self._height() * self._scale()
        pairs = zip(self.base_lrs, self.max_lrs, strict=True)
        return [base + (top - base) * height for base, top in pairs]

    @repeated
    def step(self) -> None:
        """Goes on by one batch."""
        super().step()
        if self.cycle_momentum:
            height = self._height() * self._scale()
            pairs = zip(self.base_momenta, self.max_momenta, strict=True)
            set_momenta(self.optimizer, [top - (top - base) * height for base, top in pairs])

    def _cycle(self) -> int:
        return math.floor(1 + self.last_epoch / self.length)

    def _height(self) -> float:
        """Where in the triangle: 0 at the foot, 1 at the peak."""
        x = 1 + self.last_epoch / self.length - self._cycle()
        return x / self.rise if x <= self.rise else (x - 1) / (self.rise - 1)

    def _scale(self) -> float:
        if self.scale_fn is not None:
            return self.scale_fn(self._cycle() if self.scale_mode == "cycle" else self.last_epoch)
        if self.mode == "triangular2":
            return 0.5 ** (self._cycle() - 1)
        return float(self.gamma**self.last_epoch) if self.mode == "exp_range" else 1.0


def set_momenta(optimizer: Optimizer, momenta: Sequence[float]) -> None:
    """The momentum of each group, or its beta1."""
    for group, momentum in zip(optimizer.param_groups, momenta, strict=True):
        if "betas" in group:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum


def each(name: str, value: float | Sequence[float], groups: int) -> list[float]:
    """`value` once for each group."""
    if isinstance(value, (int, float)):
        return [float(value)] * groups
    if len(value) != groups:
        raise ValueError(f"{name} has {len(value)} values for {groups} parameter groups")
    return list(value)
