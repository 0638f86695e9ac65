"""Ops that move elements and compute nothing.

Arrays are dense: a reshape and a leading slice share memory, any other movement is one strided
copy, whose source or target strides say where each element comes from or goes to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..device import Device, Shape
from ..device import device as find_device
from ..dtypes import DType
from ..methods import method
from ..op import Op
from ..tensor import Tensor
from .create import empty, zeros

__all__ = [
    "clone",
    "flatten",
    "narrow",
    "numel",
    "permute",
    "ravel",
    "reshape",
    "squeeze",
    "swapaxes",
    "swapdims",
    "transpose",
    "unflatten",
    "unsqueeze",
]


def row_major(shape: Shape) -> tuple[int, ...]:
    """The strides, in elements, of a dense array."""
    strides = [1] * len(shape)
    for i in range(len(shape) - 2, -1, -1):
        strides[i] = strides[i + 1] * shape[i + 1]
    return tuple(strides)


def strided(x: Tensor, shape: Shape, strides: Sequence[int], offset: int = 0) -> Tensor:
    """out[i...] = x[offset + i . strides], off the tape."""
    out = empty(shape, dtype=x.dtype, device=x.device)
    x.device.kernels.copy(x.data, out.data, shape, offset, strides, 0, row_major(shape))
    return out


def place(x: Tensor, out: Tensor, strides: Sequence[int], offset: int) -> None:
    """out[offset + i . strides] = x[i...], in place."""
    x.device.kernels.copy(x.data, out.data, x.shape, 0, row_major(x.shape), offset, strides)


def normal_dim(name: str, dim: int, ndim: int) -> int:
    """A dimension counted from the front.

    Raises:
        IndexError: there is no such dimension.
    """
    if not -ndim <= dim < ndim:
        raise IndexError(f"{name}: dim {dim} is out of range for {ndim} dimensions")
    return dim % ndim


def numel(x: Tensor) -> int:
    """The number of elements.

    Args:
        x: any shape and dtype.

    Returns:
        A Python number.

    Raises:
        TypeError: x is no tensor.

    Derivative: none.
    Source: numpy.size.
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"numel: x is a {type(x).__name__}, expected a Tensor")
    return x.numel()


# ---- the same memory


class Reshape(Op):
    shape: Shape

    def forward(self, x: Tensor) -> Tensor:
        self.back = x.shape
        y = Tensor(x.device.view(x.data, self.shape), x.device)
        y.version = x.version
        return y

    def backward(self, gy: Tensor) -> Tensor:
        return reshape(gy, self.back)


