"""Runs demos as a user would, and makes an easy stand-in for MNIST."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import pydl
from pydl.data import write_idx

DEMOS = Path(__file__).parent.parent / "demos"
OFTEN = ["--checkpoint-seconds", 0]  # after every step


def write_images(folder: Path, train: int, test: int) -> Path:
    """A blurred random pattern for each class, with noise."""
    rng = np.random.default_rng(0)
    patterns = np.kron(rng.random((10, 7, 7)) > 0.5, np.ones((4, 4))) * 180
    for part, n in (("train", train), ("t10k", test)):
        labels = np.arange(n, dtype=np.uint8) % 10
        images = patterns[labels] + rng.uniform(0, 75, (n, 28, 28))
        write_idx(folder / f"{part}-images-idx3-ubyte", images.astype(np.uint8))
        write_idx(folder / f"{part}-labels-idx1-ubyte", labels)
    return folder


def environment() -> dict[str, str]:
    """Lets the demo import this very pydl; NumPy's own threads only get in the way here."""
    here = str(Path(pydl.__file__).parent.parent)
    return {**os.environ, "PYTHONPATH": here, "OPENBLAS_NUM_THREADS": "1"}


def start(name: str, *options: object) -> subprocess.Popen[str]:
    command = [sys.executable, str(DEMOS / name), *map(str, options)]
    return subprocess.Popen(
        command, text=True, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def run(name: str, *options: object, seconds: float = 300) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    process = start(name, *options)
    stdout, stderr = process.communicate(timeout=seconds)
    return process.returncode, stdout, stderr


def result(stdout: str) -> dict[str, Any]:
    """What the last line says."""
    found: dict[str, Any] = json.loads(stdout.splitlines()[-1])
    return found


def wait_for_checkpoint(out: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not (out / "checkpoint.safetensors").exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.005)


def notes_of(out: Path, program: str) -> dict[str, Any]:
    """What the checkpoint of a run says beside its tensors."""
    text = pydl.io.load_metadata(out / "checkpoint.safetensors")[program]
    found: dict[str, Any] = json.loads(text)["notes"]
    return found
