"""The protocol behind docs/dqn.md: all seeds of all environments, and what each flag is worth.

Runs dqn.py and pqn.py again and again, two at a time with one thread each, and writes tables as
Markdown, pictures of all seeds' curves, and everything as JSON. Nothing is left out: seeds are
0, 1, 2, ... and all of them are reported, with mean, deviation and worst.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from _command_line import UserError, parse, require, run_main

import pydl


@dataclass
class Config:
    """The options; the comment of each is its --help."""

    what: Literal["scores", "ablations", "all"] = "all"  # what to run
    only: str = ""  # environments whose name holds this
    seeds: int = 10  # of each environment
    ablation_seeds: int = 5  # of each flag
    at_once: int = 2  # runs side by side, of one thread each
    out: str = "runs/dqn-bench"  # folder for all runs, tables and pictures
    quiet: bool = False  # print no progress


# (program, environment): what is demanded
SCORES: dict[tuple[str, str], str] = {
    ("dqn", "CartPole-v1"): "500.0 in 9 of 10 seeds, 15 s each",
    ("dqn", "Acrobot-v1"): "-85 in the mean, 30 s each",
    ("dqn", "MountainCar-v0"): "-115 in the mean, 30 s each",
    ("dqn", "LunarLander-v3"): "200 in 8 of 10 seeds, 120 s each",
    ("pqn", "CartPole-v1"): "",
    ("pqn", "MinAtar/Breakout-v1"): "15, 150 s each",
    ("pqn", "MinAtar/Asterix-v1"): "",
    ("pqn", "MinAtar/Freeway-v1"): "",
    ("pqn", "MinAtar/Seaquest-v1"): "",
    ("pqn", "MinAtar/SpaceInvaders-v1"): "",
}
FEWER = {"MinAtar": 3}  # seeds, where they are fewer
TOGGLED = ("double", "layernorm", "dueling")  # each as the preset has it not
ABLATIONS: dict[str, list[str]] = {
    "--n-step 1": ["--n-step", "1"],
    "--n-step 3": ["--n-step", "3"],
    "--n-step 5": ["--n-step", "5"],
    "--per": ["--per"],
    "--tau 0.005": ["--tau", "0.005"],
    "--loss mse": ["--loss", "mse"],
    "--concurrent": ["--concurrent"],
    "--distributional c51": ["--distributional", "c51"],
    "--distributional qr": ["--distributional", "qr"],
}
ABLATED = {
    "CartPole-v1": ["--steps", "20000", "--solved", "1e9", "--eval-every", "2000",
                    "--eval-episodes", "20"],
    "LunarLander-v3": ["--steps", "100000", "--eval-every", "20000"],
}  # fmt: skip


@dataclass
class Job:
    """A run of a program."""

    program: str
    env: str
    seed: int
    options: list[str]
    folder: Path

    def run(self) -> dict[str, Any]:
        """What its last line says; a run that is there already is not repeated."""
        kept = self.folder / "result.json"
        if kept.exists():
            found: dict[str, Any] = json.loads(kept.read_text())
            return found
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(Path(__file__).parent / f"{self.program}.py"), "--env",
                   self.env, "--seed", str(self.seed), "--threads", "1", "--quiet",
                   "--no-pictures", "--checkpoint-seconds", "1e9", "--out", str(self.folder),
                   *self.options]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise UserError(f"{' '.join(command)}: {done.stderr}")
        found = json.loads(done.stdout.splitlines()[-1])
        text = pydl.io.load_metadata(self.folder / "checkpoint.safetensors")[self.program]
        progress = json.loads(text)["notes"]["progress"]
        found["evaluations"] = progress["evaluations"]
        found["training"] = smoothed(progress["episodes"])
        (self.folder / "checkpoint.safetensors").unlink()  # replay and all
        kept.write_text(json.dumps(found))
        return found


def smoothed(episodes: list[list[float]], points: int = 100) -> list[list[float]]:
    """The mean return of training episodes, in so many parts of the run."""
    if not episodes:
        return []
    parts = np.array_split(np.array(episodes, float), min(points, len(episodes)))
    return [[float(part[-1, 0]), float(part[:, 1].mean())] for part in parts]


def run_all(jobs: list[Job], config: Config) -> list[dict[str, Any]]:
    """The results of all runs, in order."""
    from tqdm import tqdm

    with ThreadPoolExecutor(config.at_once) as pool:
        results = pool.map(lambda job: job.run(), jobs)
        return list(tqdm(results, total=len(jobs), disable=config.quiet, unit=" runs"))


def row(name: str, results: list[dict[str, Any]]) -> str:
    """A line of a table."""
    scores = [r["score"] for r in results]
    seconds = [r["seconds"] for r in results]
    deviation = statistics.stdev(scores) if len(scores) > 1 else 0.0
    return (
        f"| {name} | {statistics.mean(scores):.1f} | {deviation:.1f} | {min(scores):.1f} | "
        f"{' '.join(f'{s:.1f}' for s in scores)} | {statistics.median(seconds):.1f} | "
        f"{max(seconds):.1f} | {statistics.mean(r['steps'] for r in results) / 1000:.0f} |"
    )


HEAD = ("| | mean | std | worst | all seeds | s, median | s, most | 1,000 steps |\n"
        "| --- | ---: | ---: | ---: | --- | ---: | ---: | ---: |")  # fmt: skip


def scores(config: Config, out: Path) -> None:
    """Every environment with its preset."""
    import _pictures as pictures

    lines = [HEAD]
    for (program, env), wanted in SCORES.items():
        if config.only not in env:
            continue
        seeds = min(config.seeds, FEWER.get(env.partition("/")[0], config.seeds))
        name = f"{program}-{env.replace('/', '-')}"
        jobs = [Job(program, env, s, [], out / name / str(s)) for s in range(seeds)]
        results = run_all(jobs, config)
        label = f"`{program}.py` {env}" + (f" (wanted: {wanted})" if wanted else "")
        lines.append(row(label, results))
        pictures.seeds(
            [np.array(r["training"]) for r in results],
            [np.array(r["evaluations"]) for r in results], f"{program}.py, {env}",
        ).savefig(out / f"{name}.png")  # fmt: skip
        (out / "scores.md").write_text("\n".join(lines) + "\n")
        print(lines[-1], flush=True)


def ablations(config: Config, out: Path) -> None:
    """What each flag does to two environments, in fewer steps than the presets have."""
    for env, shorter in ABLATED.items():
        if config.only not in env:
            continue
        lines = [HEAD]
        preset = presets_of(env)
        toggled = [f"--{'no-' if preset.get(flag) else ''}{flag}" for flag in TOGGLED]
        rows = {"the preset": [], **{flag: [flag] for flag in toggled}, **ABLATIONS}
        for label, options in rows.items():
            folder = out / "ablations" / env / label.replace(" ", "")
            jobs = [Job("dqn", env, s, [*shorter, *options], folder / str(s))
                    for s in range(config.ablation_seeds)]  # fmt: skip
            lines.append(row(label, run_all(jobs, config)))
            (out / f"ablations-{env}.md").write_text("\n".join(lines) + "\n")
            print(lines[-1], flush=True)


def presets_of(env: str) -> dict[str, Any]:
    """What dqn.py has for an environment."""
    import dqn

    return dqn.presets(dqn.Config(env=env))


def main(config: Config) -> int:
    """Runs what was asked for; returns the exit code."""
    require("tqdm", "gymnasium", "matplotlib")
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    if config.what in ("scores", "all"):
        scores(config, out)
    if config.what in ("ablations", "all"):
        ablations(config, out)
    return 0


if __name__ == "__main__":
    assert __doc__
    sys.exit(run_main(main, parse(Config, __doc__.splitlines()[0]), "dqn_bench"))
