"""Random numbers: Philox4x32-10, a function of (seed, offset) alone, equal on every device.

Each device holds its state, int64 (2,) = seed and offset, in its own memory, and the kernels
advance it there: so a replayed plan goes on in the stream.

Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import dtypes
from .device import Device, RawArray
from .device import device as find_device
from .dtypes import DType
from .op import Op
from .ops.create import empty, empty_like
from .tensor import Tensor

__all__ = ["get_rng_state", "manual_seed", "rand", "randint", "randn", "randperm", "set_rng_state"]

_states: dict[str, RawArray] = {}
_seed = 0


def state(device: Device) -> RawArray:
    """The generator of a device, int64 (2,): seed and offset, advanced by the kernels."""
    found = _states.get(device.name)
    if found is None:
        found = _states[device.name] = device.from_numpy(np.array([_seed, 0], np.int64))
    return found


def manual_seed(seed: int) -> None:
    """Start the stream of every device anew.

    Args:
        seed: in [-2^63, 2^64).
    """
    global _seed
    if not -(2**63) <= seed < 2**64:
        raise ValueError(f"manual_seed: {seed} does not fit 64 bits")
    _seed = seed - 2**64 if seed >= 2**63 else seed
    for name in _states:
        set_rng_state((_seed, 0), name)


def get_rng_state(device: str | Device = "cpu") -> tuple[int, int]:
    """(seed, offset) of a device's stream: all that a resumed run needs."""
    where = find_device(device)
    seed, offset = where.to_numpy(state(where)).tolist()
    return seed, offset


def set_rng_state(rng_state: tuple[int, int], device: str | Device = "cpu") -> None:
    """Continue the stream where `get_rng_state` was called."""
    where = find_device(device)
    where.to_numpy(state(where))[:] = rng_state


def rand(
    *shape: Any,
    dtype: DType = dtypes.float32,
    device: str | Device = "cpu",
    requires_grad: bool = False,
) -> Tensor:
    """Uniform numbers in [0, 1), 24 random bits each."""
    t = empty(*shape, dtype=dtype, device=device)
    t.device.kernels.rand(t.data, state(t.device), 0.0, 1.0)
    return t.requires_grad_() if requires_grad else t


def randn(
    *shape: Any,
    dtype: DType = dtypes.float32,
    device: str | Device = "cpu",
    requires_grad: bool = False,
) -> Tensor:
    """Normal numbers with mean 0 and deviation 1 (Box and Muller, 1958)."""
    t = empty(*shape, dtype=dtype, device=device)
    t.device.kernels.randn(t.data, state(t.device), 0.0, 1.0)
    return t.requires_grad_() if requires_grad else t


def randint(
    low: int,
    high: int | tuple[int, ...],
    size: int | tuple[int, ...] | None = None,
    device: str | Device = "cpu",
) -> Tensor:
    """int64 numbers in [low, high); `randint(high, size)` starts at 0.

    Raises:
        TypeError: there is no size.
        ValueError: the range is empty or longer than 2^32.
    """
    if size is None and not isinstance(high, int):
        low, high, size = 0, low, high
    if size is None or not isinstance(high, int):
        raise TypeError("randint: expected (low, high, size) or (high, size)")
    if not 0 < high - low <= 2**32:
        raise ValueError(f"randint: [{low}, {high}) is empty or longer than 2^32")
    t = empty(size, dtype=dtypes.int64, device=device)
    t.device.kernels.randint(t.data, state(t.device), low, high)
    return t


def randperm(n: int, device: str | Device = "cpu") -> Tensor:
    """The numbers 0 to n - 1, int64, in random order."""
    t = empty(n, dtype=dtypes.int64, device=device)
    t.device.kernels.randperm(t.data, state(t.device))
    return t


class Dropout(Op):
    p: float

    def forward(self, x: Tensor) -> Tensor:
        y = empty_like(x)
        mask = empty(x.shape, dtype=dtypes.bool_, device=x.device)
        x.device.kernels.dropout(x.data, state(x.device), y.data, mask.data, self.p)
        self.save(mask)
        return y

    def backward(self, gy: Tensor) -> Tensor:
        return DropoutBackward.apply(gy, self.saved[0], p=self.p)


class DropoutBackward(Op):
    """gy where x was kept, scaled alike."""

    p: float

    def forward(self, gy: Tensor, mask: Tensor) -> Tensor:
        gx = empty_like(gy)
        gy.device.kernels.dropout_backward(gy.data, mask.data, gx.data, self.p)
        self.save(mask)
        return gx

    def backward(self, ggx: Tensor) -> tuple[Tensor, None]:
        return DropoutBackward.apply(ggx, self.saved[0], p=self.p), None


def dropout(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Each element 0 with probability p, else scaled by 1 / (1 - p); x itself when not training.

    Raises:
        ValueError: p is not in [0, 1].

    Source: Srivastava et al., "Dropout" (2014).
    """
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout: p is a probability, got {p}")
    return Dropout.apply(x, p=p) if training and p > 0.0 else x
