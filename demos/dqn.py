"""Deep Q-learning: an agent that learns what its actions are worth, from what it remembers.

To be read from top to bottom: options, presets, the update, the loop. Beside it lie _agents.py
(networks, evaluation, checkpoint) and _agent_program.py (tests, pictures, reports).
Sources: Mnih et al., "Human-level control through deep reinforcement learning" (2015), and at each
extension its own.
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from _agent_program import load_agent, play, prepare, run_training
from _agents import Options, Training
from _checkpoint import Parts
from _command_line import UserError, parse, run_main
from numpy.typing import NDArray

import pydl
import pydl.nn as nn
import pydl.nn.functional as F
from pydl import Tensor, dtypes, optim, rl

Array = NDArray[Any]


@dataclass
class Config(Options):
    """What deep Q-learning has besides; --env chooses the defaults of what is not given."""

    buffer_size: int = 10_000  # rows of the replay buffer
    learning_starts: int = 1_000  # environment steps before the first update
    train_every: int = 10  # environment steps from one round of updates to the next
    updates: int = 1  # updates in a round
    target_every: int = 500  # updates after which the target network becomes the one that learns
    tau: float = 1.0  # below 1: after each update it comes so much of the way instead
    concurrent: bool = False  # learn on a thread of its own, while the agent acts
    loss: Literal["huber", "mse"] = "huber"  # of the temporal-difference error
    double: bool = False  # the network that learns chooses, the target network judges
    dueling: bool = False  # the network adds the state's value and the actions' advantages
    n_step: int = 1  # rewards that a target sums before it trusts a value
    per: bool = False  # prioritised replay: what was far off is drawn more often
    per_alpha: float = 0.6  # how much more often
    per_beta: float = 0.4  # how much of that the weights make up for; at the end of the run all
    distributional: Literal["none", "c51", "qr"] = "none"  # learn the distribution of returns
    atoms: int = 51  # numbers that describe it
    v_min: float = -10.0  # the least return that c51 can tell apart
    v_max: float = 10.0  # and the most


MINATAR: dict[str, Any] = {
    **{"steps": 1_000_000, "num_envs": 8, "buffer_size": 100_000, "learning_starts": 5_000},
    **{"train_every": 32, "updates": 8, "batch_size": 32, "target_every": 250, "lr": 2.5e-4},
    **{"eps_end": 0.05, "eps_share": 0.1, "double": True, "n_step": 3, "layernorm": True},
    **{"eval_every": 100_000, "log_every": 10_000, "v_min": 0.0, "v_max": 100.0},
}
ATARI: dict[str, Any] = {
    **{"steps": 10_000_000, "num_envs": 8, "buffer_size": 100_000, "learning_starts": 20_000},
    **{"train_every": 32, "updates": 8, "batch_size": 32, "target_every": 1_000, "lr": 1e-4},
    **{"eps_end": 0.01, "eps_share": 0.03, "double": True, "n_step": 3, "log_every": 5_000},
    **{"eval_every": 100_000, "eval_episodes": 8, "test_episodes": 30},
    **{"checkpoint_seconds": 300.0},
}
PRESETS: dict[str, dict[str, Any]] = {
    "CartPole-v1": {
        **{"steps": 50_000, "num_envs": 4, "buffer_size": 60_000, "train_every": 256},
        **{"updates": 128, "batch_size": 64, "lr": 2.3e-3, "target_every": 128, "eps_end": 0.04},
        **{"eps_share": 0.16, "n_step": 3, "eval_every": 1_024, "eval_episodes": 100},
        **{"solved": 500.0, "patience": 3, "v_min": 0.0, "v_max": 100.0},
    },
    "Acrobot-v1": {
        **{"steps": 150_000, "num_envs": 4, "buffer_size": 50_000, "train_every": 4},
        **{"batch_size": 128, "lr": 6.3e-4, "lr_end": 0.1, "target_every": 250, "eps_end": 0.1},
        **{"eps_share": 0.12, "n_step": 3, "layernorm": True, "double": True},
        **{"eval_every": 15_000, "eval_episodes": 50, "v_min": -100.0, "v_max": 0.0},
    },
    "MountainCar-v0": {
        **{"steps": 80_000, "num_envs": 4, "buffer_size": 60_000, "train_every": 16},
        **{"updates": 8, "batch_size": 128, "lr": 1e-3, "lr_end": 0.1, "target_every": 304},
        **{"eps_end": 0.07, "n_step": 5, "layernorm": True, "double": True, "normalize": True},
        **{"eval_every": 10_000, "v_min": -100.0, "v_max": 0.0},
    },
    "LunarLander-v3": {
        **{"steps": 300_000, "num_envs": 4, "buffer_size": 300_000, "train_every": 4},
        **{"batch_size": 128, "lr": 1e-3, "lr_end": 0.05, "gamma": 0.995, "n_step": 3},
        **{"layernorm": True, "double": True, "target_every": 250, "eps_end": 0.02},
        **{"eval_every": 15_000, "v_min": -300.0, "v_max": 300.0},
    },
}


def presets(given: Config) -> dict[str, Any]:
    """The defaults of an environment."""
    family = {"MinAtar": MINATAR, "ALE": ATARI}.get(given.env.partition("/")[0], {})
    return {**PRESETS.get(given.env, family), "out": f"runs/dqn-{given.env.replace('/', '-')}"}


# ---- learning


class Dqn(Training):
    """A run of deep Q-learning."""

    program = "dqn"

    def __init__(self, config: Config) -> None:
        self.options = config
        super().__init__(config)
        shape = self.envs.observation.shape[1:]
        atoms = 1 if config.distributional == "none" else config.atoms
        self.net = self.network(config.dueling, atoms)
        self.target, self.best = copy.deepcopy(self.net), copy.deepcopy(self.net)
        self.actor = copy.deepcopy(self.net) if config.concurrent else self.net
        self.optimizer = optim.Adam(self.net.parameters(), lr=config.lr)
        pictures = config.env.startswith("ALE/")
        try:
            self.buffer = rl.ReplayBuffer(
                config.buffer_size, shape, dtypes.of_numpy(self.envs.observation.dtype),
                config.num_envs, stack=shape[0] if pictures else 1, n_step=config.n_step,
                gamma=config.gamma, prioritized=config.per, alpha=config.per_alpha,
                seed=config.seed,
            )  # fmt: skip
        except ValueError as e:
            raise UserError(f"--buffer-size: {e}") from None
        self.support = pydl.linspace(config.v_min, config.v_max, config.atoms)  # of c51
        self.levels = (pydl.arange(config.atoms) + 0.5) / config.atoms  # of qr
        self.learner = Learner(self)

    def values(self, y: Tensor) -> Tensor:
        """The value of each action, (N, actions): the mean of its distribution where it has one."""
        if self.options.distributional == "c51":
            return (F.softmax(y, 2) * self.support).sum(2)
        return y.mean(2) if self.options.distributional == "qr" else y

    def update(self, beta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Draws transitions and learns from them.

        Args:
            beta: (1,): how much the weights of prioritised replay make up for.

        Returns:
            The loss, and the mean and the largest value of what was done.

        Source: van Hasselt et al., "Deep reinforcement learning with double Q-learning" (2016).
        """
        c, batch = self.options, self.buffer.sample(self.options.batch_size)
        with pydl.no_grad(), self.mixed.forward():
            following = self.target(batch.next_observation).float()
            chooser = self.net(batch.next_observation) if c.double else following
            following = of_action(following, self.values(chooser.float()).argmax(1))
        with self.mixed.forward():
            mine = of_action(self.net(batch.observation).float(), batch.action)
        if c.distributional == "c51":
            error, value = self.categorical(mine, following, batch)
        elif c.distributional == "qr":
            error, value = self.quantile(mine, following, batch)
        else:
            aim, value = batch.reward + batch.discount * following, mine
            distance = F.huber_loss if c.loss == "huber" else F.mse_loss
            error = distance(mine, aim, reduction="none")
        loss = (error * self.buffer.weights(batch, beta) if c.per else error).mean()
        self.optimizer.zero_grad()
        scaler = self.mixed.scaler
        scaler.scale(loss).backward()
        scaler.unscale_(self.optimizer)
        if c.max_norm > 0:
            nn.utils.clip_grad_norm_(self.net.parameters(), c.max_norm)
        scaler.step(self.optimizer)
        scaler.update()
        if c.per:
            plain = c.distributional == "none"
            self.buffer.update_priorities(batch.place, mine - aim if plain else error)
        if c.tau < 1:
            for p, q in zip(self.target.parameters(), self.net.parameters(), strict=True):
                p.detach().lerp_(q.detach(), c.tau)
        return loss.detach(), value.detach().mean(), value.detach().max()

    def categorical(
        self, mine: Tensor, following: Tensor, batch: rl.Batch
    ) -> tuple[Tensor, Tensor]:
        """The cross entropy to the distribution of the target, projected onto the support.

        Source: Bellemare et al., "A distributional perspective on reinforcement learning" (2017),
        algorithm 1, written as a triangle around each atom.
        """
        c, z = self.options, self.support
        width = (c.v_max - c.v_min) / (c.atoms - 1)
        log_p = F.log_softmax(mine, 1)
        with pydl.no_grad():
            moved = batch.reward.unsqueeze(1) + batch.discount.unsqueeze(1) * z
            away = (moved.clamp(c.v_min, c.v_max).unsqueeze(2) - z).abs() / width  # (B, from, to)
            share = (1 - away).clamp(0, 1)
            aim = (F.softmax(following, 1).unsqueeze(2) * share).sum(1)
        return -(aim * log_p).sum(1), (log_p.detach().exp() * z).sum(1)

    def quantile(self, mine: Tensor, following: Tensor, batch: rl.Batch) -> tuple[Tensor, Tensor]:
        """The quantile Huber loss.

        Source: Dabney et al., "Distributional reinforcement learning with quantile regression"
        (2018), equation 10.
        """
        with pydl.no_grad():
            aim = batch.reward.unsqueeze(1) + batch.discount.unsqueeze(1) * following
        u = aim.unsqueeze(1) - mine.unsqueeze(2)  # (B, mine, aim)
        with pydl.no_grad():
            side = (self.levels.unsqueeze(1) - (u < 0).float()).abs()
        huber = F.huber_loss(u, pydl.zeros_like(u), reduction="none")
        return (side * huber).mean(2).sum(1), mine.detach().mean(1)

    def follow(self) -> None:
        """The target network becomes the one that learns."""
        become(self.target, self.net)

    def catch_up(self) -> None:
        """The network that acts becomes the one that learns."""
        become(self.actor, self.net)

    def settle(self) -> None:
        """Waits for what is still being done: then networks may be looked at."""
        self.learner.settle()

    def about(self) -> str:
        """What there is besides the network, in words."""
        naive = self.options.buffer_size * 2 * self.envs.observation[0].nbytes
        share = self.buffer.nbytes / naive
        return f"replay of {self.buffer.nbytes / 1e6:.1f} MB, {share:.3f} of the naive one"

    def parts(self) -> Parts:
        """What of the run has tensors."""
        rows = {f"replay_{name}": t for name, t in self.buffer.state_dict().items()}
        nets = {"net": self.net, "target": self.target, "actor": self.actor, "best": self.best}
        return {**nets, "optimizer": self.optimizer, **rows}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Takes up the replay buffer."""
        rows = {k.removeprefix("replay_"): t for k, t in tensors.items()}
        self.buffer.load_state_dict(rows)


def become(net: nn.Module, other: nn.Module) -> None:
    """Copies the weights of another network."""
    for p, q in zip(net.parameters(), other.parameters(), strict=True):
        p.detach().copy_(q.detach())


def of_action(y: Tensor, action: Tensor) -> Tensor:
    """The value or distribution of one action: (B, A) to (B,), (B, A, atoms) to (B, atoms)."""
    if y.ndim == 2:
        return y.gather(1, action.unsqueeze(1)).squeeze(1)
    index = action.reshape(-1, 1, 1).expand(-1, 1, y.shape[2])
    return y.gather(1, index).squeeze(1)


# ---- the loop


class Learner:
    """Updates in rounds: here and now, or on a thread of its own while the agent goes on acting.

    There, a round sees the buffer as it was when it began, and the agent acts with the network of
    then: what happens meanwhile is kept aside. So the bits do not depend on who is faster.

    Source: Daley and Amato, "Human-level control without server-grade hardware" (2021).
    """

    def __init__(self, run: Dqn) -> None:
        self.run = run
        self.update, self.follow = run.captured(run.update), run.captured(run.follow)
        self.catch_up = run.captured(run.catch_up)
        self.concurrent = run.options.concurrent and run.options.capture
        self.round: Any = None
        self.aside: list[Array] = []  # the parts of steps, (K, N, ...) each
        self.waiting = 0  # of the K

    def remember(self, step: rl.Step) -> None:
        """Stores a step of every environment."""
        if self.round is None:
            self.run.buffer.add(*step)
            return
        if not self.aside:
            most = self.run.options.train_every // self.run.options.num_envs + 1
            self.aside = [np.zeros((most, *part.shape), part.dtype) for part in step]
        for kept, part in zip(self.aside, step, strict=True):
            kept[self.waiting] = part
        self.waiting += 1

    def learn(self) -> None:
        """A round of updates, or its beginning."""
        run, c, progress = self.run, self.run.options, self.run.progress
        self.settle()
        for group in run.optimizer.param_groups:
            group["lr"] = run.learning_rate()
        beta = rl.linear_schedule(c.per_beta, 1.0, c.steps, progress.steps)
        weights = np.array([beta], np.float32)
        if c.concurrent:
            self.catch_up()
        if self.concurrent:
            self.round = self.update.start(weights, repeat=c.updates)  # type: ignore[attr-defined]
            return
        for _ in range(c.updates):
            learned = self.update(weights)
        self._learned(learned)

    def settle(self) -> None:
        """Waits for the round that goes on, and stores what was kept aside."""
        if self.round is not None:
            learned, self.round = self.round.wait(), None
            self._learned(learned)
        if self.waiting > 0:
            self.aside[-1][self.waiting :] = False  # what is valid
            self.run.buffer.add(*self.aside)
        self.waiting = 0

    def _learned(self, learned: tuple[Tensor, ...]) -> None:
        run, c, before = self.run, self.run.options, self.run.progress.updates
        after = run.progress.updates = before + c.updates
        if c.tau >= 1 and after // c.target_every > before // c.target_every:
            self.follow()
        if after // 64 > before // 64:  # looking takes time
            run.note_learning(learned)


def train(run: Dqn, bar: Any, say: Callable[[str], None]) -> None:
    """Acts, remembers and learns, up to the last step or until the task is solved.

    Args:
        run: What to train; it may have come some way already.
        bar: A tqdm bar over the environment steps.
        say: Prints a line.
    """
    config, progress, envs = run.options, run.progress, run.envs
    act, learner, clock = run.explorer(run.actor), run.learner, time.perf_counter
    due = progress.steps // config.train_every * config.train_every + config.train_every
    while progress.steps < config.steps and not progress.solved:
        start = clock()
        actions, _ = act()
        acted = clock()
        step = envs.step(actions)
        if config.reward_scale != 1:
            step.reward[...] *= config.reward_scale
        learner.remember(step)
        stepped = clock()
        progress.acting += acted - start
        progress.environment += stepped - acted
        progress.steps += config.num_envs
        for episode in envs.finished:
            progress.episodes.append((progress.steps, episode.total, episode.length))
        if progress.steps >= due:
            due = progress.steps // config.train_every * config.train_every + config.train_every
            if progress.steps >= config.learning_starts:
                learner.learn()
                progress.learning += clock() - stepped
        if progress.steps >= run.due:
            run.look(bar, say)
    run.settle()
    bar.update(progress.steps - bar.n)


def main(config: Config) -> int:
    """Does the whole run; returns the exit code."""
    began = time.perf_counter()
    if config.play is not None:
        config = load_agent(config, "dqn")
    least = {"buffer_size": 1, "train_every": 1, "updates": 1, "target_every": 1, "n_step": 1,
             "learning_starts": 1, "atoms": 2}  # fmt: skip
    prepare(config, least)
    if config.v_min >= config.v_max:
        raise UserError(f"--v-min {config.v_min} must be below --v-max {config.v_max}")
    run = Dqn(config)
    return play(run, config.play) if config.play else run_training(run, train, began)


if __name__ == "__main__":
    assert __doc__
    sys.exit(run_main(main, parse(Config, __doc__.splitlines()[0], presets=presets), "dqn"))
