"""What elementwise ops share: one argument, two with broadcasting, and Python numbers as operands.

Formulas and derivatives are in csrc/ops; an op says which of x and y its derivative needs, and
gives the second derivative (pydl/ops/arithmetic.py, pydl/ops/activation.py).
"""

from __future__ import annotations

from typing import Any, ClassVar

from .. import dtypes
from ..dtypes import DType
from ..op import Op
from ..tensor import Tensor
from .create import empty
from .shape import cast


class Unary(Op):
    """y = f(x; p0, p1), kernel `name`; `saves` says whether f' is written in x or in y."""

    saves: ClassVar[str] = "x"
    p0: float = 0.0
    p1: float = 0.0

    def forward(self, x: Tensor) -> Tensor:
        """y = f(x)."""
        if not x.dtype.is_floating:
            raise TypeError(f"{self.name}: expected a floating tensor, got {x.dtype.name}")
        y = empty(x.shape, dtype=x.dtype, device=x.device)
        getattr(x.device.kernels, self.name)(x.data, y.data, self.p0, self.p1)
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


class PiecewiseLinear(Unary):
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
    if all(shape == first for shape in shapes):
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
    """Two tensors of one dtype and device from tensors and Python numbers."""
    like = a if isinstance(a, Tensor) else b
    dtype = _dtype_beside(a, b) if isinstance(a, Tensor) else _dtype_beside(b, a)
    if floating and not dtype.is_floating:
        dtype = dtypes.float32
    return _operand(name, a, dtype, like), _operand(name, b, dtype, like)


def _dtype_beside(t: Tensor, other: Any) -> DType:
    dtype = t.dtype
    if isinstance(other, Tensor):
        return dtype if other.dtype is dtype else dtypes.promote(dtype, other.dtype)
    return dtypes.of_scalar(other, dtype)


def _operand(name: str, value: Any, dtype: DType, like: Tensor) -> Tensor:
    if isinstance(value, Tensor):
        return value if value.dtype is dtype else cast(value, dtype)
    if hasattr(value, "__array__") and getattr(value, "ndim", 0) > 0:
        raise TypeError(
            f"{name}: a NumPy array of shape {value.shape} came in; make it a tensor first "
            "(pydl.tensor or pydl.from_numpy)"
        )
    if not isinstance(value, (bool, int, float)):
        try:
            value = value.item()
        except AttributeError:
            raise TypeError(
                f"{name}: expected tensors and numbers, got {type(value).__name__}"
            ) from None
    return Tensor(like.device.constant(value, dtype), like.device)


class Binary(Op):
    """out = f(a, b) with broadcasting, kernel `name`."""

    out_dtype: ClassVar[DType | None] = None

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """out = f(a, b)."""
        shape = broadcast_shapes(self.name, a.shape, b.shape)
        out = empty(shape, dtype=self.out_dtype or a.dtype, device=a.device)
        getattr(a.device.kernels, self.name)(a.data, b.data, out.data)
        self.keep(a, b, out)
        return out

    def keep(self, a: Tensor, b: Tensor, out: Tensor) -> None:
        """Save what backward needs."""
        self.save(a, b)
