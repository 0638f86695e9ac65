"""capture: a function of tensors, and so a whole training step, as one native call.

The first call runs eagerly. The second does too, while every kernel call is noted in a native plan
with memory of its own. From the third on the inputs are copied into their slots and the plan is
replayed without Python. What the function does in Python, other than calling kernels, happens in
the first two calls alone; what would silently freeze raises CaptureError (docs/capture.md).
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar, overload

import numpy as np

from .errors import CaptureError
from .op import Op
from .ops.create import natural_dtype, tensor
from .plan import MISFIT, Plan, mapped
from .recording import thread
from .tensor import Tensor

__all__ = ["capture"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


# ---- arguments: what is copied into slots, and what makes another plan


class Slot(NamedTuple):
    """An argument that is copied: a tensor, or a NumPy array that becomes one."""

    shape: tuple[int, ...]
    dtype: Any
    device: str


class Nest(NamedTuple):
    """A tuple, list or dict of arguments."""

    kind: type
    keys: tuple[Any, ...]
    parts: tuple[Any, ...]


class Constant(NamedTuple):
    """Anything else: another value means another plan."""

    kind: type
    value: Any


class Same:
    """Equal to itself alone, unlike a tensor."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.x is self.x

    def __hash__(self) -> int:
        return id(self.x)


def describe_argument(name: str, x: Any, leaves: list[Any]) -> Any:
    """What of an argument decides over the plan; what is copied is appended to `leaves`.

    Raises:
        CaptureError: it can neither be copied nor compared.
    """
    if isinstance(x, Tensor) and not x.requires_grad:
        leaves.append(x)
        return Slot(x.shape, x.dtype, x.device.name)
    if isinstance(x, np.ndarray):
        leaves.append(x)
        return Slot(x.shape, natural_dtype(x.dtype), "cpu")
    if isinstance(x, Tensor) and x.node is not None:
        raise CaptureError(
            f"capture: argument {name} is on the tape, and gradients do not flow through a "
            "captured function; detach() it, or move its computation inside"
        )
    if isinstance(x, Tensor):  # a parameter: itself, not a copy
        return Constant(Tensor, Same(x))
    if isinstance(x, (tuple, list)):
        parts = [describe_argument(f"{name}[{i}]", part, leaves) for i, part in enumerate(x)]
        return Nest(type(x), (), tuple(parts))
    if isinstance(x, dict):
        parts = [describe_argument(f"{name}[{k!r}]", part, leaves) for k, part in x.items()]
        return Nest(dict, tuple(x), tuple(parts))
    try:
        hash(x)
    except TypeError:
        raise CaptureError(
            f"capture: argument {name} is a {type(x).__name__}; expected tensors, NumPy arrays, "
            "hashable constants, or tuples, lists and dicts of them"
        ) from None
    return Constant(type(x), x)


def with_leaves(x: Any, leaves: Iterator[Tensor]) -> Any:
    """An argument with the tensors of the plan in the place of what is copied."""

    def replaced(leaf: Any) -> Any:
        copied = isinstance(leaf, np.ndarray) or (
            isinstance(leaf, Tensor) and not leaf.requires_grad
        )
        return next(leaves) if copied else leaf

    return mapped(replaced, x)


# ---- the captured function


