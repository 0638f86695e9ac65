"""The whole DQN loop on CartPole with CleanRL's hyperparameters: pydl against torch.

Usage: python -m benchmarks.dqn_loop [--steps N] [--repeats R] [--json FILE]. Both sides take the
same environments, step them through the same `pydl.rl`, and run in processes of their own, one
after the other and again; what counts is the median of environment steps a second. `cleanrl` is the
loop as CleanRL has it (github.com/vwxyzjn/cleanrl, dqn.py: Gymnasium's vector environment,
statistics wrapper), `torch` the leanest one that was found: no vector environment, a replay buffer
of plain arrays, fused Adam, the faster of one and two threads.
"""

from __future__ import annotations

import argparse
import importlib
import json
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

SIDES = ("pydl", "pydl-concurrent", "torch-1", "torch-2", "cleanrl-1", "cleanrl-2")
BATCH, BUFFER, START, EVERY, FOLLOW, HIDDEN = 128, 10_000, 0.02, 10, 500, (120, 84)
SHARE, END, GAMMA, LR = 0.5, 0.05, 0.99, 2.5e-4


def pydl_loop(steps: int, concurrent: bool = False) -> float:
    """demos/dqn.py itself."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "demos"))
    import dqn

    import pydl

    pydl.set_num_threads(1)
    config = dqn.Config(
        env="CartPole-v1", steps=steps, hidden=HIDDEN, batch_size=BATCH, buffer_size=BUFFER,
        learning_starts=int(START * steps), train_every=EVERY, target_every=FOLLOW // EVERY,
        eps_share=SHARE, eps_end=END, gamma=GAMMA, lr=LR, loss="mse", max_norm=0.0,
        eval_every=10 * steps, log_every=1000, checkpoint_seconds=1e9, quiet=True,
        out="runs/loop", concurrent=concurrent,
    )  # fmt: skip
    run = dqn.Dqn(config)
    vars(run).update(evaluate=lambda *_: np.zeros(1), save_agent=lambda: None)
    from tqdm import tqdm

    began = time.perf_counter()
    with tqdm(disable=True) as bar:
        dqn.train(run, bar, lambda line: None)
    return steps / (time.perf_counter() - began)


def torch_loop(steps: int, cleanrl: bool) -> float:
    """The same with torch."""
    torch: Any = importlib.import_module("torch")
    nn = torch.nn
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)

    def network() -> Any:
        a, b = HIDDEN
        return nn.Sequential(
            nn.Linear(4, a), nn.ReLU(), nn.Linear(a, b), nn.ReLU(), nn.Linear(b, 2)
        )

    net, target = network(), network()
    target.load_state_dict(net.state_dict())
    optimizer = torch.optim.Adam(net.parameters(), lr=LR, fused=not cleanrl)
    seen, after = np.zeros((2, BUFFER, 4), np.float32)
    done_action = np.zeros((BUFFER, 1), np.int64)
    reward, over = np.zeros((2, BUFFER), np.float32)
    step_env, observation = environment(cleanrl)
    began = time.perf_counter()
    for t in range(steps):
        eps = max(1 + (END - 1) * t / (SHARE * steps), END)
        if random.random() < eps:
            action = random.randrange(2)
        else:
            with torch.no_grad():
                action = int(net(torch.from_numpy(observation)).argmax(1))
        slot = t % BUFFER
        seen[slot] = observation[0]
        observation, after[slot], reward[slot], over[slot] = step_env(action)
        done_action[slot] = action
        if t >= START * steps and t % EVERY == 0:
            i = np.random.randint(0, min(t + 1, BUFFER), BATCH)
            with torch.no_grad():
                best = target(torch.from_numpy(after[i])).amax(1)
                aim = torch.from_numpy(reward[i]) + GAMMA * best * (1 - torch.from_numpy(over[i]))
            q = net(torch.from_numpy(seen[i])).gather(1, torch.from_numpy(done_action[i]))
            loss = nn.functional.mse_loss(q.squeeze(1), aim)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if t % FOLLOW == 0:
            target.load_state_dict(net.state_dict())
    return steps / (time.perf_counter() - began)


def environment(cleanrl: bool) -> Any:
    """A function from an action to what is acted on next, what it came to, reward and end."""
    import gymnasium

    if not cleanrl:
        from pydl import rl

        envs = rl.make("CartPole-v1", 1, (0, 0))

        def lean(action: int) -> tuple[Any, ...]:
            step = envs.step(np.array([action]))
            return envs.observation, step.next_observation[0], step.reward[0], step.terminated[0]

        return lean, envs.observation

    def made() -> Any:
        return gymnasium.wrappers.RecordEpisodeStatistics(gymnasium.make("CartPole-v1"))

    vector = gymnasium.vector.SyncVectorEnv([made], autoreset_mode="SameStep")

    def step(action: int) -> tuple[Any, ...]:
        observation, reward, terminated, truncated, info = vector.step(np.array([action]))
        over = terminated[0] or truncated[0]
        last = info["final_obs"][0] if over else observation[0]
        return observation, last, reward[0], terminated[0]

    return step, vector.reset(seed=0)[0]


def measure(side: str, steps: int) -> float:
    """Environment steps a second of one side, here and now."""
    if side.startswith("pydl"):
        return pydl_loop(steps, side == "pydl-concurrent")
    torch: Any = importlib.import_module("torch")
    name, threads = side.split("-")
    torch.set_num_threads(int(threads))
    return torch_loop(steps, name == "cleanrl")


def main() -> None:
    """Runs every side in turn, and prints the medians and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", help="where to write the numbers")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        print(measure(given.side, given.steps))
        return
    speeds: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(given.repeats):
        for side, found in speeds.items():
            command = [sys.executable, "-m", "benchmarks.dqn_loop", "--side", side]
            command += ["--steps", str(given.steps)]
            found.append(float(subprocess.run(command, check=True, text=True,
                                              capture_output=True).stdout))  # fmt: skip
    medians = {side: statistics.median(found) for side, found in speeds.items()}
    for side, median in medians.items():
        ratio = medians["pydl"] / median
        print(f"{side:10} {median:9,.0f} environment steps/s   pydl is {ratio:.2f} times as fast")
    if given.json:
        Path(given.json).write_text(json.dumps({"medians": medians, "all": speeds}, indent=1))


if __name__ == "__main__":
    main()
