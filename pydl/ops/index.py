"""Reading by index tensors and masks: what has a name.

x[...] is in getitem.py, writing in scatter.py.

x is seen as (outer, n, inner) about one dimension. `Take` looks all of it up with one index,
`Gather` has an index of its own for each element.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import numpy as np

from .. import dtypes
from ..device import Shape
from ..methods import method
from ..op import Op
from ..tensor import Tensor
from .comparison import eq, lt, ne, where
from .create import arange, empty, from_numpy, zeros
from .elementwise import broadcast_shapes
from .reduce import expand
from .shape import cast, normal_dim, reshape, slices

__all__ = [
    "argwhere",
    "embedding",
    "gather",
    "index_select",
    "masked_select",
    "nonzero",
    "one_hot",
    "select",
    "take",
    "take_along_dim",
]

_T = TypeVar("_T")


def around(shape: Shape, dim: int) -> tuple[int, int, int]:
    """(outer, n, inner) about one dimension."""
    outer = inner = 1
    for n in shape[:dim]:
        outer *= n
    for n in shape[dim + 1 :]:
        inner *= n
    return outer, shape[dim], inner


def integers(name: str, index: Tensor) -> Tensor:
    """An index as int64.

    Raises:
        TypeError: it holds no integers.
    """
    if index.dtype.is_floating or index.dtype is dtypes.bool_:
        raise TypeError(f"{name}: index is {index.dtype.name}, expected integers")
    return index.long()


def applied(name: str, fn: Callable[..., _T], *inputs: Tensor, **parameters: Any) -> _T:
    """A call of a function, with an IndexError that names the public one."""
    try:
        return fn(*inputs, **parameters)
    except IndexError as error:
        raise IndexError(f"{name}: {str(error).split(': ')[-1]}") from None


class Take(Op):
    """out = x with dimension `dim` replaced by index.shape: x[..., index, ...]."""

    reads: ClassVar[str] = "take"
    writes: ClassVar[str] = "put"
    dim: int
    wrap: bool = False  # negative indices count from the end

    def forward(self, x: Tensor, index: Tensor) -> Tensor:
        self.shape = x.shape
        out = empty(self.out_shape(x.shape, index.shape), dtype=x.dtype, device=x.device)
        read = getattr(x.device.kernels, self.reads)
        read(x.data, index.data, out.data, *around(x.shape, self.dim), self.wrap)
        self.save(index)
        return out

    def out_shape(self, shape: Shape, index: Shape) -> Shape:
        return (*shape[: self.dim], *index, *shape[self.dim + 1 :])

    def backward(self, gy: Tensor) -> tuple[Tensor, None]:
        (index,) = self.saved
        return IndexBackward.apply(gy, index, of=self), None


class Gather(Take):
    """out[o, j, i] = x[o, index[o, j, i], i]."""

    reads = "gather"
    writes = "scatter"

    def out_shape(self, shape: Shape, index: Shape) -> Shape:
        return index


class IndexBackward(Op):
    """Zeros, to which gy is added at the places that were read."""

    of: Take

    def forward(self, gy: Tensor, index: Tensor) -> Tensor:
        of = self.of
        gx = zeros(of.shape, dtype=gy.dtype, device=gy.device)
        write = getattr(gy.device.kernels, of.writes)
        write(gy.data, index.data, gx.data, *around(of.shape, of.dim), "add", of.wrap)
        self.save(index)
        return gx

    def backward(self, ggx: Tensor) -> tuple[Tensor, None]:
        (index,) = self.saved
        read = Gather if isinstance(self.of, Gather) else Take
        return read.apply(ggx, index, dim=self.of.dim, wrap=self.of.wrap), None


@method
def index_select(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """The places `index` of one dimension, in that order.

    Args:
        x: any shape and dtype.
        dim: the dimension that is looked up.
        index: integers (k,) in [0, x.shape[dim]), or one of them without a dimension.

    Returns:
        The shape of x, with length k in `dim`.

    Raises:
        IndexError: a place does not exist, or `index` has more dimensions.

    Derivative: twice.
    Source: numpy.take with `axis`.
    """
    d = normal_dim("index_select", dim, max(x.ndim, 1))
    if index.ndim > 1:
        raise IndexError(f"index_select: index has shape {index.shape}, expected one dimension")
    index = integers("index_select", index)
    if index.ndim == 0:
        index = reshape(index, (1,))
    if x.ndim > 0:
        return applied("index_select", Take.apply, x, index, dim=d)
    y = applied("index_select", Take.apply, reshape(x, (1,)), index, dim=0)
    return reshape(y, ())


@method
def select(x: Tensor, dim: int, index: int) -> Tensor:
    """The part at one place of a dimension, without that dimension.

    Args:
        x: any shape and dtype, one dimension at least.
        dim: the dimension that is dropped.
        index: the place, negative from the end.

    Returns:
        The shape of x without `dim`.

    Raises:
        IndexError: there is no such place or dimension.

    Derivative: twice.
    Source: x[:, ..., index].
    """
    d = normal_dim("select", dim, x.ndim)
    return Tensor.__getitem__(x, (slice(None),) * d + (index,))


@method
def gather(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """out[i, j, k] = x[index[i, j, k], j, k] for dim 0, and so on.

    Args:
        x: any shape and dtype.
        dim: the dimension that is looked up.
        index: integers in [0, x.shape[dim]), of the rank of x, no longer than x in the other
            dimensions.

    Returns:
        The shape of `index`, the dtype of x.

    Raises:
        ValueError: the shapes do not fit.
        IndexError: a place does not exist.

    Derivative: twice.
    Source: numpy.take_along_axis.
    """
    d = normal_dim("gather", dim, max(x.ndim, 1))
    index = integers("gather", index)
    out_shape = index.shape
    if index.numel() == 0:  # of any rank
        return reshape(reshape(x, (-1,))[:0], out_shape)
    x, index = (reshape(t, t.shape or (1,)) for t in (x, index))
    if not fits(index.shape, x.shape, d):
        raise ValueError(
            f"gather: index {index.shape} does not fit x {x.shape}: same rank, and no longer "
            f"than x but in dimension {d}"
        )
    x = slices(x, [slice(None) if i == d else slice(0, k) for i, k in enumerate(index.shape)])
    return reshape(applied("gather", Gather.apply, x, index, dim=d), out_shape)


def fits(index: Shape, shape: Shape, dim: int) -> bool:
    """Whether an index has the rank of `shape`, and is not longer but in `dim`."""
    pairs = [p for i, p in enumerate(zip(index, shape, strict=False)) if i != dim]
    return len(index) == len(shape) and all(k <= n for k, n in pairs)


@method
def take(x: Tensor, index: Tensor) -> Tensor:
    """The elements of x, seen as one row, at the places `index`.

    Args:
        x: any shape and dtype.
        index: integers of any shape, negative from the end.

    Returns:
        The shape of `index`, the dtype of x.

    Raises:
        IndexError: a place does not exist.

    Derivative: twice.
    Source: numpy.take without `axis`.
    """
    return applied("take", Take.apply, reshape(x, (-1,)), integers("take", index), dim=0, wrap=True)


@method
def take_along_dim(x: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """`gather`, but x and `indices` broadcast against each other in the other dimensions.

    It undoes `argmax(keepdim=True)` and `argsort`: take_along_dim(x, x.argsort(d), d) is sorted.

    Args:
        x: any shape and dtype.
        indices: integers, of the rank of x, negative from the end.
        dim: the dimension that is looked up; None means x and `indices` seen as one row.

    Returns:
        The broadcast shape, with the length of `indices` in `dim`.

    Raises:
        ValueError: the shapes do not fit.
        IndexError: a place does not exist.

    Derivative: twice.
    Source: numpy.take_along_axis.
    """
    index = integers("take_along_dim", indices)
    if dim is None:
        x, index, dim = reshape(x, (-1,)), reshape(index, (-1,)), 0
    if x.ndim != index.ndim:
        raise ValueError(
            f"take_along_dim: indices {index.shape} and x {x.shape} differ in their number of "
            "dimensions"
        )
    d = normal_dim("take_along_dim", dim, x.ndim)
    others = [(*t.shape[:d], 1, *t.shape[d + 1 :]) for t in (x, index)]
    shape = broadcast_shapes("take_along_dim", *others)
    x, index = (expand(t, (*shape[:d], t.shape[d], *shape[d + 1 :])) for t in (x, index))
    return applied("take_along_dim", Gather.apply, x, index, dim=d, wrap=True)


@method
def masked_select(x: Tensor, mask: Tensor) -> Tensor:
    """The elements of x where `mask` is true, in order. Waits for the device.

    Args:
        x: any shape and dtype.
        mask: bool, broadcast against x.

    Returns:
        (k,), the dtype of x.

    Raises:
        TypeError: the mask is not bool.
        ValueError: the shapes do not broadcast together.

    Derivative: twice.
    Source: numpy.extract.
    """
    shape = broadcast_shapes("masked_select", x.shape, mask.shape)
    places = true_places("masked_select", mask, shape)
    return Take.apply(reshape(expand(x, shape), (-1,)), places, dim=0)


def true_places(name: str, mask: Tensor, shape: Shape) -> Tensor:
    """Where a mask, expanded to `shape` and seen as one row, is true: int64 (k,)."""
    if mask.dtype is not dtypes.bool_:
        raise TypeError(f"{name}: mask is {mask.dtype.name}, expected bool")
    return from_numpy(np.flatnonzero(np.broadcast_to(mask.numpy(), shape)), mask.device)


@method
def nonzero(x: Tensor, as_tuple: bool = False) -> Any:
    """The places where x is not 0, in row-major order. Waits for the device.

    Args:
        x: any shape and dtype.
        as_tuple: one vector per dimension, which can index x, instead of one row per place.

    Returns:
        int64 (k, x.ndim); or x.ndim tensors of int64 (k,), where a number counts as one dimension.

    Derivative: none.
    Source: numpy.argwhere and numpy.nonzero.
    """
    mask = cast(x.detach(), dtypes.bool_).numpy()
    if not as_tuple:
        return from_numpy(np.ascontiguousarray(np.argwhere(mask)), x.device)
    places = np.nonzero(np.atleast_1d(mask))
    return tuple(from_numpy(np.ascontiguousarray(p), x.device) for p in places)


@method
def argwhere(x: Tensor) -> Tensor:
    """The places where x is not 0, in row-major order. Waits for the device.

    Args:
        x: any shape and dtype.

    Returns:
        int64 (k, x.ndim), one row per place.

    Derivative: none.
    Source: numpy.argwhere.
    """
    places: Tensor = nonzero(x)
    return places


def one_hot(x: Tensor, num_classes: int = -1) -> Tensor:
    """1 at the index, 0 elsewhere; it can be captured where num_classes is given.

    Args:
        x: integers of any shape in [0, num_classes).
        num_classes: the length of a row; -1 means the largest index + 1.

    Returns:
        int64 (*x.shape, num_classes).

    Raises:
        ValueError: an index does not exist, or there is none to count the classes by.
        IndexError: an index does not exist, in a replay of a captured function.

    Derivative: none.
    Source: Bishop, "Pattern Recognition and Machine Learning" (2006), section 4.1.2.
    """
    x = integers("one_hot", x)
    if num_classes < 1 and (num_classes != -1 or x.numel() == 0):
        raise ValueError(f"one_hot: cannot make {num_classes} classes of shape {x.shape}")
    n = int(x.numpy().max(initial=0)) + 1 if num_classes == -1 else num_classes
    classes = arange(n, device=x.device)
    rows = eq(reshape(classes, (n, 1)), classes).long()
    try:
        picked = index_select(rows, 0, where(lt(x, 0), n, x).reshape(-1))
    except IndexError:
        bad = next(i for i in x.numpy().flat if not 0 <= i < n)
        raise ValueError(f"one_hot: x holds {bad}, expected [0, {n})") from None
    return reshape(picked, (*x.shape, n))


class Embedding(Take):
    """Rows of x; that of the padding gets no gradient."""

    padding: int

    def backward(self, gy: Tensor) -> tuple[Tensor, None]:
        (index,) = self.saved
        kept = ne(reshape(index, (*index.shape, 1)), self.padding)
        return IndexBackward.apply(where(kept, gy, 0.0), index, of=self), None


def embedding(
    x: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of a table.

    Args:
        x: integers of any shape in [0, n).
        weight: the table, (n, d).
        padding_idx: a row that gets no gradient, negative from the end.
        max_norm: None is all there is.
        norm_type: of max_norm.
        scale_grad_by_freq: False is all there is.
        sparse: False is all there is.

    Returns:
        (*x.shape, d).

    Raises:
        IndexError: a row does not exist.
        ValueError: the table is no matrix, or an option is not there.

    Derivative: twice.
    Source: Bengio et al., "A neural probabilistic language model" (2003), section 2 (the matrix C).
    """
    if max_norm is not None or scale_grad_by_freq or sparse:
        raise ValueError("embedding: max_norm, scale_grad_by_freq and sparse are not supported")
    if weight.ndim != 2:
        raise ValueError(f"embedding: weight has shape {weight.shape}, expected (n, d)")
    index = integers("embedding", x)
    if padding_idx is None:
        return applied("embedding", Take.apply, weight, index, dim=0)
    n = weight.shape[0]
    if not -n <= padding_idx < n:
        raise IndexError(f"embedding: padding_idx is {padding_idx}, expected [{-n}, {n})")
    return applied("embedding", Embedding.apply, weight, index, dim=0, padding=padding_idx % n)
