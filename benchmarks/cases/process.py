"""What a process costs: import time, installed size, memory at the height of a training step."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ..case import Case, Run
from ..libraries import Library, library, module_of

IMPORT = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
PEAK = "from benchmarks.cases.process import peak_of_step; print(peak_of_step({!r}, {!r}))"
STEP = "mnist-cnn-b128"
ROOT = Path(__file__).parents[2]


def fresh(code: str) -> float:
    """The number that a new interpreter prints for `code`."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    out = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(out.stdout)


def import_time(library: Library) -> Run:
    """Seconds, all that it imports included."""
    return Run(partial(fresh, IMPORT.format(module_of(library.side))), lambda: [])


def installed_size(library: Library) -> Run:
    """Megabytes of the package's own folder, without what it depends on."""
    files = Path(library.root.__file__).parent.rglob("*")
    size = sum(p.stat().st_size for p in files if p.is_file() and p.suffix != ".pyc")
    return Run(lambda: size / 1e6, lambda: [])


def peak_of_step(side: str, name: str) -> float:
    """Megabytes that this process had resident at most, after five steps.

    NOTE: `ru_maxrss` will not do: Linux hands it on from the process that forked this one.
    """
    from .steps import STEPS

    step = STEPS[name](library(side, int(os.environ["PYDL_NUM_THREADS"])), False)
    for _ in range(5):
        step()
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(x for x in status.splitlines() if x.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


def memory(library: Library) -> Run:
    """In a process that does nothing else."""
    return Run(partial(fresh, PEAK.format(library.side, STEP)), lambda: [])


def cases() -> Iterator[Case]:
    """All of the family."""
    imports, both = ("pydl", "numpy", "torch", "jax"), ("pydl", "torch")
    yield Case("process/import", "process", import_time, imports, timed=False)
    yield Case("process/installed", "process", installed_size, both, unit="MB", timed=False)
    yield Case(f"process/memory/{STEP}", "process", memory, both, unit="MB", timed=False)
