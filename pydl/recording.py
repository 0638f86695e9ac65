"""What this thread records for `pydl.capture`, and what must not happen meanwhile.

Below every other part of pydl, so that devices, the tape, optimizers and modules can say what a
replay has to know. While nothing is recorded each of them pays one look at `thread.recording`.
"""

from __future__ import annotations

import functools
import linecache
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import CaptureError

__all__: list[str] = []

if TYPE_CHECKING:
    from ._native import Plan
    from .dtypes import DType
    from .nn.module import Module
    from .tensor import Tensor

_Function = TypeVar("_Function", bound=Callable[..., Any])
_PACKAGE = os.path.dirname(__file__) + os.sep


class _Thread(threading.local):
    """Of each thread: whether the tape records, what is computed in half types and recorded."""

    grad = True
    autocast: DType | None = None  # the half type of `pydl.amp.autocast`
    casts: dict[Any, tuple[Tensor, Tensor]] | None = None  # parameters that it has cast
    recording: Recording | None = None


thread = _Thread()


class Recording:
    """A native plan while it is recorded, and what Python has to do around each replay.

    Attributes:
        native: the list of kernel calls.
        grads: leaves whose `.grad` was set; what is there in the end, each replay puts there.
        needed: leaves whose `.grad` from before was used, with it: replays need the same.
        modules: that were called; another mode of theirs means another plan.
        changed: the versions that were counted up.
        kept: arrays that were made unrecorded, for this step alone.
        passing: lists of gradients that are kept for `Plan.patch` alone.
        watched: what hosts change; `snapshot()` of each gives a function that undoes it.
        foreign: an array on the numpy device was made, which no plan can replay.
    """

    def __init__(self, native: Plan) -> None:
        self.native = native
        self.grads: dict[int, Tensor] = {}
        self.needed: dict[int, tuple[Tensor, Tensor | None]] = {}
        self.modules: dict[int, Module] = {}
        self.changed: list[list[int]] = []
        self.kept: list[Any] = []
        self.passing: list[list[Any]] = []
        self.watched: list[Any] = []
        self.foreign = False

    def read_grad(self, leaf: Tensor) -> None:
        """Note that the step looks at a `.grad`."""
        if id(leaf) not in self.grads:
            self.needed.setdefault(id(leaf), (leaf, leaf._grad[0]))

    def host(self, function: Callable[[], Any]) -> Any:
        """Call a Python function now, unrecorded, and at this place of every replay.

        Where a replay was started, it is called when that is waited for: see `Captured.start`.
        """
        with self.paused():
            result = function()
        self.native.host(function, after=True)
        return result

    def watch(self, changing: Any) -> None:
        """Note an object that host functions change."""
        if not any(changing is known for known in self.watched):
            self.watched.append(changing)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Within the block nothing is recorded."""
        self.native.pause()
        thread.recording = None
        try:
            yield
        finally:
            self.native.resume()
            thread.recording = self


def once(function: _Function) -> _Function:
    """A decorator: what a call makes is the same in every step, so it is not recorded but kept."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        recording = thread.recording
        if recording is None:
            return function(*args, **kwargs)
        with recording.paused():
            made = function(*args, **kwargs)
        recording.kept.append(made)
        return made

    return call  # type: ignore[return-value]


def repeated(function: _Function) -> _Function:
    """A decorator: a call of a method while recording is made again by Python in every replay."""

    @functools.wraps(function)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if thread.recording is None:
            return function(self, *args, **kwargs)
        thread.recording.watch(self)
        return thread.recording.host(functools.partial(function, self, *args, **kwargs))

    return call  # type: ignore[return-value]


def refuse(what: str, remedy: str) -> None:
    """Raise where this thread records: `what` would be frozen in every replay.

    Raises:
        CaptureError: names the line of the user's code and the remedy.
    """
    if thread.recording is not None:
        raise CaptureError(f"{what} inside a captured function, at {user_line()}; {remedy}")


def user_line() -> str:
    """The innermost line under way that is not pydl's own."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    file, number = frame.f_code.co_filename, frame.f_lineno
    text = linecache.getline(file, number).strip()
    return f"{file}:{number}" + (f": {text}" if text else "")
