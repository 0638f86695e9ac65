"""What ops ask of the element types of their arguments."""

from __future__ import annotations

import functools

from ..dtypes import HALVES, DType, bool_, float32, promote
from ..tensor import Tensor
from .shape import cast


def need_floating(name: str, **tensors: Tensor | None) -> None:
    """Raise unless all are of one floating dtype; the keys are their names.

    Raises:
        TypeError: an integer type, or two types; names the op and the argument.
    """
    first = None
    for what, t in tensors.items():
        if t is None:
            continue
        found = t.dtype
        if not found.is_floating:
            raise TypeError(f"{name}: {what} is {found.name}, expected float32; use .float()")
        if first is None:
            first, dtype = what, found
        elif found is not dtype:
            raise TypeError(f"{name}: {what} is {found.name}, but {first} is {dtype.name}")


def common_float(name: str, **tensors: Tensor) -> list[Tensor]:
    """All in the floating dtype that they promote to; the keys are their names.

    Raises:
        TypeError: one is no tensor, or the dtype is an integer type.
    """
    for what, t in tensors.items():
        if not isinstance(t, Tensor):
            raise TypeError(f"{name}: {what} is a {type(t).__name__}, expected a Tensor")
    dtype = functools.reduce(promote, (t.dtype for t in tensors.values()))
    if not dtype.is_floating:
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


def statistics_type(x: Tensor) -> DType:
    """The dtype of means and deviations of x: never a half type."""
    return float32 if x.dtype in HALVES else x.dtype
