"""What elementwise ops share: one argument, two with broadcasting, and Python numbers as operands.

Formulas and derivatives are in csrc/ops; an op says which of x and y its derivative needs, and
gives the second derivative (arithmetic.py, exponential.py, trigonometry.py, activation.py).
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from .. import dtypes
from ..dtypes import DType
from ..op import Op
from ..tensor import Tensor
from .create import empty
from .shape import cast

FLOATS = frozenset((dtypes.float32, dtypes.float64, *dtypes.HALVES))
WHOLE = frozenset((dtypes.int64, dtypes.int32, dtypes.uint8))
NUMBERS = FLOATS | WHOLE
BITS = WHOLE | {dtypes.bool_}
NATIVE = FLOATS | BITS
_NAMES = {FLOATS: "floating", WHOLE: "integer", NUMBERS: "floating or integer",
          BITS: "integer or bool"}  # fmt: skip


def check_dtype(name: str, dtype: DType, allowed: frozenset[DType]) -> None:
    """Refuse what the op cannot compute in.

    Raises:
        TypeError: names the op, what was expected and what came.
    """
    if dtype in allowed:
        return
    kind = _NAMES[allowed]
    article = "an" if kind[0] == "i" else "a"
    raise TypeError(f"{name}: expected {article} {kind} tensor, got {dtype.name}")


class Unary(Op):
    """y = f(x; p0, p1), kernel `name`; `saves` says whether f' is written in x or in y."""

    saves: ClassVar[str] = "x"
    promotes: ClassVar[bool] = True  # integers and bools become float32; otherwise TypeError
    p0: float = 0.0
    p1: float = 0.0

    def forward(self, x: Tensor) -> Tensor:
        """y = f(x)."""
        dtype = x.dtype
        if dtype not in FLOATS:
            if not self.promotes:
                check_dtype(self.name, dtype, FLOATS)
            x = cast(x, dtypes.float32)
            dtype = dtypes.float32
        device = x.device
        y = empty(x.shape, dtype=dtype, device=device)
        getattr(device.kernels, self.name)(x.data, y.data, self.p0, self.p1)
        if self.saves == "x":
            self.save(x)
        else:
            self.save(output=y)
        return y

    def backward(self, gy: Tensor) -> Tensor:
        """gx = gy * f'(s), s being x or y."""
        return UnaryBackward.apply(gy, self.saved[0], of=self)

    def second(self, s: Tensor) -> Tensor | float | None:
        """d f'(s) / ds; None where it is 0 everywhere."""
        raise RuntimeError(f"{self.name}: has no second derivative here")


