"""Environments of Gymnasium side by side, with each episode's true last observation.

An episode's seed is a function of (seed, environment, episode), so an environment can be put back
where it was by beginning its episode anew and repeating the actions: that is what `state_dict`
keeps, and it works for simulators whose state cannot be written down.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import gymnasium
    from gymnasium.vector import VectorEnv

Array = NDArray[Any]


class Step(NamedTuple):
    """One step of every environment. The arrays are written anew by the next step.

    Attributes:
        observation: (N, ...): what the actions were chosen from.
        action: (N,), int64.
        reward: (N,), float32.
        terminated: (N,), bool: the episode is over.
        truncated: (N,), bool: it was cut off, by a time limit for example.
        next_observation: (N, ...): what the step came to, the last observation of an episode too.
        valid: (N,), bool: False where an environment rested or was only reset, and nothing counts.
    """

    observation: Array
    action: Array
    reward: Array
    terminated: Array
    truncated: Array
    next_observation: Array
    valid: Array


class Episode(NamedTuple):
    """What came of an episode.

    Attributes:
        environment: which one played it.
        number: how many it played before.
        total: the sum of rewards.
        length: steps.
        truncated: whether it was cut off.
    """

    environment: int
    number: int
    total: float
    length: int
    truncated: bool


class Environments:
    """N environments that begin anew by themselves: what both kinds have in common.

    Attributes:
        num_envs: N.
        actions: how many there are to choose from.
        limit: how many episodes each plays before it rests; None for ever.
        observation: (N, ...): what to act on now. Written anew by each step.
        action: (N,), int64: of the last step. Who chooses may write here, and pass it to `step`.
        bounds: the least and the largest observation, (...) each; infinite where there are none.
        finished: the episodes that the last step ended.
    """

    def __init__(
        self, num_envs: int, observation_space: Any, action_space: Any, seed: Any, limit: int | None
    ) -> None:
        if not hasattr(action_space, "n") or not hasattr(observation_space, "shape"):
            raise ValueError(
                f"Environments: actions are {action_space}, observations {observation_space}; "
                "expected Discrete actions and Box observations"
            )
        if int(getattr(action_space, "start", 0)) != 0:
            raise ValueError(f"Environments: actions are {action_space}, expected 0, 1, ...")
        self.num_envs = N = num_envs
        self.actions = int(action_space.n)
        self._seed = tuple(seed) if isinstance(seed, Sequence) else (seed,)
        self.limit = limit
        kind = np.dtype(observation_space.dtype)
        self.bounds: tuple[Array, Array] = observation_space.low, observation_space.high
        shape = (N, *observation_space.shape)
        self.observation = np.zeros(shape, np.float32 if kind.kind == "f" else kind)
        self._step = Step(
            np.zeros_like(self.observation), np.zeros(N, np.int64), np.zeros(N, np.float32),
            np.zeros(N, np.bool_), np.zeros(N, np.bool_), np.zeros_like(self.observation),
            np.ones(N, np.bool_),
        )  # fmt: skip
        self.action = self._step.action
        self._number = [0] * N  # of the episode that runs
        self._total = [0.0] * N
        self._log: list[list[int]] = [[] for _ in range(N)]  # its actions
        self.finished: list[Episode] = []

    @property
    def resting(self) -> bool:
        """Whether every environment has played `limit` episodes."""
        return self.limit is not None and min(self._number) >= self.limit

    def _rests(self, i: int) -> bool:
        return self.limit is not None and self._number[i] >= self.limit

    def _episode_seed(self, i: int) -> int:
        entropy = [*self._seed, i, self._number[i]]
        return int(np.random.SeedSequence(entropy).generate_state(1)[0] >> 1)

    def step(self, actions: Array) -> Step:
        """Takes a step in every environment, and begins anew where an episode ended.

        Args:
            actions: (N,), whole numbers in [0, actions).

        Returns:
            What was seen, done and gained.

        Raises:
            ValueError: there are not N actions, or one does not exist.
        """
        raise NotImplementedError

    def _taken(self, actions: Array) -> list[int]:
        action = self._step.action
        actions = np.asarray(actions)
        if actions.shape != action.shape:
            raise ValueError(
                f"Environments.step: actions have shape {actions.shape}, expected {action.shape}"
            )
        if actions is not action:
            action[...] = actions
        chosen: list[int] = action.tolist()
        if min(chosen) < 0 or max(chosen) >= self.actions:
            raise ValueError(f"Environments.step: actions {chosen}, expected [0, {self.actions})")
        return chosen

    def _end(self, i: int, truncated: bool) -> None:
        """Notes the end of an episode."""
        number, total, length = self._number[i], self._total[i], len(self._log[i])
        self.finished.append(Episode(i, number, total, length, truncated))
        self._begin(i)
        self._number[i] += 1

    def _begin(self, i: int) -> None:
        self._total[i], self._log[i] = 0.0, []

    def state_dict(self) -> dict[str, Any]:
        """Where they stand, as numbers, lists and strings: what JSON can hold."""
        return {"seed": list(self._seed), "number": list(self._number), "actions": self._log}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Puts them where `state_dict` was called, by repeating what was done in their episodes.

        Raises:
            ValueError: the state is of environments with other seeds, or of others in number.
        """
        if tuple(state["seed"]) != self._seed or len(state["number"]) != self.num_envs:
            raise ValueError(
                f"Environments: the state is of {len(state['number'])} environments with seed "
                f"{tuple(state['seed'])}, these are {self.num_envs} with {self._seed}"
            )
        self._number = list(state["number"])
        self._repeat(state["actions"])
        self.finished = []

    def _repeat(self, log: list[list[int]]) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Frees what they hold."""

    def __enter__(self) -> Environments:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SingleEnvironments(Environments):
    """Environments that are stepped one after the other.

    Args:
        envs: of `gymnasium.make`, all alike; each is used by this object alone.
        seed: a number, or several.
        limit: so many episodes each environment plays, and rests then.
    """

    def __init__(
        self, envs: Sequence[gymnasium.Env[Any, Any]], seed: Any = 0, limit: int | None = None
    ) -> None:
        self.envs = list(envs)
        if not self.envs:
            raise ValueError("SingleEnvironments: there is no environment")
        first = self.envs[0]
        super().__init__(len(self.envs), first.observation_space, first.action_space, seed, limit)
        for i in range(self.num_envs):
            self._reset(i)

    def _reset(self, i: int) -> None:
        self.observation[i] = self.envs[i].reset(seed=self._episode_seed(i))[0]

    def step(self, actions: Array) -> Step:
        """As `Environments.step`."""
        chosen, step = self._taken(actions), self._step
        self.finished = []
        np.copyto(step.observation, self.observation)
        _, _, reward, terminated, truncated, after, valid = step
        for i, env in enumerate(self.envs):
            if self.limit is not None and self._rests(i):
                valid[i] = False
                continue
            after[i], gained, over, cut, _ = env.step(chosen[i])
            reward[i], terminated[i], truncated[i] = gained, over, cut
            self._total[i] += float(gained)
            self._log[i].append(chosen[i])
            if over or cut:
                self._end(i, cut and not over)
        np.copyto(self.observation, after)
        for episode in self.finished:
            if not self._rests(episode.environment):
                self._reset(episode.environment)
        return step

    def _repeat(self, log: list[list[int]]) -> None:
        for i, actions in enumerate(log):
            self._begin(i)
            self._reset(i)
            for action in actions:
                self.observation[i], gained, *_ = self.envs[i].step(action)
                self._total[i] += float(gained)
            self._log[i] = list(actions)

    def close(self) -> None:
        """Closes every environment."""
        for env in self.envs:
            env.close()


class VectorEnvironments(Environments):
    """A vector environment of Gymnasium, in any of its autoreset modes.

    In NEXT_STEP mode the call after the end of an episode only resets, and is not `valid`; in
    SAME_STEP mode the last observation comes in `info`; in DISABLED mode, and for ale_py's
    environment in NEXT_STEP mode, episodes are begun here, each with a seed of its own, and only
    then is there a `state_dict`.

    Args:
        envs: of `gymnasium.make_vec` or a class like `ale_py.AtariVectorEnv`.
        seed: a number, or several.
        limit: only so many episodes of each environment count.

    Raises:
        ValueError: the environment does not say how it resets.
    """

    def __init__(self, envs: VectorEnv[Any, Any, Any], seed: Any = 0, limit: int | None = None):
        from gymnasium.vector import AutoresetMode

        mode = envs.metadata.get("autoreset_mode")
        if not isinstance(mode, AutoresetMode):
            raise ValueError(f"VectorEnvironments: {envs} has autoreset_mode {mode!r}")
        self.envs = envs
        self._atari = hasattr(envs, "ale")  # a reset by mask goes before that of the next step
        self._seeded = mode == AutoresetMode.DISABLED or (
            self._atari and mode == AutoresetMode.NEXT_STEP
        )
        self._same_step = mode == AutoresetMode.SAME_STEP
        super().__init__(
            envs.num_envs, envs.single_observation_space, envs.single_action_space, seed, limit
        )
        self._over = np.zeros(self.num_envs, np.bool_)  # in the step before
        if self._seeded:
            self._reset(np.ones(self.num_envs, np.bool_))
        else:
            self.observation[...] = envs.reset(seed=self._episode_seed(0))[0]

    def _reset(self, mask: Array) -> None:
        """Begins new episodes in some environments."""
        seeds = [self._episode_seed(i) for i in range(self.num_envs)]
        if self._atari:  # wants seeds for those alone
            seen = self.envs.reset(
                seed=np.array(seeds)[mask],
                options={"reset_mask": mask},
            )[0]
        else:
            seen = self.envs.reset(
                seed=seeds,
                options={"reset_mask": mask.copy()},
            )[0]
        self.observation[mask] = seen[mask]

    def step(self, actions: Array) -> Step:
        """As `Environments.step`."""
        chosen, step = self._taken(actions), self._step
        self.finished = []
        np.copyto(step.observation, self.observation)
        seen, gained, terminated, truncated, info = self.envs.step(step.action)
        step.reward[...], step.terminated[...], step.truncated[...] = gained, terminated, truncated
        step.next_observation[...] = seen
        self.observation[...] = seen
        over = step.terminated | step.truncated
        np.logical_not(self._over, out=step.valid)
        for ended in np.flatnonzero(over) if self._same_step else ():
            step.next_observation[ended] = info["final_obs"][ended]
        for i in range(self.num_envs):
            if self.limit is not None and self._rests(i):
                step.valid[i] = False
            if not step.valid[i]:
                continue
            self._total[i] += float(step.reward[i])
            self._log[i].append(chosen[i])
            if over[i]:
                self._end(i, bool(step.truncated[i] and not step.terminated[i]))
        if self._seeded:
            if over.any():
                self._reset(over)
        elif not self._same_step:
            self._over = over
        return step

    def state_dict(self) -> dict[str, Any]:
        """As `Environments.state_dict`.

        Raises:
            ValueError: the environments reset themselves, with seeds of their own.
        """
        if not self._seeded:
            raise ValueError(
                "VectorEnvironments: what resets itself cannot be put back; make it with "
                "autoreset_mode=AutoresetMode.DISABLED"
            )
        return super().state_dict()

    def _repeat(self, log: list[list[int]]) -> None:
        # All take steps together: who has fewer to repeat begins later, and idles before.
        longest = max(map(len, log))
        self._reset(np.ones(self.num_envs, np.bool_))
        for i in range(self.num_envs):
            self._begin(i)
        for t in range(longest):
            late = np.array([longest - len(actions) for actions in log])
            actions = [a[t - d] if t >= d else 0 for a, d in zip(log, late, strict=True)]
            seen, gained, terminated, truncated, _ = self.envs.step(np.array(actions, np.int64))
            self.observation[...] = seen
            for i in np.flatnonzero(late <= t).tolist():
                self._total[i] += float(gained[i])
            if (begins := (late == t + 1) | ((terminated | truncated) & (late > t))).any():
                self._reset(begins)
        self._log = [list(actions) for actions in log]

    def close(self) -> None:
        """Closes the vector environment."""
        self.envs.close()


def make(
    name: str, num_envs: int = 1, seed: Any = 0, limit: int | None = None, **options: Any
) -> Environments:
    """Environments by their Gymnasium name.

    Games of the Arcade Learning Environment are stepped, scaled and stacked in C++ by its vector
    environment (options as `ale_py.AtariVectorEnv` has them); all others are stepped one after the
    other (options as `gymnasium.make` has them).

    Args:
        name: "CartPole-v1", "LunarLander-v3", "MinAtar/Breakout-v1", "ALE/Pong-v5", ...
        num_envs: how many, side by side.
        seed: a number, or several: equal ones make equal episodes.
        limit: so many episodes each one plays, and rests then.
        options: of the environment.

    Raises:
        ImportError: a package is missing; the message says how to install it.
        ValueError: there is no such environment.
    """
    if name.startswith("ALE/"):
        need("ale_py", "atari")
        from ale_py.vector_env import AtariVectorEnv

        game = name.removeprefix("ALE/").rpartition("-v")[0]
        snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in game).lstrip("_")
        try:
            atari = AtariVectorEnv(snake, num_envs, **options)
        except (AssertionError, OSError, RuntimeError) as e:  # the first for an unknown game
            raise ValueError(f"make: {name}: {e}") from None
        return VectorEnvironments(atari, seed, limit)
    return SingleEnvironments([make_one(name, **options) for _ in range(num_envs)], seed, limit)


def make_one(name: str, **options: Any) -> gymnasium.Env[Any, Any]:
    """One environment by its Gymnasium name, without the checks that slow it down.

    Raises:
        ImportError: a package is missing; the message says how to install it.
        ValueError: there is no such environment.
    """
    need("gymnasium", "rl")
    import gymnasium

    if name.startswith("MinAtar/"):
        need("minatar", "minatar")
        register_minatar()
    try:
        env = gymnasium.make(name, disable_env_checker=True, **options)
        return forgetful(env) if name.startswith("MinAtar/") else env
    except gymnasium.error.DependencyNotInstalled:
        box2d = name.partition("-")[0] in ("LunarLander", "LunarLanderContinuous", "BipedalWalker")
        extra = "box2d" if box2d or "CarRacing" in name else "rl"
        raise missing("Box2D" if extra == "box2d" else "pygame", extra) from None
    except gymnasium.error.Error as e:
        raise ValueError(f"make: {name}: {e}") from None


def forgetful(env: gymnasium.Env[Any, Any]) -> gymnasium.Env[Any, Any]:
    """MinAtar's sticky action outlives an episode; here no episode depends on the one before."""
    reset, game = env.reset, env.unwrapped.game

    def forget(**options: Any) -> Any:
        game.last_action = 0
        return reset(**options)

    env.reset = forget
    return env


def register_minatar() -> None:
    """Lets Gymnasium know MinAtar's games."""
    import gymnasium

    if "MinAtar/Breakout-v1" in gymnasium.registry:
        return
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it warns where seaborn, for its window, is missing
    importlib.import_module("minatar.gym").register_envs()
    logging.disable(before)


def need(module: str, extra: str) -> None:
    """Refuses to go on without a package."""
    if importlib.util.find_spec(module) is None:
        raise missing(module, extra)


def missing(module: str, extra: str) -> ImportError:
    """The error that says how to install what is missing."""
    return ImportError(f'needs {module}: pip install "pydl-nn[{extra}]"')
