"""Methods: the base of Tensor. An op marked `@method` is a function and a method of Tensor at once.

The signatures for type checkers and editors are in methods.pyi, which tools/stub.py writes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .guard import guarded

_Function = TypeVar("_Function", bound=Callable[..., Any])


class Methods:
    """Filled by `method` while pydl/ops is imported."""

    __slots__ = ()


def method(fn: _Function, name: str | None = None) -> _Function:
    """Make a function of a tensor a method of Tensor too, under `name` or its own.

    Raises:
        ValueError: there is such a method.
    """
    name = name or fn.__name__
    if hasattr(Methods, name):
        raise ValueError(f"method: Tensor.{name} exists already")
    setattr(Methods, name, guarded(fn))
    return fn
