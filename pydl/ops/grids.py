"""Numbers at equal distances, and the unit matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..device import Device
from ..dtypes import DType
from ..tensor import Tensor
from .create import tensor
from .shape import clone

__all__ = ["eye", "linspace", "logspace"]


def _made(
    array: np.ndarray[Any, Any], dtype: DType, device: str | Device, requires_grad: bool
) -> Tensor:
    """Copied by a kernel, so that a recorded plan makes it anew at each replay."""
    return clone(tensor(array, dtype, device)).requires_grad_(requires_grad)


def _steps(name: str, start: float, end: float, steps: int) -> np.ndarray[Any, Any]:
    if steps < 0:
        raise ValueError(f"{name}: steps is {steps}, expected 0 or more")
    return np.linspace(start, end, steps)


def linspace(
    start: float,
    end: float,
    steps: int,
    dtype: DType = dtypes.float32,
    device: str | Device = "cpu",
    requires_grad: bool = False,
) -> Tensor:
    """Numbers at equal distances, both ends among them.

    Args:
        start: the first number.
        end: the last number.
        steps: how many.
        dtype: element type; integers are truncated.
        device: "cpu" or "numpy".
        requires_grad: record operations on it.

    Returns:
        (steps,).

    Raises:
        ValueError: steps is negative.

    Derivative: none.
    Source: numpy.linspace.
    """
    return _made(_steps("linspace", start, end, steps), dtype, device, requires_grad)


def logspace(
    start: float,
    end: float,
    steps: int,
    base: float = 10.0,
    dtype: DType = dtypes.float32,
    device: str | Device = "cpu",
    requires_grad: bool = False,
) -> Tensor:
    """base to the powers from start to end, whose exponents are at equal distances.

    Args:
        start: the first exponent.
        end: the last exponent.
        steps: how many.
        base: of the powers.
        dtype: element type; integers are truncated.
        device: "cpu" or "numpy".
        requires_grad: record operations on it.

    Returns:
        (steps,).

    Raises:
        ValueError: steps is negative.

    Derivative: none.
    Source: numpy.logspace.
    """
    exponents = _steps("logspace", start, end, steps)
    with np.errstate(all="ignore"):
        powers = np.power(float(base), exponents)
    return _made(powers, dtype, device, requires_grad)


def eye(
    n: int,
    m: int | None = None,
    dtype: DType = dtypes.float32,
    device: str | Device = "cpu",
    requires_grad: bool = False,
) -> Tensor:
    """Ones on the diagonal, zeros elsewhere.

    Args:
        n: rows.
        m: columns; None means n.
        dtype: element type.
        device: "cpu" or "numpy".
        requires_grad: record operations on it.

    Returns:
        (n, m).

    Raises:
        ValueError: a number is negative.

    Derivative: none.
    Source: numpy.eye.
    """
    m = n if m is None else m
    if n < 0 or m < 0:
        raise ValueError(f"eye: expected n and m of 0 or more, got {n} and {m}")
    return _made(np.eye(n, m), dtype, device, requires_grad)
