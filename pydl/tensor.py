"""Tensor: a device array, its gradient and its place on the tape.

Nothing is computed here: methods are ops of pydl/ops (see methods.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import dtypes
from . import op as tape
from .device import Device, RawArray, Shape, device
from .dtypes import DType
from .methods import Methods
from .recording import thread

__all__ = ["Tensor"]

if TYPE_CHECKING:
    from .graph import Graph

Scalar = float | int | bool


class Tensor(Methods):
    """An n-dimensional array of one element type on one device.

    Attributes:
        data: the device array (np.ndarray on "numpy", _native.Array on "cpu"), dense and row-major.
        device: where it lives.
        requires_grad: whether operations on it are recorded.
        grad: the gradient that `backward` accumulated (leaves, and after `retain_grad`).
        node: the Op that made it, or None for a leaf.
        version: a counter of in-place changes, shared by all tensors over the same memory.
    """

    __slots__ = (
        *("__weakref__", "_dtype", "_grad", "_shape"),
        *("data", "device", "node", "requires_grad", "version"),
    )
    __array_ufunc__ = None  # ndarray + tensor comes to Tensor.__radd__

    data: RawArray
    device: Device
    _grad: list[Tensor | None]
    node: tape.Op | None
    requires_grad: bool_type
    version: list[int]

    def __init__(self, data: RawArray, device: Device) -> None:
        self.data = data
        self.device = device
        self._shape: Shape = data.shape  # kept, as they are asked for all the time
        self._dtype = device.dtype_of(data)
        self._grad = [None]
        self.node = None
        self.requires_grad = False
        self.version = [0]

    def become(self, other: Tensor) -> None:
        """Takes over the memory, element type and device of another tensor of its shape."""
        self.data, self.device = other.data, other.device
        self._shape, self._dtype = other._shape, other._dtype
        self.version = other.version

    # ---- what it is

    @property
    def shape(self) -> Shape:
        """Its dimensions."""
        return self._shape

    @property
    def dtype(self) -> DType:
        """Its element type."""
        return self._dtype

    @property
    def ndim(self) -> int_type:
        """The number of dimensions."""
        return len(self._shape)

    def dim(self) -> int_type:
        """The number of dimensions."""
        return len(self._shape)

    def size(self, dim: int_type | None = None) -> Any:
        """The shape, or the length of one dimension."""
        return self.shape if dim is None else self.shape[dim]

    def numel(self) -> int_type:
        """The number of elements."""
        return math.prod(self._shape)

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` accumulated here."""
        if thread.recording is not None:
            thread.recording.read_grad(self)
        return self._grad[0]

    @grad.setter
    def grad(self, gradient: Tensor | None) -> None:
        if thread.recording is not None:
            thread.recording.grads[id(self)] = self
        self._grad[0] = gradient

    def zero_grad(self, set_to_none: bool_type = True) -> None:
        """Forgets the gradient, or puts zeros in its place where there is one."""
        if set_to_none:
            self.grad = None
        elif self.grad is not None:
            self.grad = ops.zeros_like(self.grad)

    @property
    def is_leaf(self) -> bool_type:
        """Whether no recorded operation made it."""
        return self.node is None

    def __len__(self) -> int_type:
        if not self.shape:
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    def __repr__(self) -> str:
        if self.dtype is dtypes.bfloat16:
            body = np.array2string(self.float().numpy(), separator=", ", prefix="tensor(")
        else:
            body = np.array2string(self.numpy(), separator=", ", prefix="tensor(")
        extra = ""
        if self.dtype not in (dtypes.float32, dtypes.int64, dtypes.bool_):
            extra += f", dtype={self.dtype!r}"
        if self.device.name != "cpu":
            extra += f", device={self.device.name!r}"
        if self.node is not None:
            extra += f", op={self.node.name}"
        elif self.requires_grad:
            extra += ", requires_grad=True"
        return f"tensor({body}{extra})"

    # ---- in and out

    def numpy(self) -> np.ndarray[Any, Any]:
        """The same memory as an ndarray, without a copy.

        bfloat16, which NumPy lacks, has the type of ml_dtypes where that is installed, else
        that of uint16. Writing into the array is not seen by the tape; see `mark_changed`.
        """
        array = self.device.to_numpy(self.data)
        return dtypes.as_bfloat16(array) if self.dtype is dtypes.bfloat16 else array

    def item(self) -> Any:
        """The one element as a Python number.

        Raises:
            ValueError: there is not exactly one element.
        """
        if self.numel() != 1:
            raise ValueError(f"item: expected one element, got shape {self.shape}")
        x = self.float() if self.dtype is dtypes.bfloat16 else self
        return x.numpy().reshape(()).item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        x = self.float() if self.dtype is dtypes.bfloat16 else self
        return x.numpy().tolist()

    def __float__(self) -> float_type:
        return float(self.item())

    def __int__(self) -> int_type:
        return int(self.item())

    def __index__(self) -> int_type:
        if self.dtype.is_floating:
            raise TypeError(f"a {self.dtype.name} tensor cannot be an index")
        return int(self.item())

    def __bool__(self) -> bool_type:
        if self.numel() != 1:
            raise ValueError(
                f"the truth of a tensor of shape {self.shape} is ambiguous; use .any() or .all()"
            )
        return bool(self.item())

    def __iter__(self) -> Iterator[Tensor]:
        if not self.shape:
            raise TypeError("iteration over a 0-d tensor")
        return (self[i] for i in range(self.shape[0]))

    def __array__(self, dtype: Any = None, copy: bool_type | None = None) -> np.ndarray[Any, Any]:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __dlpack__(self, **options: Any) -> Any:
        """The DLPack capsule of the same memory (https://dmlc.github.io/dlpack)."""
        if self.dtype is dtypes.bfloat16:
            raise TypeError("__dlpack__: bfloat16 has no NumPy form; use .float() first")
        return self.numpy().__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.numpy().__dlpack_device__()

    def to(self, target: str | Device | DType) -> Tensor:
        """On another device or with another element type; itself where nothing changes.

        Args:
            target: a device, its name, or a dtype. Casts between floating types are differentiable.
        """
        if isinstance(target, DType):
            return ops.shape.cast(self, target)
        return ops.shape.to_device(self, device(target))

    def type_as(self, other: Tensor) -> Tensor:
        """With the element type of another."""
        return self.to(other.dtype)

    def cpu(self) -> Tensor:
        """On the native device."""
        return self.to("cpu")

    def float(self) -> Tensor:
        """As float32."""
        return ops.shape.cast(self, dtypes.float32)

    def double(self) -> Tensor:
        """As float64 (numpy device only)."""
        return ops.shape.cast(self, dtypes.float64)

    def half(self) -> Tensor:
        """As float16."""
        return ops.shape.cast(self, dtypes.float16)

    def bfloat16(self) -> Tensor:
        """As bfloat16."""
        return ops.shape.cast(self, dtypes.bfloat16)

    def long(self) -> Tensor:
        """As int64."""
        return ops.shape.cast(self, dtypes.int64)

    def int(self) -> Tensor:
        """As int32."""
        return ops.shape.cast(self, dtypes.int32)

    def bool(self) -> Tensor:
        """As bool: where it is not 0."""
        return ops.shape.cast(self, dtypes.bool_)

    # ---- the tape

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool_type = False,
        create_graph: bool_type = False,
        inputs: Tensor | Sequence[Tensor] | None = None,
    ) -> None:
        """Accumulate d self / d leaf into `.grad` of every leaf that requires it.

        Args:
            gradient: gradient of self, of its shape; may be left out for one element.
            retain_graph: keep the saved tensors for another call.
            create_graph: record the walk, for second derivatives.
            inputs: where given, accumulate into these tensors alone.

        Raises:
            RuntimeError: nothing here requires a gradient, or a saved tensor is gone or changed.
            ValueError: `gradient` is missing or of another shape.
        """
        if not self.requires_grad:
            raise RuntimeError("backward: this tensor does not require a gradient")
        if gradient is None:
            if self.numel() != 1:
                raise ValueError(
                    f"backward: a tensor of shape {self.shape} needs gradient= of that shape"
                )
            gradient = ops.full(self.shape, 1.0, dtype=self.dtype, device=self.device)
        elif gradient.shape != self.shape:
            raise ValueError(
                f"backward: gradient has shape {gradient.shape}, the tensor {self.shape}"
            )
        keep = retain_graph or create_graph
        if isinstance(inputs, Tensor):
            inputs = [inputs]
        found = tape.backward([self], [gradient], keep, create_graph, inputs)
        for x in inputs or ():
            g = found.get(id(x.node or x))
            if g is not None:
                x.grad = g.clone() if x.grad is None else x.grad + g

    def detach(self) -> Tensor:
        """The same memory, off the tape."""
        t = Tensor(self.data, self.device)
        t.version = self.version
        return t

    def requires_grad_(self, requires_grad: bool_type = True) -> Tensor:
        """Say whether a leaf requires a gradient.

        Raises:
            RuntimeError: it is no leaf.
            TypeError: its element type is not floating.
        """
        if self.node is not None:
            raise RuntimeError("requires_grad_: only a leaf can be told; use detach() first")
        if requires_grad and not self.dtype.is_floating:
            raise TypeError(f"requires_grad_: {self.dtype.name} has no gradient")
        self.requires_grad = requires_grad
        return self

    def retain_grad(self) -> None:
        """Have `backward` fill `.grad` of this tensor although it is no leaf.

        Raises:
            RuntimeError: it requires no gradient.
        """
        if not self.requires_grad:
            raise RuntimeError("retain_grad: this tensor does not require a gradient")
        if self.node is not None:
            self.node.retained = self._grad

    def graph(self, names: Mapping[str, Tensor] | None = None) -> Graph:
        """The recorded graph that leads here, as a picture.

        Args:
            names: what to call tensors in it, such as `dict(model.named_parameters())`.

        Returns:
            A `Graph` with `.dot` (Graphviz), `.svg` and `.save("graph.svg")`; notebooks show it.
        """
        from .graph import graph

        return graph(self, names)

    def mark_changed(self) -> None:
        """Note an in-place change, so that a backward which needs the old values fails loudly."""
        if thread.recording is not None:
            thread.recording.changed.append(self.version)
        self.version[0] += 1

    def __deepcopy__(self, memo: dict[int_type, Any]) -> Tensor:
        if self.node is not None:
            raise RuntimeError("deepcopy: this tensor is on the tape; use detach() first")
        t = self.detach().clone().requires_grad_(self.requires_grad)
        t.grad = None if self.grad is None else self.grad.detach().clone()
        memo[id(self)] = t
        return t

    def contiguous(self) -> Tensor:
        """Itself: tensors are always dense."""
        return self

    # ---- operators

    def __iadd__(self, other: Any) -> Tensor:
        return ops.assign.augmented("add", self, other)

    def __isub__(self, other: Any) -> Tensor:
        return ops.assign.augmented("sub", self, other)

    def __imul__(self, other: Any) -> Tensor:
        return ops.assign.augmented("mul", self, other)

    def __itruediv__(self, other: Any) -> Tensor:
        return ops.assign.augmented("div", self, other)

    def __add__(self, other: Any) -> Tensor:
        return ops.add(self, other)

    def __radd__(self, other: Any) -> Tensor:
        return ops.add(self, other)

    def __sub__(self, other: Any) -> Tensor:
        return ops.sub(self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return ops.sub(other, self)

    def __mul__(self, other: Any) -> Tensor:
        return ops.mul(self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return ops.mul(self, other)

    def __truediv__(self, other: Any) -> Tensor:
        return ops.div(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return ops.div(other, self)

    def __floordiv__(self, other: Any) -> Tensor:
        return ops.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return ops.floor_divide(other, self)

    def __mod__(self, other: Any) -> Tensor:
        return ops.remainder(self, other)

    def __rmod__(self, other: Any) -> Tensor:
        return ops.remainder(other, self)

    def __pow__(self, other: Any) -> Tensor:
        return ops.pow(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return ops.pow(other, self)

    def __pos__(self) -> Tensor:
        if self.dtype is dtypes.bool_:
            raise TypeError("a bool tensor has no sign; cast it")
        return self

    def __neg__(self) -> Tensor:
        return ops.neg(self)

    def __abs__(self) -> Tensor:
        return ops.abs(self)

    def __and__(self, other: Any) -> Tensor:
        return ops.bitwise_and(self, other)

    def __rand__(self, other: Any) -> Tensor:
        return ops.bitwise_and(other, self)

    def __or__(self, other: Any) -> Tensor:
        return ops.bitwise_or(self, other)

    def __ror__(self, other: Any) -> Tensor:
        return ops.bitwise_or(other, self)

    def __xor__(self, other: Any) -> Tensor:
        return ops.bitwise_xor(self, other)

    def __rxor__(self, other: Any) -> Tensor:
        return ops.bitwise_xor(other, self)

    def __lshift__(self, other: Any) -> Tensor:
        return ops.bitwise_left_shift(self, other)

    def __rlshift__(self, other: Any) -> Tensor:
        return ops.bitwise_left_shift(other, self)

    def __rshift__(self, other: Any) -> Tensor:
        return ops.bitwise_right_shift(self, other)

    def __rrshift__(self, other: Any) -> Tensor:
        return ops.bitwise_right_shift(other, self)

    def __invert__(self) -> Tensor:
        return ops.bitwise_not(self)

    def __eq__(self, other: object) -> Any:
        if other is None or isinstance(other, str):
            return NotImplemented
        return ops.eq(self, other)

    def __ne__(self, other: object) -> Any:
        if other is None or isinstance(other, str):
            return NotImplemented
        return ops.ne(self, other)

    def __lt__(self, other: Any) -> Tensor:
        return ops.lt(self, other)

    def __le__(self, other: Any) -> Tensor:
        return ops.le(self, other)

    def __gt__(self, other: Any) -> Tensor:
        return ops.gt(self, other)

    def __ge__(self, other: Any) -> Tensor:
        return ops.ge(self, other)

    __hash__ = object.__hash__

    def __getitem__(self, index: Any) -> Tensor:
        return ops.getitem.getitem(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        ops.assign.setitem(self, index, value)

    # ---- ops that take a shape or dimensions as one tuple or spread out

    def reshape(self, *shape: Any) -> Tensor:
        """See `pydl.reshape`."""
        return ops.reshape(self, _spread(shape))

    view = reshape

    def permute(self, *dims: Any) -> Tensor:
        """See `pydl.permute`."""
        return ops.permute(self, _spread(dims))

    def expand(self, *shape: Any) -> Tensor:
        """See `pydl.expand`."""
        return ops.expand(self, _spread(shape))

    def tile(self, *each: Any, dims: Sequence[int_type] | None = None) -> Tensor:
        """See `pydl.tile`."""
        return ops.tile(self, _spread(each) if dims is None else dims)

    def repeat(self, *sizes: Any) -> Tensor:
        """See `pydl.tile`; there must be a number for every dimension.

        Raises:
            ValueError: there are fewer.
        """
        times = _spread(sizes)
        if len(times) < self.ndim:
            raise ValueError(f"repeat: {times} for the {self.ndim} dimensions of {self.shape}")
        return ops.tile(self, times)

    def flip(self, *each: Any, dims: int_type | Sequence[int_type] | None = None) -> Tensor:
        """See `pydl.flip`."""
        return ops.flip(self, _spread(each) if dims is None else dims)

    def split(
        self, split_size: int_type | Sequence[int_type], dim: int_type = 0
    ) -> tuple[Tensor, ...]:
        """See `pydl.split`."""
        return ops.split(self, split_size, dim)

    def broadcast_to(self, *size: Any) -> Tensor:
        """See `pydl.broadcast_to`."""
        return ops.broadcast_to(self, _spread(size))

    @property
    def T(self) -> Tensor:
        """The dimensions in reverse order: a matrix transposed."""
        return ops.permute(self, range(self.ndim)[::-1])

    @property
    def mT(self) -> Tensor:
        """Matrices (..., n, m) transposed.

        Raises:
            ValueError: it is a vector.
        """
        if self.ndim == 1:
            raise ValueError(f"mT: expected matrices, got shape {self.shape}")
        return self if self.ndim == 0 else ops.transpose(self, -2, -1)


# Names that Tensor's own methods shadow inside the class.
bool_type = bool
int_type = int
float_type = float
Dims = int_type | Sequence[int_type] | None


class Selected(NamedTuple):
    """What `max`, `min`, `median`, `sort` and `topk` along a dimension return."""

    values: Tensor
    indices: Tensor


def _spread(arguments: tuple[Any, ...]) -> tuple[int, ...]:
    """Both f(2, 3) and f((2, 3))."""
    if len(arguments) == 1 and not isinstance(arguments[0], int):
        return tuple(map(int, arguments[0]))
    return tuple(map(int, arguments))


tape._Tensor = Tensor

from . import ops  # noqa: E402  (ops are written on Tensor, which names them)
