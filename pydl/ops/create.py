"""New tensors: from Python and NumPy data, or filled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..device import Device
from ..device import device as find_device
from ..dtypes import DType
from ..recording import once
from ..tensor import Scalar, Tensor, _spread

__all__ = [
    "arange",
    "as_tensor",
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

    Returns:
        A new tensor.

    Raises:
        TypeError: `data` holds no numbers, or none of a type that pydl has.
        ValueError: nested sequences differ in length.

    Derivative: none.
    Source: numpy.array.
    """
    array = data.numpy() if isinstance(data, Tensor) else np.asarray(data)
    natural = data.dtype if isinstance(data, Tensor) else natural_dtype(array.dtype)
    if natural is dtypes.bfloat16:
        array = array.view(np.uint16)  # ml_dtypes has a type of its own
        if dtype not in (None, natural):
            return tensor(from_numpy(np.array(array)).float(), dtype, device, requires_grad)
    wanted = dtype or natural
    if wanted is dtypes.bfloat16 and natural is not dtypes.bfloat16:
        t = tensor(array, dtypes.float32, device).bfloat16()
    else:
        t = from_numpy(np.array(array, dtype=wanted.numpy, order="C", copy=True), device)
    return t.requires_grad_() if requires_grad else t


def natural_dtype(given: np.dtype[Any]) -> DType:
    """The element type of a tensor made of an ndarray."""
    if given.kind == "f":
        return dtypes.float16 if given == np.float16 else dtypes.float32
    if given.kind in "iu" and given not in (np.int32, np.uint8):
        return dtypes.int64
    return dtypes.of_numpy(given)


def from_numpy(array: np.ndarray[Any, Any], device: str | Device = "cpu") -> Tensor:
    """A tensor over the memory of an ndarray, without a copy.

    Args:
        array: C-contiguous, writable and of a dtype that pydl has (uint16 is read as bfloat16,
            as is the type of ml_dtypes).
        device: "cpu", or "numpy" for float64.

    Returns:
        The shape and element type of the array.

    Raises:
        TypeError: no such element type here.
        ValueError: the array is not C-contiguous or is read-only.

    Derivative: none.
    Source: numpy.asarray.
    """
    if not array.flags.c_contiguous:
        raise ValueError(
            f"from_numpy: array of shape {array.shape} is not C-contiguous; "
            "use pydl.tensor, which copies"
        )
    if not array.flags.writeable:
        raise ValueError("from_numpy: array is read-only; use pydl.tensor, which copies")
    if dtypes.of_numpy(array.dtype) is dtypes.bfloat16:
        array = array.view(np.uint16)  # ml_dtypes has a type of its own
    where = find_device(device)
    return Tensor(where.from_numpy(array), where)


@once
def fixed(array: np.ndarray[Any, Any], device: Device) -> Tensor:
    """A copy of numbers that follow from shapes alone, and so may be part of a captured step."""
    return from_numpy(np.array(array, order="C"), device)


def from_dlpack(source: Any) -> Tensor:
    """A tensor over the memory of another library's, without a copy.

    Args:
        source: any object with `__dlpack__`, in CPU memory.

    Returns:
        A tensor on "cpu".

    Raises:
        ValueError: the source is read-only or not dense.

    Derivative: none.
    Source: https://dmlc.github.io/dlpack.
    """
    array = np.from_dlpack(source)
    if not array.flags.writeable or not array.flags.c_contiguous:
        raise ValueError("from_dlpack: the source is read-only or not dense; copy it first")
    return from_numpy(array)


def as_tensor(data: Any, dtype: DType | None = None, device: str | Device | None = None) -> Tensor:
    """A tensor of `data`, over the same memory where that is possible.

    Args:
        data: number, nested sequence, ndarray or Tensor.
        dtype: element type; None means that of `data`, but float64 becomes float32 on "cpu".
        device: None means that of a Tensor, otherwise "cpu".

    Returns:
        The Tensor itself where nothing changes.

    Derivative: none; a Tensor goes through as it is, on the tape.
    Source: numpy.asarray.
    """
    if isinstance(data, Tensor):
        x: Tensor = data if dtype is None else data.to(dtype)
        return x if device is None else x.to(device)
    where = find_device(device or "cpu")
    if isinstance(data, np.ndarray) and data.flags.c_contiguous and data.flags.writeable:
        kept = dtypes.of_numpy(data.dtype) if data.dtype in _SHARED else None
        if kept is not None and dtype in (None, kept):
            return from_numpy(data, where)
    return tensor(data, dtype, where)


_SHARED = [t.numpy for t in dtypes.DTYPES if t not in (dtypes.float64, dtypes.bfloat16)]


