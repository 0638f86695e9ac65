"""The machine's own peaks, which the other cases are held against."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..case import Case, Run
from ..libraries import Library

FMA_ONE = "machine/fma/1-thread"
FMA_ALL = "machine/fma/all-threads"
COPY = "machine/copy"
PIECES, ROUNDS = 64, 65536
FLOPS_OF_A_PIECE = 2.0 * 192 * ROUNDS  # csrc/core/args/machine.h
COPIED = 64 * 2**20  # floats, 256 MiB: far more than any cache


def _fma(pieces: int) -> Run:
    from pydl import _native

    return Run(lambda: _native.fma_peak(pieces, ROUNDS), lambda: [])


def fma_one(library: Library) -> Run:
    """One piece is one thread's work."""
    return _fma(1)


def fma_all(library: Library) -> Run:
    """Enough pieces for any number of threads to end together."""
    return _fma(PIECES)


def copy(library: Library) -> Run:
    """From one buffer to another, both written before."""
    source = np.ones(COPIED, np.float32)
    if library.side == "numpy":
        target = np.zeros_like(source)
        return Run(lambda: np.copyto(target, source), lambda: [target[:8]])
    x, y = library.tensor(source), library.tensor(source)
    return Run(lambda: y.copy_(x), lambda: [library.array(y[:8])])


def cases() -> Iterator[Case]:
    """All of the family. A copy reads and writes: both count."""
    yield Case(FMA_ONE, "machine", fma_one, ("pydl",), flops=FLOPS_OF_A_PIECE)
    yield Case(FMA_ALL, "machine", fma_all, ("pydl",), flops=PIECES * FLOPS_OF_A_PIECE)
    yield Case(COPY, "machine", copy, ("pydl", "numpy", "torch"), bytes=8.0 * COPIED)
