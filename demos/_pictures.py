"""Pictures of trained networks, drawn with matplotlib and Pillow from plain arrays.

Each function returns a figure or an image; who calls it saves it. Importing needs matplotlib.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

Array = NDArray[Any]


def canvas(width: float, height: float) -> Figure:
    """An empty figure, its size in inches."""
    figure = Figure(figsize=(width, height), dpi=120)
    figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.1)
    return figure


def learning_curves(losses: Array, learned: Array, tests: Array) -> Figure:
    """The loss of each step, and both accuracies after each epoch.

    Args:
        losses: (steps,).
        learned: (epochs,) accuracy on the training images, while training.
        tests: (epochs, 2) loss and accuracy on the test images.
    """
    epochs = np.arange(1, len(tests) + 1)
    at = np.arange(1, len(losses) + 1) * len(tests) / len(losses)
    width = min(100, len(losses) // 40 + 2)
    smooth = np.convolve(losses, np.ones(width) / width, mode="valid")
    figure = canvas(10, 4)
    left, right = figure.subplots(1, 2)
    left.plot(at, losses, color="tab:blue", alpha=0.25, linewidth=0.6, label="each step")
    left.plot(
        at[width // 2 :][: len(smooth)], smooth, color="tab:blue", label=f"mean of {width} steps"
    )
    left.plot(epochs, tests[:, 0], "o-", color="tab:orange", label="test")
    left.set(title="Loss", xlabel="epoch", ylabel="cross entropy", yscale="log")
    right.plot(epochs, 100 * learned, "o-", color="tab:blue", label="while training")
    right.plot(epochs, 100 * tests[:, 1], "o-", color="tab:orange", label="test")
    right.set(title=f"Accuracy: {tests[-1, 1]:.2%} on the test images", xlabel="epoch", ylabel="%")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend()
        axes.xaxis.get_major_locator().set_params(integer=True)
    return figure


def returns(
    episodes: Array, evaluations: Array, metrics: Mapping[str, Array], title: str
) -> Figure:
    """What an agent gained while it learned, and how its loss and values went.

    Args:
        episodes: (n, 3): the step at its end, the return and the length of each.
        evaluations: (m, 3): the step, the mean and the least return of greedy episodes.
        metrics: by name, one number each for a step; "step" gives the steps.
        title: of the picture.
    """
    figure = canvas(10, 4)
    left, right = figure.subplots(1, 2)
    if len(episodes):
        steps, totals = episodes[:, 0], episodes[:, 1]
        width = min(len(totals), max(1, len(totals) // 50))
        smooth = np.convolve(totals, np.ones(width) / width, mode="valid")
        left.plot(steps, totals, ".", color="tab:blue", alpha=0.2, markersize=2)
        left.plot(steps[width - 1 :], smooth, color="tab:blue", label="while training")
    if len(evaluations):
        left.plot(evaluations[:, 0], evaluations[:, 1], "o-", color="tab:orange", markersize=3,
                  label="greedy")  # fmt: skip
    left.set(title=title, xlabel="environment steps", ylabel="return of an episode")
    twin = right.twinx()
    for axes, name, color in (
        (right, "losses/td_loss", "tab:red"), (twin, "losses/max_q", "tab:green")
    ):  # fmt: skip
        if name in metrics:
            axes.plot(metrics["step"], metrics[name], color=color, label=name)
        axes.set_ylabel(name, color=color)
    right.set(title="Loss, and the largest value of a batch", xlabel="environment steps")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    if len(episodes) or len(evaluations):
        left.legend()
    return figure


def seeds(training: Sequence[Array], evaluations: Sequence[Array], title: str) -> Figure:
    """The curves of several runs of the same kind.

    Args:
        training: (n, 2) each: steps, and the mean return of training episodes up to there.
        evaluations: (m, 3) each: steps, mean and least return of greedy episodes.
        title: of the picture.
    """
    figure = canvas(10, 3.6)
    axes = figure.subplots(1, 2, sharey=True)
    for part, runs in zip(axes, (training, evaluations), strict=True):
        for run in runs:
            if len(run):
                part.plot(run[:, 0], run[:, 1], linewidth=1, alpha=0.8)
        part.grid(alpha=0.3)
        part.xaxis.set_major_formatter(EngFormatter(sep=""))
        part.set_xlabel("environment steps")
    axes[0].set(title=f"{title}: while training", ylabel="return of an episode")
    axes[1].set_title(f"greedy, a line for each of {len(evaluations)} seeds")
    return figure


def filters(name: str, images: Array) -> Figure:
    """Weights (n, H, W) of a first layer, as images: red positive, blue negative."""
    figure = canvas(7, 3.6)
    axes = figure.subplots()
    limit = float(np.abs(images).max())
    shown = axes.imshow(mosaic(images), cmap="RdBu_r", vmin=-limit, vmax=limit)
    axes.set_title(f"What the first layer has learned: {len(images)} filters of {name}")
    axes.axis("off")
    figure.colorbar(shown, ax=axes, shrink=0.8, label="weight")
    return figure


def feature_maps(image: Array, title: str, maps: Mapping[str, Array]) -> Figure:
    """What layers make of one image (H, W): `maps` has their names and outputs (C, OH, OW)."""
    sheets = [image, *(mosaic(stack**0.6) for stack in maps.values())]  # brightens faint ones
    titles = [
        title,
        *(f"{k}: {len(v)} maps of {v.shape[1]} x {v.shape[2]}" for k, v in maps.items()),
    ]
    shapes = [sheet.shape[1] / sheet.shape[0] for sheet in sheets]  # so all become equally high
    figure = canvas(3.6 * sum(shapes), 4)
    panels = figure.subplots(1, len(sheets), width_ratios=shapes)
    for panel, sheet, text in zip(panels, sheets, titles, strict=True):
        panel.imshow(sheet, cmap="gray_r" if sheet is image else "magma")
        panel.set_title(text)
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set_visible(sheet is image)
    return figure


def confusion(labels: Array, predicted: Array, classes: Sequence[str]) -> Figure:
    """How often each class was taken for each other one, from two arrays of class numbers."""
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (labels, predicted), 1)
    shade = (counts / np.maximum(counts.sum(1, keepdims=True), 1)) ** 0.3  # shows single mistakes
    figure = canvas(7, 6.4)
    axes = figure.subplots()
    axes.imshow(shade, cmap="Blues", vmin=0, vmax=1)
    for i, j in zip(*counts.nonzero(), strict=True):
        color = "white" if shade[i, j] > 0.6 else "black"
        axes.text(j, i, str(counts[i, j]), ha="center", va="center", color=color)
    long = max(map(len, classes)) > 2
    axes.set_xticks(
        range(len(classes)), classes, rotation=45 if long else 0, ha="right" if long else "center"
    )
    axes.set_yticks(range(len(classes)), classes)
    wrong = len(labels) - int(counts.trace())
    axes.set(xlabel="predicted", ylabel="true", title=f"{wrong} mistakes in {len(labels):,} images")
    return figure


def mistakes(images: Array, labels: Array, log_p: Array, classes: Sequence[str]) -> Figure:
    """The images (N, H, W) whose true class was thought least likely by log_p (N, C)."""
    predicted = log_p.argmax(1)
    wrong = np.flatnonzero(predicted != labels)
    worst = wrong[np.argsort(log_p[wrong, labels[wrong]], kind="stable")][:24]
    figure = canvas(9, 7)
    figure.suptitle(
        f"The worst of {len(wrong)} mistakes: what was predicted, how surely, and the truth"
    )
    panels = figure.subplots(4, 6).flatten()
    for panel in panels:
        panel.axis("off")
    for panel, i in zip(panels, worst, strict=False):
        panel.imshow(images[i], cmap="gray_r")
        guess = f"{classes[predicted[i]]} ({np.exp(log_p[i].max()):.0%})"
        panel.set_title(f"{guess}\ntruly {classes[labels[i]]}", fontsize=9)
    return figure


def mosaic(images: Array) -> Array:
    """Lays (n, H, W) out as one image, up to twice as wide as high, with gaps of NaN."""
    n, H, W = images.shape
    columns = 2 ** int(np.ceil(np.log2(n) / 2))
    rows = -(-n // columns)
    gap = max(1, H // 12)
    sheet = np.full((rows * (H + gap) - gap, columns * (W + gap) - gap), np.nan, np.float32)
    for i, image in enumerate(images):
        y, x = i // columns * (H + gap), i % columns * (W + gap)
        sheet[y : y + H, x : x + W] = image
    return sheet


# ---- generated images


def sheet(images: Array, columns: int, zoom: int = 1) -> Image:
    """Images uint8 (n, C, H, W) side by side, row by row; C is 1 or 3."""
    from PIL import Image

    n, _, H, W = images.shape
    rows, gap = -(-n // columns), 2
    pixels = np.full(
        (rows * (H * zoom + gap) - gap, columns * (W * zoom + gap) - gap, 3), 255, np.uint8
    )
    for i, image in enumerate(images.repeat(zoom, 2).repeat(zoom, 3)):
        y, x = i // columns * (H * zoom + gap), i % columns * (W * zoom + gap)
        pixels[y : y + H * zoom, x : x + W * zoom] = image.transpose(1, 2, 0)  # one channel: grey
    return Image.fromarray(pixels)


def beside(left: Image, right: Image, gap: int = 20) -> Image:
    """Two equally large images, the first on the left."""
    from PIL import Image

    both = Image.new("RGB", (left.width + gap + right.width, left.height), "white")
    both.paste(left, (0, 0))
    both.paste(right, (left.width + gap, 0))
    return both


def right_half(path: Path, gap: int = 20) -> Image:
    """The second image of what `beside` made, from its file."""
    from PIL import Image

    both = Image.open(path)
    return both.crop(((both.width + gap) // 2, 0, both.width, both.height))


def save_gif(path: Path, frames: Sequence[Image], milliseconds: int = 100) -> None:
    """Writes a film that begins anew at its end, after a second on the last frame."""
    times = [milliseconds] * (len(frames) - 1) + [1000]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=times, loop=0)
