"""What x[index] means: integers, slices, None, Ellipsis, bools, and index tensors of any rank.

Every expression is brought into one form: x seen as (lead..., n, trail...) is looked up in the
middle, at `places` that may have any shape; reading (`Take`) and writing (assign.py) follow. The
rules are NumPy's advanced indexing; as in PyTorch, an integer is taken before all index tensors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import dtypes
from ..device import Shape
from ..tensor import Tensor
from .comparison import where
from .create import fixed, from_numpy
from .elementwise import broadcast_shapes
from .index import Take
from .shape import Slice, reshape, row_major

__all__: list[str] = []


class Axis(NamedTuple):
    """One item of an index, and the elements of x, seen as one dimension of n, that it is about.

    None and a bare bool take no dimension of x: n is 1.
    """

    item: range | int | Tensor | None
    n: int
    dims: int = 1

    @property
    def whole(self) -> bool:
        """Whether it takes everything in order."""
        return isinstance(self.item, range) and self.item == range(self.n)

    @property
    def is_tensor(self) -> bool:
        """Whether it is an index tensor."""
        return isinstance(self.item, Tensor)

    @property
    def picks(self) -> bool:
        """Whether it is an index tensor that dimensions of the result come from."""
        return isinstance(self.item, Tensor) and self.item.ndim > 0


class Lookup(NamedTuple):
    """x.reshape(whole) at `places` of dimension `dim`, reshaped to `shape`, is x[index]."""

    whole: Shape
    dim: int
    places: Tensor
    shape: Shape


def getitem(x: Tensor, index: Any) -> Tensor:
    """x[index]; parts that lie side by side in memory are shared, everything else is a copy."""
    if type(index) is int and x.ndim > 0:  # the two most frequent ones, by a shorter way
        rest = x.shape[1:]
        first = _integer(index, x.shape[0], x.shape) * math.prod(rest)
        return Slice.apply(x, shape=rest, strides=row_major(rest), offset=first)
    if isinstance(index, Tensor) and index.dtype is dtypes.int64 and x.ndim > 0:
        return _take(x, Lookup(x.shape, 0, index, ()), [Axis(index, x.shape[0])])
    axes = parse(x, index)
    if any(a.is_tensor for a in axes):
        at = lookup(x, axes)
        return reshape(_take(reshape(x, at.whole), at, axes, x.shape), at.shape)
    shape, strides, offset = part(x.shape, axes)
    if shape == x.shape and strides == row_major(shape):
        return x
    return Slice.apply(x, shape=shape, strides=strides, offset=offset)


def _take(x: Tensor, at: Lookup, axes: Sequence[Axis], shape: Shape | None = None) -> Tensor:
    try:
        return Take.apply(x, at.places, dim=at.dim, wrap=True)
    except IndexError:
        check_places(shape or x.shape, axes)
        raise


def part(shape: Shape, axes: Sequence[Axis]) -> tuple[Shape, tuple[int, ...], int]:
    """Shape, strides and offset of x[index] inside a dense x, for an index without tensors."""
    dense = iter(row_major(shape))
    lengths, strides, offset = [], [], 0
    for a in axes:
        step = 0 if a.item is None else next(dense)
        if isinstance(a.item, int):
            offset += a.item * step
            continue
        r = a.item if isinstance(a.item, range) else range(1)
        lengths.append(len(r))
        strides.append(r.step * step)
        offset += r.start * step
    return tuple(lengths), tuple(strides), 0 if 0 in lengths else offset


# ---- from the expression to axes


def parse(x: Tensor, index: Any) -> list[Axis]:
    """One Axis per item, the Ellipsis and missing dimensions written out."""
    items = [_item(x, i) for i in (index if isinstance(index, tuple) else (index,))]
    used = sum(_dims(i) for i in items)
    if used > x.ndim:
        raise IndexError(f"too many indices: {used} for a tensor of shape {x.shape}")
    rest = [slice(None)] * (x.ndim - used)
    dots = [k for k, i in enumerate(items) if i is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index can hold only one Ellipsis")
    at = dots[0] if dots else len(items)
    items[at : at + 1] = rest
    axes: list[Axis] = []
    first = 0
    for item in items:
        axes.append(_axis(x, item, first))
        first += axes[-1].dims
    return axes


def _item(x: Tensor, item: Any) -> Any:
    """Lists and arrays as tensors, everything else as it is."""
    if isinstance(item, Tensor):
        return item
    if isinstance(item, (bool, np.bool_)):
        item = np.asarray(item)
    if isinstance(item, (list, range)):
        item = np.asarray(item)
    if isinstance(item, np.ndarray):
        if item.dtype.kind not in "biu" and item.size > 0:
            raise TypeError(f"an index holds integers or bools, not {item.dtype}")
        if item.ndim == 0 and item.dtype != np.bool_:
            return int(item)
        dtype = np.bool_ if item.dtype == np.bool_ else np.int64
        return from_numpy(np.array(item, dtype, order="C"), x.device)
    return item


def _dims(item: Any) -> int:
    """How many dimensions of x an item takes."""
    if item is None or item is Ellipsis:
        return 0
    return item.ndim if isinstance(item, Tensor) and item.dtype is dtypes.bool_ else 1


def _axis(x: Tensor, item: Any, first: int) -> Axis:
    """The Axis of an item that starts at dimension `first` of x."""
    if item is None:
        return Axis(None, 1, 0)
    if isinstance(item, Tensor) and item.dtype is dtypes.bool_:
        return _mask_axis(x, item, first)
    n = x.shape[first]
    if isinstance(item, Tensor):
        if item.dtype.is_floating:
            raise TypeError(f"an index holds integers or bools, not {item.dtype.name}")
        if item.device is not x.device:
            raise ValueError(f"index: on {item.device.name}, the tensor on {x.device.name}")
        return Axis(item.long(), n)
    if isinstance(item, slice):
        return Axis(range(*item.indices(n)), n)
    return Axis(_integer(item, n, x.shape), n)


def _mask_axis(x: Tensor, mask: Tensor, first: int) -> Axis:
    """The places where a mask is true, among all that it covers. Waits for the device."""
    covered = x.shape[first : first + mask.ndim]
    if mask.shape != covered:
        raise IndexError(
            f"a mask of shape {mask.shape} does not fit dimensions {covered} of a tensor of "
            f"shape {x.shape}"
        )
    places = from_numpy(np.flatnonzero(mask.numpy()), x.device)
    return Axis(places, math.prod(covered), mask.ndim)


def _integer(item: Any, n: int, shape: Shape) -> int:
    try:
        i = int(item.__index__())
    except AttributeError:
        raise TypeError(
            f"an index is an integer, slice, None, Ellipsis, list, array or tensor, "
            f"not {type(item).__name__}"
        ) from None
    if not -n <= i < n:
        raise IndexError(f"index {i} is out of range for length {n} (tensor of shape {shape})")
    return i % n


# ---- from axes to places


def lookup(x: Tensor, axes: Sequence[Axis]) -> Lookup:
    """The one form of an index that holds tensors."""
    group = _group_shape(axes)
    giving = [a for a in axes if not isinstance(a.item, int) and (a.picks or not a.is_tensor)]
    at = [k for k, a in enumerate(giving) if a.picks]
    apart = len(at) > 0 and at[-1] - at[0] >= len(at)  # then their dimensions come first
    shape: list[Shape] = [
        (len(a.item) if isinstance(a.item, range) else 1,) for a in giving if not a.picks
    ]
    if at:
        shape.insert(0 if apart else at[0], group)

    kept = [a for a in axes if a.item is not None]
    lead = 0 if apart else next(k for k, a in enumerate(kept) if not a.whole)
    end = max(k for k, a in enumerate(kept) if not a.whole) + 1
    core = kept[lead:end]
    before, after = [a.n for a in kept[:lead]], [a.n for a in kept[end:]]
    only = core[0].item if len(core) == 1 else None
    places = only if isinstance(only, Tensor) else _places(x, core, len(group), apart)
    n = math.prod(a.n for a in core)
    return Lookup((*before, n, *after), lead, places, tuple(n for part in shape for n in part))


def _group_shape(axes: Sequence[Axis]) -> Shape:
    """The shape that all index tensors broadcast to."""
    shapes = [a.item.shape for a in axes if isinstance(a.item, Tensor)]
    try:
        return broadcast_shapes("index", *shapes)
    except ValueError as error:
        raise IndexError(str(error)) from None


def _places(x: Tensor, core: Sequence[Axis], group: int, apart: bool) -> Tensor:
    """Where in the elements of `core`, seen as one dimension, the looked-up ones are.

    Every axis gives a term that broadcasts to the whole: the dimensions of the ranges, with the
    `group` dimensions of the tensors between them, or before them where the tensors are `apart`.
    """
    check_places(x.shape, core)
    first = next((k for k, a in enumerate(core) if a.picks), len(core))
    ranges = [k for k, a in enumerate(core) if isinstance(a.item, range)]
    before = 0 if apart else sum(k < first for k in ranges)
    known = np.zeros((), np.int64)  # of integers and slices
    tensors: list[Tensor] = []
    seen, stride = 0, math.prod(a.n for a in core)
    for a in core:
        stride //= max(a.n, 1)
        if isinstance(a.item, Tensor):
            index = where(a.item < 0, a.item + a.n, a.item) * stride
            tensors.append(reshape(index, (*index.shape, *(1,) * (len(ranges) - before))))
        elif isinstance(a.item, range):
            seen += 1
            behind = len(ranges) - seen + (group if seen <= before else 0)
            places = np.asarray(a.item, np.int64) * stride
            known = known + places.reshape(-1, *(1,) * behind)
        else:
            known = known + np.int64((a.item or 0) * stride)
    out = fixed(known, x.device)
    for t in tensors:
        out = out + t
    return out


def check_places(shape: Shape, axes: Sequence[Axis]) -> None:
    """Several indices make one place, so a bad one must be found before.

    Raises:
        IndexError: names the first index that is out of range.
    """
    for a in axes:
        if not isinstance(a.item, Tensor):
            continue
        try:
            a.item.device.kernels.check_range(a.item.data, -a.n, a.n)
        except IndexError as e:
            raise IndexError(f"{e} (tensor of shape {shape})") from None
