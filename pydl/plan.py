"""Plan: one recorded step, how it is replayed, and how to look into it."""

from __future__ import annotations

import functools
import json
import math
import operator
import os
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from . import _native
from .device import device
from .errors import CaptureError
from .recording import Recording, thread
from .tensor import Tensor

__all__: list[str] = []


# What is done to the recorded calls, in this order; then their memory is laid out anew.
PASSES = ("dead_writes", "epilogues", "in_place", "fuse", "pairs")


def mapped(function: Callable[[Any], Any], x: Any) -> Any:
    """Tuples, lists and dicts of what a function makes of each thing in them."""
    if isinstance(x, dict):
        return {key: mapped(function, part) for key, part in x.items()}
    if isinstance(x, (tuple, list)):
        parts = [mapped(function, part) for part in x]
        return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)
    return function(x)


class Profile(NamedTuple):
    """What a kernel call of a plan took.

    Attributes:
        kernel: its name.
        shapes: of what it reads and writes, in the order of its arguments.
        bytes: of all of them.
        seconds: the median of the replays.
    """

    kernel: str
    shapes: tuple[tuple[int, ...], ...]
    bytes: int
    seconds: float


class Plan:
    """One recorded step: the kernel calls, their memory, and what Python does around them.

    Attributes:
        slots: tensors that the arguments are copied into.
        bytes: of the memory that holds all intermediate results.
    """

    def __init__(self, name: str, slots: list[Tensor]) -> None:
        self.name = name
        self.slots = slots
        self.grad_mode, self.autocast = thread.grad, thread.autocast
        self._native = _native.Plan()
        self._views = [t.data.numpy() for t in slots]
        self._device = device("cpu")

    # ---- recording

    @contextmanager
    def recording(self, companion: Plan | None) -> Any:
        """Within the block this thread's kernel calls become those of the plan."""
        self._recording = recording = Recording(self._native)
        self._native.begin(None if companion is None else companion._native)
        thread.recording, casts = recording, thread.casts
        thread.casts = None if casts is None else {}  # what was cast before would stay as it is
        try:
            yield recording
        finally:
            thread.recording, thread.casts = None, casts
            self._native.end()
        self._modes = [(module, module.training) for module in recording.modules.values()]
        self._flags = [
            (p, p.requires_grad)
            for module in recording.modules.values()
            for p in vars(module).values()
            if isinstance(p, Tensor)
        ]
        self._needed = [(leaf._grad, gradient) for leaf, gradient in recording.needed.values()]
        self._grads = [(leaf._grad, leaf._grad[0]) for leaf in recording.grads.values()]
        self._changed = list({id(v): v for v in recording.changed}.values())

    def finish(self, output: Any) -> Any:
        """Say what is returned.

        Returns:
            The output as the call that was recorded returns it.
        """
        results: list[Tensor] = []
        self._output = mapped(functools.partial(self._place, results), output)
        self._flat = flat(self._output)
        left = [gradient.data for _, gradient in self._grads if gradient is not None]
        passing = [array for arrays in self._recording.passing for array in arrays]
        self._native.finish(
            [t.data for t in self.slots], [t.data for t in results], left, passing, list(PASSES)
        )
        return self._filled([t.detach().clone() for t in results])

    def _place(self, results: list[Tensor], x: Any) -> Any:
        """A part of the output; a number in the place of a tensor that each replay makes anew."""
        if isinstance(x, Tensor):
            if not self._native.owns(x.data) and not any(
                x.version is s.version for s in self.slots
            ):
                return x  # from outside, such as a parameter: itself
            results.append(x)
            return _Result(len(results) - 1)
        if x is None or isinstance(x, (bool, str)):
            return x
        raise CaptureError(
            f"capture: {self.name} returned a {type(x).__name__}, which would stay the same in "
            "every replay; return tensors"
        )

    def _filled(self, tensors: list[Tensor]) -> Any:
        """The output with tensors for the numbers."""
        return mapped(lambda x: tensors[x.number] if isinstance(x, _Result) else x, self._output)

    # ---- replaying

    def in_mode_of(self, now: Any) -> bool:
        """Whether the thread differentiates and casts as it did while recording."""
        return self.grad_mode is now.grad and self.autocast is now.autocast

    def in_mode(self) -> bool:
        """Whether modules train, and parameters learn, as they did while recording."""
        # NOTE: loops, because `all` and a generator would cost twice as much at every call.
        for module, training in self._modes:
            if module.training is not training:
                return False
        for p, learns in self._flags:  # noqa: SIM110
            if p.requires_grad is not learns:
                return False
        return True

    def attempt(self, args: tuple[Any, ...]) -> Any:
        """`replay`, where every argument is an array or tensor as it was while recording.

        Returns:
            MISFIT where one is not, and nothing was done.
        """
        return self._run(args) if self.in_mode() else MISFIT

    def replay(self, leaves: Sequence[Any]) -> Any:
        """Copy the arguments in, run, and return new tensors.

        Raises:
            CaptureError: memory that the plan uses is gone, or a `.grad` is not what it was.
        """
        inputs = []
        for view, x in zip(self._views, leaves, strict=True):
            if isinstance(x, np.ndarray):
                np.copyto(view, x)
            inputs.append(None if isinstance(x, np.ndarray) else x.data)
        return self._run(tuple(inputs))

    def _run(self, inputs: tuple[Any, ...]) -> Any:
        self._look_at_gradients()
        try:
            arrays = self._native.call(inputs, Tensor)
        except RuntimeError as e:
            raise self._explained(e) from None
        return MISFIT if arrays is None else self._returned(arrays)

    def start(self, inputs: tuple[Any, ...], repeat: int) -> bool:
        """Begin `repeat` replays on a thread of their own; False where an argument does not fit."""
        if not self.in_mode():
            return False
        self._look_at_gradients()
        try:
            return self._native.start(inputs, Tensor, repeat)
        except RuntimeError as e:
            raise self._explained(e) from None

    def wait(self) -> Any:
        """What the last of the replays that were started returned."""
        return self._returned(self._native.wait())

    def _look_at_gradients(self) -> None:
        for slot, gradient in self._needed:
            if slot[0] is not gradient:
                raise CaptureError(_GRADIENT.format(self.name))

    def _returned(self, arrays: list[Any]) -> Any:
        for slot, gradient in self._grads:
            slot[0] = gradient
        for version in self._changed:
            version[0] += 1
        if self._output is None:
            return None
        tensors = [Tensor(array, self._device) for array in arrays]
        return self._filled(tensors) if self._flat is None else self._flat(tensors)

    def _explained(self, error: RuntimeError) -> RuntimeError:
        """What a failure of the native call means to the user."""
        if str(error).endswith("the plan is in use"):
            return CaptureError(
                f"capture: {self.name} is running already; give each thread a capture of its own"
            )
        stale = self._native.stale()
        return error if stale is None else CaptureError(self._missing(stale))

    def _missing(self, stale: Any) -> str:
        kernel, operands = stale
        text = ", ".join(f"{name} {shape}" for name, _, shape, *_ in operands[:6])
        return (
            f"capture: a tensor that {self.name} uses from outside (one of {kernel}: {text}) was "
            "freed or replaced since it was recorded; change such tensors in place (copy_), and "
            "call clear() where they have to be new"
        )

    # ---- looking

    @property
    def bytes(self) -> int:
        """Of the memory that holds all intermediate results."""
        return self._native.bytes

    def __len__(self) -> int:
        return len(self._native)

    def __repr__(self) -> str:
        return f"<plan of {self.name}: {len(self)} calls, {self.bytes / 1e6:.3g} MB>"

    @contextmanager
    def unchanged(self) -> Any:
        """Within the block the plan may run; afterwards all memory is what it was before."""
        written = [array.numpy() for array in self._native.written()]
        changed = written + [g.data.numpy() for _, g in self._grads if g is not None]
        before = [array.copy() for array in changed]
        undo = [watched.snapshot() for watched in self._recording.watched]
        try:
            yield written
        finally:
            for restore in undo:
                restore()
            for array, values in zip(changed, before, strict=True):
                array[...] = values

    def profile(
        self, repeats: int = 20, trace: str | os.PathLike[str] | None = None
    ) -> list[Profile]:
        """Times every kernel call, with the arguments of the last replay; nothing is changed.

        Args:
            repeats: replays, of which each call's median counts.
            trace: where to write the last of them for chrome://tracing or ui.perfetto.dev.

        Returns:
            One row a call, in their order.
        """
        with self.unchanged():
            times = [self._native.profile() for _ in range(max(repeats, 1))]
        if trace is not None:
            _write_trace(trace, [kernel for kernel, _ in self._native.steps()], times[-1])
        return [
            Profile(kernel, tuple(x[2] for x in operands), sum(x[4] for x in operands), seconds)
            for (kernel, operands), seconds in zip(
                self._native.steps(), np.median(times, axis=0).tolist(), strict=True
            )
        ]

    def describe(self) -> str:
        """The kernel calls with shapes, bytes and time, as a table."""
        rows = self.profile()
        total = math.fsum(row.seconds for row in rows)
        lines = [
            f"{self!r}, {1e6 * total:.1f} us",
            f"{'':4} {'kernel':24} {'bytes':>12} {'us':>9}  shapes",
        ]
        for i, row in enumerate(rows):
            shapes = " ".join("x".join(map(str, shape)) or "()" for shape in row.shapes[:8])
            more = f" and {len(row.shapes) - 8} more" if len(row.shapes) > 8 else ""
            lines.append(
                f"{i:4} {row.kernel:24} {row.bytes:12,} {1e6 * row.seconds:9.2f}  {shapes}{more}"
            )
        return "\n".join(lines)

    def draw(self, path: str | os.PathLike[str]) -> None:
        """Write a picture of the memory: what lies where, from when to when.

        Args:
            path: PNG, or what else Matplotlib writes.

        Raises:
            ImportError: Matplotlib is missing.
        """
        from .plan_picture import draw

        draw(self._native.steps(), self._native.holds, path, repr(self))


class _Result:
    """The place of a tensor that each replay returns anew."""

    def __init__(self, number: int) -> None:
        self.number = number


def flat(output: Any) -> Callable[[list[Tensor]], Any] | None:
    """How a tensor, or a plain tuple or list of tensors, is made of them all; None for the rest."""
    if type(output) is _Result:
        return operator.itemgetter(0)
    plain = type(output) in (tuple, list) and all(type(x) is _Result for x in output)
    return type(output) if plain else None


MISFIT = object()  # what `attempt` returns where it did nothing

_GRADIENT = (
    "capture: {} uses the .grad of a parameter from before the call, and that is not the one it "
    "was recorded with; call zero_grad() inside, or zero_grad(set_to_none=False) to accumulate"
)


def _write_trace(path: str | os.PathLike[str], names: list[str], seconds: list[float]) -> None:
    """Chrome's trace format: complete events, in microseconds."""
    events, at = [], 0.0
    for name, taken in zip(names, seconds, strict=True):
        events.append({"name": name, "ph": "X", "ts": at, "dur": 1e6 * taken, "pid": 0, "tid": 0})
        at += 1e6 * taken
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"traceEvents": events, "displayTimeUnit": "ns"}, file)
