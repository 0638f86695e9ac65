"""What all schedules share, and how several of them go together."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ...recording import repeated
from ..optimizer import Optimizer

__all__ = ["ChainedScheduler", "LRScheduler", "SequentialLR"]


class LRScheduler:
    """A schedule: `get_lr()` says the learning rate of each group after `last_epoch` steps.

    Alone, a schedule is a closed form of the steps taken, without an error that grows. Where
    something else changes a group's `lr` too (another schedule, or the user), each step multiplies
    what it finds by the ratio of its closed form: schedules chain.

    Args:
        optimizer: Its groups' `lr` is set, now and by each `step()`. What it was before the
            first schedule is kept as the group's `initial_lr`.
        last_epoch: Steps already taken; -1 begins anew.

    Raises:
        KeyError: `last_epoch` says that training goes on, but a group has no `initial_lr`.
    """

    _absolute: ClassVar[bool] = False  # it sets the rate, whatever it finds
    eta_min: float = 0.0  # what a ratio leaves alone

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
        anew = last_epoch == -1
        self._last_lr = self.base_lrs if anew else [g["lr"] for g in optimizer.param_groups]
        self._closed = list(self.base_lrs)  # the closed form at `last_epoch`
        self._shared = [False] * len(self.base_lrs)  # something else changes the rate too
        self.step()

    def get_lr(self) -> list[float]:
        """The closed form: the learning rate of each group at `last_epoch`."""
        raise NotImplementedError(f"{type(self).__name__} must define get_lr()")

    def get_last_lr(self) -> list[float]:
        """The learning rates set last, one a group."""
        return self._last_lr

    @repeated
    def step(self) -> None:
        """Goes on by one: call it after `optimizer.step()`, once an epoch or once a batch."""
        self.last_epoch += 1
        closed = self.get_lr()
        lrs = list(closed)
        for i, group in enumerate(self.optimizer.param_groups):
            self._shared[i] |= group["lr"] != self._last_lr[i]
            if self._shared[i] and not self._absolute:
                lrs[i] = self._onward(group["lr"], self._closed[i], closed[i])
        self._closed = closed
        self._set_lrs(lrs)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and functions: plain numbers, ready for JSON."""
        return {
            name: value
            for name, value in vars(self).items()
            if name not in ("optimizer", "lr_lambdas", "scale_fn")
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict()` gave, and sets the rates where nothing else does.

        The optimizer's own state is loaded by itself.
        """
        vars(self).update(state_dict)
        if not any(self._shared):
            self._set_lrs(self._last_lr)

    def snapshot(self) -> Callable[[], None]:
        """A function that puts the schedule back to where it is now."""
        known = copy.deepcopy(self.state_dict())
        return lambda: self.load_state_dict(known)

    def _onward(self, found: float, before: float, now: float) -> float:
        """The rate that was found, changed in the ratio in which the closed form changed."""
        before, now = before - self.eta_min, now - self.eta_min
        if before <= 1e-12 * abs(now):  # it rises again from nothing
            return found + now
        return self.eta_min + (found - self.eta_min) * (now / before)

    def _restart(self) -> None:
        """Begins anew, whatever the rate is."""
        self.last_epoch = -1
        self._shared = [False] * len(self.base_lrs)
        self._last_lr = [g["lr"] for g in self.optimizer.param_groups]
        self.step()

    def _set_lrs(self, lrs: Sequence[float]) -> None:
        for group, lr in zip(self.optimizer.param_groups, lrs, strict=True):
            group["lr"] = lr
        self.optimizer.sync_lr()
        self._last_lr = list(lrs)


class SequentialLR(LRScheduler):
    """One schedule after the other: each begins anew at its milestone.

    Args:
        optimizer: See LRScheduler.
        schedulers: Of this optimizer, in their order.
        milestones: The step at which each but the first begins, rising.
        last_epoch: See LRScheduler.

    Raises:
        ValueError: the numbers do not fit, or a schedule is of another optimizer.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: list[LRScheduler],
        milestones: list[int],
        last_epoch: int = -1,
    ) -> None:
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR: {len(schedulers)} schedules need {len(schedulers) - 1} "
                f"milestones, got {len(milestones)}"
            )
        _of_one_optimizer("SequentialLR", schedulers, optimizer)
        self.optimizer = optimizer
        self.schedulers = list(schedulers)
        self.milestones = list(milestones)
        self.last_epoch = last_epoch + 1
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        schedulers[0]._restart()

    @repeated
    def step(self) -> None:
        """Goes on by one."""
        self.last_epoch += 1
        if self.last_epoch in self.milestones:
            self._current()._restart()
        else:
            self._current().step()

    def get_last_lr(self) -> list[float]:
        """The learning rates set last, one a group."""
        return self._current().get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """The state of each schedule, and the place."""
        states = [scheduler.state_dict() for scheduler in self.schedulers]
        return {
            "last_epoch": self.last_epoch, "milestones": self.milestones, "schedulers": states
        }  # fmt: skip

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict()` gave."""
        self.last_epoch = state_dict["last_epoch"]
        self.milestones = list(state_dict["milestones"])
        for scheduler, state in zip(self.schedulers, state_dict["schedulers"], strict=True):
            scheduler.load_state_dict(state)

    def _current(self) -> LRScheduler:
        return self.schedulers[sum(m <= self.last_epoch for m in self.milestones)]


class ChainedScheduler(LRScheduler):
    """Several schedules of one optimizer, all stepped together: their factors multiply.

    Args:
        schedulers: At least one.
        optimizer: The optimizer of the schedules, by default.

    Raises:
        ValueError: there are none, or they are of several optimizers.
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        if len(schedulers) == 0:
            raise ValueError("ChainedScheduler: expected at least one schedule")
        self.optimizer = optimizer or schedulers[0].optimizer
        _of_one_optimizer("ChainedScheduler", schedulers, self.optimizer)
        self.schedulers = list(schedulers)
        self._last_lr = self.schedulers[-1].get_last_lr()

    @repeated
    def step(self) -> None:
        """Goes on by one."""
        for scheduler in self.schedulers:
            scheduler.step()
        self._last_lr = self.schedulers[-1].get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """The state of each schedule."""
        states = [scheduler.state_dict() for scheduler in self.schedulers]
        return {"schedulers": states, "_last_lr": self._last_lr}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict()` gave."""
        self._last_lr = state_dict["_last_lr"]
        for scheduler, state in zip(self.schedulers, state_dict["schedulers"], strict=True):
            scheduler.load_state_dict(state)


def _of_one_optimizer(name: str, schedulers: Sequence[LRScheduler], optimizer: Optimizer) -> None:
    for i, scheduler in enumerate(schedulers):
        if scheduler.optimizer is not optimizer:
            raise ValueError(f"{name}: schedule {i} is of another optimizer")
