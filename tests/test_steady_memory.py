"""A steady training step takes every block from the pool and asks the system for none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import pydl
import pydl.nn.functional as F
from pydl import Tensor, nn, optim


def mlp() -> tuple[nn.Module, tuple[int, ...]]:
    layers = [nn.Linear(20, 32), nn.ReLU(), nn.Dropout(0.25), nn.LayerNorm(32), nn.Linear(32, 5)]
    return nn.Sequential(*layers), (16, 20)


def cnn() -> tuple[nn.Module, tuple[int, ...]]:
    features = [nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.5)]
    head = [nn.Flatten(), nn.Linear(8 * 6 * 6, 5)]
    return nn.Sequential(*features, *head), (16, 1, 14, 14)


def made() -> int:
    return pydl._native.memory_stats()["made"]


@pytest.mark.parametrize("network", [mlp, cnn])
@pytest.mark.parametrize("optimizer", [optim.SGD, optim.Adam])
def test_a_steady_step_asks_the_system_for_nothing(
    network: Callable[[], tuple[nn.Module, tuple[int, ...]]],
    optimizer: Callable[[list[Tensor]], optim.Optimizer],
) -> None:
    rng = np.random.default_rng(0)
    model, shape = network()
    params = list(model.parameters())
    opt = optimizer(params)
    x = pydl.tensor(rng.standard_normal(shape).astype(np.float32))
    target = pydl.tensor(rng.integers(0, 5, shape[0]))

    def step() -> None:
        opt.zero_grad()
        F.cross_entropy(model(x), target).backward()
        opt.step()

    pydl._native.empty_cache()  # of earlier tests
    before = made()
    step()
    assert made() > before
    step()  # the gradients of the first step live on into the second
    before = made()
    for _ in range(20):
        step()
    assert made() == before


def test_freed_blocks_come_back() -> None:
    x = pydl.ones(1000, 1000)
    y = x + x
    before = made()
    for _ in range(5):
        y = x + x
    assert made() <= before + 1  # the old y lives until the new one is there
    del y
