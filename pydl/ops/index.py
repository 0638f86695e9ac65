"""Indexing: by integers, slices, None and Ellipsis; by integer tensors; by masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..device import Shape
from ..methods import method
from ..op import Op
from ..tensor import Tensor
from .arithmetic import eq, where
from .create import arange, empty, from_numpy
from .elementwise import broadcast_shapes
from .reduce import expand
from .shape import normal_dim, permute, reshape, slices

__all__ = [
    "gather",
    "index_select",
    "nonzero",
    "one_hot",
]


def around(shape: Shape, dim: int) -> tuple[int, int, int]:
    """(outer, n, inner) about one dimension."""
    outer = inner = 1
    for n in shape[:dim]:
        outer *= n
    for n in shape[dim + 1 :]:
        inner *= n
    return outer, shape[dim], inner


def _wrap(name: str, index: Tensor, n: int) -> Tensor:
    """int64 indices with negative ones counted from the end."""
    if index.dtype.is_floating or index.dtype is dtypes.bool_:
        raise TypeError(f"{name}: index is {index.dtype.name}, expected integers")
    index = index.long()
    return where(index < 0, index + n, index)


class Take(Op):
    """out = x with dimension `dim` replaced by index.shape: x[..., index, ...]."""

    dim: int
    backward_kernel = "take_backward"

    def forward(self, x: Tensor, index: Tensor) -> Tensor:
        self.shape = x.shape
        shape = self.out_shape(x.shape, index.shape)
        out = empty(shape, dtype=x.dtype, device=x.device)
        kernel = getattr(x.device.kernels, self.name)
        kernel(x.data, index.data, out.data, *around(x.shape, self.dim))
        self.save(index)
        return out

    def out_shape(self, shape: Shape, index: Shape) -> Shape:
        return (*shape[: self.dim], *index, *shape[self.dim + 1 :])

    def backward(self, gy: Tensor) -> tuple[Tensor, None]:
        (index,) = self.saved
        return IndexBackward.apply(gy, index, of=self), None


class Gather(Take):
    """out[o, j, i] = x[o, index[o, j, i], i]."""

    backward_kernel = "gather_backward"

    def out_shape(self, shape: Shape, index: Shape) -> Shape:
        return index


class IndexBackward(Op):
    """Zeros, to which gy is added at the places that were read."""

    of: Take

    def forward(self, gy: Tensor, index: Tensor) -> Tensor:
        gx = empty(self.of.shape, dtype=gy.dtype, device=gy.device)
        kernel = getattr(gy.device.kernels, self.of.backward_kernel)
        kernel(gy.data, index.data, gx.data, *around(self.of.shape, self.of.dim))
        self.save(index)
        return gx

    def backward(self, ggx: Tensor) -> tuple[Tensor, None]:
        (index,) = self.saved
        return type(self.of).apply(ggx, index, dim=self.of.dim), None


def index_select(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """x at the places `index` (any shape, integers, negative from the end) of one dimension.

    Raises:
        IndexError: a place does not exist.
    """
    d = normal_dim("index_select", dim, x.ndim)
    return Take.apply(x, _wrap("index_select", index, x.shape[d]), dim=d)


@method
def gather(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """out[i, j, k] = x[index[i, j, k], j, k] for dim 0, and so on.

    Args:
        x: any shape.
        dim: the dimension that is looked up.
        index: integers, of the rank of x, no longer than x in the other dimensions.

    Raises:
        ValueError: the shapes do not fit.
        IndexError: a place does not exist.
    """
    d = normal_dim("gather", dim, x.ndim)
    pairs = [p for i, p in enumerate(zip(index.shape, x.shape, strict=False)) if i != d]
    if index.ndim != x.ndim or any(k > n for k, n in pairs):
        raise ValueError(
            f"gather: index {index.shape} does not fit x {x.shape}: same rank, and no longer "
            f"than x but in dimension {d}"
        )
    index = _wrap("gather", index, x.shape[d])
    x = slices(x, [slice(None) if i == d else slice(0, k) for i, k in enumerate(index.shape)])
    return Gather.apply(x, index, dim=d)


def one_hot(index: Tensor, num_classes: int) -> Tensor:
    """int64 tensor (*index.shape, num_classes): 1 at the index, 0 elsewhere.

    Args:
        index: integers in [0, num_classes); others give a row of zeros.
        num_classes: the length of a row.
    """
    classes = arange(num_classes, device=index.device)
    return eq(reshape(index.long(), (*index.shape, 1)), classes).long()


def nonzero(mask: Tensor) -> tuple[Tensor, ...]:
    """The places where a tensor is not 0, one int64 vector per dimension. Waits for the device."""
    places = np.nonzero(mask.numpy())
    return tuple(from_numpy(np.ascontiguousarray(p), mask.device) for p in places)


def getitem(x: Tensor, index: Any) -> Tensor:
    """x[index] by NumPy's rules, but that an integer beside index tensors is taken first.

    Leading slices with step 1 share memory, everything else is a copy. A mask waits for the device.
    """
    items = list(index) if isinstance(index, tuple) else [index]
    masked: dict[int, int] = {}  # by id of an index that stands for a mask: the mask's length
    items = [i for item in items for i in _expand_mask(x, item, masked)]
    used = sum(1 for i in items if i is not None and i is not Ellipsis)
    if used > x.ndim:
        raise IndexError(f"too many indices: {used} for a tensor of shape {x.shape}")
    if not any(i is Ellipsis for i in items):
        items.append(Ellipsis)
    at = next(k for k, i in enumerate(items) if i is Ellipsis)
    items[at : at + 1] = [slice(None)] * (x.ndim - used)
    if any(i is Ellipsis for i in items):
        raise IndexError("an index can hold only one Ellipsis")

    bounds: list[slice] = []  # first slice every dimension, then reshape, then look up tensors
    shape: list[int] = []
    tensors: list[tuple[int, Tensor]] = []  # (dimension of the sliced tensor, index)
    lengths = iter(x.shape)
    for item in items:
        if item is None:
            shape.append(1)
            continue
        n = next(lengths)
        if isinstance(item, slice):
            bounds.append(item)
            shape.append(len(range(*item.indices(n))))
        elif isinstance(item, Tensor):
            if masked.get(id(item), n) != n:
                raise IndexError(
                    f"a mask of length {masked[id(item)]} does not fit a dimension of length {n} "
                    f"(tensor of shape {x.shape})"
                )
            bounds.append(slice(None))
            tensors.append((len(shape), item))
            shape.append(n)
        else:
            i = _integer(item, n, x.shape)
            bounds.append(slice(i, i + 1))
    y = reshape(slices(x, bounds), shape)
    return _lookup(y, tensors) if tensors else y


def _expand_mask(x: Tensor, item: Any, masked: dict[int, int]) -> Sequence[Any]:
    """Lists and arrays as tensors, a mask as one index tensor per dimension."""
    if isinstance(item, (list, np.ndarray)):
        array = np.asarray(item)
        if array.dtype.kind not in "biu" and array.size > 0:
            raise TypeError(f"an index holds integers or bools, not {array.dtype}")
        array = array.astype(np.int64) if array.dtype != np.bool_ else array.copy()
        item = from_numpy(np.array(array, order="C"), x.device)
    if isinstance(item, Tensor) and item.dtype is dtypes.bool_:
        places = nonzero(item)
        masked.update((id(i), n) for i, n in zip(places, item.shape, strict=True))
        return places
    return (item,)


def _integer(item: Any, n: int, shape: Shape) -> int:
    try:
        i = item.__index__()
    except AttributeError:
        raise TypeError(
            f"an index is an integer, slice, None, Ellipsis, list, array or tensor, "
            f"not {type(item).__name__}"
        ) from None
    if not -n <= i < n:
        raise IndexError(f"index {i} is out of range for length {n} (tensor of shape {shape})")
    return int(i % n)


def _lookup(x: Tensor, tensors: list[tuple[int, Tensor]]) -> Tensor:
    """x looked up by integer tensors: one linear index over the dimensions they stand for."""
    dims = [d for d, _ in tensors]
    together = dims == list(range(dims[0], dims[-1] + 1))
    first = dims[0] if together else 0
    if not together:  # NumPy puts the looked-up dimensions in front
        x = permute(x, dims + [d for d in range(x.ndim) if d not in dims])
    lengths = x.shape[first : first + len(dims)]
    shape = broadcast_shapes("index", *(t.shape for _, t in tensors))
    linear: Tensor | None = None
    merged = 1
    for n, (_, t) in zip(lengths, tensors, strict=True):
        if len(tensors) > 1:
            _check_range(t, n, x.shape)
        part = expand(_wrap("index", t, n), shape)
        linear = part if linear is None else linear * n + part
        merged *= n
    assert linear is not None
    x = reshape(x, (*x.shape[:first], merged, *x.shape[first + len(dims) :]))
    return Take.apply(x, linear, dim=first)


def _check_range(index: Tensor, n: int, shape: Shape) -> None:
    """NOTE: several indices make one linear index, so a bad one must be found before."""
    values = index.numpy()
    bad = (values < -n) | (values >= n)
    if bad.any():
        value = int(values[bad].flat[0])
        raise IndexError(f"index {value} is out of range for length {n} (tensor of shape {shape})")
