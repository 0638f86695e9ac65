"""Steps of optimizers: one large parameter, and the eight small ones of a small network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

from ..case import Array, Case, Run, normal, random_of
from ..libraries import Library

Shapes = tuple[tuple[int, ...], ...]
LARGE: Shapes = ((1000, 1000),)
TINY: Shapes = ((64, 4), (64,), (64, 64), (64,), (64, 64), (64,), (2, 64), (2,))
# name, options, bytes per weight: the gradient is read, weight and states are read and written
KINDS: tuple[tuple[str, dict[str, Any], int], ...] = (
    ("Adam", {"lr": 1e-3}, 28),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}, 20),
)


def build(library: Library, name: str, kind: str, options: dict[str, Any], shapes: Shapes) -> Run:
    """Weights with gradients, and a step."""

    def made() -> tuple[Any, list[Any]]:
        rng = random_of(name)
        weights = [library.tensor(normal(rng, *s), True) for s in shapes]
        for w in weights:
            w.grad = library.tensor(normal(rng, *w.shape))
        return library.optimizer(kind, weights, **options), weights

    def check() -> list[Array]:
        optimizer, weights = made()
        for _ in range(3):
            optimizer.step()
        return [library.array(w) for w in weights]

    return Run(made()[0].step, check, grad=True)


def cases() -> Iterator[Case]:
    """All of the family."""
    sides = ("pydl", "pydl-numpy", "torch", "torch-fused")
    for kind, options, each in KINDS:
        for what, shapes in (("1M", LARGE), ("8-tiny", TINY)):
            name = f"optim/{kind.lower()}/{what}"
            how = partial(build, name=name, kind=kind, options=options, shapes=shapes)
            size = sum(math.prod(s) for s in shapes)
            yield Case(name, "optim", how, sides, bytes=float(each * size))
