"""Calls of indexing and lookup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .elementwise import both
from .engine import op
from .values import STORED, Arr, Call, Draw, Shape

ANY = (*["float32"] * 4, *STORED)


def within(d: Draw, shape: Shape, dim: int) -> Shape:
    """The shape of an index: no longer than x but along dim."""
    return tuple(
        d.size() if i == dim % max(len(shape), 1) else d.integer(min(1, n), n)
        for i, n in enumerate(shape)
    )


def larger(d: Draw, shape: Sequence[int]) -> Shape:
    """The shape of a source: that of the index, seldom larger."""
    return tuple(k + d.pick(0, 1) for k in shape) if d.chance(0.1) else tuple(shape)


def looked(d: Draw, low: int = 0) -> tuple[Arr, int, int]:
    """A tensor, one of its dimensions, and the length of it."""
    x = d.tensor(d.shape(low, 3), ANY)
    dim = d.dim(len(x.shape), 0.03)
    inside = -len(x.shape) <= dim < len(x.shape)
    return x, dim, x.shape[dim] if inside and x.shape else 1


@op(*both("gather"))
def gather(d: Draw, name: str) -> Call:
    """Any dim; an index that does not exist, or of a wrong rank, raises."""
    x, dim, n = looked(d)
    shape = within(d, x.shape, dim)
    if d.chance(0.04):
        shape = (*shape, 2)
    return Call(
        (x, dim, d.index(shape, n, d.pick("int64", "int64", "int64", "int32"), wrong=0.05)), k=4
    )


@op(*both("take_along_dim"))
def take_along_dim(d: Draw, name: str) -> Call:
    """Index that broadcasts; dim None flattens."""
    x, dim, n = looked(d)
    if d.chance(0.2):
        return Call((x, d.index(d.shape(1, 1), int(x.array.size))), k=8)
    shape = [1 if d.chance(0.2) else k for k in x.shape]
    if shape and -len(shape) <= dim < len(shape):
        shape[dim] = d.size()
    return Call((x, d.index(tuple(shape), n, negative=False, wrong=0.03), dim), k=8)


@op(*both("scatter"))
def scatter(d: Draw, name: str) -> Call:
    """A source or a number; each place written once (torch leaves the order open); reduce."""
    x, dim, n = looked(d)
    inside = bool(x.shape) and -len(x.shape) <= dim < len(x.shape)
    shape = list(within(d, x.shape, dim))
    if inside:
        shape[dim] = d.integer(0, n)
    index = d.index(tuple(shape), n, wrong=0.0)
    if inside and index.array.size:
        order = d.g.random(shape[: dim % len(shape)] + [n] + shape[dim % len(shape) + 1 :])
        taken = order.argsort(dim).take(range(shape[dim]), dim)
        index = Arr(taken.astype("int64"), "int64")
    if d.chance(0.3):
        return Call((x, dim, index, d.pick(0, 1, 2.5 if x.dtype == "float32" else 3)))
    source = d.tensor(larger(d, shape), (x.dtype,))
    return Call((x, dim, index, source))


@op(*both("scatter_add"))
def scatter_add(d: Draw, name: str) -> Call:
    """Places may repeat."""
    x, dim, n = looked(d)
    shape = within(d, x.shape, dim)
    index = d.index(shape, n, wrong=0.05)
    source = d.tensor(larger(d, shape), (x.dtype,))
    return Call((x, dim, index, source), k=int(source.array.size))


@op(*both("scatter_reduce"))
def scatter_reduce(d: Draw, name: str) -> Call:
    """sum, prod, mean, amax, amin."""
    x, dim, n = looked(d)
    shape = within(d, x.shape, dim)
    source = d.tensor(shape, (x.dtype,), "plain")
    reduce = d.pick("sum", "prod", "mean", "amax", "amin")
    kwargs = d.options(0.4, include_self=[True, False])
    return Call((x, dim, d.index(shape, n), source, reduce), kwargs, k=int(source.array.size))


@op(*both("index_select"))
def index_select(d: Draw, name: str) -> Call:
    """A vector, or one index; negative ones raise."""
    x, dim, n = looked(d)
    shape = d.pick(d.shape(1, 1), d.shape(1, 1), (), (2, 2) if d.chance(0.3) else (3,))
    dtype = d.pick("int64", "int64", "int32", "float32" if d.chance(0.2) else "int64")
    index = d.index(shape, n, "int64", negative=d.chance(0.05), wrong=0.05)
    return Call((x, dim, Arr(index.array.astype(dtype), dtype)), k=8)


@op(*both("index_add"))
def index_add(d: Draw, name: str) -> Call:
    """A vector of places, which may repeat; alpha."""
    x, dim, n = looked(d)
    k = d.size()
    shape = list(x.shape)
    if shape and -len(shape) <= dim < len(shape):
        shape[dim] = k
    source = d.tensor(tuple(shape), (x.dtype,) if d.chance(0.95) else ("float32", "int64"))
    index = d.index((k,), n, d.pick("int64", "int64", "int32"), wrong=0.05)
    return Call((x, dim, index, source), d.options(0.4, alpha=[1, 2, -1]), k=k)


@op(*both("index_fill"))
def index_fill(d: Draw, name: str) -> Call:
    """A number."""
    x, dim, n = looked(d)
    return Call((x, dim, d.index((d.size(),), n, wrong=0.03), d.pick(0, 1, 2)))


@op(*both("index_copy"))
def index_copy(d: Draw, name: str) -> Call:
    """A vector of places, each once (torch leaves the order open)."""
    x, dim, n = looked(d)
    k = d.integer(0, n)
    shape = list(x.shape)
    if shape and -len(shape) <= dim < len(shape):
        shape[dim] = k if d.chance(0.96) else k + 1
    places = d.g.permutation(n)[:k].astype("int64")
    if k and d.chance(0.05):
        places[0] = d.pick(n, -1, -n - 1)
    source = d.tensor(tuple(shape), (x.dtype,) if d.chance(0.95) else ("float32", "int64"))
    return Call((x, dim, Arr(places, "int64"), source))


@op(*both("take"))
def take(d: Draw, name: str) -> Call:
    """Places in the flattened tensor, from the back too."""
    x = d.tensor(d.shape(0, 3), ANY)
    index = d.index(d.shape(0, 3), int(x.array.size), negative=d.chance(0.5), wrong=0.05)
    return Call((x, index), k=8)


@op(*both("masked_scatter"))
def masked_scatter(d: Draw, name: str) -> Call:
    """A mask that broadcasts; as many values as it asks for, or a few more or less."""
    x = d.tensor(None, ANY)
    mask = d.tensor(d.broadcast(x.shape), ("bool",))
    try:
        n = int(np.broadcast_to(mask.array, np.broadcast_shapes(x.shape, mask.shape)).sum())
    except ValueError:
        n = 3
    n = max(n + d.pick(0, 0, 1, 5, -1 if d.chance(0.3) else 0), 0)
    source = d.tensor((n,) if d.chance(0.7) else (1, n), (x.dtype,) if d.chance(0.95) else STORED)
    return Call((x, mask, source))


@op(*both("masked_select"))
def masked_select(d: Draw, name: str) -> Call:
    """A mask that broadcasts."""
    x = d.tensor(None, ANY)
    return Call((x, d.tensor(d.broadcast(x.shape), ("bool",))), k=4)


@op(*both("nonzero"), "argwhere", "Tensor.argwhere")
def nonzero(d: Draw, name: str) -> Call:
    """Places, as rows or as a tuple of vectors."""
    x = d.tensor(None, (*STORED, "bool"), "grid")
    return Call((x,), {} if "argwhere" in name else d.options(0.4, as_tuple=[True, False]))


@op("F.one_hot")
def one_hot(d: Draw, name: str) -> Call:
    """num_classes, -1 meaning as many as needed; out of range raises."""
    x = d.index(d.shape(0, 3), 5, d.pick(*["int64"] * 9, "int32"), wrong=0.04)
    return Call((x,), d.options(0.8, num_classes=[5, 5, 7, 7, -1, 3, 0]))


@op("F.embedding")
def embedding(d: Draw, name: str) -> Call:
    """Indices of any shape; padding_idx takes no gradient."""
    n, k = d.size(), d.size()
    index = d.index(d.shape(0, 3), n, d.pick("int64", "int64", "int32"), wrong=0.04)
    kwargs = d.options(0.5, padding_idx=[None, 0, -1, n - 1, n + 3])
    return Call((index, d.tensor((n, k))), kwargs, k=int(index.array.size))


def one_index(d: Draw, n: int, fancy: Shape) -> Any:
    """Something that stands for one dimension of length n."""
    kind = d.integer(0, 9)
    if kind < 3:
        return d.integer(-n, n - 1) if n and d.chance(0.96) else n
    if kind < 7:
        ends = [None, *range(-n - 1, n + 2)]
        return slice(d.pick(*ends), d.pick(*ends), d.pick(None, None, 1, 2, 3))
    if kind == 7:
        return d.tensor((n if d.chance(0.95) else n + 1,), ("bool",))
    if kind == 8:
        return [int(i) for i in d.index((d.integer(0, 3),), n, negative=True).array]
    return d.index(fancy, n, d.pick("int64", "int64", "int32"), negative=True, wrong=0.05)


def any_index(d: Draw, shape: Shape) -> Any:
    """Integers, slices, None, Ellipsis, masks, lists, index tensors, mixed."""
    if d.chance(0.08):
        return d.tensor(d.pick(shape, shape[:1], shape[: len(shape) // 2]), ("bool",))
    if d.chance(0.03):
        return d.pick(True, False, None, Ellipsis, ())
    fancy = d.shape(0, 2)
    used = d.integer(0, len(shape)) + (1 if d.chance(0.03) else 0)
    items = [one_index(d, n, fancy) for n in (*shape, 2)[:used]]
    ellipsis = d.chance(0.3)
    if ellipsis:  # what comes after it counts from the back
        cut = d.integer(0, used)
        back = shape[len(shape) - (used - cut) :] if used > cut else ()
        items = [*items[:cut], Ellipsis, *(one_index(d, n, fancy) for n in back)]
    if d.chance(0.25):
        items.insert(d.integer(0, len(items)), None)
    return items[0] if len(items) == 1 and d.chance(0.7) else tuple(items)


@op("operator.getitem")
def getitem(d: Draw, name: str) -> Call:
    """Everything an index may be; steps below 1 raise."""
    x = d.tensor(d.shape(0, 4), ANY)
    if d.chance(0.03) and x.shape:
        return Call((x, slice(None, None, d.pick(-1, 0))))
    return Call((x, any_index(d, x.shape)), k=8)


def unique_places(index: Any) -> bool:
    """Whether assignment writes no place twice (torch leaves the order open)."""
    items = index if isinstance(index, tuple) else (index,)
    return not any(isinstance(i, list) or (isinstance(i, Arr) and i.dtype != "bool") for i in items)


@op("operator.setitem")
def setitem(d: Draw, name: str) -> Call:
    """x.clone()[index] = a number or a tensor that broadcasts; seldom on the tape."""
    grad = d.chance(0.1)
    x = d.tensor(d.shape(0, 4), (*["float32"] * 5, *STORED), grad=grad)
    index = any_index(d, x.shape)
    value: Any = d.pick(0, 1, 2.5, -1)
    if unique_places(index) and d.chance(0.6):
        try:
            got = np.zeros(x.shape)[_for_numpy(index)].shape
        except (IndexError, ValueError):
            got = ()
        value = d.tensor(d.broadcast(got), (x.dtype,) if d.chance(0.8) else STORED, grad=grad)
    return Call((x, index, value), k=8)


def _for_numpy(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(_for_numpy(i) for i in index)
    return index.array if isinstance(index, Arr) else index
