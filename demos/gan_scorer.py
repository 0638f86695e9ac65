"""Judges generated images: a frozen classifier's features, compared with those of real images.

dcgan.py scores with it. Run as a program it trains the classifier of a data set anew and writes
its weights; those that come with pydl lie in demos/scorers/, and WEIGHTS has their hashes. Why no
single score is enough: docs/dcgan.md and tests/test_gan_scorer.py.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from _command_line import UserError, parse, require, run_main
from _mixed import Mixed
from mnist_cnn import Fast, normalised, train_step
from numpy.typing import NDArray

import pydl
import pydl.nn as nn
import pydl.nn.functional as F
from pydl import Tensor, metrics, optim
from pydl.data import Compose, DataLoader, Dataset, RandomCrop, RandomHorizontalFlip, Split
from pydl.optim import lr_scheduler

Array = NDArray[Any]
SAMPLES = 10_000  # images on each side: the Fréchet distance depends on the number
NEIGHBOURS = 2_000  # of them for precision, recall, density and coverage, which take N² distances


@dataclass
class Config:
    """The options; the comment of each is its --help."""

    data: Literal["mnist", "fashion", "cifar10"] = "mnist"  # what to learn to classify
    root: str | None = None  # the only folder to look for the data in
    epochs: int = 10  # passes over the training images
    seed: int = 0  # decides weights, order and augmentation
    threads: int = 0  # 0: all usable ones; the result does not depend on it
    out: str = "runs/scorer"  # folder for the weights
    quiet: bool = False  # print the last line only


# ---- classifiers


class Colour(nn.Module):
    """Four convolutions with batch norm: images (N, 3, 32, 32) to logits (N, 10)."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        for before, after in ((3, 32), (32, 64), (64, 128), (128, 128)):
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(after), nn.ReLU()]
            layers += [nn.MaxPool2d(2)] if after < 128 else []
        self.body = nn.Sequential(*layers)
        self.fc2 = nn.Linear(128, 10)

    def features(self, x: Tensor) -> Tensor:
        """Images to what the last layer sees, (N, 128)."""
        h: Tensor = self.body(x)
        return h.mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        logits: Tensor = self.fc2(self.features(x))
        return logits


CLASSIFIERS: dict[str, Callable[[], Fast | Colour]] = {
    "mnist": Fast,
    "fashion_mnist": Fast,
    "cifar10": Colour,
}
WEIGHTS = {  # SHA-256 of the files in demos/scorers/
    "mnist": "6f77d1386e9d9823540e4ddb7bbf77c6a7707c573183a065b855ec9f1dd1da6f",
    "fashion_mnist": "e415d7cb3ade0d5ac8535e3f910a31a5838ff5a06a7ff6265086b84d5095e5eb",
    "cifar10": "a8c933e69423276bd5a2687fd95396519cbfd0a4e6a802a6a91f65e16a9ff2be",
}


def load_classifier(name: str) -> Fast | Colour:
    """The frozen classifier of a data set, in evaluation mode.

    Raises:
        UserError: its file is missing, or is another one.
    """
    path = Path(__file__).parent / "scorers" / f"{name}.safetensors"
    if not path.exists():
        raise UserError(f"{path} is missing: the scores of {name} need this classifier")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != WEIGHTS[name]:
        raise UserError(f"{path} has the hash {found}, expected {WEIGHTS[name]}: scores would lie")
    classifier = CLASSIFIERS[name]()
    classifier.load_state_dict(pydl.load(path))
    return classifier.eval()


# ---- sizes: a network makes 28, 32 or 64 pixels, a classifier sees those of its data set


def resized(images: Array, size: int) -> Array:
    """Images of a data set as the networks see them: uint8 (N, C, H, H) to (N, C, size, size).

    28 pixels get a border of two, so that 32 and 64 keep their shapes; the rest is bilinear.
    """
    if images.shape[-1] == 28 and size > 28:
        images = np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2)))
    return images if images.shape[-1] == size else interpolated(images, size)


