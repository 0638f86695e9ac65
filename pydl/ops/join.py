"""Joining, splitting and repeating tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dtypes import promote
from ..methods import method
from ..op import Op
from ..tensor import Tensor
from .create import empty, fixed, from_numpy
from .elementwise import broadcast_shapes
from .index import Take, integers, select
from .reduce import expand
from .shape import cast, flatten, narrow, normal_dim, place, reshape, row_major, unsqueeze

__all__ = [
    "broadcast_tensors",
    "broadcast_to",
    "cat",
    "chunk",
    "concat",
    "concatenate",
    "hstack",
    "meshgrid",
    "repeat_interleave",
    "roll",
    "split",
    "stack",
    "tile",
    "unbind",
    "vstack",
]


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

    Args:
        tensors: one at least; equal shapes but in `dim`. An empty vector (0,) goes with any shape.
        dim: along which they are joined.

    Returns:
        The sum of the lengths in `dim`; the dtype that all are promoted to.

    Raises:
        ValueError: there are none, or their other dimensions differ.

    Derivative: twice.
    Source: numpy.concatenate.
    """
    if len(tensors) == 0:
        raise ValueError("cat: expected at least one tensor")
    if any(x.ndim == 0 for x in tensors):
        raise ValueError("cat: a tensor has no dimensions; use stack")
    dtype = tensors[0].dtype
    for x in tensors:
        dtype = promote(dtype, x.dtype)
    at = next((i for i, x in enumerate(tensors) if x.shape != (0,)), None)
    if at is None:
        at, dim = 0, 0
    first = tensors[at]
    d = normal_dim("cat", dim, first.ndim)
    nothing = (*first.shape[:d], 0, *first.shape[d + 1 :])
    tensors = [reshape(x, nothing) if x.shape == (0,) else x for x in tensors]
    for i, x in enumerate(tensors):
        same = x.shape[:d] == first.shape[:d] and x.shape[d + 1 :] == first.shape[d + 1 :]
        if not same or x.ndim != first.ndim:
            raise ValueError(
                f"cat: tensor {i} has shape {x.shape}, tensor {at} {first.shape}; "
                f"they may differ in dimension {d} only"
            )
    return Cat.apply(*(cast(x, dtype) for x in tensors), dim=d)


