"""In what precision the oracle computes, and how it converts between element types."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

A = npt.NDArray[Any]

BFLOAT16 = np.dtype(np.uint16)  # stands for it throughout pydl
_FLOAT32 = np.dtype(np.float32)

# Decorates every kernel that meets inf or NaN: they are values here, not accidents to warn of.
quiet = np.errstate(all="ignore")


def in_float32(kernel: Callable[..., None]) -> Callable[..., None]:
    """The kernel for half types too: rounded once, as it is done with each array."""

    @functools.wraps(kernel)
    def call(*args: Any, **options: Any) -> None:
        copies: list[tuple[A, A, A]] = []

        def wide(x: Any) -> Any:
            if isinstance(x, list | tuple):
                return [wide(item) for item in x] if any(map(_is_half, x)) else x
            if not _is_half(x):
                return x
            copies.append((x, *(np.array(convert(x, _FLOAT32)) for _ in range(2))))
            return copies[-1][1]

        kernel(*map(wide, args), **{name: wide(x) for name, x in options.items()})
        for x, copy, before in copies:
            if copy.tobytes() != before.tobytes():
                with np.errstate(all="ignore"):
                    x[...] = convert(copy, x.dtype)

    return call


def _is_half(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype in (np.float16, BFLOAT16)


def convert(x: A, dtype: np.dtype[Any]) -> A:
    """x in another element type, by the rules of CastArgs in csrc/core/kernels.h."""
    if x.dtype == dtype:
        return x
    if x.dtype == BFLOAT16:
        x = _from_bfloat16(x)
    if dtype == np.bool_:
        return np.asarray(x != 0)
    if dtype == BFLOAT16:
        return _to_bfloat16(x.astype(np.float32))
    if x.dtype.kind == "f" and dtype.kind in "iu":
        return _to_integer(x.astype(np.float64), dtype)
    return x.astype(dtype)


def _from_bfloat16(x: A) -> A:
    return (x.astype(np.uint32) << 16).view(np.float32)


def _to_bfloat16(x: A) -> A:
    """The upper half of each float32, rounded to nearest even; a NaN stays one."""
    bits = x.view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return np.where(np.isnan(x), (bits >> 16 & 0x8000) | 0x7FC0, rounded).astype(BFLOAT16)


def _to_integer(x: A, dtype: np.dtype[Any]) -> A:
    """Truncated towards zero, held within the range of dtype; NaN gives 0."""
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    # NOTE: float(most) is 2**63 for int64, one more than int64 holds, hence not np.clip.
    low, high = x <= float(least), x >= float(most)
    whole = np.where(np.isnan(x) | low | high, 0.0, x).astype(dtype)
    return np.where(low, least, np.where(high, most, whole)).astype(dtype)