def native(images: Array, size: int) -> Array:
    """The way back: to the size that the images of the data set have."""
    if size == 28 and images.shape[-1] > 28:
        inner = interpolated(images, 32) if images.shape[-1] != 32 else images
        return np.ascontiguousarray(inner[:, :, 2:-2, 2:-2])
    return images if images.shape[-1] == size else interpolated(images, size)


def interpolated(images: Array, size: int) -> Array:
    """Images uint8 (N, C, H, H) to (N, C, size, size), bilinear."""
    made = np.empty((*images.shape[:2], size, size), np.uint8)
    for i in range(0, len(images), 1000):
        x = pydl.tensor(images[i : i + 1000]).float()
        y = F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)
        made[i : i + 1000] = np.rint(y.numpy())
    return made


# ---- scores


@dataclass(frozen=True)
class Scores:
    """What is said of a set of images. Without a classifier there are no classes: None."""

    fd: float  # Fréchet distance to the training images
    precision: float
    recall: float
    density: float
    coverage: float
    classifier_score: float | None = None
    class_kl: float | None = None  # from the classes of the training images
    shares: tuple[float, ...] = ()  # of each class
    agreement: float | None = None  # share of the images that are of the class that was asked for

    def line(self) -> str:
        """The scores that count, to be printed."""
        text = f"FD {self.fd:.2f}, coverage {self.coverage:.3f}"
        return text if self.class_kl is None else f"{text}, class KL {self.class_kl:.4f}"


@dataclass(frozen=True)
class Gate:
    """What images have to reach, all at once: each cheat is caught by one of them."""

    fd: float
    coverage: float
    class_kl: float = 0.02
    shares: tuple[float, float] = (0.05, 0.15)  # between which each class has to be

    def failures(self, scores: Scores) -> list[str]:
        """What is not reached, in words."""
        found = []
        if scores.fd > self.fd:
            found.append(f"FD {scores.fd:.2f} > {self.fd:g}")
        if scores.coverage < self.coverage:
            found.append(f"coverage {scores.coverage:.3f} < {self.coverage:g}")
        if scores.class_kl is not None and scores.class_kl > self.class_kl:
            found.append(f"class KL {scores.class_kl:.4f} > {self.class_kl:g}")
        low, high = self.shares
        odd = [f"{i}: {share:.1%}" for i, share in enumerate(scores.shares)
               if not low <= share <= high]  # fmt: skip
        return found + ([f"classes beyond {low:.0%} to {high:.0%}: {', '.join(odd)}"] * bool(odd))


