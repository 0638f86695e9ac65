"""Writing by index tensors and masks: scatter, index_add and their kin, each new or in place.

All of them are one of two kernels, the mirrors of `Take` and `Gather`: x is seen as (outer, n,
inner), and `Put` writes at one index, `Scatter` at an index of its own for each element.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np

from .. import dtypes
from ..device import Shape
from ..methods import method
from ..op import Op
from ..tensor import Scalar, Tensor
from .assign import broadcasts_to, refuse_gradient, refuse_recorded
from .create import fixed, full, zeros
from .elementwise import broadcast_shapes
from .index import Gather, Take, applied, around, fits, integers, true_places
from .reduce import expand
from .shape import cast, clone, normal_dim, reshape, slices

__all__ = [
    "index_add",
    "index_copy",
    "index_fill",
    "masked_scatter",
    "scatter",
    "scatter_add",
]

MODES = {None: "set", "add": "add", "multiply": "multiply"}


class Put(Op):
    """x, in which src was written (set), added or multiplied at index: out[..., index, ...]."""

    reads: ClassVar[type[Take]] = Take
    dim: int
    mode: str
    wrap: bool

    def forward(self, x: Tensor, index: Tensor, src: Tensor) -> Tensor:
        out = clone(x.detach())
        self.write(out, index, src)
        self.save(index)
        return out

    def write(self, out: Tensor, index: Tensor, src: Tensor) -> None:
        """Run the kernel."""
        write = getattr(out.device.kernels, self.reads.writes)
        write(src.data, index.data, out.data, *around(out.shape, self.dim), self.mode, self.wrap)

    def backward(self, gy: Tensor) -> tuple[Tensor | None, ...]:
        if self.mode == "multiply":
            raise RuntimeError('scatter: reduce="multiply" cannot be differentiated')
        (index,) = self.saved
        gx = gy if self.needs[0] else None
        read = self.reads.apply(gy, index, dim=self.dim, wrap=self.wrap)
        if self.mode == "set" and self.needs[0]:
            nothing = zeros(read.shape, dtype=gy.dtype, device=gy.device)
            gx = type(self).apply(gy, index, nothing, dim=self.dim, mode="set", wrap=self.wrap)
        return gx, None, read if self.needs[2] else None


class Scatter(Put):
    """out[o, index[o, j, i], i] is written."""

    reads = Gather


class Write(NamedTuple):
    """What is to be written where: `op` at `index` of dimension `dim` of x, seen as `shape`."""

    op: type[Put]
    shape: Shape
    dim: int
    places: Tensor
    src: Tensor
    mode: str = "set"
    wrap: bool = False

    def new(self, name: str, x: Tensor) -> Tensor:
        """A copy of x with it."""
        y = applied(
            name, self.op.apply, reshape(x, self.shape), self.places, self.src,
            dim=self.dim, mode=self.mode, wrap=self.wrap,
        )  # fmt: skip
        return reshape(y, x.shape)

    def in_place(self, name: str, x: Tensor) -> Tensor:
        """x itself with it."""
        refuse_recorded(x, name)
        refuse_gradient(self.src, name)
        op = self.op()
        op.dim, op.mode, op.wrap = self.dim, self.mode, self.wrap
        src = clone(self.src) if self.src.version is x.version else self.src
        applied(name, op.write, reshape(x.detach(), self.shape), self.places, src)
        x.mark_changed()
        return x


# ---- an index for each element


def _scatter(
    name: str, x: Tensor, dim: int, index: Tensor, src: Tensor | Scalar, mode: str = "set"
) -> Write:
    d = normal_dim(name, dim, max(x.ndim, 1))
    index = integers(name, index)
    src = _values(name, x, src, index.shape)
    if index.numel() == 0:  # of any rank
        flat = (x.numel(),)
        return Write(Put, flat, 0, reshape(index, (0,)), reshape(src, (-1,))[:0], mode)
    shape = x.shape or (1,)
    index, src = (reshape(t, t.shape or (1,)) for t in (index, src))
    if not fits(index.shape, shape, d) or not fits(index.shape, src.shape, -1):
        raise ValueError(
            f"{name}: index {index.shape} does not fit x {shape} and src {src.shape}: same rank, "
            f"no longer than src, and no longer than x but in dimension {d}"
        )
    src = slices(src, [slice(0, k) for k in index.shape])
    if all(k == n for i, (k, n) in enumerate(zip(index.shape, shape, strict=True)) if i != d):
        return Write(Scatter, shape, d, index, src, mode)
    places = _places(name, index, shape, d)
    return Write(Put, (x.numel(),), 0, places, reshape(src, (-1,)), mode)


def _values(name: str, x: Tensor, src: Tensor | Scalar, shape: Shape) -> Tensor:
    """What is written, in the dtype of x; a number as a tensor of `shape`."""
    if not isinstance(src, Tensor):
        number = src if x.dtype.is_floating else int(src)
        return full(shape, number, dtype=x.dtype, device=x.device)
    if src.dtype is not x.dtype:
        raise TypeError(f"{name}: the source is {src.dtype.name}, x is {x.dtype.name}")
    return src


def _places(name: str, index: Tensor, shape: Shape, dim: int) -> Tensor:
    """Where in x, seen as one row, an index that is shorter than x points."""
    n = shape[dim]
    try:
        index.device.kernels.check_range(index.data, 0, n)
    except IndexError as e:
        raise IndexError(f"{name}: {e}") from None
    places = np.zeros((), np.int64)
    stride = 1
    for d in reversed(range(len(shape))):
        if d == dim:
            along = stride
        else:
            rows = np.arange(index.shape[d]) * stride
            places = places + rows.reshape(-1, *(1,) * (len(shape) - d - 1))
        stride *= shape[d]
    return reshape(index * along + fixed(places, index.device), (-1,))


@method
def scatter(
    x: Tensor,
    dim: int,
    index: Tensor,
    src: Tensor | Scalar | None = None,
    reduce: str | None = None,
    value: Scalar | None = None,
) -> Tensor:
    """A copy of x with out[index[i, j, k], j, k] = src[i, j, k] for dim 0, and so on.

    Where an index repeats, the last one stays, but every source gets the gradient.

    Args:
        x: any shape and dtype.
        dim: the dimension that is written along.
        index: integers in [0, x.shape[dim]), of the rank of x, no longer than `src`, and no longer
            than x in the other dimensions.
        src: a tensor of the dtype of x, or a number.
        reduce: "add" or "multiply" combines the sources with x instead.
        value: a number, the same as `src`.

    Returns:
        The shape and dtype of x.

    Raises:
        ValueError: the shapes do not fit.
        IndexError: a place does not exist.
        TypeError: the dtypes differ.

    Derivative: twice; none with reduce="multiply".
    Source: numpy.put_along_axis.
    """
    return _scatter("scatter", x, dim, index, *_options("scatter", src, reduce, value)).new(
        "scatter", x
    )


@method
def scatter_(
    x: Tensor,
    dim: int,
    index: Tensor,
    src: Tensor | Scalar | None = None,
    reduce: str | None = None,
    value: Scalar | None = None,
) -> Tensor:
    """`scatter` in place."""
    write = _scatter("scatter_", x, dim, index, *_options("scatter_", src, reduce, value))
    return write.in_place("scatter_", x)


def _options(
    name: str, src: Tensor | Scalar | None, reduce: str | None, value: Scalar | None
) -> tuple[Tensor | Scalar, str]:
    """The source and the mode of the kernel."""
    source = value if src is None else src
    if source is None:
        raise ValueError(f"{name}: give src or value")
    if reduce not in MODES:
        raise ValueError(f'{name}: reduce is {reduce!r}, expected "add", "multiply" or None')
    return source, MODES[reduce]


@method
def scatter_add(x: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """A copy of x to which `src` is added: out[index[i, j, k], j, k] += src[i, j, k] for dim 0.

    Sources that meet are added in their order, with any number of threads.

    Args:
        x: any shape; bools are combined by "or".
        dim: the dimension that is written along.
        index: integers in [0, x.shape[dim]), of the rank of x, no longer than `src`, and no longer
            than x in the other dimensions.
        src: of the dtype of x.

    Returns:
        The shape and dtype of x.

    Raises:
        ValueError: the shapes do not fit.
        IndexError: a place does not exist.
        TypeError: the dtypes differ.

    Derivative: twice.
    Source: numpy.add.at.
    """
    return _scatter("scatter_add", x, dim, index, src, "add").new("scatter_add", x)


@method
def scatter_add_(x: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`scatter_add` in place."""
    return _scatter("scatter_add_", x, dim, index, src, "add").in_place("scatter_add_", x)


