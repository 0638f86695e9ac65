"""Ops that move elements and compute nothing.

Arrays are dense: a reshape and a leading slice share memory, any other movement is one strided
copy, whose source or target strides say where each element comes from or goes to.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..device import Device, Shape
from ..device import device as find_device
from ..dtypes import DType
from ..methods import method
from ..op import Op
from ..tensor import Tensor
from .create import empty, zeros

__all__ = [
    "cat",
    "clone",
    "concat",
    "concatenate",
    "flatten",
    "flip",
    "narrow",
    "permute",
    "reshape",
    "squeeze",
    "stack",
    "transpose",
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
    """The same elements in another shape, sharing memory; one length may be -1.

    Raises:
        ValueError: the number of elements differs.
    """
    shape = tuple(int(n) for n in shape)
    known = 1
    for n in shape:
        known *= n if n != -1 else 1
    if shape.count(-1) == 1 and known > 0 and x.numel() % known == 0:
        shape = tuple(x.numel() // known if n == -1 else n for n in shape)
    elif known != x.numel() or min(shape, default=0) < 0:
        raise ValueError(f"reshape: {x.shape} has {x.numel()} elements, cannot become {shape}")
    return x if shape == x.shape else Reshape.apply(x, shape=shape)


@method
def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions start_dim to end_dim as one."""
    if x.ndim == 0:
        return reshape(x, (1,))
    first = normal_dim("flatten", start_dim, x.ndim)
    last = normal_dim("flatten", end_dim, x.ndim)
    if first > last:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    merged = 1
    for n in x.shape[first : last + 1]:
        merged *= n
    return reshape(x, (*x.shape[:first], merged, *x.shape[last + 1 :]))


@method
def squeeze(x: Tensor, dim: int | None = None) -> Tensor:
    """Without the dimensions of length 1, or without one of them."""
    if dim is None:
        return reshape(x, tuple(n for n in x.shape if n != 1))
    d = normal_dim("squeeze", dim, x.ndim)
    return reshape(x, x.shape[:d] + x.shape[d + 1 :]) if x.shape[d] == 1 else x


@method
def unsqueeze(x: Tensor, dim: int) -> Tensor:
    """With a new dimension of length 1 at `dim`."""
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

    Raises:
        ValueError: `dims` is no permutation of the dimensions.
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
    """Two dimensions exchanged."""
    order = list(range(x.ndim))
    a, b = normal_dim("transpose", dim0, x.ndim), normal_dim("transpose", dim1, x.ndim)
    order[a], order[b] = order[b], order[a]
    return permute(x, order)


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


def slices(x: Tensor, bounds: Sequence[slice | range]) -> Tensor:
    """x[bounds], one slice (or the range it stands for) per dimension; steps may be negative."""
    shape, strides, offset = layout(x.shape, bounds)
    if shape == x.shape and strides == row_major(shape):
        return x
    return Slice.apply(x, shape=shape, strides=strides, offset=offset)


def layout(shape: Shape, bounds: Sequence[slice | range]) -> tuple[Shape, tuple[int, ...], int]:
    """Shape, strides and offset of a part of a dense array."""
    dense = row_major(shape)
    ranges = [
        b if isinstance(b, range) else range(*b.indices(n))
        for b, n in zip(bounds, shape, strict=True)
    ]
    lengths = tuple(len(r) for r in ranges)
    offset = sum(r.start * s for r, s in zip(ranges, dense, strict=True))
    strides = tuple(r.step * s for r, s in zip(ranges, dense, strict=True))
    return lengths, strides, 0 if 0 in lengths else offset


def narrow(x: Tensor, dim: int, start: int, length: int) -> Tensor:
    """`length` elements of one dimension, from `start` on."""
    d = normal_dim("narrow", dim, x.ndim)
    if start < 0 or length < 0 or start + length > x.shape[d]:
        raise IndexError(
            f"narrow: {start} to {start + length} leaves dimension {d} of length {x.shape[d]}"
        )
    bounds = [slice(None)] * x.ndim
    bounds[d] = slice(start, start + length)
    return slices(x, bounds)


def flip(x: Tensor, dims: int | Sequence[int]) -> Tensor:
    """The order of elements reversed along `dims`."""
    dims = (dims,) if isinstance(dims, int) else dims
    bounds = [slice(None)] * x.ndim
    for d in dims:
        bounds[normal_dim("flip", d, x.ndim)] = slice(None, None, -1)
    return slices(x, bounds)


# ---- several into one


class Cat(Op):
    dim: int

    def forward(self, *xs: Tensor) -> Tensor:
        first = xs[0].shape
        self.lengths = [x.shape[self.dim] for x in xs]
        shape = (*first[: self.dim], sum(self.lengths), *first[self.dim + 1 :])
        out = empty(shape, dtype=xs[0].dtype, device=xs[0].device)
        strides = row_major(shape)
        start = 0
        for x, length in zip(xs, self.lengths, strict=True):
            place(x, out, strides, start * strides[self.dim])
            start += length
        return out

    def backward(self, gy: Tensor) -> tuple[Tensor | None, ...]:
        gxs = []
        start = 0
        for length, need in zip(self.lengths, self.needs, strict=True):
            gxs.append(narrow(gy, self.dim, start, length) if need else None)
            start += length
        return tuple(gxs)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors joined along an existing dimension.

    Raises:
        ValueError: there are none, or their other dimensions or dtypes differ.
    """
    if len(tensors) == 0:
        raise ValueError("cat: expected at least one tensor")
    first = tensors[0]
    d = normal_dim("cat", dim, first.ndim)
    for i, x in enumerate(tensors):
        same = x.shape[:d] == first.shape[:d] and x.shape[d + 1 :] == first.shape[d + 1 :]
        if not same or x.ndim != first.ndim:
            raise ValueError(
                f"cat: tensor {i} has shape {x.shape}, tensor 0 {first.shape}; "
                f"they may differ in dimension {d} only"
            )
        if x.dtype is not first.dtype:
            raise TypeError(f"cat: tensor {i} is {x.dtype.name}, tensor 0 {first.dtype.name}")
    return Cat.apply(*tensors, dim=d)


concat = concatenate = cat


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new dimension."""
    if len(tensors) == 0:
        raise ValueError("stack: expected at least one tensor")
    for i, x in enumerate(tensors):
        if x.shape != tensors[0].shape:
            raise ValueError(f"stack: tensor {i} has shape {x.shape}, tensor 0 {tensors[0].shape}")
    return cat([unsqueeze(x, dim) for x in tensors], normal_dim("stack", dim, tensors[0].ndim + 1))


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
        return Tensor(self.target.from_numpy(x.numpy().copy()), self.target)

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
    """A copy that passes gradients through."""
    return Clone.apply(x)