def empty(
    *shape: Any,
    dtype: DType = dtypes.float32,
    device: str | Device = "cpu",
    requires_grad: bool = False,
) -> Tensor:
    """A tensor with undefined contents.

    Args:
        shape: lengths, or one tuple of them.
        dtype: element type.
        device: "cpu" or "numpy".
        requires_grad: record operations on it.

    Returns:
        A new tensor.

    Derivative: none.
    Source: numpy.empty.
    """
    where = device if isinstance(device, Device) else find_device(device)
    lengths = shape[0] if len(shape) == 1 and type(shape[0]) is tuple else _spread(shape)
    t = Tensor(where.empty(lengths, dtype), where)
    return t.requires_grad_() if requires_grad else t


def empty_like(
    x: Tensor,
    dtype: DType | None = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor with undefined contents, like another.

    Args:
        x: whose shape, dtype and device are taken.
        dtype: another element type.
        device: another device.
        requires_grad: record operations on it.

    Returns:
        A new tensor.

    Derivative: none.
    Source: numpy.empty_like.
    """
    return empty(x.shape, dtype=dtype or x.dtype, device=device or x.device,
                 requires_grad=requires_grad)  # fmt: skip


def full(
    size: int | Sequence[int],
    fill_value: Scalar,
    dtype: DType | None = None,
    device: str | Device = "cpu",
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of one value.

    Args:
        size: its lengths.
        fill_value: a number, cast to `dtype`.
        dtype: element type; None means bool, int64 or float32, as the value is.
        device: "cpu" or "numpy".
        requires_grad: record operations on it.

    Returns:
        A new tensor.

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
    """A tensor of zeros.

    Args:
        shape: lengths, or one tuple of them.
        dtype: element type.
        device: "cpu" or "numpy".
        requires_grad: record operations on it.

    Returns:
        A new tensor.

    Derivative: none.
    Source: numpy.zeros.
    """
    return full(_spread(shape), 0, dtype, device, requires_grad)


def ones(
    *shape: Any,
    dtype: DType = dtypes.float32,
    device: str | Device = "cpu",
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of ones.

    Args:
        shape: lengths, or one tuple of them.
        dtype: element type.
        device: "cpu" or "numpy".
        requires_grad: record operations on it.

    Returns:
        A new tensor.

    Derivative: none.
    Source: numpy.ones.
    """
    return full(_spread(shape), 1, dtype, device, requires_grad)


def full_like(
    x: Tensor,
    fill_value: Scalar,
    dtype: DType | None = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of one value, like another.

    Args:
        x: whose shape, dtype and device are taken.
        fill_value: a number.
        dtype: another element type.
        device: another device.
        requires_grad: record operations on it.

    Returns:
        A new tensor.

    Derivative: none.
    Source: numpy.full_like.
    """
    return full(x.shape, fill_value, dtype or x.dtype, device or x.device, requires_grad)


def zeros_like(
    x: Tensor,
    dtype: DType | None = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of zeros, like another.

    Args:
        x: whose shape, dtype and device are taken.
        dtype: another element type.
        device: another device.
        requires_grad: record operations on it.

    Returns:
        A new tensor.

    Derivative: none.
    Source: numpy.zeros_like.
    """
    return full_like(x, 0, dtype, device, requires_grad)


def ones_like(
    x: Tensor,
    dtype: DType | None = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of ones, like another.

    Args:
        x: whose shape, dtype and device are taken.
        dtype: another element type.
        device: another device.
        requires_grad: record operations on it.

    Returns:
        A new tensor.

    Derivative: none.
    Source: numpy.ones_like.
    """
    return full_like(x, 1, dtype, device, requires_grad)


# ---- sequences


def arange(
    start: int | float,
    end: int | float | None = None,
    step: int | float = 1,
    dtype: DType | None = None,
    device: str | Device = "cpu",
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, ... up to, but without, end; `arange(end)` starts at 0.

    Args:
        start: the first number.
        end: the limit.
        step: from number to number.
        dtype: element type; None means int64 where all numbers are whole, otherwise float32.
        device: "cpu" or "numpy".
        requires_grad: record operations on it.

    Returns:
        (ceil((end - start) / step),).

    Raises:
        ValueError: step is 0, or leads away from end, or a number is not finite.
        TypeError: dtype is bool.

    Derivative: none.
    Source: numpy.arange.
    """
    if end is None:
        start, end = 0, start
    finite = all(math.isfinite(v) for v in (start, end, step))
    if not finite or step == 0 or (end - start) / step < 0:
        raise ValueError(f"arange: step {step} does not lead from {start} to {end}")
    if dtype is None:
        whole = all(isinstance(v, int) for v in (start, end, step))
        dtype = dtypes.int64 if whole else dtypes.float32
    if dtype is dtypes.bool_:
        raise TypeError("arange: bool has no sequence of numbers")
    n = int(-((start - end) // step))  # ceil((end - start) / step)
    made = dtypes.int64 if dtype is dtypes.uint8 else dtype
    made = dtypes.float32 if dtype.itemsize == 2 else made
    t = empty(n, dtype=made, device=device)
    t.device.kernels.arange(t.data, start, step)
    t = t.to(dtype)
    return t.requires_grad_() if requires_grad else t
