"""Padding layers: a border around sequences (N, C, L) or images (N, C, H, W), or one without N."""

from __future__ import annotations

from typing import ClassVar

from ..tensor import Tensor
from . import functional as F
from .module import Module

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ZeroPad1d",
    "ZeroPad2d",
]


class _Pad(Module):
    """What all share: `padding` is one number for every side, or one for each."""

    mode: ClassVar[str] = "constant"
    sides: ClassVar[int]

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        self.padding = (padding,) * self.sides if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != self.sides:
            raise ValueError(
                f"{type(self).__name__}: padding is an int or {self.sides} of them, got {padding}"
            )

    def forward(self, x: Tensor) -> Tensor:
        """x (..., L) or (..., H, W), longer by the padding of each side."""
        return F.pad(x, self.padding, self.mode)

    def extra_repr(self) -> str:
        """The padding."""
        return f"{self.padding}"


class ConstantPad1d(_Pad):
    """A border of `value` around x (..., L).

    Args:
        padding: (left, right), or one number for both; negative ones cut off.
        value: Of the border.
    """

    sides = 2

    def __init__(self, padding: int | tuple[int, ...], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        """x (..., L) or (..., H, W), longer by the padding of each side."""
        return F.pad(x, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        """The padding and its value."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad2d(ConstantPad1d):
    """A border of `value` around x (..., H, W).

    Args:
        padding: (left, right, top, bottom), or one number for all; negative ones cut off.
        value: Of the border.
    """

    sides = 4


class ZeroPad1d(ConstantPad1d):
    """A border of zeros around x (..., L).

    Args:
        padding: (left, right), or one number for both; negative ones cut off.
    """

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """The padding."""
        return f"{self.padding}"


class ZeroPad2d(ZeroPad1d):
    """A border of zeros around x (..., H, W).

    Args:
        padding: (left, right, top, bottom), or one number for all; negative ones cut off.
    """

    sides = 4


class ReflectionPad1d(_Pad):
    """x (N, C, L) or (C, L), mirrored at its first and last element.

    Args:
        padding: (left, right), or one number for both; less than L.
    """

    mode = "reflect"
    sides = 2


class ReflectionPad2d(_Pad):
    """x (N, C, H, W) or (C, H, W), mirrored at its edge elements.

    Args:
        padding: (left, right, top, bottom), or one number for all; less than W and H.
    """

    mode = "reflect"
    sides = 4


class ReplicationPad1d(_Pad):
    """x (N, C, L) or (C, L), its first and last element repeated.

    Args:
        padding: (left, right), or one number for both.
    """

    mode = "replicate"
    sides = 2


class ReplicationPad2d(_Pad):
    """x (N, C, H, W) or (C, H, W), its edge elements repeated.

    Args:
        padding: (left, right, top, bottom), or one number for all.
    """

    mode = "replicate"
    sides = 4


class CircularPad1d(_Pad):
    """x (N, C, L) or (C, L), going on at the other end.

    Args:
        padding: (left, right), or one number for both; at most L.
    """

    mode = "circular"
    sides = 2


class CircularPad2d(_Pad):
    """x (N, C, H, W) or (C, H, W), going on at the other end.

    Args:
        padding: (left, right, top, bottom), or one number for all; at most W and H.
    """

    mode = "circular"
    sides = 4
