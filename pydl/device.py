"""Devices: where arrays live and how a kernel is reached.

`numpy` is the oracle (plain NumPy, any float precision), `cpu` the native kernels. A device is its
allocation, its zero-copy exchange with NumPy, and `kernels`, a module with one function per kernel;
both modules have the same list (pydl/_native.pyi).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import dtypes
from .dtypes import DType
from .recording import once, refuse, thread

__all__ = ["device"]

RawArray = Any  # np.ndarray on "numpy", _native.Array on "cpu": both have .shape
Shape = tuple[int, ...]


class Device:
    """A place for arrays: `pydl.device("cpu")`."""

    name: str
    kernels: Any
    constants: dict[tuple[Any, type, DType], RawArray]
    matmul: Callable[..., RawArray] | None  # _native.matmul, where the device has it

    def __repr__(self) -> str:
        return f"pydl.device({self.name!r})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Device:
        return self  # there is one of each

    def empty(self, shape: Shape, dtype: DType) -> RawArray:
        """An array with undefined contents."""
        raise NotImplementedError

    def from_numpy(self, array: np.ndarray[Any, Any]) -> RawArray:
        """The same memory as a device array (C-contiguous input)."""
        raise NotImplementedError

    def to_numpy(self, array: RawArray) -> np.ndarray[Any, Any]:
        """The same memory as an ndarray."""
        raise NotImplementedError

    def dtype_of(self, array: RawArray) -> DType:
        """The element type of a device array."""
        raise NotImplementedError

    def view(self, array: RawArray, shape: Shape, offset: int = 0) -> RawArray:
        """Another shape over the same memory, `offset` elements in."""
        raise NotImplementedError

    def constant(self, value: float | int | bool, dtype: DType) -> RawArray:
        """A 0-d array that holds `value`; common ones are made once."""
        array = self.constants.get((value, type(value), dtype))
        return self._new_constant(value, dtype) if array is None else array

    @once
    def _new_constant(self, value: float | int | bool, dtype: DType) -> RawArray:
        array = self.empty((), dtype)
        self.kernels.fill(array, value)
        if len(self.constants) < 1024:
            self.constants[value, type(value), dtype] = array
        return array


class NumpyDevice(Device):
    """Plain NumPy: the definition that the native kernels are tested against."""

    def __init__(self) -> None:
        from .backends import numpy as kernels

        self.name = "numpy"
        self.kernels = kernels
        self.matmul = None
        self.constants = {}

    def empty(self, shape: Shape, dtype: DType) -> RawArray:
        """An array with undefined contents."""
        if thread.recording is not None:
            thread.recording.foreign = True
        return np.empty(shape, dtype.numpy)

    def from_numpy(self, array: np.ndarray[Any, Any]) -> RawArray:
        """The array itself."""
        return array

    def to_numpy(self, array: RawArray) -> np.ndarray[Any, Any]:
        """The array itself."""
        return array  # type: ignore[no-any-return]

    def dtype_of(self, array: RawArray) -> DType:
        """The element type of a device array."""
        return dtypes.of_numpy(array.dtype)

    def view(self, array: RawArray, shape: Shape, offset: int = 0) -> RawArray:
        """Another shape over the same memory, `offset` elements in."""
        size = 1
        for n in shape:
            size *= n
        return array.reshape(-1)[offset : offset + size].reshape(shape)


class NativeDevice(Device):
    """The C++ kernels of this machine's instruction set."""

    def __init__(self) -> None:
        from . import _native

        self.name = "cpu"
        self.kernels = _native
        self.matmul = _native.matmul
        self.constants = {}

    def empty(self, shape: Shape, dtype: DType) -> RawArray:
        """An array with undefined contents.

        Raises:
            TypeError: float64, which exists on the numpy device only.
        """
        if dtype is dtypes.float64:
            self._check(dtype)
        return self.kernels.empty(shape, dtype.code)

    def from_numpy(self, array: np.ndarray[Any, Any]) -> RawArray:
        """The same memory as a native array, which keeps the ndarray alive.

        Raises:
            CaptureError: this thread records.
        """
        refuse(
            "a NumPy array or a list came in",
            "pass it as an argument, or make the tensor before the first call",
        )
        self._check(dtypes.of_numpy(array.dtype))
        return self.kernels.from_numpy(array)

    def to_numpy(self, array: RawArray) -> np.ndarray[Any, Any]:
        """The same memory as an ndarray, which keeps the native array alive.

        Raises:
            CaptureError: this thread records.
        """
        refuse(
            "a tensor was read by Python (item, numpy, bool, print, ...)",
            "return the tensor and read it after the call, or use pydl.where to choose",
        )
        return array.numpy()  # type: ignore[no-any-return]

    def dtype_of(self, array: RawArray) -> DType:
        """The element type of a device array."""
        return dtypes.DTYPES[array.code]

    def view(self, array: RawArray, shape: Shape, offset: int = 0) -> RawArray:
        """Another shape over the same memory, `offset` elements in."""
        return array.view(shape, offset)

    def _check(self, dtype: DType) -> None:
        if dtype is dtypes.float64:
            raise TypeError(
                "float64 exists on the numpy device only: pass dtype=pydl.float32, "
                'or device="numpy"'
            )


_DEVICES = {"numpy": NumpyDevice, "cpu": NativeDevice}
_made: dict[str, Device] = {}


def device(name: str | Device) -> Device:
    """The device of a name.

    Args:
        name: "cpu" (native kernels), "numpy" (the oracle), or a device.

    Raises:
        ValueError: there is no such device.
    """
    if isinstance(name, Device):
        return name
    found = _made.get(name)
    if found is None:
        if name == "cuda":
            raise ValueError(
                'device "cuda": this build of pydl has no CUDA; see pydl.show_config()'
            )
        if name not in _DEVICES:
            raise ValueError(f"device {name!r}: choose one of {', '.join(_DEVICES)}")
        found = _made[name] = _DEVICES[name]()
    return found
