"""In what precision an op computes: of half tensors, and within `pydl.amp.autocast`.

Every kernel accumulates in float32 and rounds once. What is written with several ops would round
after each of them; `wide` says that it computes in float32 throughout. Within autocast, products
take half operands (`lowered`), what is `wide` or `widened` gives float32, and everything else
computes in what comes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from ..dtypes import HALVES, DType, float32, promote
from ..op import is_grad_enabled
from ..recording import thread
from ..tensor import Tensor
from .shape import cast

_Function = TypeVar("_Function", bound=Callable[..., Any])


def lowered(*tensors: Tensor | None) -> list[Any]:
    """Within autocast: float32 tensors in its half type. Parameters are cast once."""
    dtype = thread.autocast
    assert dtype is not None
    return [_lower(t, dtype) if isinstance(t, Tensor) else t for t in tensors]


def _lower(t: Tensor, dtype: DType) -> Tensor:
    if t.dtype is dtype or not (t.dtype is float32 or t.dtype in HALVES):
        return t
    casts = thread.casts
    if casts is None or not (t.requires_grad and t.is_leaf and is_grad_enabled()):
        return cast(t, dtype)
    key = (id(t), t.version[0], dtype)
    if key not in casts:
        casts[key] = (t, cast(t, dtype))  # with t, so that no other tensor gets its id
    return casts[key][1]


def widened(x: Any) -> Any:
    """Within autocast: a half tensor in float32. Anything else as it is."""
    return x if thread.autocast is None else _widen(x)


def wide(function: _Function) -> _Function:
    """A decorator: of half tensors it computes in float32, and gives their type back.

    Within autocast it gives float32.
    """

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        found = [x.dtype for x in args if isinstance(x, Tensor) and x.dtype in HALVES]
        found += [x.dtype for x in options.values() if isinstance(x, Tensor) and x.dtype in HALVES]
        if not found:
            return function(*args, **options)
        given = [x.dtype for x in (*args, *options.values())
                 if isinstance(x, Tensor) and x.dtype.is_floating and x.ndim > 0]  # fmt: skip
        dtype = functools.reduce(promote, given or found)
        y = function(*map(_widen, args), **{k: _widen(x) for k, x in options.items()})
        if thread.autocast is not None or dtype not in HALVES:
            return y
        if isinstance(y, tuple):
            return (
                type(y)(*(cast(t, dtype) for t in y))
                if hasattr(y, "_fields")
                else tuple(cast(t, dtype) for t in y)
            )
        return cast(y, dtype) if y.dtype is float32 else y

    return call  # type: ignore[return-value]


def _widen(x: Any) -> Any:
    return cast(x, float32) if isinstance(x, Tensor) and x.dtype in HALVES else x
