"""The command line: runs the cases, prints the table and the differences."""

from __future__ import annotations

import argparse
import fnmatch
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from . import (  # they register
    activation,
    convolution,
    creation,
    elementwise,
    indexing,
    known,
    linear,
    losses,
    modes,
    modules,
    movement,
    normalization,
    pooling,
    randomness,
    recurrent,
    reduction,
    training,
)
from .engine import MISSING, REGISTRY, Difference, pydl, torch
from .values import Draw

FAMILIES = (
    elementwise,
    activation,
    reduction,
    movement,
    creation,
    indexing,
    linear,
    convolution,
    pooling,
    normalization,
    losses,
    modules,
    recurrent,
    training,
    modes,
    randomness,
)


# What runs on the numpy device leave out: it makes its own tensors, on the cpu device.
NATIVE = ("nn.", "optim.", "lr_", "random.")
CREATED = {"arange", "linspace", "logspace", "eye", "zeros", "ones", "full", "empty", "tensor"}
CREATED |= {"as_tensor", "from_numpy"}

# Public functions that are not compared one by one, and why.
APART = {
    "device": "pydl has devices of its own",
    "from_dlpack": "takes a tensor of another library, see tests/test_interop.py",
    "manual_seed": "the streams of random numbers differ",
    "get_rng_state": "a state is two numbers in pydl, bytes in torch",
    "set_rng_state": "likewise",
    "set_num_threads": "changes no result",
    "rnn": "undocumented in torch; nn.RNN is compared",
    "gru": "likewise: nn.GRU",
    "lstm": "likewise: nn.LSTM",
}


@dataclass
class Line:
    """The counts of one function."""

    name: str
    counts: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)


def run_function(name: str, cases: int, seed: int, device: str, rows: list[known.Row]) -> Line:
    """All cases of one function."""
    line = Line(name)
    entry = REGISTRY[name]
    count = cases // 2 if name.startswith("Tensor.") else cases
    for i in range(min(count, entry.most)):
        status, found = entry.check(Draw(name, seed, i), name, device)
        unlisted = [d for d in found if not known.listed(rows, d)]
        if found and not unlisted:
            status = "listed"
        for difference in unlisted:
            difference.case = i
        line.differences += unlisted
        line.counts[status] += 1
        line.counts["cases"] += 1
        if status == MISSING:
            break
    return line


COLUMNS = ("cases", "equal", "both raise", "listed", "different")


def print_table(lines: list[Line], out: TextIO) -> None:
    """One row a function, then the sums."""
    width = max(len(line.name) for line in lines)
    print(f"{'function':{width}}", *(f"{c:>10}" for c in COLUMNS), file=out)
    total: Counter[str] = Counter()
    for line in lines:
        if line.counts[MISSING]:
            continue
        total += line.counts
        counts = (f"{line.counts[c] or '.':>10}" for c in COLUMNS)
        print(f"{line.name:{width}}", *counts, file=out)
    print(f"{'all':{width}}", *(f"{total[c]:>10,}" for c in COLUMNS), file=out)
    missing = [line.name for line in lines if line.counts[MISSING]]
    if missing:
        print(f"missing ({len(missing)}): {', '.join(missing)}", file=out)


def print_differences(lines: list[Line], every: bool, out: TextIO) -> None:
    """What differs; the first two of each kind unless `every`."""
    for line in lines:
        seen: Counter[str] = Counter()
        for d in line.differences:
            seen[d.kind] += 1
            if every or seen[d.kind] <= 2:
                print(f"\n{d.op} case {d.case}: {d.kind}\n  call  {d.shown or d.call}", file=out)
                print(f"  torch {d.torch}\n  pydl  {d.pydl}", file=out)
        more = {kind: n for kind, n in seen.items() if n > 2}
        if more and not every:
            counts = ", ".join(f"{n} x {kind}" for kind, n in more.items())
            print(f"  ({line.name}: {counts} in all)", file=out)


def commit() -> str:
    """Of the working tree."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    here = Path(__file__).resolve().parent
    return subprocess.run(command, cwd=here, capture_output=True, text=True).stdout.strip()


def uncovered() -> list[str]:
    """Public functions that torch has too, but neither a generator nor `APART`."""
    tested = {name.split(".")[-1] for name in REGISTRY} | set(APART)
    names = []
    for ours, theirs in ((pydl, torch), (pydl.nn.functional, torch.nn.functional)):
        for name, value in vars(ours).items():
            public = callable(value) and not name.startswith("_") and not isinstance(value, type)
            if public and hasattr(theirs, name) and name not in tested:
                names.append(name)
    return sorted(set(names))


def main(description: str) -> int:
    """Parses the command line; returns 1 where a difference or a function is not listed."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", help="a function, or a pattern with *")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, default=48, help="a function; methods take half")
    parser.add_argument("--device", choices=["cpu", "numpy"], default="cpu")
    parser.add_argument("--list-differences", action="store_true")
    parser.add_argument("--write", type=Path, help="a file for the report, beside the screen")
    options = parser.parse_args()
    torch.set_num_threads(1)
    patterns = options.only or ["*"]
    everything = [
        n for n in REGISTRY
        if options.device == "cpu" or not (n.startswith(NATIVE) or n in CREATED)
    ]  # fmt: skip
    names = [n for n in everything if any(fnmatch.fnmatchcase(n, p) for p in patterns)]
    if not names:
        parser.error(f"no function is called {', '.join(patterns)}")
    rows = known.read()
    began = time.perf_counter()
    lines = [run_function(n, options.cases, options.seed, options.device, rows) for n in names]
    with open(options.write, "w") if options.write else sys.stdout as out:
        print(
            f"torch {torch.__version__}, pydl {commit()} on {options.device}, seed {options.seed}, "
            f"{time.strftime('%Y-%m-%d %H:%M')}, {time.perf_counter() - began:.0f} s",
            file=out,
        )
        print_table(lines, out)
        if not options.only:
            print(f"no generator: {', '.join(uncovered()) or 'none'}", file=out)
            stale = [f"line {r.line} {r.kind}:{r.predicate}" for r in rows if not r.hits]
            if stale:
                print(
                    f"keys of {known.DOC.name} that this seed does not meet: {'; '.join(stale)}",
                    file=out,
                )
        print_differences(lines, options.list_differences, out)
        if options.write:
            print_table(lines, sys.stdout)
    forgotten = not options.only and bool(uncovered())
    return int(forgotten or any(line.differences for line in lines))
