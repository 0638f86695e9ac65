"""The schedule that looks at the training."""

from __future__ import annotations

import math
from typing import Any

from ...recording import repeated
from ..optimizer import Optimizer
from .base import LRScheduler
from .cycle import each

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(LRScheduler):
    """lr = lr * factor whenever a quantity has not improved for more than `patience` steps.

    Args:
        optimizer: See LRScheduler.
        mode: "min" where less is better (a loss), "max" where more is (an accuracy).
        factor: What the learning rate is multiplied with, below 1.
        patience: Steps without improvement that are borne.
        threshold: Less of an improvement than this is none.
        threshold_mode: "rel": a part of the best value; "abs": in its unit.
        cooldown: Steps after a reduction in which none is counted.
        min_lr: The learning rate is never set lower; or a list of one for each group.
        eps: A smaller change than this is not made.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1:
            raise ValueError(f"ReduceLROnPlateau: factor must be below 1, got {factor}")
        if mode not in ("min", "max"):
            raise ValueError(f'ReduceLROnPlateau: mode must be "min" or "max", got {mode!r}')
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(
                f'ReduceLROnPlateau: threshold_mode must be "rel" or "abs", got {threshold_mode!r}'
            )
        self.optimizer = optimizer
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.min_lrs = each("ReduceLROnPlateau: min_lr", min_lr, len(optimizer.param_groups))
        self.eps = eps
        self.last_epoch = 0
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        self._last_lr = [g["lr"] for g in optimizer.param_groups]
        self._shared = [True] * len(self._last_lr)  # it changes what it finds

    @repeated
    def step(self, metrics: Any = None) -> None:
        """Goes on by one.

        Args:
            metrics: The watched quantity: a number, or a tensor of one element.

        Raises:
            TypeError: there is none.
        """
        if metrics is None:
            raise TypeError("ReduceLROnPlateau: step() needs the watched quantity")
        value = float(metrics)
        self.last_epoch += 1
        if self._is_better(value):
            self.best = value
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
            self._set_lrs(self.get_lr())
        self._last_lr = [g["lr"] for g in self.optimizer.param_groups]

    def get_lr(self) -> list[float]:
        """What a reduction now would set."""
        lrs = []
        for group, min_lr in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
            old = group["lr"]
            new = max(old * self.factor, min_lr)
            lrs.append(new if old - new > self.eps else old)
        return lrs

    def _is_better(self, value: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "rel":
            return sign * value > sign * self.best * (1 + sign * self.threshold)
        return sign * value > sign * self.best + self.threshold
