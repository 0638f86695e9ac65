"""What dqn.py and pqn.py share: options, networks, environments, evaluation, checkpoint, log.

Not the algorithms: those are read in the two programs from top to bottom.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from _checkpoint import Checkpoint, Parts
from _command_line import UserError
from _mixed import Mixed
from numpy.typing import NDArray

import pydl
import pydl.nn as nn
from pydl import Tensor, rl

Array = NDArray[Any]
TRAINING, SELECTION, TEST, SHOW = range(4)  # what an environment's episodes, and so seeds, are for
LONGEST_EPISODE = 10_000  # steps, where the environment itself has no limit


@dataclass
class Options:
    """The options of both programs; the comment of each is its --help."""

    env: str = "CartPole-v1"  # environment, by its Gymnasium name
    steps: int = 50_000  # environment steps, in all environments together
    num_envs: int = 1  # environments side by side
    hidden: tuple[int, int] = (128, 128)  # widths of the two layers, for vector observations
    normalize: bool = False  # scale observations from their bounds to [-1, 1]
    layernorm: bool = False  # normalise what each hidden layer makes (Ba et al., 2016)
    gamma: float = 0.99  # discount
    lr: float = 1e-3  # learning rate at the beginning
    lr_end: float = 1.0  # share of it at the end; in between along a line
    batch_size: int = 64  # transitions in an update
    eps_start: float = 1.0  # share of random actions at the beginning
    eps_end: float = 0.05  # and at the end of --eps-share
    eps_share: float = 0.2  # share of the run in which it falls
    max_norm: float = 10.0  # gradients are scaled down to this norm; 0: they are not
    reward_scale: float = 1.0  # learn from rewards times this number
    frame: int = 84  # height and width of Atari's pictures
    sticky: float = 0.25  # probability that Atari repeats the last action
    eval_every: int = 5_000  # environment steps between evaluations
    eval_episodes: int = 20  # greedy episodes in each, always the same ones
    solved: float = float("inf")  # stop after --patience evaluations on end with such a mean
    patience: int = 2  # see --solved
    test_episodes: int = 100  # greedy episodes of the best network, at the end
    log_every: int = 1_000  # environment steps between lines of metrics
    seed: int = 0  # decides everything: the same seed gives the same bits
    amp: Literal["off", "fp16", "bf16"] = "off"  # learn with products in half precision
    capture: bool = True  # record acting and learning, to replay each as one native call
    threads: int = 0  # 0: all usable ones; the result does not depend on it
    out: str = ""  # folder for everything; unless given, runs/ and the environment's name
    resume: bool = False  # go on with the checkpoint in --out, if there is one
    checkpoint_seconds: float = 30.0  # time between checkpoints
    play: str | None = None  # evaluate and show this saved agent, and train nothing
    check: bool = False  # exit with 1 if the score is below what it should be
    pictures: bool = True  # draw the learning curve, and an episode as GIF
    quiet: bool = False  # print the last line only


# ---- networks: observations (N, ...) to (N, actions), or (N, actions, atoms)


# Convolutions (channels, kernel, stride), and the width of the layer behind them.
NATURE = ([(32, 8, 4), (64, 4, 2), (64, 3, 1)], 512)  # Atari at 84 x 84
SMALL = ([(16, 4, 2), (32, 4, 2), (32, 3, 1)], 256)  # Atari at less
MINATAR = ([(16, 3, 1)], 128)


class QNetwork(nn.Module):
    """The value of each action, or a distribution of it; three bodies for three kinds of images.

    Source: Mnih et al., "Human-level control through deep reinforcement learning" (2015) for
    Atari; Young and Tian, "MinAtar" (2019); Wang et al., "Dueling network architectures" (2016).
    """

    def __init__(
        self, shape: tuple[int, ...], actions: int, hidden: tuple[int, int], layernorm: bool,
        dueling: bool = False, atoms: int = 1, bounds: tuple[Array, Array] | None = None,
    ) -> None:  # fmt: skip
        self.channels_last = len(shape) == 3 and shape[0] == shape[1]  # MinAtar: (H, W, C)
        self.bounds = None
        if bounds is not None:
            low, high = bounds
            self.bounds = (pydl.tensor((high + low) / 2), pydl.tensor(2 / (high - low)))

        def normed(*sizes: int) -> list[nn.Module]:
            return [nn.LayerNorm(sizes)] if layernorm else []

        layers: list[nn.Module] = []
        features, widths = shape[0], list(hidden)
        if len(shape) == 3:
            side = shape[1]
            kernels, width = MINATAR if self.channels_last else NATURE if side >= 84 else SMALL
            channels = shape[2] if self.channels_last else shape[0]
            for out, k, stride in kernels:
                side = (side - k) // stride + 1
                layers += [nn.Conv2d(channels, out, k, stride), *normed(out, side, side), nn.ReLU()]
                channels = out
            layers.append(nn.Flatten())
            features, widths = channels * side * side, [width]
        for width in widths:
            layers += [nn.Linear(features, width), *normed(width), nn.ReLU()]
            features = width
        self.body = nn.Sequential(*layers)
        self.actions, self.atoms = actions, atoms
        self.advantage = nn.Linear(features, actions * atoms)
        self.value = nn.Linear(features, atoms) if dueling else None

    def forward(self, x: Tensor) -> Tensor:
        """Observations as they come from the environment, (N, ...)."""
        if x.dtype is pydl.uint8:
            x = x.float() * (1 / 255)
        elif x.dtype is not pydl.float32:
            x = x.float()
        if self.channels_last:
            x = x.permute(0, 3, 1, 2)
        if self.bounds is not None:
            x = (x - self.bounds[0]) * self.bounds[1]
        h = self.body(x)
        y = self.advantage(h)
        if self.atoms > 1:
            y = y.reshape(-1, self.actions, self.atoms)
        if self.value is not None:
            v = self.value(h)
            v = v.reshape(-1, 1, self.atoms) if self.atoms > 1 else v
            y = v + y - y.mean(1, keepdim=True)
        return cast(Tensor, y)


# ---- a run, as far as it does not depend on the algorithm


@dataclass
class Progress:
    """How far a run has come, apart from tensors: what a checkpoint keeps as JSON."""

    steps: int = 0  # environment steps
    updates: int = 0
    episodes: list[tuple[int, float, int]] = field(default_factory=list)  # step, return, length
    evaluations: list[tuple[int, float, float]] = field(default_factory=list)  # step, mean, least
    metrics: list[dict[str, float]] = field(default_factory=list)  # the lines of metrics.jsonl
    best: tuple[int, float] = (0, -float("inf"))  # step and mean of the best evaluation
    solved: bool = False
    loss: float = 0.0  # of the last update that was looked at
    q_mean: float = 0.0
    q_max: float = 0.0
    environment: float = 0.0  # seconds
    acting: float = 0.0
    learning: float = 0.0
    evaluating: float = 0.0
    seconds: float = 0.0  # of all that, and of what lies in between


class Training:
    """A run: environments, the network that learns, the best one so far, and where it stands."""

    program = ""
    net: nn.Module
    best: nn.Module

    def __init__(self, config: Options) -> None:
        self.config = config
        pydl.manual_seed(config.seed)
        self.envs = environments(config, TRAINING, config.num_envs)
        self.mixed = Mixed(config.amp)
        self.progress = Progress()
        self.out = Path(config.out)
        self.checkpoint = Checkpoint(
            self.out / "checkpoint.safetensors", self.program, self.identity()
        )
        self.looked, self.due = 0, 1  # the steps of the last look, and of the next
        self.began = self.saved = self.shown = time.perf_counter()
        self._board: Any = None

    def network(self, dueling: bool, atoms: int = 1) -> QNetwork:
        """A network for these environments."""
        c, envs = self.config, self.envs
        bounds = envs.bounds if c.normalize else None
        if bounds is not None and not np.isfinite(np.stack(bounds)).all():
            raise UserError(f"--normalize: observations of {c.env} have no bounds: {bounds}")
        shape = envs.observation.shape[1:]
        return QNetwork(shape, envs.actions, c.hidden, c.layernorm, dueling, atoms, bounds)

    # ---- what the algorithms say

    def values(self, y: Tensor) -> Tensor:
        """The value of each action, (N, actions), from what the network says."""
        return y

    def about(self) -> str:
        """What there is besides the network, in words."""
        return "no replay"

    def parts(self) -> Parts:
        """What of the run has tensors."""
        return {"net": self.net, "best": self.best}

    # ---- acting

    def captured(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function of arrays, as one native call where that is wished."""
        if self.config.capture:
            return pydl.capture(function)
        return lambda *arrays: function(*map(pydl.tensor, arrays))

    def explorer(self, net: nn.Module) -> Callable[[], tuple[Array, Array]]:
        """A function that chooses actions for what the environments show now.

        Returns:
            Of the function: the actions, a share of them random, and the values of the best ones,
            (N,) each. They are written anew by each call.
        """
        N, actions = self.envs.num_envs, self.envs.actions
        seen = pydl.from_numpy(self.envs.observation)  # written by the environments, read here
        eps, value = pydl.zeros(1), pydl.zeros(N)
        chosen = pydl.from_numpy(self.envs.action)

        def act() -> None:
            with pydl.no_grad():
                q = self.values(net(seen))
                chance = pydl.randint(0, actions, (N,))
                chosen.copy_(pydl.where(pydl.rand(N) < eps, chance, q.argmax(1)))
                value.copy_(q.amax(1))

        act, share, found = self.captured(act), eps.numpy(), (self.envs.action, value.numpy())

        def choose() -> tuple[Array, Array]:
            share[0] = self.epsilon()
            act()
            return found

        return choose

    def greedy(self, net: nn.Module) -> Callable[[Array], Array]:
        """The policy of a network: observations (N, ...) to actions (N,)."""

        def best_action(observation: Tensor) -> Tensor:
            with pydl.no_grad():
                return self.values(net(observation)).argmax(1)

        act = self.captured(best_action)
        return lambda observation: act(observation).numpy()

    def epsilon(self) -> float:
        """The share of random actions now."""
        c = self.config
        return rl.linear_schedule(
            c.eps_start, c.eps_end, c.eps_share * c.steps, self.progress.steps
        )

    def learning_rate(self) -> float:
        """The learning rate now."""
        c = self.config
        return rl.linear_schedule(c.lr, c.lr * c.lr_end, c.steps, self.progress.steps)

    # ---- what happens now and then

    def evaluate(self, net: nn.Module, purpose: int, episodes: int) -> Array:
        """Returns of greedy episodes, whose seeds depend on the purpose alone."""
        return returns(self.config, self.greedy(net), purpose, episodes)

    def note_learning(self, learned: tuple[Tensor, ...]) -> None:
        """Looks at an update's loss, and the mean and the largest value."""
        p = self.progress
        p.loss, p.q_mean, p.q_max = (t.item() for t in learned)
        if not math.isfinite(p.loss):
            raise UserError(f"the loss is {p.loss} after {p.steps:,} steps: try a lower --lr")

    def settle(self) -> None:
        """Waits for what is still being done: then networks may be looked at."""

    def look(self, bar: Any, say: Callable[[str], None]) -> None:
        """Evaluates, notes metrics, saves and shows, as far as it is time.

        To be called when `progress.steps` comes to `due`.
        """
        config, progress, before = self.config, self.progress, self.looked
        steps = self.looked = progress.steps
        turns = [(steps // n + 1) * n for n in (config.eval_every, config.log_every, 200)]
        self.due = min(*turns, config.steps)
        if steps // config.eval_every > before // config.eval_every or steps >= config.steps:
            self.settle()
            self._select(say)
        if steps // config.log_every > before // config.log_every:
            self.settle()
            self._note()
        now = time.perf_counter()
        if now - self.saved > config.checkpoint_seconds:
            self.settle()
            self.save()
        if now - self.shown > (0.2 if sys.stderr.isatty() else 10):
            self.shown = now
            self._show(bar)

    def _select(self, say: Callable[[str], None]) -> None:
        """Evaluates, and keeps the network if it is the best so far."""
        config, progress = self.config, self.progress
        began = time.perf_counter()
        scores = self.evaluate(self.net, SELECTION, config.eval_episodes)
        mean, least = float(scores.mean()), float(scores.min())
        progress.evaluations.append((progress.steps, mean, least))
        if mean >= progress.best[1]:
            progress.best = (progress.steps, mean)
            self.best.load_state_dict(self.net.state_dict())
            self.save_agent()
        last = [score for _, score, _ in progress.evaluations[-config.patience :]]
        progress.solved = len(last) == config.patience and min(last) >= config.solved
        progress.evaluating += time.perf_counter() - began
        recent = [total for _, total, _ in progress.episodes[-20:]]
        say(
            f"step {progress.steps:,}   training: return {np.mean(recent or [np.nan]):.1f}, "
            f"loss {progress.loss:.3g}, max Q {progress.q_max:.4g}   "
            f"greedy: {mean:.1f}, least {least:.1f}"
        )

    def _note(self) -> None:
        """A line of metrics.jsonl, and of TensorBoard where it is installed."""
        progress = self.progress
        recent = progress.episodes[-20:]
        line: dict[str, float] = {
            "step": progress.steps,
            "charts/episodic_return": float(np.mean([e[1] for e in recent] or [0.0])),
            "charts/episodic_length": float(np.mean([e[2] for e in recent] or [0])),
            "charts/epsilon": self.epsilon(),
            "charts/SPS": progress.steps / max(self.elapsed(), 1e-9),
            "losses/td_loss": progress.loss,
            "losses/q_values": progress.q_mean,
            "losses/max_q": progress.q_max,
        }
        progress.metrics.append(line)
        if self._board is not None:
            self._board(line)

    def _show(self, bar: Any) -> None:
        progress = self.progress
        line = progress.metrics[-1] if progress.metrics else {}
        parts = (progress.environment, progress.acting, progress.learning)
        shares = " ".join(f"{100 * part / max(sum(parts), 1e-9):.0f}" for part in parts)
        bar.set_postfix_str(
            f"return {line.get('charts/episodic_return', 0):.1f}, "
            f"length {line.get('charts/episodic_length', 0):.0f}, eps {self.epsilon():.2f}, "
            f"loss {progress.loss:.3g}, max Q {progress.q_max:.4g}, env/act/learn {shares} %",
            refresh=False,
        )
        bar.update(progress.steps - bar.n)

    def elapsed(self) -> float:
        """Seconds of the run so far, also of those before it was resumed."""
        return self.progress.seconds + time.perf_counter() - self.began

    # ---- keeping

    def identity(self) -> dict[str, Any]:
        """What decides the bits of the run: with other values its checkpoint must not be used."""
        others = {"threads", "out", "resume", "checkpoint_seconds", "play", "check", "pictures"}
        others |= {"quiet", "capture", "test_episodes"}
        return {k: v for k, v in json.loads(json.dumps(asdict(self.config))).items()
                if k not in others}  # fmt: skip

    def save(self) -> None:
        """Writes the checkpoint and the metrics."""
        self.progress.seconds, self.began = self.elapsed(), time.perf_counter()
        self.checkpoint.save(self.parts(), {
            "rng": pydl.get_rng_state(),
            "scaler": self.mixed.scaler.state_dict(),
            "environments": self.envs.state_dict(),
            "progress": asdict(self.progress),
        })  # fmt: skip
        self.write_metrics()
        self.saved = time.perf_counter()

    def load(self) -> None:
        """Goes on where the checkpoint was written: from there on every bit is the same."""
        notes, loose = self.checkpoint.load(self.parts())
        self.restore(loose)
        pydl.set_rng_state(tuple(notes["rng"]))
        self.mixed.scaler.load_state_dict(notes["scaler"])
        self.envs.load_state_dict(notes["environments"])
        self.progress = Progress(**notes["progress"])
        self.progress.best = (self.progress.best[0], self.progress.best[1])
        self.looked = self.progress.steps

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Takes up what is neither network nor optimizer."""

    def write_metrics(self) -> None:
        """Writes metrics.jsonl anew."""
        text = "".join(json.dumps(line) + "\n" for line in self.progress.metrics)
        with pydl.io.atomic_write(self.out / "metrics.jsonl") as file:
            file.write(text.encode())

    def open_board(self) -> None:
        """Writes for TensorBoard too, where it is installed."""
        try:
            from tensorboard.compat.proto.event_pb2 import Event
            from tensorboard.compat.proto.summary_pb2 import Summary
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError:
            return
        writer = EventFileWriter(str(self.out))

        def write(line: dict[str, float]) -> None:
            values = [Summary.Value(tag=k, simple_value=v) for k, v in line.items() if k != "step"]
            writer.add_event(
                Event(wall_time=time.time(), step=int(line["step"]), summary=Summary(value=values))
            )

        self._board = write

    def save_agent(self) -> None:
        """Writes the best network, from which --play finds everything."""
        about = json.dumps({"program": self.program, "config": asdict(self.config)})
        pydl.save(self.best.state_dict(), self.out / "agent.safetensors", {"pydl_agent": about})


def environments(config: Options, purpose: int, n: int, limit: int | None = None,
                 **options: Any) -> rl.Environments:  # fmt: skip
    """Environments whose episodes are those of a purpose."""
    if config.env.startswith("ALE/"):
        options.pop("render_mode", None)
        options |= {"img_height": config.frame, "img_width": config.frame}
        options["repeat_action_probability"] = config.sticky
        options["reward_clipping"] = purpose == TRAINING
    elif config.env.startswith("MinAtar/"):
        options |= {"use_minimal_action_set": False, "max_episode_steps": LONGEST_EPISODE}
    try:
        return rl.make(config.env, n, (config.seed, purpose), limit, **options)
    except ValueError as e:
        raise UserError(str(e)) from None


def returns(
    config: Options, policy: Callable[[Array], Array], purpose: int, episodes: int
) -> Array:
    """Returns of episodes, in their order."""
    side_by_side = min(episodes, 8 if config.env.startswith("ALE/") else 100)
    limit = -(-episodes // side_by_side)
    with environments(config, purpose, side_by_side, limit) as envs:
        return np.array([episode.total for episode in rl.evaluate(policy, envs)])
