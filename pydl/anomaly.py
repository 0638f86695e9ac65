"""detect_anomaly: find the op that made the first NaN or Inf.

While it is on, Op.apply and Module.__call__ are exchanged for versions that look; while it is off
nothing of this exists, so it costs nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from . import dtypes
from .errors import AnomalyError
from .op import Op
from .recording import user_line
from .tensor import Tensor

__all__ = ["detect_anomaly"]

_plain: dict[str, Any] = {}  # what was exchanged
_lock = threading.Lock()
_check_inf: list[bool] = []  # one entry per open `detect_anomaly`


class Origin(NamedTuple):
    """Which op was applied, and where."""

    op: str
    module: str
    line: str

    def __str__(self) -> str:
        return self.op + self.module + f", created at {self.line}"


class _State(threading.local):
    def __init__(self) -> None:
        self.modules: list[Any] = []  # under way, outermost first
        self.names: dict[int, str] = {}  # of the modules below the outermost
        self.backward: Origin | None = None  # of the op whose backward is under way


_state = _State()


@contextmanager
def detect_anomaly(check_inf: bool = True) -> Iterator[None]:
    """Within the block, raise at the first NaN or Inf of a forward or backward pass.

    For finding a fault, not for training: every result is read on the host. It holds for all
    threads. Forward and backward of a step both have to be inside the block. Also a decorator.

    Args:
        check_inf: look for Inf too; False where the network uses it on purpose (masks of -inf).

    Raises:
        AnomalyError: names the op, the path of the module, the line that applied the op, and the
            first bad element.

    Example:
        >>> with pydl.detect_anomaly():
        ...     loss = model(x).log().mean()
        ...     loss.backward()
    """
    from .nn.module import Module

    with _lock:
        if not _check_inf:
            _plain.update(apply=Op.__dict__["apply"], call=Module.__call__)
        _check_inf.append(check_inf)
        Op.apply = classmethod(_checked_apply)  # type: ignore[assignment]
        Op.direct = False
        Module.__call__ = _named_call  # type: ignore[method-assign]
    try:
        yield
    finally:
        with _lock:
            _check_inf.pop()
            if not _check_inf:
                Op.apply = _plain["apply"]  # type: ignore[method-assign]
                Op.direct = True
                Module.__call__ = _plain["call"]  # type: ignore[method-assign]


def _named_call(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Module.__call__ that keeps the path to the module under way."""
    if not _state.modules:
        _state.names = {id(module): name for name, module in self.named_modules()}
    _state.modules.append(self)
    try:
        return self.forward(*args, **kwargs)
    finally:
        _state.modules.pop()


def _module() -> str:
    """The dotted name of the innermost module under way, and its class."""
    if not _state.modules:
        return ""
    known = [_state.names[id(m)] for m in _state.modules if id(m) in _state.names]
    kind = type(_state.modules[-1]).__name__
    return f" of module {known[-1]} ({kind})" if known[-1] else f" of module {kind}"


def _fault(t: Any) -> str:
    """What is wrong with a result; empty where it is finite."""
    if not isinstance(t, Tensor) or not t.dtype.is_floating:
        return ""
    values = (t.detach().float() if t.dtype is dtypes.bfloat16 else t).numpy()
    bad = ~np.isfinite(values) if _check_inf and _check_inf[-1] else np.isnan(values)
    if not bad.any():
        return ""
    at = np.unravel_index(int(np.argmax(bad)), values.shape)
    place = f" at {tuple(int(i) for i in at)}" if values.ndim else ""
    return f"{values[at]}{place} in a result of shape {values.shape}"


def _checked_apply(cls: type[Op], *inputs: Any, **parameters: Any) -> Any:
    """Op.apply that looks at what comes in and what goes out."""
    outer = _state.backward
    origin = outer or Origin(cls.name, _module(), user_line())
    for i, x in enumerate(inputs):
        fault = _fault(x)
        if fault and x.node is None and outer is None:  # no op made it
            raise AnomalyError(f"{origin}: input {i} came in with {fault}")
    checked = _checked(cls)
    y = _plain["apply"].__func__(checked, *inputs, **parameters)
    fault = _fault(y)
    if fault and outer is None:
        raise AnomalyError(f"{origin}: the forward pass gave {fault}")
    if fault:
        raise AnomalyError(f"{origin}: in the backward pass, {cls.name} gave {fault}")
    if isinstance(y.node, checked):
        y.node.origin = origin  # type: ignore[attr-defined]
    return y


_checked_classes: dict[type[Op], type[Op]] = {}


def _checked(cls: type[Op]) -> type[Op]:
    """The op with a backward that looks at the gradients."""
    made = _checked_classes.get(cls)
    if made is not None:
        return made

    def backward(self: Any, gy: Tensor) -> Any:
        if not _check_inf:
            return cls.backward(self, gy)
        before, _state.backward = _state.backward, self.origin
        try:
            results = cls.backward(self, gy)
        finally:
            _state.backward = before
        for i, g in enumerate(results if isinstance(results, tuple) else (results,)):
            fault = _fault(g)
            if fault:
                raise AnomalyError(f"{self.origin}: the backward pass gave input {i} {fault}")
        return results

    made = type(cls.__name__, (cls,), {"name": cls.name, "backward": backward})
    _checked_classes[cls] = made
    return made
