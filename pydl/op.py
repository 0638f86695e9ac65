"""Op: one differentiable operation, and the tape that its applications write.

An applied Op is its own node: it knows its parents and what it saved, and points only to them, so
reference counting frees what is no longer needed. `backward` walks the nodes by falling creation
number, which is a topological order: no recursion, no closures, no cycles.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from .device import Device, RawArray
from .recording import thread

__all__ = ["enable_grad", "is_grad_enabled", "no_grad", "set_grad_enabled"]

if TYPE_CHECKING:
    from .tensor import Tensor

_Function = TypeVar("_Function", bound=Callable[..., Any])
_sequence = itertools.count()
_Tensor: Any = None  # the class, which tensor.py, as it is built on this file, puts here


def is_grad_enabled() -> bool:
    """Whether operations of this thread are recorded for backward."""
    return thread.grad


class _Recording:
    """Recording or not, for a block or, as a decorator, for the calls of a function."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self.before = thread.grad

    def __enter__(self) -> None:
        self.before = thread.grad
        thread.grad = self.enabled

    def __exit__(self, *_: object) -> None:
        thread.grad = self.before

    def __call__(self, function: _Function) -> _Function:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with _Recording(self.enabled):  # its own, as calls may nest and be of several threads
                return function(*args, **kwargs)

        return cast("_Function", call)


class set_grad_enabled(_Recording):
    """From now on, record operations or not; in a `with` statement until the end of the block.

    Also a decorator, which changes the mode within the calls of the function alone.
    """

    def __init__(self, enabled: bool) -> None:
        super().__init__(enabled)
        thread.grad = enabled

    def __enter__(self) -> None:
        thread.grad = self.enabled

    def __call__(self, function: _Function) -> _Function:
        """The function, within which the mode holds."""
        thread.grad = self.before
        return super().__call__(function)


def no_grad(function: Any = None) -> Any:
    """Within the block nothing is recorded for backward. Also a decorator, called or not."""
    mode = _Recording(False)
    return mode if function is None else mode(function)


def enable_grad(function: Any = None) -> Any:
    """Within the block operations are recorded, even inside `no_grad`. Also a decorator."""
    mode = _Recording(True)
    return mode if function is None else mode(function)


# What backward needs of a saved tensor: its array, where its gradient goes, and how many in-place
# changes it had seen. Not the Tensor itself: that of an output would make a cycle.
_Saved = tuple[RawArray, Any, list[int], int]
_OUTPUT = "output"  # stands for "this very node", which would be a cycle as well


class Op:
    """One operation: `forward` computes it, `backward` is its derivative.

    `forward` takes Tensors and returns a new Tensor, calling `self.save` for what `backward` needs.
    `backward` takes the gradient of the output and returns one gradient per input (None where there
    is none; a bare Tensor if there is one input), written with ops on Tensors, so that it can be
    differentiated again.
    """

    name: ClassVar[str] = "op"
    direct: ClassVar[bool] = True  # False: also what nothing is recorded of must go through apply
    parents: tuple[Op | Tensor | None, ...] = ()
    needs: tuple[bool, ...] = ()
    device: Device
    seq: int
    _saved: Sequence[_Saved] | None = ()
    _recording: bool = False
    retained: list[Tensor | None] | None = None  # where retain_grad wants the gradient

    def __init_subclass__(cls) -> None:
        if "name" not in cls.__dict__:
            cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    def forward(self, *inputs: Any) -> Tensor:
        """Compute the output."""
        raise NotImplementedError

    def backward(self, gy: Tensor) -> Any:
        """Gradients of the inputs from the gradient of the output."""
        raise RuntimeError(f"{self.name}: cannot be differentiated")

    @classmethod
    def apply(cls, *inputs: Tensor, **parameters: Any) -> Tensor:
        """Run the operation and, where a gradient is wanted, put it on the tape."""
        op = cls()
        op.__dict__.update(parameters)
        try:
            device = op.device = inputs[0].device
            wanted = False
            for x in inputs:
                wanted = wanted or x.requires_grad
                if x.device is not device:
                    raise ValueError(
                        f"{cls.name}: tensors are on different devices, "
                        f"{' and '.join(t.device.name for t in inputs)}"
                    )
        except AttributeError:
            kinds = ", ".join(type(x).__name__ for x in inputs)
            raise TypeError(f"{cls.name}: expected tensors, got {kinds}") from None
        if not wanted or not thread.grad:
            return op.forward(*inputs)
        op.needs = tuple([x.requires_grad for x in inputs])
        op.parents = tuple([(x.node or x) if x.requires_grad else None for x in inputs])
        op._recording = True
        y = op.forward(*inputs)
        op._recording = False
        op.seq = next(_sequence)
        if y.dtype.is_floating:
            y.node = op
            y.requires_grad = True
        return y

    def save(self, *inputs: Tensor, output: Tensor | None = None) -> None:
        """Keep inputs, and last the output, for backward (nothing where no gradient is wanted)."""
        if not self._recording:
            return
        saved: list[_Saved] = []
        for t in inputs:
            link = (t.node or t) if t.requires_grad else None
            saved.append((t.data, link, t.version, t.version[0]))
        if output is not None:
            saved.append((output.data, _OUTPUT, output.version, output.version[0]))
        self._saved = saved

    @property
    def saved(self) -> tuple[Tensor, ...]:
        """What `save` kept, as tensors on the tape."""
        if self._saved is None:
            raise RuntimeError(
                f"{self.name}: backward a second time through a graph whose saved tensors were "
                "freed; pass retain_graph=True to the first backward"
            )
        return tuple([self._restore(*entry) for entry in self._saved])

    def _restore(self, data: RawArray, link: Any, version: list[int], count: int) -> Tensor:
        leaf = isinstance(link, _Tensor)
        if version[0] != count or (leaf and link.data is not data):
            raise RuntimeError(
                f"{self.name}: a tensor saved for backward was changed in place "
                f"(saved at version {count}, now {version[0]})"
            )
        if leaf:
            return link  # type: ignore[no-any-return]  # itself, so that its gradient finds it
        t: Tensor = _Tensor(data, self.device)
        t.version = version
        if link is not None:
            t.requires_grad = True
            t.node = self if link is _OUTPUT else link
        return t

    def release(self) -> None:
        """Free what was saved."""
        self._saved = None


