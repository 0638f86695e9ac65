"""Compares pydl with PyTorch on the network of demos/mnist_cnn.py; needs torch, trains nothing.

python tools/torch_compare.py logits    # weights made by torch give the same logits in pydl
python tools/torch_compare.py step      # time of a training step, both interleaved
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save_file

import pydl
import pydl.optim

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "demos"))
import mnist_cnn

torch: Any = importlib.import_module("torch")  # no dependency, so the type checker lacks it
TF = torch.nn.functional
TOLERANCE = 1e-4
PAUSE = 0.02  # seconds, in which the threads of the other one go to sleep


def torch_layers() -> Any:
    """The layers of PyTorch's MNIST example."""
    nn = torch.nn
    return nn.ModuleDict(
        {
            "conv1": nn.Conv2d(1, 32, 3),
            "conv2": nn.Conv2d(32, 64, 3),
            "dropout1": nn.Dropout(0.25),
            "dropout2": nn.Dropout(0.5),
            "fc1": nn.Linear(9216, 128),
            "fc2": nn.Linear(128, 10),
        }
    )


def torch_forward(layers: Any, x: Any) -> Any:
    """Images to logits."""
    x = TF.relu(layers["conv1"](x))
    x = TF.relu(layers["conv2"](x))
    x = layers["dropout1"](TF.max_pool2d(x, 2))
    x = layers["dropout2"](TF.relu(layers["fc1"](torch.flatten(x, 1))))
    return layers["fc2"](x)


def both_networks(seed: int) -> tuple[Any, mnist_cnn.Cnn]:
    """Random weights of torch, and pydl with the same ones, by way of a safetensors file."""
    torch.manual_seed(seed)
    theirs, ours = torch_layers(), mnist_cnn.Cnn()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "torch.safetensors"
        save_file(theirs.state_dict(), path)
        ours.load_state_dict(pydl.load(path))
    return theirs, ours


def compare_logits(options: argparse.Namespace) -> int:
    """Prints the largest difference on the test images; returns the exit code."""
    theirs, ours = both_networks(options.seed)
    theirs.eval()
    ours.eval()
    images = pydl.data.mnist(options.root).test.images
    worst = largest = 0.0
    with torch.no_grad(), pydl.no_grad():
        for i in range(0, len(images), 500):
            x = mnist_cnn.normalised(pydl.tensor(images[i : i + 500]), "mnist")
            expected = torch_forward(theirs, torch.from_numpy(x.numpy())).numpy()
            worst = max(worst, float(np.abs(ours(x).numpy() - expected).max()))
            largest = max(largest, float(np.abs(expected).max()))
    print(f"{len(images):,} images: largest difference of a logit {worst:.2e}", end="")
    print(f" (largest logit {largest:.3f}, tolerance {TOLERANCE:.0e})")
    return int(worst > TOLERANCE)


def training_step(
    optimizer: Any, forward: Callable[[Any], Any], cross_entropy: Any, x: Any, t: Any
) -> Callable[[], Any]:
    """A training step; both libraries have the same names."""

    def step() -> Any:
        optimizer.zero_grad()
        loss = cross_entropy(forward(x), t)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def make_optimizer(library: Any, name: str, parameters: Any) -> Any:
    """`library` is torch.optim or pydl.optim."""
    lr = mnist_cnn.LEARNING_RATES[name]
    if name == "sgd":
        return library.SGD(parameters, lr=lr, momentum=0.9, nesterov=True)
    return getattr(library, name.capitalize())(parameters, lr=lr)


def compare_step(options: argparse.Namespace) -> int:
    """Prints the times of both; returns 1 if torch is faster."""
    threads = options.threads or pydl.num_threads()
    pydl.set_num_threads(threads)
    torch.set_num_threads(threads)
    theirs, ours = both_networks(options.seed)
    data = np.random.default_rng(options.seed)
    x = data.standard_normal((options.batch_size, 1, 28, 28), np.float32)
    t = data.integers(0, 10, options.batch_size)
    steps = {
        "torch": training_step(
            make_optimizer(torch.optim, options.optimizer, theirs.parameters()),
            lambda x: torch_forward(theirs, x),
            TF.cross_entropy,
            torch.from_numpy(x),
            torch.from_numpy(t),
        ),
        "pydl": training_step(
            make_optimizer(pydl.optim, options.optimizer, ours.parameters()),
            ours,
            pydl.nn.functional.cross_entropy,
            pydl.tensor(x),
            pydl.tensor(t),
        ),
    }
    times: dict[str, list[float]] = {name: [] for name in steps}
    for i in range(3 + options.repeats):  # the first three warm up
        for name, step in steps.items():
            time.sleep(PAUSE)
            began = time.perf_counter()
            step()
            if i >= 3:
                times[name].append(1e3 * (time.perf_counter() - began))
    print(
        f"batch {options.batch_size}, {options.optimizer}, {threads} threads, "
        f"{options.repeats} interleaved steps; torch {torch.__version__}, {pydl._native.isa()}"
    )
    for name, values in times.items():
        q1, median, q3 = statistics.quantiles(values, n=4)
        print(f"{name:6} median {median:7.2f} ms, quartiles {q1:.2f} to {q3:.2f}", end="")
        print(f", minimum {min(values):.2f}")
    ratio = statistics.median(times["pydl"]) / statistics.median(times["torch"])
    best = min(times["pydl"]) / min(times["torch"])
    print(f"pydl / torch: {ratio:.3f} by medians, {best:.3f} by minima")
    return int(ratio > 1)


def main() -> int:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["logits", "step"])
    parser.add_argument("--root", help="folder of MNIST")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="0: as many as pydl uses")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--optimizer", choices=list(mnist_cnn.LEARNING_RATES), default="adam")
    parser.add_argument("--repeats", type=int, default=25)
    options = parser.parse_args()
    return compare_logits(options) if options.what == "logits" else compare_step(options)


if __name__ == "__main__":
    sys.exit(main())
