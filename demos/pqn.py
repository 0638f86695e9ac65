"""Parallel Q-learning: many environments at once, no replay buffer and no target network.

Steps of all environments are collected, their returns traced back with Q(lambda), and the network,
which LayerNorm keeps from diverging, learns from them in a few passes and forgets them.
Source: Gallici et al., "Simplifying deep temporal difference learning" (2024), algorithm 1.
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from _agent_program import load_agent, play, prepare, run_training
from _agents import Options, Training
from _checkpoint import Parts
from _command_line import UserError, parse, run_main
from numpy.typing import NDArray

import pydl
import pydl.nn as nn
import pydl.nn.functional as F
from pydl import Tensor, optim, rl

Array = NDArray[Any]


@dataclass
class Config(Options):
    """What parallel Q-learning has besides; --env chooses the defaults of what is not given."""

    rollout: int = 32  # steps of each environment between rounds of learning
    epochs: int = 2  # passes over what was collected
    lam: float = 0.65  # how far rewards are traced back: 0 one step, 1 to the end
    dueling: bool = False  # the network adds the state's value and the actions' advantages


PRESETS: dict[str, dict[str, Any]] = {
    "CartPole-v1": {
        **{"steps": 200_000, "num_envs": 32, "rollout": 64, "epochs": 4, "batch_size": 128},
        **{"lr": 1e-3, "lam": 0.95, "eps_share": 0.3, "eval_every": 10_240, "solved": 500.0},
        **{"eval_episodes": 100},
    },
}
MINATAR: dict[str, Any] = {
    **{"steps": 1_000_000, "num_envs": 128, "batch_size": 128, "lr": 5e-4, "lr_end": 0.0},
    **{"epochs": 4, "eps_share": 0.1, "eval_every": 100_000, "log_every": 20_000},
}
ATARI: dict[str, Any] = {
    **{"steps": 10_000_000, "num_envs": 32, "batch_size": 128, "lr": 2.5e-4, "lr_end": 0.0},
    **{"eps_share": 0.1, "eps_end": 0.001, "eval_every": 200_000, "eval_episodes": 8},
    **{"log_every": 10_000, "test_episodes": 30, "checkpoint_seconds": 300.0},
}


def presets(given: Config) -> dict[str, Any]:
    """The defaults of an environment."""
    family = {"MinAtar": MINATAR, "ALE": ATARI}.get(given.env.partition("/")[0], {})
    chosen = PRESETS.get(given.env, family)
    return {
        "layernorm": True,
        "num_envs": 32,
        **chosen,
        "out": f"runs/pqn-{given.env.replace('/', '-')}",
    }


class Pqn(Training):
    """A run of parallel Q-learning."""

    program = "pqn"

    def __init__(self, config: Config) -> None:
        self.options = config
        super().__init__(config)
        self.net = self.network(config.dueling)
        self.best = copy.deepcopy(self.net)
        self.optimizer = optim.RAdam(self.net.parameters(), lr=config.lr)

        def worth(observation: Tensor) -> Tensor:
            with pydl.no_grad():
                return self.values(self.net(observation)).amax(1)

        self._worth = self.captured(worth)

    def update(self, observation: Tensor, action: Tensor, aim: Tensor) -> tuple[Tensor, ...]:
        """Learns from some steps.

        Args:
            observation: (B, ...).
            action: (B,), what was done there.
            aim: (B,), the traced return.

        Returns:
            The loss, and the mean and the largest value of what was done.
        """
        with self.mixed.forward():
            q = self.net(observation).float().gather(1, action.unsqueeze(1)).squeeze(1)
        loss = 0.5 * F.mse_loss(q, aim)
        self.optimizer.zero_grad()
        scaler = self.mixed.scaler
        scaler.scale(loss).backward()
        scaler.unscale_(self.optimizer)
        if self.options.max_norm > 0:
            nn.utils.clip_grad_norm_(self.net.parameters(), self.options.max_norm)
        scaler.step(self.optimizer)
        scaler.update()
        return loss.detach(), q.detach().mean(), q.detach().max()

    def worth(self, observation: Array) -> Array:
        """The value of the best action, (N,)."""
        return self._worth(observation).numpy()  # type: ignore[no-any-return]

    def parts(self) -> Parts:
        """What of the run has tensors."""
        return {"net": self.net, "best": self.best, "optimizer": self.optimizer}


class Rollout:
    """The steps that were collected: T of each of N environments."""

    def __init__(self, T: int, envs: rl.Environments) -> None:
        N, seen = envs.num_envs, envs.observation
        self.observation = np.zeros((T, *seen.shape), seen.dtype)
        self.action = np.zeros((T, N), np.int64)
        self.reward = np.zeros((T, N), np.float32)
        self.terminated = np.zeros((T, N), np.bool_)
        self.truncated = np.zeros((T, N), np.bool_)
        self.following = np.zeros((T, N), np.float32)  # the value of what each step came to

    def bootstrap(self, t: int, value: Array) -> None:
        """Notes what step t came to: `value`, (N,), except where an episode was cut off."""
        self.following[t] = np.where(self.truncated[t], self.following[t], value)


def train(run: Pqn, bar: Any, say: Callable[[str], None]) -> None:
    """Collects and learns, up to the last step or until the task is solved.

    Args:
        run: What to train; it may have come some way already.
        bar: A tqdm bar over the environment steps.
        say: Prints a line.
    """
    config, progress, envs = run.options, run.progress, run.envs
    act, update = run.explorer(run.net), run.captured(run.update)
    T, N = config.rollout, config.num_envs
    rollout = Rollout(T, envs)
    clock = time.perf_counter
    while progress.steps < config.steps and not progress.solved:
        collect(run, act, rollout)
        start = clock()
        aim = rl.lambda_returns(
            rollout.reward * np.float32(config.reward_scale), rollout.terminated,
            rollout.truncated, rollout.following, config.gamma, config.lam,
        ).reshape(-1)  # fmt: skip
        observation = rollout.observation.reshape(T * N, *envs.observation.shape[1:])
        action = rollout.action.reshape(-1)
        for group in run.optimizer.param_groups:
            group["lr"] = run.learning_rate()
        for _ in range(config.epochs):
            order = pydl.randperm(T * N).numpy()
            for b in range(0, T * N - config.batch_size + 1, config.batch_size):
                some = order[b : b + config.batch_size]
                learned = update(observation[some], action[some], aim[some])
                progress.updates += 1
        run.note_learning(learned)
        progress.learning += clock() - start
        if progress.steps >= run.due:
            run.look(bar, say)
    bar.update(progress.steps - bar.n)


def collect(run: Pqn, act: Callable[[], tuple[Array, Array]], rollout: Rollout) -> None:
    """Takes `rollout` steps in every environment."""
    envs, progress, clock = run.envs, run.progress, time.perf_counter
    for t in range(len(rollout.action)):
        start = clock()
        actions, value = act()
        if t > 0:
            rollout.bootstrap(t - 1, value)
        acted = clock()
        step = envs.step(actions)
        rollout.observation[t], rollout.action[t] = step.observation, actions
        rollout.reward[t] = step.reward
        rollout.terminated[t], rollout.truncated[t] = step.terminated, step.truncated
        if step.truncated.any():
            rollout.following[t] = run.worth(step.next_observation)
        progress.acting += acted - start
        progress.environment += clock() - acted
        progress.steps += envs.num_envs
        for episode in envs.finished:
            progress.episodes.append((progress.steps, episode.total, episode.length))
    rollout.bootstrap(-1, run.worth(envs.observation))


def main(config: Config) -> int:
    """Does the whole run; returns the exit code."""
    began = time.perf_counter()
    if config.play is not None:
        config = load_agent(config, "pqn")
    prepare(config, {"rollout": 1, "epochs": 1})
    if config.batch_size > config.rollout * config.num_envs:
        raise UserError(
            f"--batch-size {config.batch_size} is more than the {config.num_envs} x "
            f"{config.rollout} steps of a round"
        )
    if not 0 <= config.lam <= 1:
        raise UserError("--lam must be in [0, 1]")
    run = Pqn(config)
    return play(run, config.play) if config.play else run_training(run, train, began)


if __name__ == "__main__":
    assert __doc__
    sys.exit(run_main(main, parse(Config, __doc__.splitlines()[0], presets=presets), "pqn"))