def backward(
    roots: Sequence[Tensor],
    gradients: Sequence[Tensor],
    retain_graph: bool = False,
    create_graph: bool = False,
    inputs: Sequence[Tensor] | None = None,
) -> dict[int, Tensor]:
    """Walk the tape from `roots` back.

    Args:
        roots: tensors to differentiate.
        gradients: the gradient of each root, of its shape.
        retain_graph: keep what was saved, for another walk.
        create_graph: record the walk itself, for second derivatives.
        inputs: where given, collect gradients of these tensors only and leave every `.grad` alone.

    Returns:
        With `inputs`, the gradients by `id` of the input's node (of a leaf: of itself); otherwise
        empty, as leaves accumulate into `.grad`.
    """
    pending: dict[Op | Tensor, Tensor] = {}
    heap: list[tuple[int, Op]] = []
    starts = [root.node or root for root in roots]
    wanted = {id(t.node or t) for t in inputs or ()}
    useful = None if inputs is None else _leading_to(wanted, starts)
    found: dict[int, Tensor] = {}
    taken = {id(g.version) for g in gradients}  # memory that another `.grad` or the caller holds

    def push(target: Op | Tensor, gradient: Tensor) -> None:
        known = pending.get(target)
        if known is not None:
            pending[target] = known + gradient
            return
        pending[target] = gradient
        if isinstance(target, Op):
            heapq.heappush(heap, (-target.seq, target))

    with set_grad_enabled(create_graph), _computing_as_recorded():
        for start, gradient in zip(starts, gradients, strict=True):
            push(start, gradient)
        while heap:
            op = heapq.heappop(heap)[1]
            gradient = pending.pop(op)
            if id(op) in wanted:
                found[id(op)] = gradient
            if op.retained is not None:
                op.retained[0] = _accumulated(op.retained[0], gradient, taken)
            if useful is None:
                results = op.backward(gradient)
            elif useful.isdisjoint(op.parents):
                continue  # it is wanted itself, and nothing before it
            else:
                results = _narrowed(op, gradient, useful)
            if not isinstance(results, tuple):
                results = (results,)
            for parent, result in zip(op.parents, results, strict=True):
                if parent is not None and result is not None:
                    push(parent, result)
            if not retain_graph:
                op.release()
        for leaf, gradient in pending.items():  # only leaves are left
            if inputs is None:
                _give(cast("Tensor", leaf), gradient, taken)
            else:
                found[id(leaf)] = gradient
    return found


@contextmanager
def _computing_as_recorded() -> Iterator[None]:
    """Within the block autocast changes nothing: a gradient has the type of its tensor."""
    before, thread.autocast = thread.autocast, None
    try:
        yield
    finally:
        thread.autocast = before


def _leading_to(wanted: set[int], starts: Sequence[Op | Tensor]) -> set[Any]:
    """What is wanted, and every op from which a way leads to it."""
    seen = set(starts)
    todo = list(seen)
    while todo:
        op = todo.pop()
        for parent in op.parents if isinstance(op, Op) else ():
            if parent is not None and parent not in seen:
                seen.add(parent)
                todo.append(parent)
    useful: set[Any] = {node for node in seen if id(node) in wanted}
    for op in sorted((n for n in seen if isinstance(n, Op)), key=lambda op: op.seq):
        if not useful.isdisjoint(op.parents):
            useful.add(op)
    return useful


def _narrowed(op: Op, gradient: Tensor, useful: set[Any]) -> Any:
    """`op.backward` for useful parents alone."""
    needs = op.needs
    op.needs = tuple(parent in useful for parent in op.parents)
    try:
        results = op.backward(gradient)
    finally:
        op.needs = needs
    results = results if isinstance(results, tuple) else (results,)
    pairs = zip(results, op.parents, strict=True)
    return tuple(result if parent in useful else None for result, parent in pairs)


def _give(leaf: Tensor, gradient: Tensor, taken: set[int]) -> None:
    """Add to the `.grad` of a leaf."""
    known = leaf.grad
    recording = thread.recording
    before = recording is not None and id(leaf) not in recording.grads
    if before and known is not None and not (known.requires_grad or gradient.requires_grad):
        # Each replay adds to the same memory, which is there before and after it.
        known.device.kernels.add(known.data, gradient.data, known.data)
        known.mark_changed()
        leaf.grad = known
    else:
        leaf.grad = _accumulated(known, gradient, taken)


def _accumulated(known: Tensor | None, gradient: Tensor, taken: set[int]) -> Tensor:
    """What a `.grad` becomes: a sum, in memory that no other gradient has."""
    if known is not None:
        return known + gradient
    if id(gradient.version) in taken:  # as in a + b, whose gradients are one
        gradient = gradient.clone()
    taken.add(id(gradient.version))
    return gradient
