"""Learning-rate schedules: they set `group["lr"]` and hand it to the device, nothing else.

Every schedule but ReduceLROnPlateau is a closed form of the number of steps taken, so there is
no error that grows; the values are those of torch.optim.lr_scheduler.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .optimizer import Optimizer


class LRScheduler:
    """A schedule: `get_lr()` says the learning rate of each group after `last_epoch` steps.

    Args:
        optimizer: Its groups' `lr` is set, now and by each `step()`. What it was before the
            first schedule is kept as the group's `initial_lr`.
        last_epoch: Steps already taken; -1 begins anew.

    Raises:
        KeyError: `last_epoch` says that training goes on, but a group has no `initial_lr`.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{type(self).__name__}: last_epoch={last_epoch} resumes a schedule, but "
                    f"param_groups[{i}] has no 'initial_lr'"
                )
        self.base_lrs: list[float] = [g["initial_lr"] for g in optimizer.param_groups]
        self.last_epoch = last_epoch
        self.step()

    def get_lr(self) -> list[float]:
        """The learning rate of each group at `last_epoch`."""
        raise NotImplementedError(f"{type(self).__name__} must define get_lr()")

    def get_last_lr(self) -> list[float]:
        """The learning rates set last, one a group."""
        return self._last_lr

    def step(self) -> None:
        """Goes on by one: call it after `optimizer.step()`, once an epoch or once a batch."""
        self.last_epoch += 1
        self._set_lrs(self.get_lr())

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and functions: plain numbers, ready for JSON."""
        return {
            name: value
            for name, value in vars(self).items()
            if name not in ("optimizer", "lr_lambdas")
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict()` gave; the optimizer's own state is loaded by itself."""
        vars(self).update(state_dict)

    def _set_lrs(self, lrs: Sequence[float]) -> None:
        for group, lr in zip(self.optimizer.param_groups, lrs, strict=True):
            group["lr"] = lr
        self.optimizer.sync_lr()
        self._last_lr = list(lrs)


class LambdaLR(LRScheduler):
    """lr = initial_lr * f(steps).

    Args:
        optimizer: See LRScheduler.
        lr_lambda: f, or a list of one for each group. It is not part of `state_dict()`.
        last_epoch: See LRScheduler.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        groups = len(optimizer.param_groups)
        self.lr_lambdas = lr_lambda if isinstance(lr_lambda, list) else [lr_lambda] * groups
        if len(self.lr_lambdas) != groups:
            raise ValueError(
                f"LambdaLR: {len(self.lr_lambdas)} functions for {groups} parameter groups"
            )
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The formula of the class."""
        return [
            base * f(self.last_epoch)
            for base, f in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]


class StepLR(LRScheduler):
    """lr = initial_lr * gamma^floor(steps / step_size)."""

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        if step_size <= 0:
            raise ValueError(f"StepLR: step_size must be positive, got {step_size}")
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The formula of the class."""
        factor = self.gamma ** (self.last_epoch // self.step_size)
        return [base * factor for base in self.base_lrs]


class MultiStepLR(LRScheduler):
    """lr = initial_lr * gamma^(number of milestones reached)."""

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones = sorted(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The formula of the class."""
        factor = self.gamma ** bisect_right(self.milestones, self.last_epoch)
        return [base * factor for base in self.base_lrs]


class ExponentialLR(LRScheduler):
    """lr = initial_lr * gamma^steps."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The formula of the class."""
        return [base * self.gamma**self.last_epoch for base in self.base_lrs]


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


