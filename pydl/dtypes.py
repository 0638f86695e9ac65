"""Element types. The order of `DTYPES` is the wire order between Python and csrc/core/dtype.h."""

from __future__ import annotations

import functools
import importlib
from typing import Any

import numpy as np


class DType:
    """An element type, such as `pydl.float32`.

    Attributes:
        name: "float32" and the like.
        code: position in `DTYPES`.
        numpy: the NumPy dtype of the same bytes. NumPy has no bfloat16: uint16, which is no element
            type here, stands for it, so that the mapping is one to one.
        is_floating: whether gradients can flow.
        rank: place in type promotion: the result of an operation has the highest rank.
    """

    __slots__ = ("code", "is_floating", "name", "numpy", "rank")

    def __init__(self, name: str, code: int, numpy: str, is_floating: bool, rank: int) -> None:
        self.name = name
        self.code = code
        self.numpy = np.dtype(numpy)
        self.is_floating = is_floating
        self.rank = rank

    def __repr__(self) -> str:
        return f"pydl.{self.name}"

    @property
    def largest(self) -> float:
        """The largest finite number of a floating type."""
        if self is bfloat16:  # which NumPy has not
            return 2.0**127 * (2 - 2.0**-7)
        return float(np.finfo(self.numpy).max)

    def __reduce__(self) -> str:
        # Copies and unpickled objects are the same singleton, found by its name in this module.
        return "bool_" if self.name == "bool" else self.name

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return self.numpy.itemsize


float32 = DType("float32", 0, "float32", True, 6)
float64 = DType("float64", 1, "float64", True, 7)
float16 = DType("float16", 2, "float16", True, 4)
bfloat16 = DType("bfloat16", 3, "uint16", True, 5)
int64 = DType("int64", 4, "int64", False, 3)
int32 = DType("int32", 5, "int32", False, 2)
uint8 = DType("uint8", 6, "uint8", False, 1)
bool_ = DType("bool", 7, "bool", False, 0)

DTYPES = (float32, float64, float16, bfloat16, int64, int32, uint8, bool_)
__all__ = ["DType", "bfloat16", "bool_", "float16", "float32", "float64", "int32", "int64", "uint8"]
HALVES = frozenset((float16, bfloat16))  # stored so, computed with in float32
_BY_NUMPY = {t.numpy: t for t in DTYPES}


def of_numpy(dtype: Any) -> DType:
    """The element type of a NumPy dtype.

    Raises:
        TypeError: pydl has no such element type.
    """
    dtype = np.dtype(dtype)
    found = bfloat16 if dtype.name == "bfloat16" else _BY_NUMPY.get(dtype)  # that of ml_dtypes
    if found is None:
        names = ", ".join(t.name for t in DTYPES)
        raise TypeError(f"dtype {np.dtype(dtype)} is not supported; pydl has {names}")
    return found


@functools.cache
def _bfloat16_of_ml_dtypes() -> np.dtype[Any] | None:
    try:
        module = importlib.import_module("ml_dtypes")
    except ImportError:
        return None
    found: np.dtype[Any] = np.dtype(module.bfloat16)
    return found


def as_bfloat16(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A uint16 array as that of ml_dtypes, where it is installed; the same memory."""
    dtype = _bfloat16_of_ml_dtypes()
    return array if dtype is None else array.view(dtype)


def promote(a: DType, b: DType) -> DType:
    """The element type that an operation on `a` and `b` computes in (PyTorch's rules).

    float16 with bfloat16 gives float32; otherwise the higher rank wins.
    """
    if {a, b} == {float16, bfloat16}:
        return float32
    return a if a.rank >= b.rank else b


def result_type(*operands: Any) -> DType:
    """The element type of an operation on tensors and Python numbers (PyTorch's rules).

    Tensors with dimensions decide. A tensor of no dimensions counts only where its kind (bool,
    integer, floating) is higher than theirs, and a number only where its kind is higher than that
    of all tensors.

    Args:
        operands: tensors and numbers (bool, int, float), at least one.
    """
    number: DType | None = None
    scalar: DType | None = None
    array: DType | None = None
    for x in operands:
        if isinstance(x, (int, float)):
            number = _promoted(_of_number(x), number)
        elif x.ndim == 0:
            scalar = _promoted(x.dtype, scalar)
        else:
            array = _promoted(x.dtype, array)
    found = _over(array, _over(scalar, number))
    if found is None:
        raise TypeError("result_type: expected at least one operand")
    return found


def _of_number(x: float) -> DType:
    if isinstance(x, bool):
        return bool_
    return int64 if isinstance(x, int) else float32


def _promoted(a: DType, b: DType | None) -> DType:
    return a if b is None or a is b else promote(a, b)


def _over(high: DType | None, low: DType | None) -> DType | None:
    """`high`, unless `low` is of a higher kind."""
    if high is None or low is None:
        return high or low
    if not high.is_floating and (high is bool_ or low.is_floating):
        return promote(high, low)
    return high


def wrapped(value: int, dtype: DType) -> int:
    """An integer modulo the range of `dtype`, as C casts it."""
    bits = 8 * dtype.itemsize
    value &= (1 << bits) - 1
    return value - (1 << bits) if dtype is not uint8 and value >> (bits - 1) else value