class UnaryBackward(Op):
    """gx = gy * f'(s): linear in gy, and differentiable again where f gives `second`."""

    of: Unary

    def forward(self, gy: Tensor, s: Tensor) -> Tensor:
        """gx = gy * f'(s)."""
        gx = empty(s.shape, dtype=s.dtype, device=s.device)
        kernel = getattr(s.device.kernels, self.of.name + "_backward")
        kernel(gy.data, s.data, gx.data, self.of.p0, self.of.p1)
        self.save(gy, s)
        return gx

    def backward(self, ggx: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Gradients of gy and of s."""
        gy, s = self.saved
        second = self.of.second(s) if self.needs[1] else None
        gs = None if second is None else ggx * gy * second
        return UnaryBackward.apply(ggx, s, of=self.of), gs


class Activation(Unary):
    """A Unary of floating tensors alone."""

    promotes = False


class PiecewiseLinear(Activation):
    """A Unary whose second derivative is 0."""

    def second(self, s: Tensor) -> None:
        """0."""
        return None


def broadcast_shapes(name: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that all broadcast to (NumPy's rules).

    Raises:
        ValueError: two of them do not go together; names the op and the shapes.
    """
    first = shapes[0]
    if shapes.count(first) == len(shapes):
        return first
    out = [1] * max(len(shape) for shape in shapes)
    for shape in shapes:
        for i in range(1, len(shape) + 1):
            if out[-i] == 1:
                out[-i] = shape[-i]
            elif shape[-i] not in (1, out[-i]):
                text = " and ".join(str(shape) for shape in shapes)
                raise ValueError(f"{name}: shapes {text} do not broadcast together")
    return tuple(out)


def operands(name: str, a: Any, b: Any, floating: bool = False) -> tuple[Tensor, Tensor]:
    """`together` for two; what is most common goes a short way."""
    if isinstance(a, Tensor):
        dtype = a.dtype
        if isinstance(b, Tensor):
            if b.dtype is dtype and (dtype.is_floating or not floating):
                return a, b
            if _beside(a, b) or _beside(b, a):
                return a, b
        elif dtype.is_floating and isinstance(b, (int, float)):
            return a, _number(b, a)
    elif isinstance(b, Tensor) and isinstance(a, (int, float)):
        dtype = b.dtype
        if dtype.is_floating:
            return _number(a, b), b
    a, b = together(name, a, b, floating=floating)
    return a, b


def _number(value: float, x: Tensor) -> Tensor:
    """A number beside a floating x: of its type, but float32 beside a half type."""
    dtype = dtypes.float32 if x.dtype.itemsize == 2 else x.dtype
    return Tensor(x.device.constant(value, dtype), x.device)


def _beside(x: Tensor, number: Tensor) -> bool:
    """Whether a float32 number may stay what it is beside an x of a half type."""
    return (
        number.ndim == 0
        and number.dtype is dtypes.float32
        and x.dtype in dtypes.HALVES
        and x.ndim > 0
        and not number.requires_grad
        and x.device is number.device
    )


def together(name: str, *values: Any, floating: bool = False) -> tuple[Tensor, ...]:
    """Tensors of one dtype and device from tensors and Python numbers, at least one a tensor.

    Args:
        name: the op, for messages.
        values: tensors, numbers, NumPy scalars.
        floating: integers and bools become float32.
    """
    values = tuple(v if isinstance(v, Tensor) else number(name, v) for v in values)
    dtype = dtypes.result_type(*values)
    if floating and not dtype.is_floating:
        dtype = dtypes.float32
    device = next((v.device for v in values if isinstance(v, Tensor)), None)
    if device is None:
        raise TypeError(f"{name}: expected at least one tensor, got numbers")
    return tuple(
        _as(v, dtype)
        if isinstance(v, Tensor)
        else Tensor(
            device.constant(v if dtype not in WHOLE else dtypes.wrapped(v, dtype), dtype), device
        )
        for v in values
    )


def _as(x: Tensor, dtype: DType) -> Tensor:
    return x if x.dtype is dtype else cast(x, dtype)


def number(name: str, value: Any) -> bool | int | float:
    """A Python number, from NumPy scalars too."""
    if isinstance(value, (bool, int, float)):
        return value
    if hasattr(value, "__array__") and getattr(value, "ndim", 0) > 0:
        raise TypeError(
            f"{name}: a NumPy array of shape {value.shape} came in; make it a tensor first "
            "(pydl.tensor or pydl.from_numpy)"
        )
    try:
        value = value.item()
    except AttributeError:
        value = None
    if not isinstance(value, (bool, int, float)):
        raise TypeError(f"{name}: expected tensors and numbers, got {type(value).__name__}")
    return value


def whole(name: str, value: float, dtype: DType) -> int:
    """A number as an integer of `dtype`, truncated.

    Raises:
        TypeError: it is beyond that.
    """
    limits = np.iinfo(dtype.numpy)
    if not limits.min - 1 < value < limits.max + 1:
        raise TypeError(f"{name}: {dtype.name} has no {value}")
    return int(value)


class Binary(Op):
    """out = f(a, b) with broadcasting, kernel `name`."""

    out_dtype: ClassVar[DType | None] = None

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """out = f(a, b)."""
        dtype = b.dtype if b.dtype in dtypes.HALVES else a.dtype  # the other may be a number
        shape = broadcast_shapes(self.name, a.shape, b.shape)
        out = empty(shape, dtype=self.out_dtype or dtype, device=a.device)
        getattr(a.device.kernels, self.name)(a.data, b.data, out.data)
        self.keep(a, b, out)
        return out

    def keep(self, a: Tensor, b: Tensor, out: Tensor) -> None:
        """Save what backward needs."""
        self.save(a, b)