class OneCycleLR(LRScheduler):
    """One rise of the learning rate to `max_lr` and a long fall far below its beginning.

    It is stepped once a batch. The momentum (SGD, RMSprop) or beta1 (Adam) moves the other way.

    Args:
        optimizer: See LRScheduler; the schedule overwrites its `lr`.
        max_lr: The peak, or a list of one for each group.
        total_steps: Batches in all; or `epochs` and `steps_per_epoch`, whose product it is.
        epochs: Number of epochs.
        steps_per_epoch: Batches an epoch.
        pct_start: The part of the steps that the rise takes, in [0, 1].
        anneal_strategy: "cos" or "linear".
        cycle_momentum: Whether the momentum moves too.
        base_momentum: The momentum at the peak, or a list.
        max_momentum: The momentum at both ends, or a list.
        div_factor: Beginning = max_lr / div_factor.
        final_div_factor: End = beginning / final_div_factor.
        three_phase: Fall to the beginning as slowly as it rose, then to the end; otherwise
            straight to the end.
        last_epoch: See LRScheduler.

    Raises:
        ValueError: an argument out of range; a list whose length is not the number of groups;
            no momentum to cycle; a step beyond `total_steps`.

    Source: Smith and Topin, Super-Convergence: Very Fast Training of Neural Networks Using
    Large Learning Rates (2018).
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self.total_steps = _total_steps(total_steps, epochs, steps_per_epoch)
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start must be in [0, 1], got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f'OneCycleLR: anneal_strategy must be "cos" or "linear", got {anneal_strategy!r}'
            )
        groups = optimizer.param_groups
        if cycle_momentum and not all("momentum" in g or "betas" in g for g in groups):
            raise ValueError("OneCycleLR: cycle_momentum needs an optimizer with momentum or betas")
        self.anneal_strategy = anneal_strategy
        self.cycle_momentum = cycle_momentum
        max_lrs = _each("OneCycleLR: max_lr", max_lr, len(groups))
        # Where a phase ends (in steps), and which of low, peak, end it goes from and to.
        rise, last = pct_start * self.total_steps - 1, self.total_steps - 1
        self.phases: list[tuple[float, str, str]] = [(rise, "low", "peak")]
        if three_phase:
            self.phases += [(2 * rise, "peak", "low"), (last, "low", "end")]
        else:
            self.phases += [(last, "peak", "end")]
        self.lrs = [
            {"low": m / div_factor, "peak": m, "end": m / div_factor / final_div_factor}
            for m in max_lrs
        ]
        self.momenta = [
            {"low": high, "peak": low, "end": high}
            for low, high in zip(
                _each("OneCycleLR: base_momentum", base_momentum, len(groups)),
                _each("OneCycleLR: max_momentum", max_momentum, len(groups)),
                strict=True,
            )
        ]
        if last_epoch == -1:
            for group, lrs in zip(groups, self.lrs, strict=True):
                group["initial_lr"] = lrs["low"]
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The formula of the class."""
        return [self._anneal(lrs) for lrs in self.lrs]

    def step(self) -> None:
        """Goes on by one batch.

        Raises:
            ValueError: `total_steps` have been taken.
        """
        if self.last_epoch + 1 > self.total_steps:
            raise ValueError(
                f"OneCycleLR: step {self.last_epoch + 1} of a schedule of {self.total_steps}"
            )
        super().step()
        if self.cycle_momentum:
            self._set_momenta([self._anneal(momenta) for momenta in self.momenta])

    def _anneal(self, corners: dict[str, float]) -> float:
        under_way = (i for i, phase in enumerate(self.phases) if self.last_epoch <= phase[0])
        i = next(under_way, len(self.phases) - 1)
        begin = self.phases[i - 1][0] if i > 0 else 0.0
        end, here, there = self.phases[i]
        part = (self.last_epoch - begin) / (end - begin) if end != begin else 1.0
        if self.anneal_strategy == "cos":
            part = (1 - math.cos(math.pi * part)) / 2
        return corners[here] + (corners[there] - corners[here]) * part

    def _set_momenta(self, momenta: Sequence[float]) -> None:
        for group, momentum in zip(self.optimizer.param_groups, momenta, strict=True):
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum


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
        self.min_lrs = _each("ReduceLROnPlateau: min_lr", min_lr, len(optimizer.param_groups))
        self.eps = eps
        self.last_epoch = 0
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        self._last_lr = [g["lr"] for g in optimizer.param_groups]

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


def _total_steps(total: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    if total is None:
        if epochs is None or steps_per_epoch is None:
            raise ValueError("OneCycleLR: give total_steps, or epochs and steps_per_epoch")
        total = epochs * steps_per_epoch
    if total <= 0:
        raise ValueError(f"OneCycleLR: total_steps must be positive, got {total}")
    return total


def _each(name: str, value: float | Sequence[float], groups: int) -> list[float]:
    """`value` once for each group."""
    if isinstance(value, (int, float)):
        return [float(value)] * groups
    if len(value) != groups:
        raise ValueError(f"{name} has {len(value)} values for {groups} parameter groups")
    return list(value)