concat = concatenate = cat


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new dimension.

    Args:
        tensors: one at least.
        dim: where the new dimension is.

    Returns:
        The shape of each, with their number as length of `dim`; the dtype that all are promoted to.

    Raises:
        ValueError: there are none, or their shapes differ.

    Derivative: twice.
    Source: numpy.stack.
    """
    if len(tensors) == 0:
        raise ValueError("stack: expected at least one tensor")
    for i, x in enumerate(tensors):
        if x.shape != tensors[0].shape:
            raise ValueError(f"stack: tensor {i} has shape {x.shape}, tensor 0 {tensors[0].shape}")
    d = normal_dim("stack", dim, tensors[0].ndim + 1)
    return cat([unsqueeze(x, d) for x in tensors], d)


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors side by side: joined along dimension 1, vectors and numbers along dimension 0.

    Args:
        tensors: one at least.

    Returns:
        See `cat`.

    Raises:
        ValueError: there are none, or their other dimensions differ.

    Derivative: twice.
    Source: numpy.hstack.
    """
    tensors = [reshape(x, x.shape or (1,)) for x in tensors]
    return cat(tensors, 0 if not tensors or tensors[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors one below the other: joined along dimension 0, a vector being a row.

    Args:
        tensors: one at least.

    Returns:
        See `cat`.

    Raises:
        ValueError: there are none, or their other dimensions differ.

    Derivative: twice.
    Source: numpy.vstack.
    """
    return cat([x if x.ndim > 1 else reshape(x, (1, x.numel())) for x in tensors], 0)


# ---- one into several


def split(
    x: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0
) -> tuple[Tensor, ...]:
    """Parts of a dimension, in order.

    Args:
        x: any dtype, one dimension at least.
        split_size_or_sections: the length of each part (the last may be shorter), or all lengths.
        dim: the dimension that is cut.

    Returns:
        The parts.

    Raises:
        ValueError: lengths are negative, or do not add up.

    Derivative: twice.
    Source: numpy.split.
    """
    d = normal_dim("split", dim, x.ndim)
    n = x.shape[d]
    lengths = split_size_or_sections
    if isinstance(lengths, int):
        if lengths < 0 or (lengths == 0 and n > 0):
            raise ValueError(f"split: parts of length {lengths} out of {n}")
        count = max(1, -(-n // max(lengths, 1)))
        lengths = [min(lengths, n - i * lengths) for i in range(count)]
    if min(lengths, default=0) < 0 or sum(lengths) != n:
        raise ValueError(f"split: lengths {list(lengths)} do not add up to {n}")
    starts = [sum(lengths[:i]) for i in range(len(lengths))]
    return tuple(narrow(x, d, s, k) for s, k in zip(starts, lengths, strict=True))


@method
def chunk(x: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """So many parts of a dimension, of equal length but for the last; fewer where it is short.

    Args:
        x: any dtype, one dimension at least.
        chunks: how many.
        dim: the dimension that is cut.

    Returns:
        The parts.

    Raises:
        ValueError: chunks is not positive.

    Derivative: twice.
    Source: numpy.array_split, but with parts of ceil(n / chunks).
    """
    d = normal_dim("chunk", dim, x.ndim)
    if chunks < 1:
        raise ValueError(f"chunk: chunks is {chunks}, expected 1 or more")
    n = x.shape[d]
    if n == 0 and chunks > 65536:
        raise ValueError(f"chunk: {chunks} parts of nothing")
    return split(x, [0] * chunks if n == 0 else -(-n // chunks), d)


@method
def unbind(x: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The parts along a dimension, without it.

    Args:
        x: any dtype, one dimension at least.
        dim: the dimension that is dropped.

    Returns:
        As many tensors as it is long.

    Raises:
        IndexError: there is no such dimension.

    Derivative: twice.
    Source: numpy.unstack.
    """
    d = normal_dim("unbind", dim, x.ndim)
    return tuple(select(x, d, i) for i in range(x.shape[d]))


# ---- one, several times


@method
def expand_as(x: Tensor, other: Tensor) -> Tensor:
    """x repeated to the shape of `other`, as broadcasting does."""
    return expand(x, other.shape)


def broadcast_to(x: Tensor, size: Sequence[int]) -> Tensor:
    """x repeated to a shape, as broadcasting does: the same as `expand`.

    Args:
        x: any shape and dtype.
        size: the shape; -1 keeps a length.

    Returns:
        A copy, or x itself where nothing changes.

    Raises:
        ValueError: x does not broadcast to it.

    Derivative: twice.
    Source: numpy.broadcast_to.
    """
    return expand(x, tuple(size))


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Tensors repeated to the shape that all broadcast to.

    Args:
        tensors: any shapes and dtypes.

    Returns:
        As many, of one shape.

    Raises:
        ValueError: they do not broadcast together.

    Derivative: twice.
    Source: numpy.broadcast_arrays.
    """
    if not tensors:
        return ()
    shape = broadcast_shapes("broadcast_tensors", *(t.shape for t in tensors))
    return tuple(expand(t, shape) for t in tensors)


def tile(x: Tensor, dims: Sequence[int]) -> Tensor:
    """x several times along each dimension: [a, b] becomes [a, b, a, b].

    Args:
        x: any shape and dtype.
        dims: how often along each dimension, the last dimensions being meant where there are fewer;
            where there are more, x gets leading ones.

    Returns:
        The lengths of x times `dims`.

    Raises:
        ValueError: a number is negative.

    Derivative: twice.
    Source: numpy.tile.
    """
    times = (1,) * (x.ndim - len(dims)) + tuple(dims)
    if min(times, default=0) < 0:
        raise ValueError(f"tile: dims {tuple(dims)} are not all positive or 0")
    shape = [1] * (len(times) - x.ndim) + list(x.shape)
    for d in reversed(range(len(shape))):
        if times[d] != 1:
            outer, inner = math.prod(shape[:d]), math.prod(shape[d:])
            x = expand(reshape(x, (outer, 1, inner)), (outer, times[d], inner))
            shape[d] *= times[d]
    return reshape(x, shape)


@method
def repeat_interleave(
    x: Tensor,
    repeats: int | Tensor | None = None,
    dim: int | None = None,
    output_size: int | None = None,
) -> Tensor:
    """Each element several times in a row: [a, b] becomes [a, a, b, b].

    Args:
        x: any shape and dtype; without `repeats`, how often each of 0, 1, 2, ... comes.
        repeats: how often each comes: a number, or integers (n,) (waits for the device).
        dim: along which; None means x seen as one row.
        output_size: the length that comes out, where it is known.

    Returns:
        The shape of x, the lengths in `dim` repeated; the dtype of x.

    Raises:
        ValueError: numbers are negative, or of another length than `dim`.

    Derivative: twice.
    Source: numpy.repeat.
    """
    if repeats is None:
        repeats = x
        x = from_numpy(np.arange(x.numel()), x.device)
    if dim is None:
        x, dim = flatten(x), 0
    d = normal_dim("repeat_interleave", dim, x.ndim)
    times = np.asarray(repeats if isinstance(repeats, int) else _numbers(repeats))
    if times.size not in (1, x.shape[d]) or times.ndim > 1 or (times < 0).any():
        raise ValueError(
            f"repeat_interleave: repeats are {times.tolist()} for a length of {x.shape[d]}"
        )
    if times.size == 1:
        outer, inner, r = math.prod(x.shape[: d + 1]), math.prod(x.shape[d + 1 :]), times.item()
        shape = (*x.shape[:d], x.shape[d] * r, *x.shape[d + 1 :])
        y = reshape(expand(reshape(x, (outer, 1, inner)), (outer, r, inner)), shape)
    else:
        places = fixed(np.repeat(np.arange(x.shape[d]), times), x.device)
        y = Take.apply(x, places, dim=d)
    if output_size is not None and y.shape[d] != output_size:
        raise ValueError(f"repeat_interleave: output_size is {output_size}, {y.shape[d]} came out")
    return y


def _numbers(repeats: Tensor) -> Any:
    return integers("repeat_interleave", repeats).numpy()


@method
def roll(x: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Tensor:
    """Elements moved along dimensions; what leaves at the end comes in at the start.

    Args:
        x: any shape and dtype.
        shifts: by how many places, one number for each dimension.
        dims: the dimensions; None means x seen as one row.

    Returns:
        The shape and dtype of x.

    Raises:
        ValueError: shifts and dims differ in number.

    Derivative: twice.
    Source: numpy.roll.
    """
    if dims is None:
        return reshape(roll(reshape(x, (-1 if x.numel() else 0,)), shifts, 0), x.shape)
    shifts = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    dims = (dims,) if isinstance(dims, int) else tuple(dims)
    if len(shifts) != len(dims):
        raise ValueError(f"roll: {len(shifts)} shifts for {len(dims)} dims")
    for shift, dim in zip(shifts, dims, strict=True):
        d = normal_dim("roll", dim, x.ndim)
        n = x.shape[d]
        cut = -shift % n if n else 0
        if cut:
            x = cat([narrow(x, d, cut, n - cut), narrow(x, d, 0, cut)], d)
    return x


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """The coordinates of a grid: each vector repeated along the dimensions of the others.

    Args:
        tensors: vectors or numbers of one dtype, or one list of them.
        indexing: "ij" gives grids (n0, n1, ...), "xy" (n1, n0, ...).

    Returns:
        As many grids.

    Raises:
        ValueError: there are none, or one is no vector, or `indexing` is another.
        TypeError: the dtypes differ.

    Derivative: twice.
    Source: numpy.meshgrid.
    """
    if len(tensors) == 1 and not isinstance(tensors[0], Tensor):
        tensors = tuple(tensors[0])
    if not tensors or any(t.ndim > 1 for t in tensors):
        raise ValueError(f"meshgrid: expected vectors, got shapes {[t.shape for t in tensors]}")
    if indexing not in ("ij", "xy"):
        raise ValueError(f'meshgrid: indexing is {indexing!r}, expected "ij" or "xy"')
    if len({t.dtype for t in tensors}) > 1:
        raise TypeError(f"meshgrid: dtypes differ: {[t.dtype.name for t in tensors]}")
    order = list(range(len(tensors)))
    if indexing == "xy":
        order[:2] = order[1::-1]
    shape = tuple(tensors[i].numel() for i in order)
    at = [order.index(i) for i in range(len(order))]
    return tuple(
        expand(reshape(t, (t.numel(), *(1,) * (len(order) - d - 1))), shape)
        for t, d in zip(tensors, at, strict=True)
    )
