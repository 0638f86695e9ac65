"""Worker: the process of one side. It builds a case, then does one repeat whenever it is told.

So torch's OpenMP, NumPy's OpenBLAS and pydl's own threads never meet in one process.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time
import traceback
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, NamedTuple

from .case import Array, Run
from .cases import CASES
from .libraries import Library, environment, library, module_of
from .recorder import recording

LEAST_SECONDS = 0.02  # of a repeat
WARM_UP_SECONDS = 0.1


class Ready(NamedTuple):
    """What a worker says of a case that it has built."""

    calls: int  # in a repeat
    seconds: float  # of one call, about
    flops: float  # of a call, counted where pydl's kernels are called
    outputs: list[Array]


class Failed(RuntimeError):
    """A worker could not do what it was told; the message is its traceback."""


class Server:
    """The worker's side: what it does with each message."""

    def __init__(self, side: str, threads: int) -> None:
        # JAX takes every CPU that it may use, whatever it is told.
        if (threads == 1 or side == "jax") and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
        self.library: Library = library(side, threads)
        self.run: Run | None = None
        self.calls = 1

    def versions(self) -> dict[str, str]:
        """Of the library of this side, with pydl's instruction set and what NumPy multiplies by."""
        name = module_of(self.library.side)
        found = {name: str(self.library.root.__version__)}
        if name == "pydl":
            found[name] += f" {self.library.root._native.isa()}"
        if name == "numpy":
            with contextlib.suppress(ImportError):
                from threadpoolctl import threadpool_info

                for pool in threadpool_info():
                    found[pool["internal_api"]] = f"{pool['version']} {pool.get('architecture')}"
        return found

    def build(self, name: str) -> Ready:
        """Make a case ready: check, warm up, choose how many calls make a repeat."""
        self.run = None  # the memory of the last one goes first
        case = CASES[name]
        run = case.build(self.library)
        with self._mode(run):
            outputs = run.check()
        self.run, self.calls = run, 1
        if not case.timed:
            return Ready(1, 0.0, 0.0, outputs)
        began, spent, one = time.perf_counter(), 0.0, math.inf
        while spent < WARM_UP_SECONDS or self.calls < 3:
            one = min(one, self.repeat())
            spent = time.perf_counter() - began
            self.calls += 1
        self.calls = math.ceil(LEAST_SECONDS / one)
        return Ready(self.calls, one, self._flops(run), outputs)

    def repeat(self) -> float:
        """Seconds of one call, over as many as make a repeat."""
        assert self.run is not None
        call = self.run.call
        with self._mode(self.run):
            began = time.perf_counter()
            for _ in range(self.calls):
                call()
            return (time.perf_counter() - began) / self.calls

    def value(self) -> float:
        """What a case that is not timed says."""
        assert self.run is not None
        return float(self.run.call())

    def drop(self) -> None:
        """Free the case."""
        self.run = None

    def _flops(self, run: Run) -> float:
        if not self.library.is_pydl:
            return 0.0
        with self._mode(run), recording(self.library.root.device(self.library.device)) as seen:
            run.call()
        return seen.flops

    def _mode(self, run: Run) -> Any:
        return contextlib.nullcontext() if run.grad else self.library.no_grad()


def serve(side: str, threads: int, connection: Connection) -> None:
    """Answer messages (method, arguments) until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the run
    server: Server | None = None
    with contextlib.suppress(EOFError, OSError):
        while True:
            method, arguments = connection.recv()
            try:
                server = server or Server(side, threads)
                answer = True, getattr(server, method)(*arguments)
            except Exception:
                answer = False, traceback.format_exc()
            connection.send(answer)


@contextlib.contextmanager
def variables(wanted: dict[str, str]) -> Iterator[None]:
    """Within the block, the environment that new processes take over."""
    before = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(wanted)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class Worker:
    """The parent's side: the same methods, done in a process of their own."""

    def __init__(self, context: SpawnContext, side: str, threads: int) -> None:
        self.side = side
        self._connection, theirs = context.Pipe()
        # No daemon: torch.compile starts processes of its own, which a daemon may not.
        self._process = SpawnProcess(target=serve, args=(side, threads, theirs))
        with variables(environment(threads)):
            self._process.start()
        theirs.close()

    def ask(self, method: str, *arguments: Any) -> Any:
        """Have `Server.method` run there.

        Raises:
            Failed: it raised, or the process is gone.
        """
        try:
            self._connection.send((method, arguments))
            done, answer = self._connection.recv()
        except (EOFError, OSError) as e:
            raise Failed(f"{self.side}: the process ended") from e
        if not done:
            raise Failed(f"{self.side}: {answer}")
        return answer

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()
