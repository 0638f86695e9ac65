"""In-place changes: x[index] = value, x.copy_, x.add_ and their kin, and x += y.

They are for tensors off the tape: a leaf under `no_grad`, or one that requires no gradient. Each
counts up the version that all tensors over the same memory share, so that a backward which needs
the old values fails and says so (see op.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..device import Shape
from ..dtypes import DType
from ..methods import method
from ..op import is_grad_enabled, no_grad
from ..tensor import Scalar, Tensor
from .arithmetic import add, mul, sub
from .create import from_numpy
from .division import div
from .elementwise import broadcast_shapes, operands
from .getitem import check_places, lookup, parse, part
from .index import around
from .limits import clamp
from .reduce import expand
from .shape import cast, clone, reshape, row_major, to_device

__all__: list[str] = []


# ---- what is refused


def refuse_recorded(x: Tensor, name: str) -> None:
    """In-place changes are for leaves off the tape: raise where they would spoil a gradient."""
    if x.node is not None or (x.requires_grad and is_grad_enabled()):
        raise RuntimeError(
            f"{name}: this tensor is on the tape; use detach(), or no_grad() for a leaf"
        )


def refuse_gradient(source: Any, name: str) -> None:
    """An in-place change does not record where its values came from."""
    if is_grad_enabled() and isinstance(source, Tensor) and source.requires_grad:
        raise RuntimeError(
            f"{name}: the value requires a gradient, which an in-place change would lose; use "
            "detach(), or make the tensor with cat, stack or where"
        )


def broadcasts_to(name: str, shape: Shape, target: Shape) -> None:
    """Raise where `shape` does not broadcast to `target`."""
    if broadcast_shapes(name, shape, target) != target:
        raise ValueError(f"{name}: {shape} does not broadcast to {target}")


# ---- values


def setitem(x: Tensor, index: Any, value: Any) -> None:
    """x[index] = value, for every index that x[index] takes; the value broadcasts to it.

    Where an index repeats, the last value stays.
    """
    refuse_recorded(x, "setitem")
    if _fill_mask(x, index, value):
        return
    axes = parse(x, index)
    if not any(a.is_tensor for a in axes):
        shape, strides, offset = part(x.shape, axes)
        source = _source(x, value, shape)
        x.device.kernels.copy(source.data, x.data, shape, 0, row_major(shape), offset, strides)
    else:
        at = lookup(x, axes)
        source = _source(x, value, at.shape)
        sizes = around(at.whole, at.dim)
        try:
            x.device.kernels.put(source.data, at.places.data, x.data, *sizes, wrap=True)
        except IndexError:
            check_places(x.shape, axes)
            raise
    x.mark_changed()


def _fill_mask(x: Tensor, index: Any, value: Any) -> bool:
    """x[mask] = number, without waiting for the device; False where it is something else."""
    number = isinstance(value, (bool, int, float))
    if not number or not isinstance(index, Tensor) or index.dtype is not dtypes.bool_:
        return False
    if index.ndim == 0 or index.shape != x.shape[: index.ndim] or index.device is not x.device:
        return False
    mask = reshape(index, (*index.shape, *(1,) * (x.ndim - index.ndim)))
    x.device.kernels.where(mask.data, _number(x, value).data, x.data, x.data)
    x.mark_changed()
    return True


def _number(x: Tensor, value: Scalar) -> Tensor:
    """A number in the dtype of x; for integers, truncated."""
    number = value if x.dtype.is_floating or x.dtype is dtypes.bool_ else int(value)
    return Tensor(x.device.constant(number, x.dtype), x.device)


def _source(x: Tensor, value: Any, shape: Shape) -> Tensor:
    """What is written, in the dtype of x and in memory of its own, expanded to `shape`."""
    refuse_gradient(value, "setitem")
    if isinstance(value, np.ndarray):
        value = from_numpy(np.array(value, order="C"), "numpy")
    elif isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (bool, int, float)):
        value = _number(x, value)
    elif not isinstance(value, Tensor):
        raise TypeError(f"setitem: expected a tensor, array or number, got {type(value).__name__}")
    source = _converted(value.detach(), x)
    while source.ndim > len(shape) and source.shape[0] == 1:
        source = reshape(source, source.shape[1:])
    try:
        return expand(source, shape)
    except ValueError:
        raise ValueError(
            f"setitem: a value of shape {value.shape} does not broadcast to {shape}"
        ) from None


def _converted(source: Tensor, x: Tensor) -> Tensor:
    """On the device and in the dtype of x, and not over its memory."""
    if source.device is not x.device:  # cast first: float64 exists on the numpy device only
        source = to_device(cast(source, x.dtype), x.device)
    source = cast(source, x.dtype)
    return clone(source) if source.version is x.version else source


@method
def copy_(x: Tensor, source: Tensor) -> Tensor:
    """Overwrite the values in place with those of a tensor that broadcasts to this shape."""
    refuse_recorded(x, "copy_")
    refuse_gradient(source, "copy_")
    if source.data is x.data:
        return x
    _overwrite(x, expand(_converted(source.detach(), x), x.shape))
    return x


def _overwrite(x: Tensor, source: Tensor) -> None:
    strides = row_major(x.shape)
    x.device.kernels.copy(source.data, x.data, x.shape, 0, strides, 0, strides)
    x.mark_changed()


@method
def fill_(x: Tensor, value: Scalar | Tensor) -> Tensor:
    """Overwrite every element in place with a number, or a tensor of one."""
    refuse_recorded(x, "fill_")
    refuse_gradient(value, "fill_")
    if isinstance(value, Tensor):
        if value.ndim > 0:
            raise ValueError(f"fill_: value has shape {value.shape}, expected a number")
        return copy_(x, value)
    x.device.kernels.fill(x.data, value)
    x.mark_changed()
    return x


@method
def zero_(x: Tensor) -> Tensor:
    """Overwrite every element with 0, in place."""
    return fill_(x, 0)


@method
def masked_fill_(x: Tensor, mask: Tensor, value: Scalar | Tensor) -> Tensor:
    """Overwrite with a number (or a tensor of one) where `mask`, broadcast to x, is true."""
    refuse_recorded(x, "masked_fill_")
    refuse_gradient(value, "masked_fill_")
    if mask.dtype is not dtypes.bool_:
        raise TypeError(f"masked_fill_: mask is {mask.dtype.name}, expected bool")
    broadcasts_to("masked_fill_", mask.shape, x.shape)
    number = _converted(value, x) if isinstance(value, Tensor) else _number(x, value)
    if number.ndim > 0:
        raise ValueError(f"masked_fill_: value has shape {number.shape}, expected a number")
    x.device.kernels.where(mask.data, number.data, x.data, x.data)
    x.mark_changed()
    return x


# ---- arithmetic


@method
def add_(x: Tensor, other: Any, alpha: Scalar = 1) -> Tensor:
    """x += alpha * other, in place."""
    return _combine("add", x, other if alpha == 1 else mul(other, alpha))


@method
def sub_(x: Tensor, other: Any, alpha: Scalar = 1) -> Tensor:
    """x -= alpha * other, in place."""
    return _combine("sub", x, other if alpha == 1 else mul(other, alpha))


@method
def mul_(x: Tensor, other: Any) -> Tensor:
    """x *= other, in place."""
    return _combine("mul", x, other)


@method
def div_(x: Tensor, other: Any) -> Tensor:
    """x /= other, in place."""
    return _combine("div", x, other)


def _combine(name: str, x: Tensor, other: Any) -> Tensor:
    """The kernel of an arithmetic op, its output over its first operand."""
    refuse_recorded(x, name + "_")
    refuse_gradient(other, name + "_")
    if isinstance(other, Tensor) and other.version is x.version and other.data is not x.data:
        other = clone(other.detach())  # a part of x
    a, b = operands(name, x.detach(), other, floating=name == "div")
    broadcasts_to(name + "_", b.shape, x.shape)
    _refuse_narrowing(name + "_", a.dtype, x.dtype)
    getattr(x.device.kernels, name)(a.data, b.data, a.data)
    if a.data is not x.data:
        _overwrite(x, cast(a, x.dtype))
    x.mark_changed()
    return x


def _refuse_narrowing(name: str, result: DType, dtype: DType) -> None:
    """A result may be rounded into x, but not lose its kind: float, integer, bool."""
    if (result.is_floating and not dtype.is_floating) or (
        dtype is dtypes.bool_ and result is not dtypes.bool_
    ):
        raise TypeError(f"{name}: the result is {result.name}, which {dtype.name} cannot hold")


@method
def clamp_(x: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """x limited to [min, max], in place."""
    return _replace("clamp_", x, lambda: clamp(x.detach(), min, max))


@method
def lerp_(x: Tensor, end: Tensor, weight: Tensor | float) -> Tensor:
    """x += weight * (end - x), in place."""
    refuse_gradient(end, "lerp_")
    return _replace("lerp_", x, lambda: x.detach() + weight * (end - x.detach()))


def _replace(name: str, x: Tensor, compute: Any) -> Tensor:
    refuse_recorded(x, name)
    with no_grad():
        y = compute()
    _refuse_narrowing(name, y.dtype, x.dtype)
    broadcasts_to(name, y.shape, x.shape)
    _overwrite(x, expand(cast(y, x.dtype), x.shape))
    return x


OPERATORS = {"add": (add, add_), "sub": (sub, sub_), "mul": (mul, mul_), "div": (div, div_)}


def augmented(name: str, x: Tensor, other: Any) -> Tensor:
    """x += other and the like: in place on a leaf, a new tensor where a gradient is recorded.

    Raises:
        RuntimeError: x is a leaf that requires a gradient, outside `no_grad`.
    """
    new, in_place = OPERATORS[name]
    wanted = is_grad_enabled() and isinstance(other, Tensor) and other.requires_grad
    if x.node is not None or (wanted and not x.requires_grad):
        return new(x, other)
    return in_place(x, other)
