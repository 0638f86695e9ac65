"""Numbers that change with the number of steps, such as the share of random actions."""

from __future__ import annotations

import math


def linear_schedule(start: float, end: float, duration: float, step: float) -> float:
    """From `start` at step 0 in a straight line to `end` at step `duration`, and so on from there.

    Args:
        start: the first value.
        end: the last value.
        duration: steps in between; 0 for `end` from the beginning.
        step: the step in question.

    Source: Mnih et al., "Human-level control through deep reinforcement learning" (2015), table 1.
    """
    if duration <= 0 or step >= duration:
        return end
    return start + (end - start) * max(step, 0) / duration


def exponential_schedule(start: float, end: float, duration: float, step: float) -> float:
    """As `linear_schedule`, but equal factors in equal times; both values are positive.

    Raises:
        ValueError: a value is not positive.
    """
    if not (start > 0 and end > 0):
        raise ValueError(f"exponential_schedule: {start} and {end} must be positive")
    return math.exp(linear_schedule(math.log(start), math.log(end), duration, step))
