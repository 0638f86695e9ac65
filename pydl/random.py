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
from .methods import method
from .op import Op
from .ops.checks import need_floating
from .ops.create import empty, empty_like, ones, tensor
from .ops.elementwise import FLOATS, broadcast_shapes, check_dtype
from .tensor import Tensor

__all__ = [
    "bernoulli",
    "get_rng_state",
    "manual_seed",
    "multinomial",
    "normal",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "set_rng_state",
]

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
    """Uniform numbers in [0, 1), 24 random bits each.

    Args:
        shape: the lengths, as several numbers or one sequence.
        dtype: float32 (float64 on the numpy device).
        device: where.
        requires_grad: whether the result takes a gradient.

    Returns:
        Of that shape and dtype.

    Raises:
        TypeError: the dtype is not floating.

    Derivative: none.
    Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011): Philox.
    """
    check_dtype("rand", dtype, FLOATS)
    t = empty(*shape, dtype=dtype, device=device)
    t.device.kernels.rand(t.data, state(t.device), 0.0, 1.0)
    return t.requires_grad_() if requires_grad else t


def rand_like(
    x: Tensor,
    dtype: DType | None = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform numbers in [0, 1), as many as x has elements.

    Args:
        x: whose shape, dtype and device are taken.
        dtype: another element type.
        device: another device.
        requires_grad: whether the result takes a gradient.

    Returns:
        A new tensor.

    Derivative: none.
    Source: `rand`.
    """
    return rand(x.shape, dtype=dtype or x.dtype, device=device or x.device,
                requires_grad=requires_grad)  # fmt: skip


def randn(
    *shape: Any,
    dtype: DType = dtypes.float32,
    device: str | Device = "cpu",
    requires_grad: bool = False,
) -> Tensor:
    """Normal numbers with mean 0 and deviation 1.

    Args:
        shape: the lengths, as several numbers or one sequence.
        dtype: float32 (float64 on the numpy device).
        device: where.
        requires_grad: whether the result takes a gradient.

    Returns:
        Of that shape and dtype.

    Raises:
        TypeError: the dtype is not floating.

    Derivative: none.
    Source: Box and Muller, "A note on the generation of random normal deviates" (1958).
    """
    check_dtype("randn", dtype, FLOATS)
    t = empty(*shape, dtype=dtype, device=device)
    t.device.kernels.randn(t.data, state(t.device), 0.0, 1.0)
    return t.requires_grad_() if requires_grad else t


def randn_like(
    x: Tensor,
    dtype: DType | None = None,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal numbers with mean 0 and deviation 1, as many as x has elements.

    Args:
        x: whose shape, dtype and device are taken.
        dtype: another element type.
        device: another device.
        requires_grad: whether the result takes a gradient.

    Returns:
        A new tensor.

    Derivative: none.
    Source: `randn`.
    """
    return randn(x.shape, dtype=dtype or x.dtype, device=device or x.device,
                 requires_grad=requires_grad)  # fmt: skip


def randint(
    low: int,
    high: int | tuple[int, ...],
    size: int | tuple[int, ...] | None = None,
    device: str | Device = "cpu",
) -> Tensor:
    """Whole numbers in [low, high); `randint(high, size)` starts at 0.

    Args:
        low: the smallest.
        high: one more than the largest.
        size: the shape.
        device: where.

    Returns:
        int64, of that shape.

    Raises:
        TypeError: there is no size.
        ValueError: the range is empty or longer than 2^32.

    Derivative: none.
    Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011): Philox.
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
    """The numbers 0 to n - 1 in random order.

    Args:
        n: how many.
        device: where.

    Returns:
        (n,), int64.

    Derivative: none.
    Source: sorting random keys: Knuth, "The art of computer programming", volume 2, section 3.4.2.
    """
    t = empty(n, dtype=dtypes.int64, device=device)
    t.device.kernels.randperm(t.data, state(t.device))
    return t


@method
def bernoulli(x: Tensor) -> Tensor:
    """1 with probability x, otherwise 0. Looks at the values of x, and so waits for the device.

    Args:
        x: probabilities, any shape, floating.

    Returns:
        The shape and dtype of x.

    Raises:
        TypeError: x is not floating.
        ValueError: an element is not in [0, 1].

    Derivative: none.
    Source: a uniform number below x.
    """
    if not x.dtype.is_floating:
        raise TypeError(f"bernoulli: expected a floating tensor, got {x.dtype.name}")
    p = x.detach() if x.dtype is dtypes.float64 else x.detach().float()
    if not ((p.numpy() >= 0) & (p.numpy() <= 1)).all():
        raise ValueError("bernoulli: x holds numbers outside [0, 1]")
    return (rand(x.shape, dtype=p.dtype, device=x.device) < p).to(x.dtype)


@method
def multinomial(x: Tensor, num_samples: int, replacement: bool = False) -> Tensor:
    """Places drawn with probabilities proportional to weights. Waits for the device.

    Args:
        x: weights (C,) or (N, C), floating, not all 0.
        num_samples: places for each row.
        replacement: whether a place may come more than once.

    Returns:
        int64 (num_samples,) or (N, num_samples).

    Raises:
        TypeError: x is not floating.
        ValueError: weights are negative or not finite or all 0, or there are too few.

    Derivative: none.
    Source: the inverse of the distribution function; without replacement, Efraimidis and Spirakis,
        "Weighted random sampling with a reservoir" (2006).
    """
    if not x.dtype.is_floating:
        raise TypeError(f"multinomial: expected a floating tensor, got {x.dtype.name}")
    C = x.shape[-1] if x.ndim in (1, 2) else 0
    if C == 0 or num_samples < 1 or (num_samples > C and not replacement):
        raise ValueError(f"multinomial: cannot draw {num_samples} places of x {x.shape}")
    p = (x.detach() if x.dtype is dtypes.float64 else x.detach().float()).numpy()
    p = p.reshape(-1, C).astype(np.float64)
    if not np.isfinite(p).all() or (p < 0).any() or (p.sum(1) <= 0).any():
        raise ValueError("multinomial: x holds numbers that are negative or not finite, or all 0")
    drawn = num_samples if replacement else C
    u = rand(p.shape[0], drawn, device=x.device).numpy().astype(np.float64)
    if replacement:
        c = p.cumsum(1) / p.sum(1, keepdims=True)
        places = np.stack([np.searchsorted(row, v, "right") for row, v in zip(c, u, strict=True)])
    else:
        with np.errstate(divide="ignore"):
            key = np.where(p > 0, -np.log1p(-u) / np.where(p > 0, p, 1), np.inf)
        places = np.argsort(key, 1, kind="stable")[:, :num_samples]
    return tensor(places.reshape(*x.shape[:-1], num_samples), dtypes.int64, x.device)


def normal(
    mean: Tensor | float = 0.0,
    std: Tensor | float = 1.0,
    size: tuple[int, ...] | None = None,
    device: str | Device = "cpu",
) -> Tensor:
    """Normal numbers.

    Args:
        mean: their means, a tensor or a number.
        std: their standard deviations, a tensor or a number.
        size: the shape, where both are numbers; otherwise that to which they broadcast.
        device: where both are numbers.

    Returns:
        float32 (float64 of float64 tensors).

    Raises:
        ValueError: a standard deviation is negative, or there is no size, or one too many.

    Derivative: none.
    Source: mean + std * randn.
    """
    given = [t.detach() for t in (mean, std) if isinstance(t, Tensor)]
    if (size is None) != bool(given):
        raise ValueError("normal: give size where mean and std are numbers, and only there")
    if (std.detach().numpy() if isinstance(std, Tensor) else np.asarray(std)).min(initial=0) < 0:
        raise ValueError("normal: std holds negative numbers")
    if not given:
        return randn(size, device=device) * std + mean
    shape = broadcast_shapes("normal", *(t.shape for t in given))
    z = randn(shape, dtype=given[0].dtype, device=given[0].device)
    mean, std = (t.detach() if isinstance(t, Tensor) else t for t in (mean, std))
    return z * std + mean


class Dropout(Op):
    p: float

    def forward(self, x: Tensor) -> Tensor:
        y = empty_like(x)
        mask = empty(((x.numel() + 7) // 8,), dtype=dtypes.uint8, device=x.device)  # a bit each
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
    """Each element 0 with probability p, else scaled by 1 / (1 - p).

    Args:
        x: any shape, floating.
        p: the probability, in [0, 1].
        training: without it the result is x itself.

    Returns:
        The shape and dtype of x.

    Raises:
        ValueError: p is not in [0, 1].

    Derivative: twice.
    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting"
    (2014).
    """
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout: p is a probability, got {p}")
    need_floating("dropout", x=x)
    return Dropout.apply(x, p=p) if training and p > 0.0 else x


def dropout1d(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Each channel of a signal 0 with probability p, else scaled by 1 / (1 - p).

    Args:
        x: (N, C, L) or (C, L), floating.
        p: the probability, in [0, 1].
        training: without it the result is x itself.

    Returns:
        The shape and dtype of x.

    Raises:
        ValueError: p is not in [0, 1], or x has another rank.

    Derivative: twice.
    Source: Tompson et al., "Efficient object localization using convolutional networks" (2015),
    section 3.3.
    """
    return _whole_channels("dropout1d", x, p, training, {2: 1, 3: 2}, "(N, C, L) or (C, L)")


def dropout2d(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Each channel of an image 0 with probability p, else scaled by 1 / (1 - p).

    Args:
        x: (N, C, H, W), floating; (N, C, L) too, as `dropout1d` has it.
        p: the probability, in [0, 1].
        training: without it the result is x itself.

    Returns:
        The shape and dtype of x.

    Raises:
        ValueError: p is not in [0, 1], or x has another rank.

    Derivative: twice.
    Source: Tompson et al., "Efficient object localization using convolutional networks" (2015),
    section 3.3.
    """
    return _whole_channels("dropout2d", x, p, training, {3: 2, 4: 2}, "(N, C, H, W) or (N, C, L)")


def _whole_channels(
    name: str, x: Tensor, p: float, training: bool, channels: dict[int, int], layout: str
) -> Tensor:
    """One coin for all that follows the first dimensions, so many for each rank of x."""
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"{name}: p is a probability, got {p}")
    if x.ndim not in channels:
        raise ValueError(f"{name}: x is {layout}, got {x.shape}")
    need_floating(name, x=x)
    if not training or p == 0.0:
        return x
    n = channels[x.ndim]
    coins = ones((*x.shape[:n], *(1,) * (x.ndim - n)), dtype=x.dtype, device=x.device)
    return x * dropout(coins, p)
