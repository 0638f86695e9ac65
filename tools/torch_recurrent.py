"""Compares the recurrent layers of pydl with PyTorch's, with the same weights; needs torch.

Outputs and all gradients, for every combination of options. Times: `python -m benchmarks`.
"""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

import pydl

torch: Any = importlib.import_module("torch")  # no dependency, so the type checker lacks it
TOLERANCE = 1e-5
T, N, INPUTS, HIDDEN = 7, 5, 6, 19
KINDS = ("RNN", "LSTM", "GRU")


def variants(kind: str) -> Iterator[dict[str, Any]]:
    """All combinations of the options of the layers."""
    options: dict[str, tuple[Any, ...]] = {
        "num_layers": (1, 2, 3),
        "bias": (True, False),
        "batch_first": (False, True),
        "bidirectional": (False, True),
    }
    if kind == "RNN":
        options["nonlinearity"] = ("tanh", "relu")
    for values in itertools.product(*options.values()):
        yield dict(zip(options, values, strict=True))


def results(library: Any, model: Any, x: np.ndarray, states: list[np.ndarray]) -> list[np.ndarray]:
    """The outputs, and the gradients of x, the initial states and all weights."""
    make = torch.tensor if library is torch else pydl.tensor
    inputs = [make(a, requires_grad=True) for a in (x, *states)]
    hx = tuple(inputs[1:])
    found = model(inputs[0], *([hx] if len(hx) > 1 else hx))
    flat = [t for part in found for t in (part if isinstance(part, tuple) else (part,))]
    rng = np.random.default_rng(1)
    loss = sum((t * make(rng.standard_normal(t.shape, np.float32))).sum() for t in flat)
    loss.backward()
    names = sorted(name for name, _ in model.named_parameters())
    learned = dict(model.named_parameters())
    gradients = [
        t.grad for t in (*inputs, *(learned[name] for name in names)) if t.grad is not None
    ]
    return [np.array(t.detach().numpy()) for t in (*flat, *gradients)]


def both(kind: str, *sizes: int, **options: Any) -> tuple[Any, Any]:
    """A module of torch, and pydl's with its weights."""
    torch.manual_seed(0)
    theirs, ours = (getattr(lib.nn, kind)(*sizes, **options) for lib in (torch, pydl))
    state = {name: pydl.tensor(t.numpy()) for name, t in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state)
    assert repr(ours) == repr(theirs)
    ours.load_state_dict(state)
    return theirs, ours


def difference(theirs: Any, ours: Any, x: np.ndarray, states: list[np.ndarray]) -> float:
    """The largest of all outputs and gradients, relative to the largest element where above 1."""
    pairs = zip(results(torch, theirs, x, states), results(pydl, ours, x, states), strict=True)
    return max(float(np.abs(a - b).max() / max(1.0, np.abs(a).max())) for a, b in pairs)


def check() -> int:
    """Prints the largest difference of each kind; returns the exit code."""
    rng, failed = np.random.default_rng(0), 0
    for kind in KINDS:
        count, worst = 0, 0.0
        for options in variants(kind):
            walks = options["num_layers"] * (1 + options["bidirectional"])
            lead = (N, T) if options["batch_first"] else (T, N)
            for batched, given in itertools.product((True, False), repeat=2):
                x = rng.standard_normal((*(lead if batched else (T,)), INPUTS), np.float32)
                shape = (walks, N, HIDDEN) if batched else (walks, HIDDEN)
                number = (2 if kind == "LSTM" else 1) * given
                states = [rng.standard_normal(shape, np.float32) for _ in range(number)]
                modules = both(kind, INPUTS, HIDDEN, **options)
                worst = max(worst, difference(*modules, x, states))
                count += 1
        cells, cell = 0, 0.0
        for bias, batched in itertools.product((True, False), repeat=2):
            row = (N,) if batched else ()
            x = rng.standard_normal((*row, INPUTS), np.float32)
            number = 2 if kind == "LSTM" else 1
            states = [rng.standard_normal((*row, HIDDEN), np.float32) for _ in range(number)]
            cell = max(cell, difference(*both(f"{kind}Cell", INPUTS, HIDDEN, bias=bias), x, states))
            cells += 1
        print(f"{kind:4} {count} combinations: {worst:.2e}; {kind}Cell {cells}: {cell:.2e}")
        failed |= max(worst, cell) > TOLERANCE
    print(f"tolerance {TOLERANCE:.0e}, outputs and all gradients; torch {torch.__version__}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(check())
