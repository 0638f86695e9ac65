"""Trains a DCGAN: a generator that makes images from noise, against a discriminator of images.

To be read from top to bottom: options, networks, losses, a training step, a run that can be stopped
and resumed, what is watched, pictures, command line. Beside it lie option parsing, the checkpoint,
plotting, and the scores (gan_scorer.py). The 64-pixel networks are those of PyTorch's example, by
the same names. What the options do, and how good it gets: docs/dcgan.md.

Source: Radford, Metz, Chintala, Unsupervised representation learning with deep convolutional
generative adversarial networks (2016).
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from _checkpoint import Checkpoint, digest
from _command_line import UserError, at_least, parse, require, run_main
from _mixed import Mixed
from gan_scorer import Gate, Scorer, Scores, resized
from numpy.typing import NDArray

import pydl
import pydl.nn as nn
import pydl.nn.functional as F
from pydl import Tensor, metrics, optim
from pydl.data import DataLoader, Dataset, DatasetNotFound, DownloadError, Split
from pydl.optim import lr_scheduler

Array = NDArray[Any]


@dataclass
class Config:
    """The options; the comment of each is its --help."""

    data: str = "mnist"  # mnist, fashion, cifar10, or folder:PATH with images of your own
    root: str | None = None  # the only folder to look for a known data set in
    size: Literal[28, 32, 64] = 28  # height and width of the images
    nz: int = 100  # numbers of noise that an image is made from
    ngf: int = 64  # channels of the generator's last layer but one
    ndf: int = 64  # channels of the discriminator's first layer
    loss: Literal["bce", "hinge", "wgan-gp"] = "bce"  # what the two networks play for
    label_smoothing: float = 0.0  # with bce: real images are to be judged 1 minus this
    gp_weight: float = 10.0  # with wgan-gp: weight of the gradient penalty
    conditional: bool = False  # make images of a class that is asked for
    epochs: int = 25  # passes over the training images
    batch_size: int = 128  # images in a training step
    d_steps: int | None = None  # steps of the discriminator for one of the generator: 1, wgan-gp 5
    lr_g: float = 0.0002  # learning rate of the generator (Adam)
    lr_d: float = 0.0002  # learning rate of the discriminator (Adam)
    decay: float = 0.0  # share of the run, at its end, in which both rates fall in a line to 0
    beta1: float = 0.5  # of Adam
    beta2: float = 0.999  # of Adam
    ema: float = 0.999  # images come from a running mean of the generator's weights; 0: from itself
    seed: int = 0  # decides weights, order and noise: the same seed gives the same bits
    score_every: int = 1  # epochs between scores and pictures
    amp: Literal["off", "fp16", "bf16"] = "off"  # compute products in half precision
    capture: bool = True  # record the training step, to replay it as one native call
    threads: int = 0  # 0: all usable ones; the result does not depend on it
    out: str = "runs/dcgan"  # folder for weights, checkpoints and pictures
    resume: bool = False  # go on with the checkpoint in --out, if there is one
    checkpoint_seconds: float = 30.0  # time between checkpoints (one more follows each epoch)
    sample: tuple[int, str] | None = None  # N FILE: only make N images, with the best generator
    check: bool = False  # exit with 1 if the scores are below what they should be
    pictures: bool = True  # write PNG and GIF files
    quiet: bool = False  # print the last line only


# What --check demands on MNIST of runs of at least so many epochs, and of other data of all runs.
GATES = {
    "mnist": {1: Gate(100, 0.4, 0.1, (0, 1)), 2: Gate(40, 0.60), 8: Gate(15, 0.75)},
}


# ---- networks


def stages(size: int) -> tuple[int, int]:
    """Height of the smallest maps, and how often they are doubled to reach `size`."""
    return {28: (7, 2), 32: (4, 3), 64: (4, 4)}[size]


class Generator(nn.Module):
    """Noise (N, nz) to images (N, C, size, size) in (-1, 1).

    Args:
        size: 28, 32 or 64.
        nz: Numbers of noise.
        ngf: Channels of the last layer but one; each layer before has twice as many.
        channels: C of the images.
        classes: 0, or how many kinds of images there are to choose from.
    """

    def __init__(self, size: int, nz: int, ngf: int, channels: int, classes: int = 0) -> None:
        self.nz, self.classes = nz, classes
        least, doublings = stages(size)
        width = ngf << (doublings - 1)
        layers: list[nn.Module] = [nn.ConvTranspose2d(nz + classes, width, least, bias=False)]
        for _ in range(doublings - 1):
            layers += [nn.BatchNorm2d(width), nn.ReLU()]
            layers += [nn.ConvTranspose2d(width, width // 2, 4, 2, 1, bias=False)]
            width //= 2
        layers += [nn.BatchNorm2d(width), nn.ReLU()]
        layers += [nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False), nn.Tanh()]
        self.main = nn.Sequential(*layers)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """Images of noise (N, nz), and of classes (N,) if there are any."""
        if self.classes:
            z = pydl.cat([z, F.one_hot(labels, self.classes).float()], 1)
        images: Tensor = self.main(z.reshape(*z.shape, 1, 1))
        return images


class Discriminator(nn.Module):
    """Images (N, C, size, size) to logits (N,): large where they look real.

    Args:
        size: 28, 32 or 64.
        ndf: Channels of the first layer; each next one has twice as many.
        channels: C of the images.
        classes: 0, or how many kinds there are. Then there is a logit for each kind, and the one
            that belongs to the label counts (Mescheder et al., Which training methods for GANs do
            actually converge?, 2018).
        norm: Whether there is batch norm. A gradient penalty is one of each single image, and
            batch norm would mix them (Gulrajani et al., 2017, section 4).
    """

    def __init__(
        self, size: int, ndf: int, channels: int, classes: int = 0, norm: bool = True
    ) -> None:
        self.classes = classes
        least, halvings = stages(size)
        layers: list[nn.Module] = [nn.Conv2d(channels, ndf, 4, 2, 1, bias=False)]
        layers += [nn.LeakyReLU(0.2)]
        width = ndf
        for _ in range(halvings - 1):
            layers += [nn.Conv2d(width, 2 * width, 4, 2, 1, bias=not norm)]
            layers += [nn.BatchNorm2d(2 * width)] if norm else []
            layers += [nn.LeakyReLU(0.2)]
            width *= 2
        layers += [nn.Conv2d(width, classes or 1, least, bias=False)]
        self.main = nn.Sequential(*layers)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Logits of images, as images of their classes (N,) if there are any."""
        y: Tensor = self.main(x).flatten(1)
        if self.classes:
            y = y * F.one_hot(labels, self.classes).float()
        return y.sum(1)


