"""evaluate: what a policy gains, over whole episodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from .environments import Environments, Episode

Array = NDArray[Any]


def evaluate(policy: Callable[[Array], Array], environments: Environments) -> list[Episode]:
    """Plays until every environment has played its `limit` of episodes.

    Each environment plays the same number, so short episodes do not count more often than long.

    Args:
        policy: observations (N, ...) to actions (N,).
        environments: made with a `limit`, and with seeds that training does not use.

    Returns:
        The episodes, by environment and number.

    Raises:
        ValueError: the environments have no limit.
    """
    if environments.limit is None:
        raise ValueError("evaluate: the environments have no limit of episodes")
    episodes: list[Episode] = []
    while not environments.resting:
        environments.step(policy(environments.observation))
        episodes += environments.finished
    return sorted(episodes)
