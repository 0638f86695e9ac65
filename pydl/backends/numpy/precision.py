"""In what precision the oracle computes, and how it converts between element types."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

A = npt.NDArray[Any]

BFLOAT16 = np.dtype(np.uint16)  # stands for it throughout pydl

# Decorates every kernel that meets inf or NaN: they are values here, not accidents to warn of.
quiet = np.errstate(all="ignore")


def widen(x: A) -> A:
    """Half types are for storage: float16 is computed in float32, other types as they are."""
    return x.astype(np.float32) if x.dtype == np.float16 else x


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
    return np.where(np.isnan(x), (bits >> 16) | 0x40, rounded).astype(BFLOAT16)


def _to_integer(x: A, dtype: np.dtype[Any]) -> A:
    """Truncated towards zero, held within the range of dtype; NaN gives 0."""
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    # NOTE: float(most) is 2**63 for int64, one more than int64 holds, hence not np.clip.
    low, high = x <= float(least), x >= float(most)
    whole = np.where(np.isnan(x) | low | high, 0.0, x).astype(dtype)
    return np.where(low, least, np.where(high, most, whole)).astype(dtype)
