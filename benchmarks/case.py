"""Case: one thing to be measured, by name. How it is built for a side, and how much work it is."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .libraries import TORCH, Library

Array = NDArray[Any]


class Run(NamedTuple):
    """A case that is ready on one side.

    `call` does it once and returns its result: tensors, or the value where the case is not timed.
    `check` returns what all sides must agree on.
    """

    call: Callable[[], Any]
    check: Callable[[], list[Array]]
    grad: bool = False  # whether operations are recorded for backward


@dataclass(frozen=True)
class Case:
    """One row of the tables."""

    name: str  # family/what/how
    family: str
    build: Callable[[Library], Run]
    sides: tuple[str, ...]
    flops: float = 0.0  # of one call; 0 where it is bound by memory
    bytes: float = 0.0  # read and written at least, each tensor once
    tolerance: float | None = 1e-4  # of the largest element; None: shapes alone are compared
    unit: str = "s"
    timed: bool = True  # or else `call` returns the value itself
    rivals: tuple[str, ...] = TORCH  # the ratio is that of the fastest of these to pydl


def random_of(name: str) -> np.random.Generator:
    """The random numbers of a case: every side makes the same data from its name."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def normal(rng: np.random.Generator, *shape: int) -> Array:
    """float32, mean 0, deviation 1."""
    return rng.standard_normal(shape, np.float32)


def outputs(library: Library, call: Callable[[], Any]) -> Callable[[], list[Array]]:
    """A check of everything that `call` returns, a tensor or several."""

    def check() -> list[Array]:
        found = call()
        return [library.array(t) for t in (found if isinstance(found, (tuple, list)) else [found])]

    return check
