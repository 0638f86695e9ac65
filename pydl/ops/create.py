"""New tensors."""

from __future__ import annotations

from typing import Any

from .. import device as _devices
from .. import dtypes
from ..device import Device
from ..dtypes import DType
from ..tensor import Scalar, Tensor, _spread

__all__ = [
    "arange",
    "empty",
    "empty_like",
    "full",
    "full_like",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]


def empty(*shape: Any, dtype: DType = dtypes.float32, device: str | Device = "cpu") -> Tensor:
    """A tensor with undefined contents."""
    where = _devices.device(device)
    return Tensor(where.empty(_spread(shape), dtype), where)


def empty_like(x: Tensor) -> Tensor:
    """A tensor of the shape, dtype and device of x with undefined contents."""
    return Tensor(x.device.empty(x.shape, x.dtype), x.device)


def full(
    shape: int | tuple[int, ...],
    value: Scalar,
    dtype: DType | None = None,
    device: str | Device = "cpu",
    requires_grad: bool = False,
) -> Tensor:
    """A tensor filled with `value`; the dtype is that of the value unless given."""
    if dtype is None:
        if isinstance(value, bool):
            dtype = dtypes.bool_
        else:
            dtype = dtypes.int64 if isinstance(value, int) else dtypes.float32
    t = empty(shape, dtype=dtype, device=device)
    t.device.kernels.fill(t.data, value)
    return t.requires_grad_() if requires_grad else t


def zeros(
    *shape: Any,
    dtype: DType = dtypes.float32,
    device: str | Device = "cpu",
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of zeros."""
    return full(_spread(shape), 0, dtype, device, requires_grad)


def ones(
    *shape: Any,
    dtype: DType = dtypes.float32,
    device: str | Device = "cpu",
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of ones."""
    return full(_spread(shape), 1, dtype, device, requires_grad)


def zeros_like(x: Tensor) -> Tensor:
    """Zeros of the shape, dtype and device of x."""
    return full(x.shape, 0, x.dtype, x.device)


def ones_like(x: Tensor) -> Tensor:
    """Ones of the shape, dtype and device of x."""
    return full(x.shape, 1, x.dtype, x.device)


def full_like(x: Tensor, value: Scalar) -> Tensor:
    """`value` in the shape, dtype and device of x."""
    return full(x.shape, value, x.dtype, x.device)


def arange(
    start: int | float,
    end: int | float | None = None,
    step: int | float = 1,
    dtype: DType | None = None,
    device: str | Device = "cpu",
) -> Tensor:
    """start, start + step, ... below end; `arange(end)` starts at 0.

    Raises:
        ValueError: step is 0, or leads away from end.
    """
    if end is None:
        start, end = 0, start
    if step == 0 or (end - start) / step < 0:
        raise ValueError(f"arange: step {step} does not lead from {start} to {end}")
    if dtype is None:
        whole = all(isinstance(v, int) for v in (start, end, step))
        dtype = dtypes.int64 if whole else dtypes.float32
    n = int(-((start - end) // step))  # ceil((end - start) / step)
    t = empty(n, dtype=dtype, device=device)
    t.device.kernels.arange(t.data, start, step)
    return t