def reshape(x: Tensor, shape: Sequence[int]) -> Tensor:
    """The same elements in another shape, sharing memory.

    Args:
        x: any shape and dtype.
        shape: of as many elements; one length may be -1 and follows from the others.

    Returns:
        That shape; x itself where nothing changes.

    Raises:
        ValueError: the number of elements differs.

    Derivative: twice.
    Source: numpy.reshape.
    """
    shape, size = tuple(shape), x.numel()
    if shape == x.shape:
        return x
    shape = tuple([int(n) for n in shape])
    known = math.prod([n for n in shape if n != -1])
    if shape.count(-1) == 1 and known > 0 and size % known == 0:
        shape = tuple([size // known if n == -1 else n for n in shape])
    elif known != size or min(shape, default=0) < 0:
        raise ValueError(f"reshape: {x.shape} has {size} elements, cannot become {shape}")
    return x if shape == x.shape else Reshape.apply(x, shape=shape)


@method
def view_as(x: Tensor, other: Tensor) -> Tensor:
    """x in the shape of `other`, sharing memory."""
    return reshape(x, other.shape)


reshape_as = method(view_as, "reshape_as")


@method
def ravel(x: Tensor) -> Tensor:
    """The elements as one row, sharing memory.

    Args:
        x: any shape and dtype.

    Returns:
        (n,).

    Derivative: twice.
    Source: numpy.ravel.
    """
    return reshape(x, (x.numel(),))


@method
def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Neighbouring dimensions as one, sharing memory.

    Args:
        x: any shape and dtype; a number becomes (1,).
        start_dim: the first that is merged.
        end_dim: the last that is merged.

    Returns:
        The shape of x with those dimensions as one.

    Raises:
        ValueError: start_dim comes after end_dim.

    Derivative: twice.
    Source: reshape.
    """
    if x.ndim == 0:
        x = reshape(x, (1,))
    first = normal_dim("flatten", start_dim, x.ndim)
    last = normal_dim("flatten", end_dim, x.ndim)
    if first > last:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    merged = math.prod(x.shape[first : last + 1])
    return reshape(x, (*x.shape[:first], merged, *x.shape[last + 1 :]))


@method
def unflatten(x: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """One dimension as several, sharing memory.

    Args:
        x: any dtype, one dimension at least.
        dim: the dimension.
        sizes: what it becomes; one length may be -1.

    Returns:
        The shape of x with `sizes` in place of `dim`.

    Raises:
        ValueError: `sizes` are none, or do not multiply to its length.

    Derivative: twice.
    Source: reshape.
    """
    d = normal_dim("unflatten", dim, x.ndim)
    known = math.prod(n for n in sizes if n != -1)
    n = x.shape[d]
    rest = n // known if known > 0 else 0
    out = tuple(rest if k == -1 else k for k in sizes)
    free = list(sizes).count(-1)
    if not out or free > 1 or (free and known == 0) or min(out) < 0 or math.prod(out) != n:
        raise ValueError(f"unflatten: dimension {d} of length {n} cannot become {tuple(sizes)}")
    return reshape(x, (*x.shape[:d], *out, *x.shape[d + 1 :]))


@method
def squeeze(x: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Without dimensions of length 1, sharing memory.

    Args:
        x: any shape and dtype.
        dim: which of them; those of another length stay. None means all.

    Returns:
        The shape of x without them.

    Raises:
        IndexError: there is no such dimension.
        ValueError: one is named twice.

    Derivative: twice.
    Source: numpy.squeeze.
    """
    named = range(x.ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
    dims = [normal_dim("squeeze", d, max(x.ndim, 1)) for d in named]
    if len(set(dims)) != len(dims):
        raise ValueError(f"squeeze: dim {dim} names a dimension twice")
    return reshape(x, tuple(n for d, n in enumerate(x.shape) if n != 1 or d not in dims))


@method
def unsqueeze(x: Tensor, dim: int) -> Tensor:
    """With a new dimension of length 1, sharing memory.

    Args:
        x: any shape and dtype.
        dim: where it is in the result.

    Returns:
        The shape of x with 1 at `dim`.

    Raises:
        IndexError: there can be no such dimension.

    Derivative: twice.
    Source: numpy.expand_dims.
    """
    d = normal_dim("unsqueeze", dim, x.ndim + 1)
    return reshape(x, (*x.shape[:d], 1, *x.shape[d:]))


# ---- other orders


class Permute(Op):
    dims: tuple[int, ...]

    def forward(self, x: Tensor) -> Tensor:
        strides = row_major(x.shape)
        shape = tuple(x.shape[d] for d in self.dims)
        return strided(x, shape, [strides[d] for d in self.dims])

    def backward(self, gy: Tensor) -> Tensor:
        back = sorted(range(len(self.dims)), key=self.dims.__getitem__)
        return permute(gy, back)


def permute(x: Tensor, dims: Sequence[int]) -> Tensor:
    """Dimensions in another order: out.shape[i] = x.shape[dims[i]].

    Args:
        x: any shape and dtype.
        dims: every dimension once.

    Returns:
        A copy; only where nothing but lengths of 1 change place, memory is shared.

    Raises:
        ValueError: `dims` is no permutation of the dimensions.

    Derivative: twice.
    Source: numpy.transpose.
    """
    order = tuple(normal_dim("permute", int(d), x.ndim) for d in dims)
    if sorted(order) != list(range(x.ndim)):
        raise ValueError(f"permute: {tuple(dims)} is no permutation of {x.ndim} dimensions")
    moved = [d for d in order if x.shape[d] != 1]
    if moved == sorted(moved):  # nothing but lengths of 1 change place
        return reshape(x, tuple(x.shape[d] for d in order))
    return Permute.apply(x, dims=order)


@method
def transpose(x: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged.

    Args:
        x: any shape and dtype.
        dim0: the one.
        dim1: the other.

    Returns:
        See `permute`.

    Raises:
        IndexError: there is no such dimension.

    Derivative: twice.
    Source: numpy.swapaxes.
    """
    n = max(x.ndim, 1)  # a number may be said to have one
    a, b = normal_dim("transpose", dim0, n), normal_dim("transpose", dim1, n)
    order = list(range(n))
    order[a], order[b] = order[b], order[a]
    return permute(x, order[: x.ndim])


@method
def swapaxes(x: Tensor, axis0: int, axis1: int) -> Tensor:
    """Two dimensions exchanged: `transpose` under NumPy's name.

    Args:
        x: any shape and dtype.
        axis0: the one.
        axis1: the other.

    Returns:
        See `permute`.

    Raises:
        IndexError: there is no such dimension.

    Derivative: twice.
    Source: numpy.swapaxes.
    """
    return transpose(x, axis0, axis1)


swapdims = method(transpose, "swapdims")


class Slice(Op):
    """out[i...] = x[offset + i . strides]; what is not covered gets no gradient."""

    shape: Shape
    strides: Sequence[int]
    offset: int

    def forward(self, x: Tensor) -> Tensor:
        self.back = x.shape
        dense = zip(self.shape, self.strides, row_major(self.shape), strict=True)
        if 0 in self.shape or all(n == 1 or s == d for n, s, d in dense):
            y = Tensor(x.device.view(x.data, self.shape, self.offset), x.device)
            y.version = x.version
            return y
        return strided(x, self.shape, self.strides, self.offset)

    def backward(self, gy: Tensor) -> Tensor:
        return Unslice.apply(gy, shape=self.back, strides=self.strides, offset=self.offset)


class Unslice(Op):
    """Zeros of `shape` with x at the places offset + i . strides."""

    shape: Shape
    strides: Sequence[int]
    offset: int

    def forward(self, x: Tensor) -> Tensor:
        self.back = x.shape
        out = zeros(self.shape, dtype=x.dtype, device=x.device)
        place(x, out, self.strides, self.offset)
        return out

    def backward(self, gy: Tensor) -> Tensor:
        return Slice.apply(gy, shape=self.back, strides=self.strides, offset=self.offset)


def slices(x: Tensor, bounds: Sequence[slice]) -> Tensor:
    """x[bounds], one slice per dimension; steps may be negative."""
    dense = row_major(x.shape)
    ranges = [range(*b.indices(n)) for b, n in zip(bounds, x.shape, strict=True)]
    shape = tuple(len(r) for r in ranges)
    strides = tuple(r.step * s for r, s in zip(ranges, dense, strict=True))
    if shape == x.shape and strides == dense:
        return x
    offset = sum(r.start * s for r, s in zip(ranges, dense, strict=True))
    return Slice.apply(x, shape=shape, strides=strides, offset=0 if 0 in shape else offset)


@method
def narrow(x: Tensor, dim: int, start: int | Tensor, length: int) -> Tensor:
    """A part of one dimension.

    Args:
        x: any dtype, one dimension at least.
        dim: the dimension.
        start: its first place, negative from the end.
        length: how many places.

    Returns:
        The shape of x with `length` in `dim`; leading dimensions share memory.

    Raises:
        IndexError: the part leaves the dimension.

    Derivative: twice.
    Source: x[:, ..., start : start + length].
    """
    d = normal_dim("narrow", dim, x.ndim)
    n, first = x.shape[d], int(start)
    first = first + n if first < 0 else first
    if first < 0 or length < 0 or first + length > n:
        raise IndexError(f"narrow: {first} to {first + length} leaves dimension {d} of length {n}")
    bounds = [slice(None)] * x.ndim
    bounds[d] = slice(first, first + length)
    return slices(x, bounds)


# ---- other types, other places


class Cast(Op):
    dtype: DType

    def forward(self, x: Tensor) -> Tensor:
        self.back = x.dtype
        y = empty(x.shape, dtype=self.dtype, device=x.device)
        x.device.kernels.cast(x.data, y.data)
        return y

    def backward(self, gy: Tensor) -> Tensor:
        return cast(gy, self.back)


def cast(x: Tensor, dtype: DType) -> Tensor:
    """x as another element type; itself where nothing changes.

    Float to integer truncates and saturates (NaN gives 0); anything to bool is x != 0; float32 to a
    half type rounds to nearest even.
    """
    return x if x.dtype is dtype else Cast.apply(x, dtype=dtype)


class ToDevice(Op):
    target: Device

    def forward(self, x: Tensor) -> Tensor:
        self.back = x.device
        return Tensor(self.target.from_numpy(x.device.to_numpy(x.data).copy()), self.target)

    def backward(self, gy: Tensor) -> Tensor:
        return to_device(gy, self.back)


def to_device(x: Tensor, target: str | Device) -> Tensor:
    """A copy on another device; itself where it is there already."""
    where = find_device(target)
    return x if x.device is where else ToDevice.apply(x, target=where)


class Clone(Op):
    def forward(self, x: Tensor) -> Tensor:
        return strided(x, x.shape, row_major(x.shape))

    def backward(self, gy: Tensor) -> Tensor:
        return gy


@method
def clone(x: Tensor) -> Tensor:
    """A copy.

    Args:
        x: any shape and dtype.

    Returns:
        The same values in memory of their own.

    Derivative: twice.
    Source: numpy.copy.
    """
    return Clone.apply(x)