# ---- one index for whole slices


def _index(
    name: str, x: Tensor, dim: int, index: Tensor, source: Tensor, mode: str = "set"
) -> Write:
    d = normal_dim(name, dim, max(x.ndim, 1))
    index = integers(name, index)
    if index.ndim > 1:
        raise IndexError(f"{name}: index has shape {index.shape}, expected one dimension")
    index = reshape(index, (-1,))
    shape = x.shape or (1,)
    source = _values(name, x, source, ())
    want = (*shape[:d], index.shape[0], *shape[d + 1 :])
    if source.ndim != x.ndim or (source.shape or (1,)) != want:
        raise ValueError(f"{name}: source has shape {source.shape}, expected {want}")
    return Write(Put, shape, d, index, reshape(source, want), mode)


@method
def index_add(x: Tensor, dim: int, index: Tensor, source: Tensor, alpha: Scalar = 1) -> Tensor:
    """A copy of x to which alpha * source is added: out[index[i]] += alpha * source[i] for dim 0.

    Sources that meet are added in their order, with any number of threads.

    Args:
        x: any shape; bools are combined by "or".
        dim: the dimension that is written along.
        index: integers (k,) in [0, x.shape[dim]).
        source: the shape of x with length k in `dim`, the dtype of x.
        alpha: a factor.

    Returns:
        The shape and dtype of x.

    Raises:
        ValueError: the shapes do not fit.
        IndexError: a place does not exist.
        TypeError: the dtypes differ.

    Derivative: twice.
    Source: numpy.add.at.
    """
    return _index("index_add", x, dim, index, _scaled(source, alpha), "add").new("index_add", x)


