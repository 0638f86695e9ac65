"""The one-cycle schedule."""

from __future__ import annotations

import math

from ...recording import repeated
from ..optimizer import Optimizer
from .base import LRScheduler
from .cycle import each, set_momenta

__all__ = ["OneCycleLR"]


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

    _absolute = True

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
        max_lrs = each("OneCycleLR: max_lr", max_lr, len(groups))
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
                each("OneCycleLR: base_momentum", base_momentum, len(groups)),
                each("OneCycleLR: max_momentum", max_momentum, len(groups)),
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

    @repeated
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
            set_momenta(self.optimizer, [self._anneal(momenta) for momenta in self.momenta])

    def _anneal(self, corners: dict[str, float]) -> float:
        under_way = (i for i, phase in enumerate(self.phases) if self.last_epoch <= phase[0])
        i = next(under_way, len(self.phases) - 1)
        begin = self.phases[i - 1][0] if i > 0 else 0.0
        end, here, there = self.phases[i]
        part = (self.last_epoch - begin) / (end - begin) if end != begin else 1.0
        if self.anneal_strategy == "cos":
            part = (1 - math.cos(math.pi * part)) / 2
        return corners[here] + (corners[there] - corners[here]) * part


def _total_steps(total: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    if total is None:
        if epochs is None or steps_per_epoch is None:
            raise ValueError("OneCycleLR: give total_steps, or epochs and steps_per_epoch")
        total = epochs * steps_per_epoch
    if total <= 0:
        raise ValueError(f"OneCycleLR: total_steps must be positive, got {total}")
    return total
