"""The run: workers take turns, A B A B, so that what disturbs the machine disturbs all sides."""

from __future__ import annotations

import multiprocessing
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from .case import Array, Case
from .cases import CASES
from .results import Result
from .worker import Failed, Ready, Worker

PAUSE = 0.03  # seconds before a repeat, in which the threads of the side before go to sleep
PAUSE_AFTER = {"numpy": 0.15, "pydl-numpy": 0.15}  # OpenBLAS's wait awake for 0.1 s
SLOW, SLOW_REPEATS = 3.0, 3  # sides that need more seconds for a call are repeated less often


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    sides: tuple[str, ...]
    threads: int
    repeats: int


class Workers:
    """One process a side, started when it is first needed."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.versions: dict[str, str] = {}
        self._context = multiprocessing.get_context("spawn")
        self._workers: dict[str, Worker] = {}

    def of(self, side: str) -> Worker:
        """The worker of a side."""
        if side not in self._workers:
            worker = self._workers[side] = Worker(self._context, side, self.threads)
            self.versions |= worker.ask("versions")
        return self._workers[side]

    def forget(self, side: str) -> None:
        """End a worker; another is started when the side is needed again."""
        worker = self._workers.pop(side, None)
        if worker is not None:
            worker.close()

    def close(self) -> None:
        """End all of them."""
        for side in list(self._workers):
            self.forget(side)


@contextmanager
def workers(threads: int) -> Iterator[Workers]:
    """Processes that end with the block."""
    made = Workers(threads)
    try:
        yield made
    finally:
        made.close()


def difference(case: Case, ours: Sequence[Array], theirs: Sequence[Array]) -> str | None:
    """How the outputs of two sides differ, None where they agree."""
    shapes = [[a.shape for a in side] for side in (ours, theirs)]
    if shapes[0] != shapes[1]:
        return f"shapes {shapes[0]} and {shapes[1]}"
    if case.tolerance is None:
        return None
    for a, b in zip(ours, theirs, strict=True):
        if a.size == 0:
            continue
        worst = float(np.abs(a - b).max() / max(float(np.abs(b).max()), 1e-30))
        if not worst <= case.tolerance:
            return f"outputs differ by {worst:.1e} of the largest, tolerance {case.tolerance:.0e}"
    return None


def measure(case: Case, options: Options, group: Workers, result: Result) -> None:
    """Build a case on every side, compare what comes out, and let the sides take turns."""
    ready: dict[str, Ready] = {}
    reference: list[Array] | None = None
    for side in (s for s in case.sides if s in options.sides):
        try:
            built: Ready = group.of(side).ask("build", case.name)
        except Failed as e:
            fail(result, group, side, e)
            continue
        reference = built.outputs if reference is None else reference
        wrong = difference(case, reference, built.outputs)
        if wrong is not None:
            result.errors[side] = wrong
            continue
        ready[side] = built
        result.calls[side] = built.calls
        result.flops = case.flops or max(result.flops, built.flops)
    take_turns(case, options, group, ready, result)


def fail(result: Result, group: Workers, side: str, error: Failed) -> None:
    """Note why a side could not go on: the last line of its traceback that names an error."""
    lines = str(error).strip().splitlines()
    named = [x for x in lines if re.match(r"[\w.]+(Error|Exception|Failed)\b", x)]
    result.errors[side] = (named or lines)[-1]
    group.forget(side)


def take_turns(
    case: Case, options: Options, group: Workers, ready: dict[str, Ready], result: Result
) -> None:
    """The repeats. What was measured before an interrupt stays in `result`."""
    question = "repeat" if case.timed else "value"
    result.values = {side: [] for side in ready}
    before = ""
    for i in range(options.repeats):
        for side in [s for s in ready if s not in result.errors]:
            if i >= SLOW_REPEATS and ready[side].seconds > SLOW:
                continue
            time.sleep(PAUSE_AFTER.get(before, PAUSE))
            before = side
            try:
                result.values[side].append(group.of(side).ask(question))
            except Failed as e:
                fail(result, group, side, e)
    for side in ready:
        if side not in result.errors:
            group.of(side).ask("drop")


def chosen(only: Sequence[str], families: Sequence[str]) -> list[Case]:
    """The cases of a run in the order of the table.

    Args:
        only: Patterns of names, as a shell has them; none for all.
        families: Names of families; none for all.
    """
    from fnmatch import fnmatch

    return [
        case
        for case in CASES.values()
        if (not families or case.family in families)
        and (not only or any(fnmatch(case.name, pattern) for pattern in only))
    ]


def progress(cases: Sequence[Case]) -> Any:
    """A bar over the cases that shows the name of the one under way."""
    from tqdm import tqdm

    return tqdm(cases, unit="case", dynamic_ncols=True)
