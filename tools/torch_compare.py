"""Compares pydl with PyTorch on the network of demos/mnist_cnn.py; needs torch, trains nothing.

Weights made by torch give the same logits in pydl. Times: `python -m benchmarks`.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save_file

import pydl

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "demos"))
import mnist_cnn

torch: Any = importlib.import_module("torch")  # no dependency, so the type checker lacks it
TF = torch.nn.functional
TOLERANCE = 1e-4


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


def main() -> int:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", help="folder of MNIST")
    parser.add_argument("--seed", type=int, default=0)
    return compare_logits(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
