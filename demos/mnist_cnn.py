"""Trains a small convolutional network on handwritten digits (MNIST) and shows what it learned.

To be read from top to bottom: options, networks, data, a training step, a run that can be stopped
and resumed, pictures, command line; beside it lie only option parsing (_command_line.py) and
plotting (_pictures.py). The default network is that of PyTorch's MNIST example, by the same names.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from _checkpoint import Checkpoint
from _command_line import UserError, at_least, parse, require, run_main
from _mixed import Mixed
from numpy.typing import NDArray

import pydl
import pydl.nn as nn
import pydl.nn.functional as F
from pydl import Tensor, optim
from pydl.data import DataLoader, Dataset, DatasetNotFound, DownloadError, RandomCrop, Split
from pydl.optim import lr_scheduler

Array = NDArray[Any]


@dataclass
class Config:
    """The options; the comment of each is its --help."""

    arch: Literal["cnn", "mlp", "lenet", "deep", "fast"] = "cnn"  # network
    data: Literal["auto", "mnist", "fashion", "digits"] = "auto"  # auto: mnist, or else digits
    root: str | None = None  # the only folder to look for the data in
    device: Literal["numpy", "cpu", "cuda"] = "cpu"  # where to compute
    shift: int = 2  # training images are moved at random, by up to so many pixels
    epochs: int = 12  # passes over the training images
    batch_size: int = 128  # images in a training step
    test_batch_size: int = 500  # images at once when testing
    optimizer: Literal["adadelta", "adam", "sgd"] = "adam"  # sgd: with Nesterov momentum 0.9
    lr: float | None = None  # (highest) learning rate; unless given, one that suits the optimizer
    beta1: float | None = None  # of adam; unless given, the one cycle moves it, else 0.9
    beta2: float = 0.999  # of adam
    schedule: Literal["onecycle", "step"] = "onecycle"  # learning rate: up and down, or in steps
    warmup: float = 0.3  # share of the one cycle in which the learning rate rises
    anneal: Literal["cos", "linear"] = "cos"  # how it rises and falls
    gamma: float = 0.7  # with --schedule step: what each epoch multiplies the learning rate by
    seed: int = 0  # decides weights, order and dropout: the same seed gives the same bits
    amp: Literal["off", "fp16", "bf16"] = "off"  # compute products in half precision
    capture: bool = True  # record the training step, to replay it as one native call
    threads: int = 0  # 0: all usable ones; the result does not depend on it
    out: str = "runs/mnist"  # folder for weights, checkpoint and pictures
    resume: bool = False  # go on with the checkpoint in --out, if there is one
    checkpoint_seconds: float = 15.0  # time between checkpoints (one more follows each epoch)
    check: bool = False  # exit with 1 if the test accuracy is below what it should be
    pictures: bool = True  # write PNG files at the end
    quiet: bool = False  # print the last line only


LEARNING_RATES = {"adadelta": 1.0, "adam": 0.003, "sgd": 0.1}
PIXELS = {  # mean and deviation over the training images; cifar10 is gan_scorer.py's
    **{"mnist": (0.1307, 0.3081), "fashion_mnist": (0.2860, 0.3530)},
    **{"digits": (0.2243, 0.3493), "cifar10": (0.4734, 0.2516)},
}
# Test accuracy in percent that --check demands of runs of at least 1, 3 and 12 epochs.
TARGETS = {
    ("mnist", "cnn"): (97.5, 98.9, 99.2),
    ("mnist", "mlp"): (96.0, 97.6, 98.5),
    ("mnist", "lenet"): (97.0, 98.6, 99.0),
    ("mnist", "deep"): (97.5, 98.9, 99.2),
    ("mnist", "fast"): (97.0, 98.7, 99.2),
    ("fashion_mnist", "cnn"): (86.0, 90.5, 92.5),
    ("fashion_mnist", "mlp"): (83.0, 86.0, 88.5),
    ("fashion_mnist", "lenet"): (80.0, 86.0, 89.0),
    ("fashion_mnist", "deep"): (80.0, 87.5, 91.0),
    ("fashion_mnist", "fast"): (80.0, 86.0, 89.0),
    ("digits", "cnn"): (60.0, 88.0, 95.0),
    ("digits", "mlp"): (65.0, 84.0, 95.0),
    ("digits", "lenet"): (40.0, 80.0, 95.0),
    ("digits", "deep"): (10.0, 15.0, 75.0),
    ("digits", "fast"): (40.0, 80.0, 95.0),
}


# ---- networks: images (N, 1, 28, 28) to logits (N, 10)


class Cnn(nn.Module):
    """Two convolutions and two fully connected layers: PyTorch's MNIST example."""

    def __init__(self) -> None:
        self.conv1 = nn.Conv2d(1, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(9216, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        x = F.relu(self.conv1(x))  # (N, 32, 26, 26)
        x = F.relu(self.conv2(x))  # (N, 64, 24, 24)
        x = self.dropout1(F.max_pool2d(x, 2))  # (N, 64, 12, 12)
        x = self.dropout2(F.relu(self.fc1(x.flatten(1))))  # (N, 128)
        x = self.fc2(x)
        return x


class Mlp(nn.Module):
    """Three fully connected layers, 784-512-256-10."""

    def __init__(self) -> None:
        self.fc1 = nn.Linear(784, 512)
        self.fc2 = nn.Linear(512, 256)
        self.fc3 = nn.Linear(256, 10)
        self.dropout = nn.Dropout(0.2)

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        x = self.dropout(F.relu(self.fc1(x.flatten(1))))
        x = self.dropout(F.relu(self.fc2(x)))
        x = self.fc3(x)
        return x


class LeNet(nn.Module):
    """LeNet-5 with the ReLU and max pooling of today.

    Source: LeCun et al., Gradient-based learning applied to document recognition (1998), fig. 2.
    """

    def __init__(self) -> None:
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)  # (N, 6, 14, 14)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)  # (N, 16, 5, 5)
        x = self.fc3(F.relu(self.fc2(F.relu(self.fc1(x.flatten(1))))))
        return x


class Deep(nn.Module):
    """Six convolutions in three blocks, initialised after He.

    Source: Saito, Deep Learning from Scratch (2016), section 8.1.
    """

    def __init__(self) -> None:
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 16, 3, padding=1)
        self.conv3 = nn.Conv2d(16, 32, 3, padding=1)
        self.conv4 = nn.Conv2d(32, 32, 3, padding=2)
        self.conv5 = nn.Conv2d(32, 64, 3, padding=1)
        self.conv6 = nn.Conv2d(64, 64, 3, padding=1)
        self.fc1 = nn.Linear(1024, 50)
        self.dropout = nn.Dropout(0.5)
        self.fc2 = nn.Linear(50, 10)
        for name, p in self.named_parameters():
            if name.endswith("weight"):
                nn.init.kaiming_normal_(p, nonlinearity="relu")
            else:
                nn.init.zeros_(p)

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        x = F.max_pool2d(F.relu(self.conv2(F.relu(self.conv1(x)))), 2)  # (N, 16, 14, 14)
        x = F.max_pool2d(F.relu(self.conv4(F.relu(self.conv3(x)))), 2)  # (N, 32, 8, 8)
        x = F.max_pool2d(F.relu(self.conv6(F.relu(self.conv5(x)))), 2)  # (N, 64, 4, 4)
        x = self.fc2(self.dropout(F.relu(self.fc1(x.flatten(1)))))
        return x


