"""What an agent is to expect, traced back from what followed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def lambda_returns(
    reward: Array, terminated: Array, truncated: Array, following: Array, gamma: float, lam: float
) -> Array:
    """The lambda-returns of T steps of N environments.

    G_t = r_t + gamma ((1 - lam) v_t + lam G_{t+1}), where v_t is the value of what step t came to;
    r_t where the episode terminated, and r_t + gamma v_t where it was truncated or the steps end.

    Args:
        reward: (T, N), float32.
        terminated: (T, N), bool.
        truncated: (T, N), bool.
        following: (T, N), float32: the value v_t of the observation that step t came to, at the
            end of an episode of its true last one.
        gamma: the discount.
        lam: 0 for one step, 1 for all that are there.

    Returns:
        (T, N), float32.

    Raises:
        ValueError: the shapes differ.

    Source: Sutton and Barto, "Reinforcement learning" (2018), equation 12.18, as Q(lambda) with
        v = max Q; Gallici et al., "Simplifying deep temporal difference learning" (2024).
    """
    shapes = [x.shape for x in (reward, terminated, truncated, following)]
    if len(set(shapes)) != 1 or reward.ndim != 2:
        raise ValueError(f"lambda_returns: shapes {shapes}, expected four times (T, N)")
    g, trace = np.float32(gamma), np.float32(lam)
    returns = np.empty(reward.shape, np.float32)
    after = following[-1] if len(reward) else None
    for t in range(len(reward) - 1, -1, -1):
        expected = following[t] + trace * (after - following[t])
        expected = np.where(truncated[t], following[t], expected)
        returns[t] = reward[t] + g * np.where(terminated[t], np.float32(0), expected)
        after = returns[t]
    return returns