def initialise(network: nn.Module) -> None:
    """Weights N(0, 0.02), those of batch norm N(1, 0.02): section 3 of the paper."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d) and module.weight is not None:
            nn.init.normal_(module.weight, 1.0, 0.02)


# ---- losses: logits (N,) of real and of generated images to a number


def discriminator_loss(config: Config, real: Tensor, fake: Tensor) -> Tensor:
    """What the discriminator makes small.

    Source: bce: Goodfellow et al., Generative adversarial nets (2014), with one-sided smoothing of
    Salimans et al. (2016), section 3.4; hinge: Lim and Ye, Geometric GAN (2017); wgan: Arjovsky et
    al., Wasserstein GAN (2017).
    """
    if config.loss == "bce":
        # -log(1 - sigmoid(y)) = softplus(y), and -s log sigmoid(y) - (1-s) log(1 - sigmoid(y))
        # = softplus(-y) + (1-s) y.
        smooth = config.label_smoothing
        loss_real = F.softplus(-real) + smooth * real if smooth else F.softplus(-real)
        return loss_real.mean() + F.softplus(fake).mean()
    if config.loss == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    return fake.mean() - real.mean()


def generator_loss(config: Config, fake: Tensor) -> Tensor:
    """What the generator makes small; with bce it is the non-saturating one of Goodfellow et al."""
    return F.softplus(-fake).mean() if config.loss == "bce" else -fake.mean()


def gradient_penalty(judge: Discriminator, real: Tensor, fake: Tensor, labels: Tensor) -> Tensor:
    """How far the slope of the judge is from 1, between real images and generated ones.

    Source: Gulrajani et al., Improved training of Wasserstein GANs (2017), algorithm 1.
    """
    share = pydl.rand(len(real), 1, 1, 1)
    between = (share * real + (1 - share) * fake).requires_grad_()
    (slope,) = pydl.grad(judge(between, labels).sum(), between, create_graph=True)
    length: Tensor = (slope.pow(2).sum((1, 2, 3)) + 1e-12).sqrt()
    return (length - 1).pow(2).mean()


# ---- a training step

# What a step returns: losses, mean judgements of real images, of generated ones before and after
# the discriminator learned from them, and the norms of both gradients.
MEASURES = ("loss_d", "loss_g", "d_real", "d_fake", "d_fake_after", "norm_d", "norm_g")


def train_step(run: Run, images: Tensor, labels: Tensor, with_generator: bool) -> Tensor:
    """Improves the discriminator, and then the generator.

    Args:
        run: The networks and what trains them.
        images: Real ones, uint8 (N, C, size, size).
        labels: Their classes (N,).
        with_generator: False where it is the discriminator's turn only.

    Returns:
        The MEASURES, (7,).
    """
    config = run.config
    real = images.float() * (2 / 255) - 1
    z = pydl.randn(len(images), config.nz)
    mixed, scaler = run.mixed, run.mixed.scaler
    run.optimizer_d.zero_grad()
    with mixed.forward():
        fake = run.generator(z, labels)
        d_real = run.discriminator(real, labels)
        d_fake = run.discriminator(fake.detach(), labels)
        loss_d = total = discriminator_loss(config, d_real, d_fake)
    if config.loss == "wgan-gp":
        penalty = gradient_penalty(run.discriminator, real, fake.detach().float(), labels)
        total = loss_d + config.gp_weight * penalty
    scaler.scale(total).backward()
    scaler.unscale_(run.optimizer_d)
    norm_d = mixed.norm(gradient_norm(run.discriminator))
    scaler.step(run.optimizer_d)

    d_fake_after, loss_g, norm_g = d_fake, pydl.zeros(()), pydl.zeros(())
    if with_generator:
        run.optimizer_g.zero_grad()
        with mixed.forward():
            d_fake_after = run.discriminator(fake, labels)
            loss_g = generator_loss(config, d_fake_after)
        scaler.scale(loss_g).backward(inputs=list(run.generator.parameters()))
        scaler.unscale_(run.optimizer_g)
        norm_g = mixed.norm(gradient_norm(run.generator))
        scaler.step(run.optimizer_g)
        run.average()
    scaler.update()
    judged = [run.judgement(d.float()) for d in (d_real, d_fake, d_fake_after)]
    return pydl.stack([t.detach() for t in (loss_d, loss_g, *judged, norm_d, norm_g)])


def gradient_norm(network: nn.Module) -> Tensor:
    """The length of the gradient of all its weights."""
    return nn.utils.get_total_norm([p.grad for p in network.parameters() if p.grad is not None])


# ---- a run


@dataclass
class Progress:
    """How far a run has come, apart from tensors: what a checkpoint keeps as JSON."""

    steps: int = 0
    scores: list[tuple[int, dict[str, Any]]] = field(default_factory=list)  # epoch, Scores
    best: tuple[int, float] | None = None  # epoch and Fréchet distance of the best generator
    signs: list[tuple[int, str]] = field(default_factory=list)  # step, what was noticed
    training_seconds: float = 0.0
    seconds: float = 0.0  # with scores and pictures


class Run:
    """A run of training: both networks, what trains them, and how far it has come."""

    def __init__(self, config: Config, data: Dataset) -> None:
        self.config, self.data = config, data
        channels = data.train.images.shape[1]
        classes = len(data.classes) if config.conditional else 0
        self.shape = {"size": config.size, "nz": config.nz, "ngf": config.ngf,
                      "channels": channels, "classes": classes}  # fmt: skip
        pydl.manual_seed(config.seed)
        self.generator = Generator(**self.shape)
        norm = config.loss != "wgan-gp"
        self.discriminator = Discriminator(config.size, config.ndf, channels, classes, norm)
        initialise(self.generator)
        initialise(self.discriminator)
        self.mean_generator = Generator(**self.shape).requires_grad_(False)
        self.mean_generator.load_state_dict(self.generator.state_dict())
        self.averaged = pydl.zeros(())  # steps that are in the mean
        betas = (config.beta1, config.beta2)
        self.optimizer_g = optim.Adam(self.generator.parameters(), config.lr_g, betas)
        self.optimizer_d = optim.Adam(self.discriminator.parameters(), config.lr_d, betas)
        self.real = Split(resized(data.train.images, config.size), data.train.labels)
        self.loader = DataLoader(
            self.real, batch_size=config.batch_size, shuffle=True, drop_last=True, seed=config.seed
        )
        self.schedules = [
            lr_scheduler.LambdaLR(optimizer, self.rate)
            for optimizer in (self.optimizer_g, self.optimizer_d) if config.decay
        ]  # fmt: skip
        self.mixed = Mixed(config.amp)
        self.train_step = pydl.capture(train_step) if config.capture else train_step
        self.progress = Progress()
        self.measures = np.zeros((config.epochs * len(self.loader), len(MEASURES)), np.float32)
        path = Path(config.out) / "checkpoint.safetensors"
        self.checkpoint = Checkpoint(path, "dcgan", self.identity())

    def step(self, images: Tensor, labels: Tensor) -> Array:
        """Improves both networks, or the discriminator alone; returns the MEASURES."""
        with_generator = (self.progress.steps + 1) % self.d_steps() == 0
        measures = self.train_step(self, images, labels, with_generator).numpy()
        for schedule in self.schedules:
            schedule.step()
        if not with_generator and self.progress.steps > 0:  # what is known of it is from before
            for name in ("loss_g", "norm_g"):
                i = MEASURES.index(name)
                measures[i] = self.measures[self.progress.steps - 1, i]
        self.measures[self.progress.steps] = measures
        self.progress.steps += 1
        return measures

    def rate(self, step: int) -> float:
        """What both learning rates are multiplied by."""
        steps = self.config.epochs * len(self.loader)
        return min(1.0, (steps - step) / (self.config.decay * steps))

    def average(self) -> None:
        """Moves the mean generator towards the present one; at first fast, so that it forgets.

        Source: Yazıcı et al., The unusual effectiveness of averaging in GAN training (2019).
        """
        self.averaged.add_(1.0)
        keep = pydl.clamp((1 + self.averaged) / (10 + self.averaged), max=self.config.ema)
        now = self.generator.state_dict()
        with pydl.no_grad():
            for name, mean in self.mean_generator.state_dict().items():
                if mean.dtype.is_floating:
                    mean.lerp_(now[name], 1 - keep)

    def judgement(self, logits: Tensor) -> Tensor:
        """The mean judgement: a probability with bce, else a mere number."""
        return F.sigmoid(logits).mean() if self.config.loss == "bce" else logits.mean()

    def d_steps(self) -> int:
        """Steps of the discriminator for one of the generator."""
        return self.config.d_steps or (5 if self.config.loss == "wgan-gp" else 1)

    def identity(self) -> dict[str, Any]:
        """What decides the weights: a run with other values must not use the checkpoint."""
        free = ("root", "epochs", "score_every", "capture", "threads", "out", "resume",
                "checkpoint_seconds", "sample", "check", "pictures", "quiet")  # fmt: skip
        names = {k: v for k, v in asdict(self.config).items() if k not in free}
        return {**names, "epochs": self.config.epochs} if self.config.decay else names

    def parts(self) -> dict[str, nn.Module | optim.Optimizer | Tensor]:
        """What of the run has tensors."""
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "mean_generator": self.mean_generator,
            "optimizer_g": self.optimizer_g,
            "optimizer_d": self.optimizer_d,
            "averaged": self.averaged,
            "measures": pydl.from_numpy(self.measures[: self.progress.steps]),
        }

    def save(self) -> None:
        """Writes the checkpoint."""
        self.checkpoint.save(self.parts(), {
            "scaler": self.mixed.scaler.state_dict(),
            "loader": self.loader.state_dict(),
            "schedules": [schedule.state_dict() for schedule in self.schedules],
            "rng": pydl.get_rng_state(),
            "progress": asdict(self.progress),
        })  # fmt: skip

    def load(self) -> None:
        """Goes on where the checkpoint was written: from there on every bit is the same."""
        hints = {"epochs": "only a run without --decay can be prolonged"}
        notes, tensors = self.checkpoint.load(self.parts(), hints)
        for schedule, state in zip(self.schedules, notes["schedules"], strict=True):
            schedule.load_state_dict(state)
        self.mixed.scaler.load_state_dict(notes["scaler"])
        self.loader.load_state_dict(notes["loader"])
        pydl.set_rng_state(tuple(notes["rng"]))
        self.progress = Progress(**notes["progress"])
        steps = self.progress.steps
        if steps > len(self.measures):
            epochs = -(-steps // len(self.loader))
            raise UserError(f"{self.checkpoint.path} has {epochs} epochs: give --epochs {epochs}")
        self.averaged.copy_(tensors["averaged"])
        self.measures[:steps] = tensors["measures"].numpy()

    def epoch(self) -> float:
        """Passes over the training images so far."""
        return self.progress.steps / len(self.loader)

    def history(self, steps: int | None = None) -> dict[str, Array]:
        """What was measured in the last steps, or in all."""
        first = 0 if steps is None else max(0, self.progress.steps - steps)
        measured = self.measures[first : self.progress.steps]
        return dict(zip(MEASURES, measured.T, strict=True))

    def noise(self, n: int, seed: int) -> Array:
        """Numbers (n, nz) from N(0, 1) that depend on the seed alone."""
        return noise(n, self.config.nz, seed)

    def images(self, z: Array, labels: Array) -> Array:
        """Images of noise (N, nz) and of classes (N,), made by the mean generator."""
        return generated(self.mean_generator, z, labels)

    def neighbours(self, images: Array, k: int = 1) -> tuple[Array, Array]:
        """The k nearest training images of each image, (N, k, C, H, W), and how far they are."""
        real = self.real.images
        rows, others = images.reshape(len(images), -1), real.reshape(len(real), -1)
        at, distances = metrics.nearest(rows, others, k)
        return np.asarray(real[at]), distances


def generated(generator: Generator, z: Array, labels: Array) -> Array:
    """Images uint8 (N, C, size, size) of noise (N, nz) and classes (N,), each made by itself."""
    was_training = generator.training
    generator.eval()
    parts = []
    with pydl.no_grad():
        for i in range(0, len(z), 250):
            y = generator(pydl.tensor(z[i : i + 250]), pydl.tensor(labels[i : i + 250]))
            parts.append(np.rint((y.numpy() + 1) * 127.5).astype(np.uint8))
    generator.train(was_training)
    return np.concatenate(parts)


def noise(n: int, nz: int, seed: int) -> Array:
    """Numbers (n, nz) from N(0, 1) that depend on the seed alone; training does not notice."""
    state = pydl.get_rng_state()
    pydl.manual_seed(seed)
    z = pydl.randn(n, nz).numpy()
    pydl.set_rng_state(state)
    return z


def train(run: Run, bar: Any, scorer: Scorer, say: Callable[[str], None]) -> None:
    """Trains up to the last epoch, with scores and pictures after each one.

    Args:
        run: What to train; it may have come some way already.
        bar: A tqdm bar over the training images of all epochs.
        scorer: Of the data set.
        say: Prints a line.
    """
    if run.config.pictures:
        from _gan_pictures import draw
    progress = run.progress
    if progress.steps == 0:
        run.save()  # to go back to where NaN appears
    while progress.steps < len(run.measures):
        train_epoch(run, bar, say)
        began = time.perf_counter()
        epoch = progress.steps // len(run.loader)
        if epoch % run.config.score_every == 0 or epoch == run.config.epochs:
            judge(run, scorer, say)
            if run.config.pictures:
                draw(run, scorer.floor.fd, scorer.floor.coverage)
        progress.seconds += time.perf_counter() - began
        run.save()


def train_epoch(run: Run, bar: Any, say: Callable[[str], None]) -> None:
    """Trains to the end of the epoch, from wherever the loader stands in it."""
    config, progress = run.config, run.progress
    bar.set_description(f"epoch {int(run.epoch()) + 1}/{config.epochs}", refresh=False)
    run.generator.train()
    run.discriminator.train()
    before = saved = time.perf_counter()
    for images, labels in run.loader:
        if not np.isfinite(run.step(images, labels)).all():
            raise UserError(what_broke(run))
        now = time.perf_counter()
        progress.training_seconds += now - before
        progress.seconds += now - before
        before = now
        bar.set_postfix_str(shown(run), refresh=False)
        bar.update(len(labels))
        if progress.steps % 100 == 0:
            watch(run, say)
        if now - saved > config.checkpoint_seconds and progress.steps % len(run.loader):
            run.save()  # not after the last step: scores belong to the epoch
            saved = time.perf_counter()


def shown(run: Run) -> str:
    """What stands beside the progress bar."""
    scores = run.progress.scores
    m = {name: values.mean() for name, values in run.history(50).items()}
    text = (f"D(x) {m['d_real']:.2f}, D(G(z)) {m['d_fake']:.2f} to {m['d_fake_after']:.2f}, "
            f"gradients {m['norm_d']:.1f} and {m['norm_g']:.1f}")  # fmt: skip
    return f"{text}, FD {scores[-1][1]['fd']:.1f}" if scores else text


def what_broke(run: Run) -> str:
    """Goes back to the checkpoint, repeats the steps one op at a time, and names the one."""
    step = run.progress.steps
    run.load()
    run.generator.train()
    run.discriminator.train()
    try:
        with pydl.detect_anomaly():
            for images, labels in run.loader:
                run.step(images, labels)
                if run.progress.steps == step:
                    break
    except pydl.AnomalyError as e:
        return (f"step {step}: {e}\nThe checkpoint before is whole. A smaller --lr-g and --lr-d, "
                "or another --loss, may keep the numbers finite.")  # fmt: skip
    return f"step {step}: a loss or a gradient was not finite, and is when repeated"


# ---- scores, and signs of failure


def judge(run: Run, scorer: Scorer, say: Callable[[str], None]) -> None:
    """Scores as many images as there are reference images, and keeps the best generator."""
    progress, epoch = run.progress, round(run.epoch())
    scores = scored(run, scorer, run.mean_generator, seed=1)
    progress.scores.append((epoch, asdict(scores)))
    if progress.best is None or scores.fd < progress.best[1]:
        progress.best = (epoch, scores.fd)
        save_generator(run, Path(run.config.out) / "best.safetensors")
    m = {name: values.mean() for name, values in run.history(len(run.loader)).items()}
    say(
        f"epoch {epoch:2d}/{run.config.epochs}   losses {m['loss_d']:.2f} {m['loss_g']:.2f}   "
        f"D(x) {m['d_real']:.2f}, D(G(z)) {m['d_fake']:.2f} to {m['d_fake_after']:.2f}   "
        f"{scores.line()}   {progress.seconds:.0f} s"
    )
    watch(run, say)


def scored(run: Run, scorer: Scorer, generator: Generator, seed: int) -> Scores:
    """Scores of images of a generator, the classes as often as among the training images."""
    labels = np.resize(run.real.labels, scorer.samples)
    z = run.noise(scorer.samples, seed)
    return scorer(generated(generator, z, labels), labels if run.config.conditional else None)


def save_generator(run: Run, path: Path) -> None:
    """Writes the mean generator, and what it takes to build it."""
    notes = {**run.shape, "data": run.data.name, "classes_named": list(run.data.classes)}
    pydl.save(run.mean_generator.state_dict(), path, {"dcgan_generator": json.dumps(notes)})


def watch(run: Run, say: Callable[[str], None]) -> None:
    """Says what looks like failure, once each time it appears."""
    progress = run.progress
    known = {text.split(":")[0] for step, text in progress.signs
             if step > progress.steps - 5 * len(run.loader)}  # fmt: skip
    for text in signs(run):
        if text.split(":")[0] not in known:
            progress.signs.append((progress.steps, text))
            say(f"  step {progress.steps}, {text}")


def signs(run: Run) -> list[str]:
    """What looks like failure now, and what helps against it.

    Source: Chintala et al., How to train a GAN? (2016), 10; Goodfellow, NIPS 2016 tutorial, 5.1.
    """
    found = []
    m = {name: values.mean() for name, values in run.history(100).items()}
    if run.config.loss == "bce" and m["loss_d"] < 0.05:
        found.append(
            f"the discriminator wins: its loss is {m['loss_d']:.3f}, and D(G(z)) "
            f"{m['d_fake_after']:.3f}, so the generator learns little. What helps: "
            "--label-smoothing 0.1, a smaller --lr-d, --loss hinge or wgan-gp."
        )
    if max(m["norm_d"], m["norm_g"]) > 100:
        found.append(
            f"gradients are large: their lengths are {m['norm_d']:.0f} (D) and "
            f"{m['norm_g']:.0f} (G). What helps: smaller --lr-d and --lr-g."
        )
    if run.mixed.scaler.get_scale() < 1:
        found.append(
            "gradients leave the range of float16: the scale of the loss is down to "
            f"{run.mixed.scaler.get_scale():.2g}. What helps: --amp bf16."
        )
    if not run.progress.scores:
        return found
    last = Scores(**run.progress.scores[-1][1])
    class_shares = np.bincount(run.real.labels) / len(run.real)
    if last.shares and max(last.shares) > 3 * max(class_shares):
        name = run.data.classes[int(np.argmax(last.shares))]
        found.append(
            f"images of one class: {max(last.shares):.0%} look like {name!r}. What helps: begin "
            "anew with a smaller --lr-g, --loss wgan-gp, or --conditional."
        )
    best = max(s["coverage"] for _, s in run.progress.scores)
    if last.coverage < best / 2:
        found.append(
            f"coverage is falling: it was {best:.2f} and is {last.coverage:.2f}, so the images "
            "grow alike. The best generator is kept (best.safetensors). What helps: a smaller "
            "--lr-g, --loss wgan-gp, or fewer --epochs."
        )
    return found


# ---- command line


def load_data(config: Config) -> Dataset:
    """Reads the data set that --data names."""
    kind, _, path = config.data.partition(":")
    known = {"mnist": pydl.data.mnist, "fashion": pydl.data.fashion_mnist,
             "cifar10": pydl.data.cifar10}  # fmt: skip
    try:
        if kind == "folder" and path:
            return pydl.data.image_folder(path, config.size)
        if config.data in known:
            return known[config.data](config.root)
    except (DatasetNotFound, DownloadError) as e:
        raise UserError(str(e)) from None
    raise UserError(f"--data {config.data}: expected mnist, fashion, cifar10 or folder:PATH")


def check_options(config: Config) -> None:
    """Refuses what cannot work before anything is done."""
    least = {"nz": 1, "ngf": 1, "ndf": 1, "epochs": 1, "batch_size": 2, "score_every": 1,
             "seed": 0, "threads": 0}  # fmt: skip
    at_least(config, least)
    if config.d_steps is not None and config.d_steps < 1:
        raise UserError("--d-steps must be at least 1")
    if not 0 <= config.decay <= 1:
        raise UserError("--decay must be in [0, 1]")
    if not 0 <= config.ema < 1:
        raise UserError("--ema must be in [0, 1)")
    if not 0 <= config.label_smoothing < 0.5:
        raise UserError("--label-smoothing must be in [0, 0.5)")
    if config.label_smoothing and config.loss != "bce":
        raise UserError("--label-smoothing goes with --loss bce")


def main(config: Config) -> int:
    """Does the whole run; returns the exit code."""
    require("tqdm", *["matplotlib", "PIL"] * config.pictures)
    from tqdm import tqdm

    def say(line: str) -> None:
        if not config.quiet:
            tqdm.write(line)
            sys.stdout.flush()

    check_options(config)
    if config.threads > 0:
        pydl.set_num_threads(config.threads)
    if config.sample is not None:
        return make_samples(config, *config.sample)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    data = load_data(config)
    if len(data.train) < config.batch_size:
        raise UserError(f"{len(data.train)} images make no batch of {config.batch_size}")
    run = Run(config, data)
    scorer = Scorer(data, config.size)
    begin(run, scorer, say)
    images = len(run.loader) * config.batch_size
    with tqdm(total=config.epochs * images, initial=run.progress.steps * config.batch_size,
              unit=" images", unit_scale=True, disable=config.quiet,
              mininterval=0.2 if sys.stderr.isatty() else 10.0) as bar:  # fmt: skip
        train(run, bar, scorer, say)
    save_generator(run, out / "generator.safetensors")
    return report(run, scorer, say)


def begin(run: Run, scorer: Scorer, say: Callable[[str], None]) -> None:
    """Says what is going to be done, and takes up the checkpoint if that is wished."""
    config, data = run.config, run.data
    sizes = [sum(p.numel() for p in n.parameters()) for n in (run.generator, run.discriminator)]
    say(f"{data.name} from {data.source}: {len(data.train):,} images, {config.size} pixels")
    say(
        f"generator of {sizes[0]:,} weights, discriminator of {sizes[1]:,} "
        f"({pydl._native.isa()}, {pydl.num_threads()} threads)"
    )
    say(f"the real test images: {scorer.floor.line()}")
    if config.resume and run.checkpoint.exists():
        run.load()
        say(f"going on after step {run.progress.steps}, as {run.checkpoint.path} says")
    elif config.resume:
        say(f"{run.checkpoint.path} does not exist: beginning anew")


def report(run: Run, scorer: Scorer, say: Callable[[str], None]) -> int:
    """Scores the best generator on noise it was not chosen by; returns the exit code."""
    config, progress, out = run.config, run.progress, Path(run.config.out)
    assert progress.best is not None
    best = load_generator(out / "best.safetensors")
    scores, floor = scored(run, scorer, best, seed=4), scorer.floor
    rows = [("", "best generator", "real test images")]
    for name, value in asdict(scores).items():
        real = getattr(floor, name)
        if isinstance(value, float):
            rows.append((name, f"{value:.4g}", f"{real:.4g}" if real is not None else "-"))
    for row in rows:
        say("  {:20} {:>16} {:>18}".format(*row))
    if scores.shares:
        say("  share of each class  " + " ".join(f"{share:.1%}" for share in scores.shares))
    memory = memorised(run, best)
    say(f"  distance to the nearest training image: {memory:.2f} of what real test images have")
    gates = GATES.get(run.data.name, {1: Gate(math.inf, 0.05, math.inf, (0, 1))})
    gate = gates[max(least for least in gates if least <= config.epochs or least == 1)]
    failures = gate.failures(scores) if config.check else []
    if failures:
        print(f"dcgan: {'; '.join(failures)}", file=sys.stderr)
    line = {
        "demo": "dcgan",
        "data": run.data.name,
        "size": config.size,
        "loss": config.loss,
        "seed": config.seed,
        "epochs": config.epochs,
        "best_epoch": progress.best[0],
        **{k: v for k, v in asdict(scores).items() if v not in (None, ())},
        "real_fd": floor.fd,
        "real_coverage": floor.coverage,
        "memory": round(memory, 4),
        "signs": len(progress.signs),
        "seconds": round(progress.seconds, 1),
        "images_per_second": round(
            progress.steps * config.batch_size / progress.training_seconds, 1
        ),
        "threads": pydl.num_threads(),
        "isa": pydl._native.isa(),
        "weights_sha256": digest(run.generator, run.discriminator, run.mean_generator),
    }
    print(json.dumps(line), flush=True)
    return int(bool(failures))


def memorised(run: Run, generator: Generator, n: int = 500) -> float:
    """Median distance to the nearest training image, over that of real test images.

    About 1 is what new images of the same kind have, 0 what copies have.
    """
    n = min(n, len(run.real))
    fakes = generated(generator, run.noise(n, seed=4), run.real.labels[:n])
    tests = resized(run.data.test.images[:n], run.config.size)
    made, true = (float(np.median(run.neighbours(images)[1])) for images in (fakes, tests))
    return made / max(true, 1e-9)


def load_generator(path: Path) -> Generator:
    """A generator from its file, as `save_generator` wrote it.

    Raises:
        UserError: there is no such file, or it holds something else.
    """
    if not path.exists():
        raise UserError(f"{path} does not exist: train first, or name another --out")
    notes = pydl.io.load_metadata(path).get("dcgan_generator")
    if notes is None:
        raise UserError(f"{path} is not a generator of this program")
    shape = json.loads(notes)
    names = ("size", "nz", "ngf", "channels", "classes")
    generator = Generator(**{name: shape[name] for name in names})
    generator.load_state_dict(pydl.load(path))
    return generator.eval()


def make_samples(config: Config, n: int, path: str) -> int:
    """Writes a picture of `n` images of the best generator in --out, by --seed."""
    require("matplotlib", "PIL")
    import _pictures as pictures

    if n < 1:
        raise UserError(f"--sample {n}: expected at least one image")
    generator = load_generator(Path(config.out) / "best.safetensors")
    labels = np.arange(n) % max(generator.classes, 1)
    images = generated(generator, noise(n, generator.nz, config.seed), labels)
    columns = generator.classes or math.ceil(math.sqrt(n))
    pictures.sheet(images, min(n, columns), 2).save(path)
    return 0


if __name__ == "__main__":
    assert __doc__
    sys.exit(run_main(main, parse(Config, __doc__.splitlines()[0]), "dcgan"))
