"""What dqn.py and pqn.py do around training: checks of options, the test, pictures, --play."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from _agents import SHOW, TEST, Options, Training, environments
from _checkpoint import digest
from _command_line import UserError, at_least, require
from numpy.typing import NDArray

import pydl
from pydl import rl

Array = NDArray[Any]
R = TypeVar("R", bound=Training)
C = TypeVar("C", bound=Options)

# Mean return of the greedy test episodes that --check demands of a preset's run.
TARGETS = {
    "CartPole-v1": 475.0,
    "Acrobot-v1": -85.0,
    "MountainCar-v0": -115.0,
    "LunarLander-v3": 200.0,
    "MinAtar/Breakout-v1": 15.0,
}


def run_training(
    run: R, train: Callable[[R, Any, Callable[[str], None]], None], began: float
) -> int:
    """Trains, tests, draws and reports; returns the exit code."""
    from tqdm import tqdm

    config, progress = run.config, run.progress

    def say(line: str) -> None:
        if not config.quiet:
            tqdm.write(line)
            sys.stdout.flush()

    run.out.mkdir(parents=True, exist_ok=True)
    size = sum(p.numel() for p in run.net.parameters())
    seen = f"{run.envs.observation.dtype} {run.envs.observation.shape[1:]}"
    say(f"{config.env}: {run.envs.num_envs} side by side, {run.envs.actions} actions, sees {seen}")
    kernels = f"{pydl._native.isa()}, {pydl.num_threads()} threads"
    say(f"{run.program} with {size:,} weights on {kernels}; {run.about()}")
    if config.resume and run.checkpoint.exists():
        run.load()
        progress = run.progress
        say(f"going on after step {progress.steps:,}, as {run.checkpoint.path} says")
    elif config.resume:
        say(f"{run.checkpoint.path} does not exist: beginning anew")
    run.open_board()
    setup = time.perf_counter() - began
    run.began = run.saved = time.perf_counter()
    slow = 0.2 if sys.stderr.isatty() else 10.0  # seconds between updates; spares log files
    with tqdm(total=config.steps, initial=progress.steps, unit=" steps", unit_scale=True,
              mininterval=slow, disable=config.quiet) as bar:  # fmt: skip
        train(run, bar, say)
    run.save()
    scores = run.evaluate(run.best, TEST, config.test_episodes)
    say(f"the network of step {progress.best[0]:,}: {describe(scores)}")
    if config.pictures:
        say(f"{run.out}: {', '.join(draw(run))}")
    return report(run, scores, setup)


def describe(scores: Array) -> str:
    """Scores in words."""
    return (
        f"{len(scores)} unseen greedy episodes: mean {scores.mean():.2f}, deviation "
        f"{scores.std():.2f}, least {scores.min():.1f}, most {scores.max():.1f}"
    )


def draw(run: Training) -> list[str]:
    """The learning curve, and an episode; returns the names of the files."""
    import _pictures as pictures

    progress = run.progress
    figure = pictures.returns(
        np.array(progress.episodes).reshape(-1, 3), np.array(progress.evaluations).reshape(-1, 3),
        {k: np.array([line[k] for line in progress.metrics])
         for k in ("step", "losses/td_loss", "losses/max_q") if progress.metrics},
        run.config.env,
    )  # fmt: skip
    figure.savefig(run.out / "learning_curve.png")
    files = show(run.config, run.greedy(run.best), run.out / "episode.gif")
    return ["learning_curve.png", *[f.name for f in files]]


def show(config: Options, policy: Callable[[Array], Array], path: Path) -> list[Path]:
    """Writes a greedy episode as a film."""
    fps = {"MinAtar": 15, "ALE": 15}.get(config.env.partition("/")[0], 50)
    with environments(config, SHOW, 1, 1, render_mode="rgb_array") as envs:
        frames, _ = rl.record(policy, envs)
    return rl.save_animation(path, frames, fps)


def report(run: Training, scores: Array, setup: float) -> int:
    """Prints the line for programs; returns the exit code."""
    config, progress = run.config, run.progress
    target = TARGETS.get(config.env)
    failed = config.check and target is not None and scores.mean() < target
    if failed:
        print(f"{run.program}: {scores.mean():.1f} is below {target}", file=sys.stderr)
    line = {
        "demo": run.program,
        "env": config.env,
        "seed": config.seed,
        "score": float(scores.mean()),
        "score_std": float(scores.std()),
        "score_least": float(scores.min()),
        "episodes": len(scores),
        "best_step": progress.best[0],
        "steps": progress.steps,
        "updates": progress.updates,
        "seconds": round(progress.seconds, 2),
        "seconds_environment": round(progress.environment, 2),
        "seconds_acting": round(progress.acting, 2),
        "seconds_learning": round(progress.learning, 2),
        "seconds_evaluating": round(progress.evaluating, 2),
        "seconds_setup": round(setup, 2),
        "steps_per_second": round(progress.steps / max(progress.seconds, 1e-9), 1),
        "threads": pydl.num_threads(),
        "isa": pydl._native.isa(),
        "weights_sha256": digest(run.net),
    }
    print(json.dumps(line), flush=True)
    return int(failed)


def prepare(config: Options, least: dict[str, int]) -> None:
    """Checks the options that both programs have."""
    require("tqdm", "gymnasium", *["matplotlib", "PIL"] * config.pictures)
    ones = ("steps", "num_envs", "batch_size", "eval_every", "eval_episodes", "patience",
            "test_episodes", "log_every")  # fmt: skip
    least = {**dict.fromkeys(ones, 1), "seed": 0, "threads": 0, **least}
    at_least(config, least)
    for name in ("gamma", "eps_start", "eps_end", "eps_share", "lr_end", "sticky"):
        if not 0 <= getattr(config, name) <= 1:
            raise UserError(f"--{name.replace('_', '-')} must be in [0, 1]")
    if config.threads > 0:
        pydl.set_num_threads(config.threads)


def load_agent(config: C, program: str) -> C:
    """The options of the run that the agent of --play came from, with those of playing.

    Raises:
        UserError: it is no such file.
    """
    path = config.play
    if path is None or not Path(path).exists():
        raise UserError(f"{path} does not exist")
    about = pydl.io.load_metadata(path).get("pydl_agent")
    found = json.loads(about) if about else {}
    if found.get("program") != program:
        raise UserError(f"{path} is not an agent of {program}.py")
    options: dict[str, Any] = found["config"]
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}
    for name in ("play", "test_episodes", "pictures", "quiet", "seed"):
        options[name] = getattr(config, name)
    return type(config)(**options)


def play(run: Training, path: str) -> int:
    """Evaluates a saved agent and shows it; returns the exit code."""
    config = run.config
    run.best.load_state_dict(pydl.load(path))
    scores = run.evaluate(run.best, TEST, config.test_episodes)
    if not config.quiet:
        print(f"{path}: {describe(scores)}")
    if config.pictures:
        files = show(config, run.greedy(run.best), Path(path).with_suffix(".gif"))
        print(*[f"wrote {file}" for file in files], sep="\n")
    line = {"demo": run.program, "env": config.env, "score": float(scores.mean()),
            "score_std": float(scores.std()), "score_least": float(scores.min())}  # fmt: skip
    print(json.dumps(line), flush=True)
    return 0