@method
def index_add_(x: Tensor, dim: int, index: Tensor, source: Tensor, alpha: Scalar = 1) -> Tensor:
    """`index_add` in place."""
    write = _index("index_add_", x, dim, index, _scaled(source, alpha), "add")
    return write.in_place("index_add_", x)


def _scaled(source: Tensor, alpha: Scalar) -> Tensor:
    if alpha == 1:
        return source
    if source.dtype is dtypes.bool_:
        return source * bool(alpha)
    if source.dtype is dtypes.uint8:
        return source * (int(alpha) % 256)  # sums wrap, and so does the factor
    return source * (alpha if source.dtype.is_floating else int(alpha))


@method
def index_copy(x: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """A copy of x with out[index[i]] = source[i] for dim 0, and so on.

    Where an index repeats, the last one stays, but every source gets the gradient.

    Args:
        x: any shape and dtype.
        dim: the dimension that is written along.
        index: integers (k,) in [0, x.shape[dim]).
        source: the shape of x with length k in `dim`, the dtype of x.

    Returns:
        The shape and dtype of x.

    Raises:
        ValueError: the shapes do not fit.
        IndexError: a place does not exist.
        TypeError: the dtypes differ.

    Derivative: twice.
    Source: numpy's x[:, ..., index] = source.
    """
    return _index("index_copy", x, dim, index, source).new("index_copy", x)


@method
def index_copy_(x: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """`index_copy` in place."""
    return _index("index_copy_", x, dim, index, source).in_place("index_copy_", x)


def _fill(name: str, x: Tensor, dim: int, index: Tensor, value: Tensor | Scalar) -> Write:
    d = normal_dim(name, dim, max(x.ndim, 1))
    if isinstance(value, Tensor):
        if value.ndim > 0:
            raise ValueError(f"{name}: value has shape {value.shape}, expected a number")
        value = cast(value, x.dtype)
    shape = x.shape or (1,)
    want = (*shape[:d], index.numel(), *shape[d + 1 :])
    source = expand(_values(name, x, value, ()), want)
    return _index(name, reshape(x, shape), d, index, source)._replace(wrap=True)


@method
def index_fill(x: Tensor, dim: int, index: Tensor, value: Tensor | Scalar) -> Tensor:
    """A copy of x with out[index[i]] = value for dim 0, and so on.

    Args:
        x: any shape and dtype.
        dim: the dimension that is written along.
        index: integers (k,), negative from the end.
        value: a number, or a tensor of one without dimensions.

    Returns:
        The shape and dtype of x.

    Raises:
        ValueError: the value is no number.
        IndexError: a place does not exist.

    Derivative: twice.
    Source: numpy's x[:, ..., index] = value.
    """
    return _fill("index_fill", x, dim, index, value).new("index_fill", x)


@method
def index_fill_(x: Tensor, dim: int, index: Tensor, value: Tensor | Scalar) -> Tensor:
    """`index_fill` in place."""
    return _fill("index_fill_", x, dim, index, value).in_place("index_fill_", x)


# ---- masks


def _masked(name: str, x: Tensor, mask: Tensor, source: Tensor) -> Write:
    places = true_places(name, mask, x.shape)
    source = _values(name, x, source, ())
    if source.numel() < places.numel():
        raise ValueError(
            f"{name}: source has {source.numel()} elements for {places.numel()} places"
        )
    return Write(Put, (x.numel(),), 0, places, reshape(source, (-1,))[: places.numel()])


@method
def masked_scatter(x: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """A copy of x where the elements of `source`, in order, replace those that `mask` marks.

    Waits for the device.

    Args:
        x: any shape and dtype.
        mask: bool, broadcast against x.
        source: any shape, as many elements as the mask is true, or more; the dtype of x.

    Returns:
        The broadcast shape, the dtype of x.

    Raises:
        ValueError: there are too few elements, or the shapes do not broadcast together.
        TypeError: the mask is not bool, or the dtypes differ.

    Derivative: twice.
    Source: numpy.place.
    """
    x = expand(x, broadcast_shapes("masked_scatter", x.shape, mask.shape))
    return _masked("masked_scatter", x, mask, source).new("masked_scatter", x)


@method
def masked_scatter_(x: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """`masked_scatter` in place; the mask must broadcast to x."""
    broadcasts_to("masked_scatter_", mask.shape, x.shape)
    return _masked("masked_scatter_", x, mask, source).in_place("masked_scatter_", x)