class Scorer:
    """Compares images with the training images of a data set, as a classifier sees them.

    A data set of one's own has no classifier: its pixels, 8 by 8, are its features then. They tell
    collapse from variety, and little of how good an image is.

    Args:
        data: Compared are 10,000 of its training images, always the same.
        size: Height and width of the images that will be scored.
    """

    def __init__(self, data: Dataset, size: int) -> None:
        self.name = data.name
        self.native_size = data.train.images.shape[-1]
        self.classifier = load_classifier(data.name) if data.name in CLASSIFIERS else None
        self.samples = min(SAMPLES, len(data.train))
        self.class_counts = np.bincount(data.train.labels, minlength=len(data.classes))
        # NOTE: not each sixth: even and odd images of MNIST differ (two groups of writers: FD 39).
        picked = np.random.Philox(key=np.zeros(2, np.uint64)).random_raw(len(data.train)).argsort()
        self.reference, _ = self.features(resized(data.train.images[picked[: self.samples]], size))
        self.floor = self(resized(data.test.images[: self.samples], size))

    def features(self, images: Array) -> tuple[Array, Array | None]:
        """Features (N, D) and logits (N, classes) of images uint8 (N, C, size, size)."""
        if self.classifier is None:
            return interpolated(images, 8).reshape(len(images), -1).astype(np.float32), None
        images = native(images, self.native_size)
        features, logits = [], []
        with pydl.no_grad():
            for i in range(0, len(images), 500):
                x = normalised(pydl.tensor(images[i : i + 500]), self.name)
                h = self.classifier.features(x)
                features.append(h.numpy())
                logits.append(self.classifier.fc2(h).numpy())
        return np.concatenate(features), np.concatenate(logits)

    def __call__(self, images: Array, labels: Array | None = None) -> Scores:
        """Scores of images uint8 (N, C, size, size), and of what they were meant to be (N,).

        N should be `samples`: the Fréchet distance depends on it.
        """
        features, logits = self.features(images)
        stride = -(-self.samples // NEIGHBOURS)
        near = metrics.prdc(self.reference[::stride], features[::stride])
        scores = {"fd": metrics.frechet_distance(features, self.reference), **near._asdict()}
        if logits is None:
            return Scores(**scores)
        counts = np.bincount(logits.argmax(1), minlength=logits.shape[1])
        return Scores(
            **scores,
            classifier_score=metrics.classifier_score(logits),
            class_kl=metrics.class_kl(counts, self.class_counts),
            shares=tuple((counts / counts.sum()).tolist()),
            agreement=None if labels is None else float((logits.argmax(1) == labels).mean()),
        )


# ---- training a classifier


def train(config: Config, data: Dataset) -> tuple[nn.Module, float]:
    """Trains the classifier of a data set; returns it and its accuracy on the test images."""
    from tqdm import tqdm

    pydl.manual_seed(config.seed)
    model = CLASSIFIERS[data.name]()
    colour = isinstance(model, Colour)
    loader = DataLoader(
        data.train, batch_size=256, shuffle=True, seed=config.seed,
        transform=Compose(RandomCrop(32, padding=3), RandomHorizontalFlip()) if colour
        else RandomCrop(28, padding=1),
    )  # fmt: skip
    optimizer = optim.Adam(model.parameters(), betas=(0.9, 0.99) if colour else (0.8, 0.95))
    cycle = lr_scheduler.OneCycleLR(optimizer, 0.01, config.epochs * len(loader))
    step, mixed = pydl.capture(train_step), Mixed("off")
    bar = tqdm(total=config.epochs * len(data.train), unit=" images", unit_scale=True,
               disable=config.quiet, mininterval=0.2 if sys.stderr.isatty() else 10.0)  # fmt: skip
    with bar:
        for epoch in range(config.epochs):
            model.train()
            for images, labels in loader:
                loss, _ = step(model, optimizer, normalised(images, data.name), labels, mixed)
                cycle.step()
                bar.update(len(labels))
            bar.set_description(f"epoch {epoch + 1}/{config.epochs}, loss {loss.item():.3f}")
    return model, accuracy(model.eval(), data.test, data.name)


def accuracy(model: nn.Module, test: Split, name: str) -> float:
    """The share of the images that are classified correctly."""
    correct = 0
    with pydl.no_grad():
        for images, labels in DataLoader(test, batch_size=500):
            found = model(normalised(images, name)).argmax(1)
            correct += int((found == labels).sum().item())
    return correct / len(test)


def main(config: Config) -> int:
    """Trains a classifier and writes its weights; returns the exit code."""
    require("tqdm")
    if config.epochs < 1:
        raise UserError("--epochs must be at least 1")
    if config.threads > 0:
        pydl.set_num_threads(config.threads)
    read = {"mnist": pydl.data.mnist, "fashion": pydl.data.fashion_mnist}
    data = read.get(config.data, pydl.data.cifar10)(config.root)
    model, share = train(config, data)
    path = Path(config.out) / f"{data.name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    pydl.save(model.state_dict(), path)
    line = {
        "demo": "gan_scorer",
        "data": data.name,
        "epochs": config.epochs,
        "test_accuracy": share,
        "bytes": path.stat().st_size,
        "isa": pydl._native.isa(),
        "weights_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    print(json.dumps(line), flush=True)
    return 0


if __name__ == "__main__":
    assert __doc__
    sys.exit(run_main(main, parse(Config, __doc__.splitlines()[0]), "gan_scorer"))
