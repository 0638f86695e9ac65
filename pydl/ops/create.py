"""New tensors: from Python and NumPy data, or filled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..device import Device
from ..device import device as find_device
from ..dtypes import DType
from ..tensor import Scalar, Tensor, _spread

__all__ = [
    "arange",
    "empty",
    "empty_like",
    "from_dlpack",
    "from_numpy",
    "full",
    "full_like",
    "ones",
    "ones_like",
    "tensor",
    "zeros",
    "zeros_like",
]


def tensor(
    data: Any,
    dtype: DType | None = None,
    device: str | Device = "cpu",
    requires_grad: bool = False,
) -> Tensor:
    """A tensor with a copy of `data`.

    Args:
        data: number, nested sequence, ndarray or Tensor. float64 becomes float32 and other integers
            int64, unless `dtype` says otherwise.
        dtype: element type.
        device: "cpu" or "numpy".
        requires_grad: record operations on it.
    """
    array = data.numpy() if isinstance(data, Tensor) else np.asarray(data)
    if isinstance(data, Tensor):
        natural = data.dtype
    elif array.dtype.kind == "f":
        natural = dtypes.float16 if array.dtype == np.float16 else dtypes.float32
    elif array.dtype.kind in "iu":
        natural = (
            dtypes.of_numpy(array.dtype) if array.dtype in (np.int32, np.uint8) else dtypes.int64
        )
    else:
        natural = dtypes.of_numpy(array.dtype)
    wanted = dtype or natural
    if wanted is dtypes.bfloat16 and natural is not dtypes.bfloat16:
        t = tensor(array, dtypes.float32, device).bfloat16()
    else:
        t = from_numpy(np.array(array, dtype=wanted.numpy, order="C", copy=True), device)
    return t.requires_grad_() if requires_grad else t


def from_numpy(array: np.ndarray[Any, Any], device: str | Device = "cpu") -> Tensor:
    """A tensor over the memory of an ndarray, without a copy.

    Args:
        array: C-contiguous, writable and of a dtype that pydl has (uint16 is read as bfloat16).
        device: "cpu", or "numpy" for float64.

    Raises:
        TypeError: no such element type here.
        ValueError: the array is not C-contiguous or is read-only.
    """
    if not array.flags.c_contiguous:
        raise ValueError(
            f"from_numpy: array of shape {array.shape} is not C-contiguous; "
            "use pydl.tensor, which copies"
        )
    if not array.flags.writeable:
        raise ValueError("from_numpy: array is read-only; use pydl.tensor, which copies")
    dtypes.of_numpy(array.dtype)
    where = find_device(device)
    return Tensor(where.from_numpy(array), where)


def from_dlpack(source: Any) -> Tensor:
    """A tensor over the memory of any object with `__dlpack__` (CPU memory), without a copy."""
    array = np.from_dlpack(source)
    if not array.flags.writeable or not array.flags.c_contiguous:
        raise ValueError("from_dlpack: the source is read-only or not dense; copy it first")
    return from_numpy(array)


def empty(*shape: Any, dtype: DType = dtypes.float32, device: str | Device = "cpu") -> Tensor:
    """A tensor with undefined contents."""
    where = find_device(device)
    return Tensor(where.empty(_spread(shape), dtype), where)


def empty_like(x: Tensor, dtype: DType | None = None) -> Tensor:
    """A tensor of the shape, device and (unless given) dtype of x with undefined contents.

    Args:
        x: gives shape, dtype and device.
        dtype: element type.

    Returns:
        The shape of x.

    Derivative: none.
    Source: numpy.empty_like.
    """
    return Tensor(x.device.empty(x.shape, dtype or x.dtype), x.device)


def full(
    size: int | Sequence[int],
    fill_value: Scalar,
    dtype: DType | None = None,
    device: str | Device = "cpu",
    requires_grad: bool = False,
) -> Tensor:
    """A tensor filled with `fill_value`.

    Args:
        size: its shape.
        fill_value: a number, cast to `dtype`.
        dtype: element type; that of the value unless given.
        device: "cpu" or "numpy".
        requires_grad: record operations on it.

    Returns:
        The shape `size`.

    Raises:
        OverflowError: NaN or Inf cannot be cast to integers.

    Derivative: none.
    Source: numpy.full.
    """
    if dtype is None:
        if isinstance(fill_value, bool):
            dtype = dtypes.bool_
        else:
            dtype = dtypes.int64 if isinstance(fill_value, int) else dtypes.float32
    if dtype is dtypes.bool_:
        fill_value = bool(fill_value)
    elif not dtype.is_floating:
        fill_value = int(fill_value)
    t = empty(size, dtype=dtype, device=device)
    t.device.kernels.fill(t.data, fill_value)
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


def zeros_like(x: Tensor, dtype: DType | None = None, requires_grad: bool = False) -> Tensor:
    """Zeros in the shape, device and (unless given) dtype of x.

    Args:
        x: gives shape, dtype and device.
        dtype: element type.
        requires_grad: record operations on it.

    Returns:
        The shape of x.

    Derivative: none.
    Source: numpy.zeros_like.
    """
    return full(x.shape, 0, dtype or x.dtype, x.device, requires_grad)


def ones_like(x: Tensor, dtype: DType | None = None, requires_grad: bool = False) -> Tensor:
    """Ones in the shape, device and (unless given) dtype of x.

    Args:
        x: gives shape, dtype and device.
        dtype: element type.
        requires_grad: record operations on it.

    Returns:
        The shape of x.

    Derivative: none.
    Source: numpy.ones_like.
    """
    return full(x.shape, 1, dtype or x.dtype, x.device, requires_grad)


def full_like(
    x: Tensor, fill_value: Scalar, dtype: DType | None = None, requires_grad: bool = False
) -> Tensor:
    """`fill_value` in the shape, device and (unless given) dtype of x.

    Args:
        x: gives shape, dtype and device.
        fill_value: a number, cast to the dtype.
        dtype: element type.
        requires_grad: record operations on it.

    Returns:
        The shape of x.

    Derivative: none.
    Source: numpy.full_like.
    """
    return full(x.shape, fill_value, dtype or x.dtype, x.device, requires_grad)


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
