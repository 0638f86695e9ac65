"""Compares the recurrent layers of pydl with PyTorch's, with the same weights; needs torch.

python tools/torch_recurrent.py check    # outputs and all gradients, every combination of options
python tools/torch_recurrent.py speed    # time of a training step, both interleaved
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import pydl
import pydl.optim

torch: Any = importlib.import_module("torch")  # no dependency, so the type checker lacks it
TOLERANCE = 1e-5
PAUSE = 0.02  # seconds, in which the threads of the other one go to sleep
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


def check(_: argparse.Namespace) -> int:
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


def training_step(library: Any, model: Any, x: Any) -> Callable[[], Any]:
    """A training step; both libraries have the same names."""
    optimizer = library.optim.Adam(model.parameters())

    def step() -> None:
        y, _ = model(x)
        loss = y.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def speed(options: argparse.Namespace) -> int:
    """Prints both times; returns 1 where pydl is slower by the medians."""
    torch.set_num_threads(options.threads)
    pydl.set_num_threads(options.threads)
    steps, batch, inputs, hidden = options.sizes
    print(
        f"sequence {steps}, batch {batch}, input {inputs}, hidden {hidden}; {options.threads} "
        f"threads; torch {torch.__version__}, {pydl._native.isa()}; ms: median (minimum)"
    )
    slower = 0
    x = np.random.default_rng(0).standard_normal((steps, batch, inputs), np.float32)
    for kind in KINDS:
        theirs, ours = both(kind, inputs, hidden)
        work = {
            "torch": training_step(torch, theirs, torch.tensor(x)),
            "pydl": training_step(pydl, ours, pydl.tensor(x)),
        }
        times: dict[str, list[float]] = {name: [] for name in work}
        for i in range(3 + options.repeats):  # the first three warm up
            for name, step in work.items():
                time.sleep(PAUSE)
                began = time.perf_counter()
                step()
                if i >= 3:
                    times[name].append(1e3 * (time.perf_counter() - began))
        middle = {name: statistics.median(t) for name, t in times.items()}
        least = {name: min(t) for name, t in times.items()}
        print(f"{kind:4}", *(f"{n} {middle[n]:7.2f} ({least[n]:.2f})" for n in work), end="  ")
        print(f"pydl / torch {middle['pydl'] / middle['torch']:.3f} by medians, "
              f"{least['pydl'] / least['torch']:.3f} by minima")  # fmt: skip
        slower |= middle["pydl"] > middle["torch"]
    return int(slower)


def main() -> int:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["check", "speed"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument("--sizes", type=int, nargs=4, default=(64, 32, 128, 128),
                        metavar=("T", "N", "I", "H"))  # fmt: skip
    options = parser.parse_args()
    return check(options) if options.what == "check" else speed(options)


if __name__ == "__main__":
    sys.exit(main())
