"""How fast MNIST can be learned on a CPU: one small network, from one epoch to a few, some seeds.

Two races: to 99 % in one epoch, without augmentation, and to 99.4 %. The time is that of training:
shuffling, cropping, all steps; not reading the data, and not the one test at the end.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from _command_line import UserError, parse, require, run_main
from mnist_cnn import Config as Training
from mnist_cnn import Run, evaluate, load_data, scores, train_epoch

import pydl
from pydl.data import Dataset


@dataclass
class Config:
    """The options; the comment of each is its --help."""

    root: str | None = None  # the only folder to look for MNIST in
    first_seeds: int = 10  # runs of the race to 99 %
    second_seeds: int = 5  # runs of the race to 99.4 %
    threads: int = 0  # 0: all usable ones; the result does not depend on it
    out: str = "runs/mnist_fast"  # folder for the picture
    check: bool = False  # exit with 1 if a race is lost
    pictures: bool = True  # write a PNG file at the end
    quiet: bool = False  # print the last line only


@dataclass(frozen=True)
class Race:
    """A recipe, and what it has to reach."""

    accuracy: float  # the mean over the seeds, in percent
    seconds: float  # of training, at most, also a mean
    epochs: int
    batch_size: int
    lr: float  # the highest of the one cycle
    betas: tuple[float, float]  # of Adam: the fewer the steps, the sooner it forgets
    warmup: float  # share of the steps in which the learning rate rises
    anneal: Literal["cos", "linear"]  # how it rises and falls
    shift: int  # pixels that training images are moved by


RACES = (
    Race(99.0, 6, 1, 256, 0.01, (0.7, 0.9), 0.2, "linear", 0),
    Race(99.4, 45, 10, 256, 0.01, (0.9, 0.99), 0.3, "cos", 1),
)


def run_race(
    race: Race, seeds: int, data: Dataset, config: Config, bar: Any
) -> list[tuple[float, float]]:
    """Accuracy in percent and seconds of training of each seed."""
    results = []
    for seed in range(seeds):
        training = Training(
            arch="fast", epochs=race.epochs, lr=race.lr,
            batch_size=race.batch_size, beta1=race.betas[0], beta2=race.betas[1],
            warmup=race.warmup, anneal=race.anneal, shift=race.shift, seed=seed, out=config.out,
            checkpoint_seconds=math.inf,
        )  # fmt: skip
        run = Run(training, data)
        for _ in range(race.epochs):
            train_epoch(run, bar)
        _, accuracy = scores(evaluate(run.model, run.data, training), run.data.test.labels)
        results.append((100 * accuracy, run.progress.training_seconds))
        say(config, f"  seed {seed}: {100 * accuracy:.2f} % after {results[-1][1]:.2f} s")
    return results


def say(config: Config, line: str) -> None:
    """Print a line, beside the bar."""
    if not config.quiet:
        from tqdm import tqdm

        tqdm.write(line)


def picture(results: list[list[tuple[float, float]]], path: Path) -> None:
    """Each run as a dot, accuracy over time, and what each race asks for."""
    from _pictures import canvas

    figure = canvas(7, 3.6)
    axes = figure.subplots()
    for race, runs, colour in zip(RACES, results, ("tab:blue", "tab:orange"), strict=True):
        accuracy, seconds = np.array(runs).T
        label = f"{race.epochs} epoch{'s' * (race.epochs > 1)}: mean {accuracy.mean():.2f} %"
        axes.plot(seconds, accuracy, "o", color=colour, alpha=0.7, label=label)
        axes.plot([0, race.seconds], [race.accuracy] * 2, "--", color=colour, linewidth=0.8)
    axes.set(title="MNIST, a network of 215,000 weights", xlabel="seconds of training",
             ylabel="test accuracy, %", xlim=(0, None))  # fmt: skip
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path)


def main(config: Config) -> int:
    """Does both races; returns the exit code."""
    require("tqdm", *["matplotlib"] * config.pictures)
    from tqdm import tqdm

    if min(config.first_seeds, config.second_seeds) < 1:
        raise UserError("--first-seeds and --second-seeds must be at least 1")
    if config.threads > 0:
        pydl.set_num_threads(config.threads)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    data = load_data(Training(data="mnist", root=config.root), print)
    seeds = (config.first_seeds, config.second_seeds)
    results, lost = [], 0
    images = len(data.train) * sum(r.epochs * n for r, n in zip(RACES, seeds, strict=True))
    with tqdm(total=images, unit=" images", unit_scale=True, disable=config.quiet,
              mininterval=0.2 if sys.stderr.isatty() else 10.0) as bar:  # fmt: skip
        for race, n in zip(RACES, seeds, strict=True):
            say(config, f"to {race.accuracy} % in {race.seconds:g} s: {race.epochs} epochs")
            results.append(run_race(race, n, data, config, bar))
            accuracy, seconds = np.mean(results[-1], 0)
            deviation = np.std([a for a, _ in results[-1]])
            say(config, f"  mean of {n}: {accuracy:.3f} % ± {deviation:.3f}, {seconds:.2f} s")
            lost += bool(accuracy < race.accuracy or seconds > race.seconds)
    if config.pictures:
        picture(results, out / "races.png")
    rows: dict[str, Any] = {"demo": "mnist_fast", "threads": pydl.num_threads()}
    rows["isa"] = pydl._native.isa()
    for race, runs in zip(RACES, results, strict=True):
        rows[f"epochs_{race.epochs}"] = {
            "seeds": len(runs),
            "test_accuracy": round(float(np.mean([a for a, _ in runs])) / 100, 6),
            "seconds": round(float(np.mean([s for _, s in runs])), 2),
        }
    print(json.dumps(rows), flush=True)
    return int(config.check and lost > 0)


if __name__ == "__main__":
    assert __doc__
    sys.exit(run_main(main, parse(Config, __doc__.splitlines()[0]), "mnist_fast"))
