"""What ops ask of the element types of their arguments."""

from __future__ import annotations

from ..dtypes import float32, float64
from ..tensor import Tensor


def need_floating(name: str, **tensors: Tensor | None) -> None:
    """Raise unless all are of one floating dtype that is computed in; the keys are their names.

    Raises:
        TypeError: an integer or half type, or two types; names the op and the argument.
    """
    first = None
    for what, t in tensors.items():
        if t is None:
            continue
        if t.dtype not in (float32, float64):
            raise TypeError(f"{name}: {what} is {t.dtype.name}, expected float32; use .float()")
        if first is None:
            first, dtype = what, t.dtype
        elif t.dtype is not dtype:
            raise TypeError(f"{name}: {what} is {t.dtype.name}, but {first} is {dtype.name}")
