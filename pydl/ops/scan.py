"""Running sums and products. Their derivatives are running sums and linear recurrences again."""

from __future__ import annotations

from typing import ClassVar

from .. import dtypes
from ..dtypes import DType
from ..methods import method
from ..op import Op
from ..tensor import Tensor
from .create import empty
from .index import around
from .order import flip
from .pad import pad
from .precision import widened
from .reduce import count
from .shape import cast, normal_dim, permute, reshape

__all__ = [
    "cumprod",
    "cumsum",
]


def shifted(x: Tensor, dim: int, by: int, fill: float) -> Tensor:
    """x moved by 1 or -1 place along `dim`; what has become free is `fill`."""
    if x.numel() == 0:
        return x
    border = (1, -1) if by > 0 else (-1, 1)
    return pad(x, (0, 0) * (x.ndim - 1 - dim) + border, value=fill)


class Scan(Op):
    """A running sum or product along `dim`, from the end if `reverse`."""

    dim: int
    reverse: bool = False
    kernel: ClassVar[str]

    def forward(self, x: Tensor) -> Tensor:
        """y[k] = fold of x[0..k]."""
        dtype = x.dtype if x.dtype.is_floating else dtypes.int64
        y = empty(x.shape, dtype=dtype, device=x.device)
        kernel = getattr(x.device.kernels, self.kernel)
        kernel(x.data, y.data, *around(x.shape, self.dim), self.reverse)
        self.keep(x, y)
        return y

    def keep(self, x: Tensor, y: Tensor) -> None:
        """Save what backward needs."""


class Cumsum(Scan):
    kernel = "cumsum"

    def backward(self, gy: Tensor) -> Tensor:
        return Cumsum.apply(gy, dim=self.dim, reverse=not self.reverse)


class Cumprod(Scan):
    kernel = "cumprod"

    def keep(self, x: Tensor, y: Tensor) -> None:
        """Save both."""
        self.save(x, output=y)

    def backward(self, gy: Tensor) -> Tensor:
        """gx[k] = y[k-1] r[k], r[k] = gy[k] + x[k+1] r[k+1]: no division, so zeros do not hurt."""
        x, y = self.saved
        r = Recurrence.apply(shifted(x, self.dim, -1, 0.0), gy, dim=self.dim, reverse=True)
        return shifted(y, self.dim, 1, 1.0) * r


class Recurrence(Op):
    """y[k] = a[k] y[k-1] + b[k] along `dim`, from the end if `reverse`; a[0] does not count."""

    dim: int
    reverse: bool

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        y = empty(b.shape, dtype=b.dtype, device=b.device)
        b.device.kernels.recurrence(
            a.data, b.data, y.data, *around(b.shape, self.dim), self.reverse
        )
        self.save(a, output=y)
        return y

    def backward(self, gy: Tensor) -> tuple[Tensor | None, Tensor]:
        """r[k] = gy[k] + a[k+1] r[k+1] is the gradient of b, r[k] y[k-1] that of a."""
        a, y = self.saved
        by = -1 if self.reverse else 1
        a = shifted(a, self.dim, -by, 0.0)
        r = Recurrence.apply(a, gy, dim=self.dim, reverse=not self.reverse)
        return r * shifted(y, self.dim, by, 0.0) if self.needs[0] else None, r


def product_of_others(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    """For every element the product of all others over `dims`: of those before and those behind."""
    order = [d for d in range(x.ndim) if d not in dims] + list(dims)
    moved = permute(x, order)
    line = reshape(moved, (*moved.shape[: x.ndim - len(dims)], count(x.shape, dims)))
    last = line.ndim - 1
    before = shifted(cumprod(line, last), last, 1, 1.0)
    behind = flip(shifted(cumprod(flip(line, last), last), last, 1, 1.0), last)
    back = sorted(range(x.ndim), key=order.__getitem__)
    return permute(reshape(before * behind, moved.shape), back)


def _scan(kind: type[Scan], name: str, x: Tensor, dim: int, dtype: DType | None) -> Tensor:
    d = normal_dim(name, dim, max(x.ndim, 1))
    x = x if dtype is None else cast(x, dtype)
    y = reshape(kind.apply(reshape(x, x.shape or (1,)), dim=d), x.shape)
    return y if dtype is None else cast(y, dtype)


@method
def cumsum(x: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """Running sums: y[k] = x[0] + ... + x[k] along `dim`.

    Args:
        x: any shape; floating, integers or bool.
        dim: the dimension.
        dtype: cast x to it first, and return it.

    Returns:
        The shape of x; int64 for integers and bool, else the dtype of x.

    Raises:
        IndexError: there is no such dimension.

    Derivative: twice.
    Source: numpy.cumsum.
    """
    x = widened(x)
    return _scan(Cumsum, "cumsum", x, dim, dtype)


@method
def cumprod(x: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """Running products: y[k] = x[0] * ... * x[k] along `dim`.

    Args:
        x: any shape; floating, integers or bool.
        dim: the dimension.
        dtype: cast x to it first, and return it.

    Returns:
        The shape of x; int64 for integers and bool, else the dtype of x.

    Raises:
        IndexError: there is no such dimension.

    Derivative: twice, with any number of zeros.
    Source: numpy.cumprod.
    """
    x = widened(x)
    return _scan(Cumprod, "cumprod", x, dim, dtype)