class Captured:
    """A function whose calls are replayed: see `capture`.

    Attributes:
        plans: what was recorded so far, one plan for each kind of call.
    """

    def __init__(self, function: Callable[..., Any], verify: int, max_plans: int) -> None:
        if hasattr(function, "__name__"):
            functools.update_wrapper(self, function)
        self._function = function
        self._name = getattr(function, "__name__", type(function).__name__)
        self._verify = verify
        self._max_plans = max_plans
        self._known: dict[Any, list[Plan]] = {}  # kind of call -> plans, one for each mode
        self._last: Plan | None = None  # is tried first, with
        self._places: list[int] = []  # what is copied
        self._constants: list[tuple[int, Any]] | None = None  # and what has to be the same
        self._identity = False  # there is nothing native to record
        self._warned = False
        self._replays = 0

    @property
    def plans(self) -> list[Plan]:
        """What was recorded so far."""
        return [plan for plans in self._known.values() for plan in plans]

    def clear(self) -> None:
        """Forgets all plans and frees their memory; the next two calls are eager again."""
        self._known, self._last, self._identity, self._warned = {}, None, False, False

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"<captured {self._name}: {len(self.plans)} plans>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As the function itself, but for gradients of the results: they are off the tape."""
        if thread.recording is not None:
            raise CaptureError(
                f"capture: {self._name} was called inside another captured function; capture "
                "the outer one alone"
            )
        last = self._last
        if last is not None and not kwargs and last.in_mode_of(thread) and Op.direct:
            leaves = args if self._constants is None else self._leaves_of(args)
            output = MISFIT if leaves is None else last.attempt(leaves)
            if output is not MISFIT:
                return output
        return self._call(args, kwargs)

    def start(self, *args: Any, repeat: int = 1) -> Started:
        """Begins a call, or several on end, on a thread of its own, and returns at once.

        Until `wait()` of what is returned, nothing else may use what the function changes, or
        change what it reads; it may not be called or started again. What Python does in each
        replay it does once: it looks at the learning rate now, and a schedule goes on in `wait()`.
        Calls that cannot be replayed yet happen here and now.

        Args:
            args: of the function.
            repeat: how many calls.

        Returns:
            Something whose `wait()` gives what the last call returned.

        Raises:
            CaptureError: as for a call.
            ValueError: repeat is less than 1.
        """
        if repeat < 1:
            raise ValueError(f"start: repeat is {repeat}, expected 1 or more")
        output = None
        for left in range(repeat, 0, -1):
            last = None if thread.recording is not None else self._last
            if last is not None and last.in_mode_of(thread) and Op.direct:
                leaves = args if self._constants is None else self._leaves_of(args)
                if leaves is not None and last.start(leaves, left):
                    return Started(last, None)
            output = self(*args)
        return Started(None, output)

    def _leaves_of(self, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """What is copied, where the other arguments are the very ones of the last call."""
        if len(args) != len(self._places) + len(self._constants or ()):
            return None
        for i, value in self._constants or ():
            if args[i] is not value:
                return None
        return tuple([args[i] for i in self._places])

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        leaves: list[Any] = []
        described = describe_argument("", (args, kwargs), leaves)
        foreign = any(isinstance(x, Tensor) and x.device.name != "cpu" for x in leaves)
        if foreign or self._identity or not Op.direct:  # detect_anomaly wants to see every op
            return self._eagerly(args, kwargs, leaves)
        key = ((thread.grad, thread.autocast), described)
        plans = self._known.get(key)
        if plans is None:
            if len(self._known) >= self._max_plans:
                self._warn(described)
            else:
                self._known[key] = []
            return self._eagerly(args, kwargs, leaves)
        for plan in plans:
            if plan.in_mode():
                self._prefer(plan, args, leaves)
                return self._replay(plan, args, kwargs, leaves)
        if len(self.plans) >= self._max_plans:
            self._warn(described)
            return self._eagerly(args, kwargs, leaves)
        return self._record(plans, args, kwargs, leaves)

    # ---- the three ways of a call

    def _eagerly(self, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: list[Any]) -> Any:
        tensors = iter([x if isinstance(x, Tensor) else tensor(x) for x in leaves])
        args, kwargs = with_leaves((args, kwargs), tensors)
        return off_the_tape(self._function(*args, **kwargs))

    def _record(
        self, plans: list[Plan], args: tuple[Any, ...], kwargs: dict[str, Any], leaves: list[Any]
    ) -> Any:
        slots = [slot_for(x) for x in leaves]
        plan, companion = Plan(self._name, slots), next(iter(self.plans), None)
        versions = [t.version[0] for t in slots]
        seen, options = with_leaves((args, kwargs), iter(slots))
        with plan.recording(companion) as recording:
            output = self._function(*seen, **options)
        if recording.foreign:
            self._identity = True
            return off_the_tape(output)
        if [t.version[0] for t in slots] != versions:
            raise CaptureError(
                f"capture: {self._name} changes an argument in place, which would change a copy; "
                "return the new value, or let the function find the tensor itself"
            )
        returned = plan.finish(output)
        plans.append(plan)
        self._prefer(plan, args, leaves)
        return returned

    def _prefer(self, plan: Plan, args: tuple[Any, ...], leaves: list[Any]) -> None:
        """Have the next call try this plan first, where it can be told from the arguments alone."""
        places = [i for i, x in enumerate(args) if any(x is leaf for leaf in leaves)]
        constants = [(i, x) for i, x in enumerate(args) if i not in places]
        plain = len(places) == len(leaves) and not any(
            isinstance(x, (tuple, list, dict)) for _, x in constants
        )
        self._last = plan if plain and self._verify == 0 else None
        self._places, self._constants = places, constants or None

    def _replay(
        self, plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: Sequence[Any]
    ) -> Any:
        if self._verify > 0:
            self._replays += 1
            if self._replays % self._verify == 0:
                return self._verified(plan, args, kwargs, leaves)
        return plan.replay(leaves)

    def _verified(
        self, plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: Sequence[Any]
    ) -> Any:
        """Replay, undo that, run eagerly, and compare bits. What stays is the eager run's."""
        with plan.unchanged() as memory:
            replayed = [t.numpy() for t in tensors_of(plan.replay(leaves))]
            replayed += [array.copy() for array in memory]
        output = self._eagerly(args, kwargs, list(leaves))
        eager = [t.numpy() for t in tensors_of(output)] + memory
        for i, (ours, theirs) in enumerate(zip(replayed, eager, strict=True)):
            if ours.tobytes() != theirs.tobytes():
                outputs = len(replayed) - len(memory)
                what = f"output {i}" if i < outputs else "memory from outside that it writes"
                raise CaptureError(
                    f"capture: verify found other bits in a replay of {self._name} than in an "
                    f"eager call, in {what} of {ours.nbytes} bytes"
                )
        return output

    def _warn(self, described: Any) -> None:
        if self._warned:
            return
        self._warned = True
        varying = differences(self._function, described, [key[1] for key in self._known])
        warnings.warn(
            f"capture: {self._name} was called in more than {self._max_plans} ways, and further "
            f"ones run eagerly; what varies is {varying}. Pass numbers that change as NumPy "
            "arrays or tensors, keep shapes fixed, or raise max_plans",
            RuntimeWarning,
            stacklevel=4,
        )


class Started:
    """A call that goes on by itself: see `Captured.start`."""

    def __init__(self, plan: Plan | None, output: Any) -> None:
        self._plan, self._output = plan, output

    def wait(self) -> Any:
        """Waits until it is over; returns what the last call returned."""
        if self._plan is not None:
            self._output, self._plan = self._plan.wait(), None
        return self._output


def slot_for(x: Any) -> Tensor:
    """A tensor in memory of its own with the values of an argument."""
    if isinstance(x, Tensor):
        return x.detach().clone()
    return tensor(x).clone()


def off_the_tape(x: Any) -> Any:
    """An output whose tensors do not lead back to the computation."""
    return mapped(lambda t: t.detach() if isinstance(t, Tensor) and t.node is not None else t, x)


def tensors_of(x: Any) -> list[Tensor]:
    """All tensors of an output, in order."""
    found: list[Any] = []
    mapped(found.append, x)
    return [leaf for leaf in found if isinstance(leaf, Tensor)]


def differences(function: Callable[..., Any], new: Any, known: list[Any]) -> str:
    """The names of the arguments in which a call differs from all known ones."""
    args, kwargs = new.parts
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    names += [f"argument {i}" for i in range(len(names), len(args.parts))]
    found = [
        repr(names[i])
        for i, part in enumerate(args.parts)
        if any(len(k.parts[0].parts) <= i or k.parts[0].parts[i] != part for k in known)
    ]
    for key, part in zip(kwargs.keys, kwargs.parts, strict=True):
        others = [dict(zip(k.parts[1].keys, k.parts[1].parts, strict=True)) for k in known]
        if any(other.get(key) != part for other in others):
            found.append(repr(key))
    return ", ".join(found) or "the mode (training, gradients)"


@overload
def capture(function: _Function, *, verify: int = 0, max_plans: int = 8) -> _Function: ...
@overload
def capture(
    function: None = None, *, verify: int = 0, max_plans: int = 8
) -> Callable[[_Function], _Function]: ...
def capture(function: Any = None, *, verify: int = 0, max_plans: int = 8) -> Any:
    """Makes a function of tensors, such as a whole training step, one native call.

    The first call with arguments of a kind runs eagerly, the second is recorded, every further one
    replays the kernels without Python, to the same bits. Inside may be what a step consists of:
    forward and backward passes, clipping, optimizers, schedules, random numbers, in-place updates.
    Tensors and NumPy arrays among the arguments are copied into memory of the plan; others are
    constants. Arguments of other shapes, dtypes or constants, other training modes of the modules
    and another grad mode each make a plan of their own. On the numpy device calls stay eager.

    Args:
        function: what to capture: a function, a method, or a Module. Its tensors arguments are
            seen as tensors, NumPy arrays among them too (float64 as float32).
        verify: where N > 0, each N-th replay is undone, run eagerly and compared bit by bit.
        max_plans: so many are made; further kinds of calls run eagerly, with a warning.

    Returns:
        The captured function: it returns tensors that are new each time and off the tape, and
        has `plans` (see `Plan.describe`, `profile`, `draw`) and `clear()`. Also a decorator, with
        or without options.

    Raises:
        CaptureError: in a call: what happened inside, or around it, would be frozen or lost.
        ValueError: an option is out of range.

    Example:
        >>> @pydl.capture
        ... def train_step(x, t):
        ...     optimizer.zero_grad()
        ...     loss = F.cross_entropy(model(x), t)
        ...     loss.backward()
        ...     optimizer.step()
        ...     return loss

    Source: CUDA graphs as in PyTorch's torch.cuda.graphs; tinygrad's TinyJit.
    """
    if verify < 0 or max_plans < 1:
        raise ValueError(
            f"capture: verify={verify} and max_plans={max_plans} must be >= 0 and >= 1"
        )
    if function is None:
        return functools.partial(capture, verify=verify, max_plans=max_plans)
    if not callable(function):
        raise TypeError(f"capture: expected a function, got {type(function).__name__}")
    return Captured(function, verify, max_plans)