class Fast(nn.Module):
    """A small network for the race to 99 % in one epoch: mnist_fast.py.

    Source: the public ladder "train MNIST fast" (github.com/tuomaso/train_mnist_fast).
    """

    def __init__(self) -> None:
        self.conv1 = nn.Conv2d(1, 24, 5)
        self.conv2 = nn.Conv2d(24, 32, 3)
        self.fc1 = nn.Linear(800, 256)
        self.fc2 = nn.Linear(256, 10)

    def features(self, x: Tensor) -> Tensor:
        """Images to what the last layer sees, (N, 256)."""
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)  # (N, 24, 12, 12)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)  # (N, 32, 5, 5)
        return F.relu(self.fc1(x.flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        x = self.fc2(self.features(x))
        return x


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "cnn": Cnn,
    "mlp": Mlp,
    "lenet": LeNet,
    "deep": Deep,
    "fast": Fast,
}


# ---- data


def load_data(config: Config, say: Callable[[str], None]) -> Dataset:
    """Reads the data set; all images are uint8 (N, 1, 28, 28)."""
    if config.data == "digits":
        return enlarged(pydl.data.digits())
    read = pydl.data.fashion_mnist if config.data == "fashion" else pydl.data.mnist
    try:
        return read(config.root)
    except (DatasetNotFound, DownloadError) as e:
        if config.data != "auto":
            raise UserError(
                f"{e}\nOr train on the UCI digits, which need no file: --data digits"
            ) from None
    say("MNIST cannot be had (--data mnist says why): training on the small UCI digits instead.")
    return enlarged(pydl.data.digits())


def enlarged(data: Dataset) -> Dataset:
    """Makes 8x8 images 28x28: each pixel three by three, and a border of two."""

    def enlarge(part: Split) -> Split:
        large = part.images.repeat(3, axis=2).repeat(3, axis=3)
        return Split(np.pad(large, ((0, 0), (0, 0), (2, 2), (2, 2))), part.labels)

    return replace(data, train=enlarge(data.train), test=enlarge(data.test))


# ---- training and testing


def train_step(
    model: nn.Module, optimizer: optim.Optimizer, images: Tensor, labels: Tensor, mixed: Mixed
) -> tuple[Tensor, Tensor]:
    """Improves the weights a little.

    Args:
        model: Images to logits (N, 10).
        optimizer: Of its parameters.
        images: (N, 1, 28, 28), normalised.
        labels: (N,) classes.
        mixed: What is computed in half precision.

    Returns:
        The mean loss and the number of images that were classified correctly.
    """
    optimizer.zero_grad()
    with mixed.forward():
        logits = model(images)
        loss = F.cross_entropy(logits, labels)
    mixed.scaler.scale(loss).backward()
    mixed.scaler.step(optimizer)
    mixed.scaler.update()
    return loss.detach(), (logits.detach().argmax(1) == labels).sum()


def normalised(images: Tensor, name: str) -> Tensor:
    """uint8 pixels to float32 with mean 0 and deviation 1 over the data set."""
    mean, deviation = PIXELS[name]
    return images.float() * (1 / (255 * deviation)) - mean / deviation


def evaluate(model: nn.Module, data: Dataset, config: Config) -> Array:
    """Classifies the test images: log-probabilities (N, 10)."""
    model.eval()
    batches = DataLoader(data.test, batch_size=config.test_batch_size, device=config.device)
    with pydl.no_grad(), Mixed(config.amp, config.device).forward():
        return np.concatenate(
            [F.log_softmax(model(normalised(x, data.name)), 1).cpu().numpy() for x, _ in batches]
        )


@dataclass
class Progress:
    """How far a run has come, apart from tensors: what a checkpoint keeps as JSON."""

    losses: list[float] = field(default_factory=list)  # of each step
    correct: list[int] = field(default_factory=list)  # of each step's images
    tests: list[tuple[float, float]] = field(default_factory=list)  # loss, accuracy of each epoch
    images: int = 0  # trained on
    training_seconds: float = 0.0
    seconds: float = 0.0  # with testing


class Run:
    """A run of training: the network, what trains it, and how far it has come."""

    def __init__(self, config: Config, data: Dataset) -> None:
        self.config = config
        self.data = data
        pydl.manual_seed(config.seed)
        self.model = NETWORKS[config.arch]().to(config.device)
        # Dropout goes on in the stream that the weights were drawn from, on any device.
        pydl.set_rng_state(pydl.get_rng_state("cpu"), config.device)
        self.loader = DataLoader(
            data.train,
            batch_size=config.batch_size,
            shuffle=True,
            seed=config.seed,
            device=config.device,
            transform=RandomCrop(28, padding=config.shift) if config.shift else None,
        )
        self.optimizer, self.scheduler = self._optimizer()
        self.mixed = Mixed(config.amp, config.device)
        self.train_step = pydl.capture(train_step) if config.capture else train_step
        self.progress = Progress()
        path = Path(config.out) / "checkpoint.safetensors"
        self.checkpoint = Checkpoint(path, "mnist_cnn", self.identity())

    def _optimizer(self) -> tuple[optim.Optimizer, lr_scheduler.LRScheduler]:
        config, parameters = self.config, self.model.parameters()
        lr = config.lr or LEARNING_RATES[config.optimizer]
        optimizer: optim.Optimizer
        if config.optimizer == "adadelta":
            optimizer = optim.Adadelta(parameters, lr=lr)
        elif config.optimizer == "adam":
            beta1 = 0.9 if config.beta1 is None else config.beta1
            optimizer = optim.Adam(parameters, lr=lr, betas=(beta1, config.beta2))
        else:
            optimizer = optim.SGD(parameters, lr=lr, momentum=0.9, nesterov=True)
        if config.schedule == "step":
            return optimizer, lr_scheduler.StepLR(optimizer, len(self.loader), config.gamma)
        steps = config.epochs * len(self.loader)
        # Adadelta has no momentum, and a beta1 that was asked for stays.
        cycle = config.optimizer != "adadelta" and config.beta1 is None
        return optimizer, lr_scheduler.OneCycleLR(
            optimizer, lr, steps, pct_start=config.warmup, anneal_strategy=config.anneal,
            cycle_momentum=cycle,
        )  # fmt: skip

    def identity(self) -> dict[str, Any]:
        """What decides the weights: a run with other values must not use the checkpoint."""
        names = ["arch", "device", "shift", "batch_size", "optimizer", "lr", "beta1", "beta2"]
        names += ["schedule", "warmup", "anneal", "gamma"]
        # The one cycle is laid over the whole run.
        names += ["seed", "epochs"] if self.config.schedule == "onecycle" else ["seed"]
        return {"data": self.data.name, **{n: getattr(self.config, n) for n in names}}

    def parts(self) -> dict[str, nn.Module | optim.Optimizer]:
        """What of the run has tensors."""
        return {"model": self.model, "optimizer": self.optimizer}

    def save(self) -> None:
        """Writes the checkpoint."""
        self.checkpoint.save(self.parts(), {
            "scheduler": self.scheduler.state_dict(),
            "scaler": self.mixed.scaler.state_dict(),
            "loader": self.loader.state_dict(),
            "rng": pydl.get_rng_state(self.config.device),
            "progress": asdict(self.progress),
        })  # fmt: skip

    def load(self) -> None:
        """Goes on where the checkpoint was written: from there on every bit is the same."""
        hints = {"epochs": "only --schedule step can be prolonged"}
        notes, _ = self.checkpoint.load(self.parts(), hints)
        self.scheduler.load_state_dict(notes["scheduler"])
        self.mixed.scaler.load_state_dict(notes["scaler"])
        self.loader.load_state_dict(notes["loader"])
        pydl.set_rng_state(tuple(notes["rng"]), self.config.device)
        self.progress = Progress(**notes["progress"])
        if (epochs := len(self.progress.tests)) > self.config.epochs:
            raise UserError(
                f"{self.checkpoint.path} has {epochs} epochs: give --epochs {epochs} or more"
            )


def train(run: Run, bar: Any, say: Callable[[str], None]) -> Array:
    """Trains up to the last epoch, testing after each one.

    Args:
        run: What to train; it may have come some way already.
        bar: A tqdm bar over the training images of all epochs.
        say: Prints a line.

    Returns:
        The log-probabilities of the test images, (N, 10).
    """
    config, progress = run.config, run.progress
    log_p = None
    while len(progress.tests) < config.epochs:
        train_epoch(run, bar)
        began = time.perf_counter()
        log_p = evaluate(run.model, run.data, config)
        progress.tests.append(scores(log_p, run.data.test.labels))
        progress.seconds += time.perf_counter() - began
        run.save()
        steps, (loss, accuracy) = len(run.loader), progress.tests[-1]
        learned = sum(progress.correct[-steps:]) / len(run.data.train)
        say(
            f"epoch {len(progress.tests):2d}/{config.epochs}   "
            f"training: loss {np.mean(progress.losses[-steps:]):.4f}, accuracy {learned:.2%}   "
            f"test: loss {loss:.4f}, accuracy {accuracy:.2%}   {progress.seconds:.0f} s"
        )
    return evaluate(run.model, run.data, config) if log_p is None else log_p


def train_epoch(run: Run, bar: Any) -> None:
    """Trains to the end of the epoch, from wherever the loader stands in it."""
    config, progress, name = run.config, run.progress, run.data.name
    epoch = len(progress.losses) // len(run.loader) + 1
    bar.set_description(f"epoch {epoch}/{config.epochs}", refresh=False)
    run.model.train()
    before = saved = time.perf_counter()
    for images, labels in run.loader:
        loss, correct = run.train_step(
            run.model, run.optimizer, normalised(images, name), labels, run.mixed
        )
        run.scheduler.step()
        progress.losses.append(loss.item())
        progress.correct.append(correct.item())
        progress.images += len(labels)
        now = time.perf_counter()
        progress.training_seconds += now - before
        progress.seconds += now - before
        before = now
        loss_now = np.mean(progress.losses[-50:])
        accuracy_now = np.mean(progress.correct[-50:]) / config.batch_size
        bar.set_postfix_str(f"loss {loss_now:.3f}, accuracy {accuracy_now:.1%}", refresh=False)
        bar.update(len(labels))
        if now - saved > config.checkpoint_seconds and len(progress.losses) % len(run.loader):
            run.save()  # not after the last step: the test belongs to the epoch
            saved = time.perf_counter()


def scores(log_p: Array, labels: Array) -> tuple[float, float]:
    """Mean loss and accuracy."""
    of_true = log_p[np.arange(len(labels)), labels]
    return -float(of_true.mean(dtype=np.float64)), float((log_p.argmax(1) == labels).mean())


# ---- pictures


def draw(run: Run, log_p: Array, folder: Path) -> list[str]:
    """Writes PNG files; returns their names."""
    import _pictures as pictures

    progress, test, classes = run.progress, run.data.test, run.data.classes
    correct = np.array(progress.correct).reshape(-1, len(run.loader)).sum(1)
    name, weight = next(iter(run.model.named_parameters()))
    first_layer = weight.detach().cpu().numpy().reshape(len(weight), -1)[:32]
    side = round(first_layer.shape[1] ** 0.5)
    figures = {
        "learning_curves": pictures.learning_curves(
            np.array(progress.losses), correct / len(run.data.train), np.array(progress.tests)
        ),
        "filters": pictures.filters(name, first_layer.reshape(-1, side, side)),
        "confusion": pictures.confusion(test.labels, log_p.argmax(1), classes),
        "mistakes": pictures.mistakes(test.images[:, 0], test.labels, log_p, classes),
    }
    if maps := feature_maps(run, test.images[:1]):
        title = f"input: {classes[test.labels[0]]}"
        figures["feature_maps"] = pictures.feature_maps(test.images[0, 0], title, maps)
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png")
    return [f"{name}.png" for name in figures]


def feature_maps(run: Run, image: Array) -> dict[str, Array]:
    """What the first two convolutions make of an image (1, 1, 28, 28): (C, H, W) each."""
    maps: dict[str, Array] = {}

    def watched(name: str, forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def watch(x: Tensor) -> Tensor:
            y = forward(x)
            maps[name] = F.relu(y).cpu().numpy()[0]
            return y

        return watch

    layers = [(n, m) for n, m in run.model.named_modules() if isinstance(m, nn.Conv2d)][:2]
    for name, layer in layers:
        vars(layer)["forward"] = watched(name, layer.forward)  # goes before the class's method
    with pydl.no_grad():
        run.model(normalised(pydl.tensor(image, device=run.config.device), run.data.name))
    for _, layer in layers:
        del vars(layer)["forward"]
    return maps


# ---- command line


def main(config: Config) -> int:
    """Does the whole run; returns the exit code."""
    require("tqdm", *["matplotlib"] * config.pictures)
    from tqdm import tqdm

    def say(line: str) -> None:
        if not config.quiet:
            tqdm.write(line)
            sys.stdout.flush()

    least = {"epochs": 1, "batch_size": 1, "test_batch_size": 1}
    least.update({"shift": 0, "seed": 0, "threads": 0})
    at_least(config, least)
    if not 0 <= config.warmup <= 1:
        raise UserError("--warmup must be in [0, 1]")
    config = replace(config, lr=config.lr or LEARNING_RATES[config.optimizer])
    try:
        pydl.device(config.device)
    except ValueError as e:
        raise UserError(str(e)) from None
    if config.threads > 0:
        pydl.set_num_threads(config.threads)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    data = load_data(config, say)
    run = Run(config, data)
    begin(run, say)
    images = config.epochs * len(data.train)
    slow = 0.2 if sys.stderr.isatty() else 10.0  # seconds between updates; spares log files
    with tqdm(total=images, initial=run.progress.images, unit=" images", unit_scale=True,
              mininterval=slow, disable=config.quiet) as bar:  # fmt: skip
        log_p = train(run, bar, say)

    weights = out / "mnist_cnn.safetensors"
    pydl.save(run.model.state_dict(), weights, {"arch": config.arch, "data": data.name})
    pictures = draw(run, log_p, out) if config.pictures else []
    say(f"{out}: {', '.join([weights.name, *pictures])}")
    return report(run, weights)


def begin(run: Run, say: Callable[[str], None]) -> None:
    """Says what is going to be done, and takes up the checkpoint if that is wished."""
    config, data = run.config, run.data
    kernels = f"{pydl._native.isa()}, {pydl.num_threads()} threads"
    where = "numpy" if config.device == "numpy" else f"{config.device} ({kernels})"
    size = sum(p.numel() for p in run.model.parameters())
    say(f"{data.name} from {data.source}: {len(data.train):,} images, {len(data.test):,} to test")
    say(f"{config.arch} with {size:,} weights on {where}")
    if config.resume and run.checkpoint.exists():
        run.load()
        say(f"going on after step {len(run.progress.losses)}, as {run.checkpoint.path} says")
    elif config.resume:
        say(f"{run.checkpoint.path} does not exist: beginning anew")


def report(run: Run, weights: Path) -> int:
    """Prints the line for programs; returns the exit code."""
    config, progress = run.config, run.progress
    loss, accuracy = progress.tests[-1]
    low, middle, high = TARGETS[run.data.name, config.arch]
    epochs = len(progress.tests)
    target = high if epochs >= 12 else middle if epochs >= 3 else low
    failed = config.check and 100 * accuracy < target
    if failed:
        print(f"mnist_cnn: {accuracy:.2%} is below the target, {target} %", file=sys.stderr)
    line = {
        "demo": "mnist_cnn",
        "arch": config.arch,
        "data": run.data.name,
        "epochs": epochs,
        "test_accuracy": accuracy,
        "test_loss": loss,
        "seconds": round(progress.seconds, 2),
        "images_per_second": round(progress.images / progress.training_seconds, 1),
        "threads": pydl.num_threads(),
        "isa": pydl._native.isa(),
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }
    print(json.dumps(line), flush=True)
    return int(failed)


if __name__ == "__main__":
    assert __doc__
    sys.exit(run_main(main, parse(Config, __doc__.splitlines()[0]), "mnist_cnn"))
