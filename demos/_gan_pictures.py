"""What a run of dcgan.py makes, in pictures: grids, films, curves, neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from _pictures import beside, canvas, right_half, save_gif, sheet
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pydl.data import Split

if TYPE_CHECKING:
    from dcgan import Run

Array = NDArray[Any]
SHOWN = 100  # images in a grid


def draw(run: Run, floor_fd: float, floor_coverage: float) -> None:
    """Writes all of them into the folder of the run, of the same noise each time.

    Args:
        run: Its mean generator makes the images.
        floor_fd: Fréchet distance of the real test images.
        floor_coverage: Their coverage.
    """
    config, epoch = run.config, round(run.epoch())
    out, zoom = Path(config.out), 2 if config.size <= 32 else 1
    (out / "samples").mkdir(exist_ok=True)
    labels = np.arange(SHOWN) // 10 % len(run.data.classes)
    z = run.noise(SHOWN, seed=2)
    fake = sheet(run.images(z, labels), 10, zoom)
    real = sheet(some(run.real, config.conditional), 10, zoom)
    beside(real, fake).save(out / "samples" / f"epoch_{epoch:03d}.png")
    grids = sorted((out / "samples").glob("epoch_*.png"))
    save_gif(out / "training.gif", [right_half(path) for path in grids if number(path) <= epoch])

    scores = run.progress.scores
    figure = curves(run.history(), len(run.loader), scores, floor_fd, floor_coverage)
    figure.savefig(out / "curves.png")

    frames = walk(run, run.noise(4 * 16, seed=3).reshape(4, 16, -1), 12)
    save_gif(out / "walk.gif", [sheet(frame, 4, 2 * zoom) for frame in frames])
    frames = walk(run, run.noise(2 * 10, seed=3).reshape(2, 10, -1), 10)[:10]
    rows = np.stack(frames, 1).reshape(SHOWN, *frames[0].shape[1:])
    sheet(rows, 10, zoom).save(out / "walk.png")

    fakes = run.images(z[::10], labels[::10])
    near, _ = run.neighbours(fakes, 5)  # a generated image, and beside it real ones
    rows = np.concatenate([fakes[:, None], near], 1).reshape(-1, *fakes.shape[1:])
    sheet(rows, 6, zoom).save(out / "neighbours.png")


def some(real: Split, by_class: bool) -> Array:
    """Images from all over a data set, which may be in the order of its classes."""
    order = np.argsort(real.labels, kind="stable") if by_class else np.arange(len(real))
    images: Array = real.images[order[np.linspace(0, len(real) - 1, SHOWN).astype(int)]]
    return images


def number(path: Path) -> int:
    """The epoch that a grid is of."""
    return int(path.stem.removeprefix("epoch_"))


def walk(run: Run, stops: Array, between: int) -> list[Array]:
    """Images on the way from noise to noise, and back to the first: (N, C, size, size) each.

    Args:
        run: Its mean generator makes the images.
        stops: Noise (stops, N, nz).
        between: Steps from one to the next.

    Source: White, Sampling generative networks (2016): along great circles, since noise of many
    dimensions lies near a sphere.
    """
    labels = np.arange(stops.shape[1]) % len(run.data.classes)
    ends = np.roll(stops, -1, axis=0)
    return [
        run.images(slerp(a, b, t), labels)
        for a, b in zip(stops, ends, strict=True)
        for t in np.arange(between) / between
    ]


def slerp(a: Array, b: Array, t: float) -> Array:
    """Between rows of noise (N, nz), t of the way from a to b, along a great circle."""
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    angle = np.arccos(((a * b).sum(1) / lengths).clip(-1, 1))[:, None]
    mixed = (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)
    return np.asarray(mixed, np.float32)


def curves(
    measures: Mapping[str, Array],
    steps: int,
    scores: Sequence[tuple[int, Mapping[str, Any]]],
    floor_fd: float,
    floor_coverage: float,
) -> Figure:
    """Losses, judgements, gradients of each step, and the scores.

    Args:
        measures: What was measured, (steps so far,) each.
        steps: In an epoch.
        scores: Epoch, and the scores by name.
        floor_fd: Fréchet distance of the real test images.
        floor_coverage: Their coverage.
    """
    at = np.arange(1, len(measures["loss_d"]) + 1) / steps
    width = min(100, len(at) // 10 + 1)
    kernel = np.ones(width) / width

    def line(axes: Any, name: str, label: str) -> None:
        smooth = np.convolve(measures[name], kernel, mode="valid")
        axes.plot(at[len(at) - len(smooth) :], smooth, label=label, linewidth=1)

    figure = canvas(10, 7)
    losses, judged, norms, right = figure.subplots(2, 2).flatten()
    line(losses, "loss_d", "discriminator")
    line(losses, "loss_g", "generator")
    losses.set(title="Losses (they say little)")
    line(judged, "d_real", "D(x)")
    line(judged, "d_fake", "D(G(z)) before its step")
    line(judged, "d_fake_after", "D(G(z)) after")
    judged.set(title="Judgements of real and generated images")
    line(norms, "norm_d", "discriminator")
    line(norms, "norm_g", "generator")
    norms.set(title="Length of the gradients", yscale="log")
    epochs = [epoch for epoch, _ in scores]
    distance, coverage = ([s[name] for _, s in scores] for name in ("fd", "coverage"))
    right.plot(epochs, distance, "o-", color="tab:blue", markersize=3, label="Fréchet distance")
    right.axhline(floor_fd, color="tab:blue", linestyle="--", linewidth=0.8, label="of test images")
    right.set(title=f"Best Fréchet distance {min(distance):.1f}", yscale="log")
    other = right.twinx()
    other.plot(epochs, coverage, "o-", color="tab:orange", markersize=3, label="coverage")
    other.axhline(floor_coverage, color="tab:orange", linestyle="--", linewidth=0.8)
    other.set(ylim=(0, 1), ylabel="coverage")
    right.xaxis.get_major_locator().set_params(integer=True)
    other.legend(loc="lower right")
    for axes in (losses, judged, norms, right):
        axes.set(xlabel="epoch", xlim=(0, None))
        axes.grid(alpha=0.3)
        axes.legend(loc="best" if axes is not right else "upper right")
    return figure
