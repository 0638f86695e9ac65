"""What ops ask of the element types of their arguments."""

from __future__ import annotations

import functools

from ..dtypes import bfloat16, bool_, float16, float32, float64, promote
from ..tensor import Tensor
from .shape import cast


def need_floating(name: str, **tensors: Tensor | None) -> None:
    """Raise unless all are of one floating dtype that is computed in; the keys are their names.

    Raises:
        TypeError: an integer or half type, or two types; names the op and the argument.
    """
    first = None
    for what, t in tensors.items():
        if t is None:
            continue
        dtype = t.dtype
        if dtype is not float32 and dtype is not float64:
            raise TypeError(f"{name}: {what} is {dtype.name}, expected float32; use .float()")
        if first is None:
            first, wanted = what, dtype
        elif dtype is not wanted:
            raise TypeError(f"{name}: {what} is {dtype.name}, but {first} is {wanted.name}")


def together(name: str, **tensors: Tensor) -> list[Tensor]:
    """All in the floating dtype that they promote to; the keys are their names.

    Raises:
        TypeError: one is no tensor, or the dtype is an integer or half type.
    """
    for what, t in tensors.items():
        if not isinstance(t, Tensor):
            raise TypeError(f"{name}: {what} is a {type(t).__name__}, expected a Tensor")
    dtype = functools.reduce(promote, (t.dtype for t in tensors.values()))
    if dtype not in (float32, float64):
        what = next(what for what, t in tensors.items() if t.dtype is dtype)
        raise TypeError(f"{name}: {what} is {dtype.name}, expected float32; use .float()")
    return [t if t.dtype is dtype else cast(t, dtype) for t in tensors.values()]


def class_ids(name: str, target: Tensor) -> Tensor:
    """target as int64.

    Raises:
        TypeError: it is not integer.
    """
    if target.dtype.is_floating or target.dtype is bool_:
        raise TypeError(f"{name}: target is {target.dtype.name}, expected integers: class ids")
    return target.long()


def refuse_half(name: str, x: Tensor) -> None:
    """Half types are for storage.

    Raises:
        TypeError: x is of a half type.
    """
    if x.dtype in (float16, bfloat16):
        raise TypeError(f"{name}: {x.dtype.name} is for storage; cast it with .float() first")
