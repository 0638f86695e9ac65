"""The same bits with 1, 2, 3 and 7 threads: every op case, every kernel case, a training run."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from opcase import KernelCase, OpCase, run
from opcases import CASES, KERNELS

import pydl
import pydl.nn.functional as F
from pydl import nn, optim

THREADS = (1, 2, 3, 7)


def named(case: Any) -> str:
    return str(case.name)


@pytest.mark.parametrize("case", CASES, ids=named)
def test_op_case(case: OpCase) -> None:
    seen = []
    for threads in THREADS:
        pydl.set_num_threads(threads)
        y, grads = run(case, "cpu")
        seen.append([t.numpy().tobytes() for t in (y, *grads)])
    assert all(s == seen[0] for s in seen[1:])


@pytest.mark.parametrize("case", KERNELS, ids=named)
def test_kernel_case(case: KernelCase) -> None:
    seen = []
    for threads in THREADS:
        pydl.set_num_threads(threads)
        seen.append([a.tobytes() for a in case.run("cpu")])
    assert all(s == seen[0] for s in seen[1:])


def network() -> nn.Module:
    pydl.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3),
        nn.GELU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.25),
        nn.Linear(16 * 8 * 8, 10),
    )


def train(steps: int = 20, batch: int = 64) -> str:
    """A digest of all parameters and losses after training."""
    rng = np.random.default_rng(0)
    model = network()
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    digest = hashlib.sha256()
    for _ in range(steps):
        x = pydl.tensor(rng.normal(size=(batch, 1, 18, 18)))
        target = pydl.tensor(rng.integers(0, 10, batch))
        loss = F.cross_entropy(model(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        digest.update(loss.numpy().tobytes())
    for name, value in model.state_dict().items():
        digest.update(name.encode() + np.asarray(value.numpy()).tobytes())
    return digest.hexdigest()


def test_training() -> None:
    digests = []
    for threads in THREADS:
        pydl.set_num_threads(threads)
        digests.append(train())
    assert len(set(digests)) == 1
    assert train() == digests[0]  # and again


def test_number_of_threads() -> None:
    for threads in (1, 5, 2):
        pydl.set_num_threads(threads)
        assert pydl.num_threads() == threads
    with pytest.raises(ValueError, match="set_num_threads: expected at least 1, got 0"):
        pydl.set_num_threads(0)
    with pytest.raises(ValueError, match="set_num_threads: n is 257, expected"):
        pydl.set_num_threads(257)


def test_calls_from_many_python_threads_at_once() -> None:
    pydl.set_num_threads(3)
    model = network().eval()
    x = pydl.tensor(np.random.default_rng(0).normal(size=(32, 1, 18, 18)))
    with pydl.no_grad():
        expected = model(x).numpy().tobytes()
    wrong: list[str] = []

    def work() -> None:
        with pydl.no_grad():
            for _ in range(10):
                if model(x).numpy().tobytes() != expected:
                    wrong.append("bits")

    workers = [threading.Thread(target=work) for _ in range(8)]
    for w in workers:
        w.start()
    for threads in (1, 4, 2, 7, 3) * 4:  # while they run
        pydl.set_num_threads(threads)
    for w in workers:
        w.join(60)
    assert not any(w.is_alive() for w in workers)
    assert not wrong


@pytest.mark.skipif(sys.platform != "linux", reason="affinity is Linux's")
def test_workers_keep_off_the_cpu_of_their_caller() -> None:
    cpus = os.sched_getaffinity(0)
    if len(cpus) < 2:
        pytest.skip("one CPU")
    before = set(os.listdir("/proc/self/task"))
    pydl.set_num_threads(2)
    x = pydl.ones(1 << 20)
    deadline = time.monotonic() + 20
    allowed: list[set[int]] = []
    while time.monotonic() < deadline and not any(len(a) == len(cpus) - 1 for a in allowed):
        x.add_(1)
        workers = set(os.listdir("/proc/self/task")) - before
        allowed = [os.sched_getaffinity(int(w)) for w in workers if Path(f"/proc/{w}").exists()]
    assert any(len(a) == len(cpus) - 1 and a < cpus for a in allowed)
    assert os.sched_getaffinity(0) == cpus
