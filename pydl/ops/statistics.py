"""Moments, norms and the logarithm of a sum of exponentials over any dimensions."""

from __future__ import annotations

import math

from .. import dtypes
from ..dtypes import DType
from ..methods import method
from ..op import Op
from ..tensor import Dims, Tensor
from .arithmetic import abs, pow, sign
from .checks import need_floating
from .comparison import eq, ne, where
from .create import zeros
from .exponential import exp, log, sqrt, square
from .extreme import amax, amin
from .limits import clip
from .precision import wide
from .reduce import count, mean, normal_dims, sum, without
from .shape import cast, reshape

__all__ = [
    "logsumexp",
    "norm",
    "std",
    "std_mean",
    "var",
    "var_mean",
]


def ratio(a: Tensor, b: Tensor) -> Tensor:
    """a / b, and 0 where b is 0."""
    none = eq(b, 0.0)
    return where(none, 0.0, a / where(none, 1.0, b))


# ---- variance


class Var(Op):
    """sum((x - mean)^2) / freedom: two passes, as a sum of squares alone would cancel."""

    dims: tuple[int, ...]
    keepdim: bool
    freedom: float  # degrees of it, n - correction; 0 gives NaN or inf

    def forward(self, x: Tensor) -> Tensor:
        y = self.value(x.detach())
        self.save(x)
        return y

    def value(self, x: Tensor) -> Tensor:
        """The variance."""
        return sum(square(self.centred(x)), self.dims, self.keepdim) / self.freedom

    def centred(self, x: Tensor) -> Tensor:
        """x - mean."""
        return x - mean(x, self.dims, keepdim=True)

    def backward(self, gy: Tensor) -> Tensor:
        (x,) = self.saved
        gy = reshape(gy, without(x.shape, self.dims, True))
        return self.centred(x) * (2.0 * gy / self.freedom)


class Std(Var):
    """The square root of the variance; its derivative at 0 is 0."""

    def forward(self, x: Tensor) -> Tensor:
        y = sqrt(self.value(x.detach()))
        self.save(x, output=y)
        return y

    def backward(self, gy: Tensor) -> Tensor:
        x, y = self.saved
        gy = reshape(ratio(gy, y), without(x.shape, self.dims, True))
        return self.centred(x) * (gy / self.freedom)


@method
@wide
def var(
    x: Tensor,
    dim: Dims = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """The variance over `dim`: sum((x - mean)^2) / (n - correction).

    Args:
        x: any shape, floating.
        dim: one dimension or several; all by default.
        unbiased: True for correction 1, False for 0. `var(x, False)` means all dimensions.
        keepdim: keep them with length 1.
        correction: what is taken from the number of elements; 1 by default.

    Returns:
        The shape of x without `dim`, the dtype of x; NaN (or inf) where n <= correction.

    Raises:
        IndexError, ValueError: there is no such dimension, or one appears twice.
        TypeError: x is not floating; or both `unbiased` and `correction` are given.

    Derivative: twice.
    Source: numpy.var; Chan, Golub and LeVeque, "Algorithms for computing the sample variance"
        (1983), the two-pass algorithm.
    """
    return _variance(Var, "var", x, dim, unbiased, keepdim, correction)


@method
@wide
def std(
    x: Tensor,
    dim: Dims = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """The standard deviation over `dim`: the square root of `var`.

    Args:
        x: any shape, floating.
        dim: one dimension or several; all by default.
        unbiased: True for correction 1, False for 0. `std(x, False)` means all dimensions.
        keepdim: keep them with length 1.
        correction: what is taken from the number of elements; 1 by default.

    Returns:
        The shape of x without `dim`, the dtype of x; NaN (or inf) where n <= correction.

    Raises:
        IndexError, ValueError: there is no such dimension, or one appears twice.
        TypeError: x is not floating; or both `unbiased` and `correction` are given.

    Derivative: twice; the subgradient at 0 is 0.
    Source: numpy.std.
    """
    return _variance(Std, "std", x, dim, unbiased, keepdim, correction)


@method
@wide
def var_mean(
    x: Tensor,
    dim: Dims = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """The variance and the mean over `dim`.

    Args:
        x: any shape, floating.
        dim: one dimension or several; all by default.
        unbiased: True for correction 1, False for 0.
        keepdim: keep them with length 1.
        correction: what is taken from the number of elements; 1 by default.

    Returns:
        (var(x), mean(x)), both with the shape of x without `dim` and the dtype of x.

    Raises:
        IndexError, ValueError: there is no such dimension, or one appears twice.
        TypeError: x is not floating; or both `unbiased` and `correction` are given.

    Derivative: twice.
    Source: see `var` and `mean`.
    """
    variance = _variance(Var, "var_mean", x, dim, unbiased, keepdim, correction)
    return variance, mean(x, None if isinstance(dim, bool) else dim, keepdim)


@method
@wide
def std_mean(
    x: Tensor,
    dim: Dims = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """The standard deviation and the mean over `dim`.

    Args:
        x: any shape, floating.
        dim: one dimension or several; all by default.
        unbiased: True for correction 1, False for 0.
        keepdim: keep them with length 1.
        correction: what is taken from the number of elements; 1 by default.

    Returns:
        (std(x), mean(x)), both with the shape of x without `dim` and the dtype of x.

    Raises:
        IndexError, ValueError: there is no such dimension, or one appears twice.
        TypeError: x is not floating; or both `unbiased` and `correction` are given.

    Derivative: twice.
    Source: see `std` and `mean`.
    """
    deviation = _variance(Std, "std_mean", x, dim, unbiased, keepdim, correction)
    return deviation, mean(x, None if isinstance(dim, bool) else dim, keepdim)


def _variance(
    kind: type[Var],
    name: str,
    x: Tensor,
    dim: Dims,
    unbiased: bool | None,
    keepdim: bool,
    correction: float | None,
) -> Tensor:
    if isinstance(dim, bool):  # var(x, unbiased)
        dim, unbiased = None, dim
    if unbiased is not None and correction is not None:
        raise TypeError(f"{name}: give unbiased or correction, not both")
    if correction is None:
        correction = 0 if unbiased is False else 1
    need_floating(name, x=x)
    dims = normal_dims(name, dim, x.ndim)
    freedom = max(count(x.shape, dims) - correction, 0)
    return kind.apply(x, dims=dims, keepdim=keepdim, freedom=float(freedom))


# ---- norms


class Norm(Op):
    """(sum |x|^p)^(1/p) for finite p != 0."""

    dims: tuple[int, ...]
    keepdim: bool
    p: float

    def forward(self, x: Tensor) -> Tensor:
        self.save(x, output=(y := self.value(x.detach())))
        return y

    def value(self, x: Tensor) -> Tensor:
        """The norm."""
        if self.p == 2.0:
            return sqrt(sum(square(x), self.dims, self.keepdim))
        if self.p == 1.0:
            return sum(abs(x), self.dims, self.keepdim)
        return pow(sum(pow(abs(x), self.p), self.dims, self.keepdim), 1.0 / self.p)

    def backward(self, gy: Tensor) -> Tensor:
        """gx = gy sign(x) (|x| / norm)^(p-1), and 0 where x or the norm is 0."""
        x, y = self.saved
        kept = without(x.shape, self.dims, True)
        gy, y = reshape(gy, kept), reshape(y, kept)
        if self.p == 2.0:
            return x * ratio(gy, y)
        if self.p == 1.0:
            return sign(x) * gy
        nothing = eq(x, 0.0)
        size = where(nothing, 1.0, abs(x))
        none = eq(y, 0.0)
        slope = pow(size / where(none, 1.0, y), self.p - 1.0)
        return where(nothing, 0.0, sign(x) * slope) * where(none, 0.0, gy)


@method
@wide
def norm(
    x: Tensor,
    p: float | str | None = "fro",
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
) -> Tensor:
    """The vector norm over `dim`: (sum |x|^p)^(1/p).

    Args:
        x: any shape, floating.
        p: the order: a number, inf (the largest |x|), -inf (the smallest), 0 (how many are not 0);
            "fro" and None mean 2.
        dim: one dimension or several; all by default.
        keepdim: keep them with length 1.
        dtype: a floating dtype to cast x to first.

    Returns:
        The shape of x without `dim`, the dtype of x.

    Raises:
        IndexError, ValueError: there is no such dimension, one appears twice, `p` is no order, or
            `dim` is empty and p is negative or inf.
        TypeError: x is not floating.

    Derivative: twice (none for p = 0); the subgradient where x or the norm is 0 is 0.
    Source: Golub and Van Loan, Matrix Computations, section 2.2.
    """
    x = x if dtype is None else cast(x, dtype)
    need_floating("norm", x=x)
    dims = normal_dims("norm", dim, x.ndim)
    if isinstance(p, str) and p != "fro":
        raise ValueError(f"norm: p is {p!r}, expected a number or 'fro'")
    order = 2.0 if p is None or isinstance(p, str) else float(p)
    if (order < 0 or order == math.inf) and count(x.shape, dims) == 0:
        raise ValueError(f"norm: there is nothing in dim {dims} of {x.shape}, and p is {order}")
    if order == 0:
        return cast(sum(ne(x, 0.0), dims, keepdim), x.dtype)
    if math.isinf(order):
        return amax(abs(x), dims, keepdim) if order > 0 else amin(abs(x), dims, keepdim)
    return Norm.apply(x, dims=dims, keepdim=keepdim, p=order)


# ---- log of a sum


class Logsumexp(Op):
    dims: tuple[int, ...]
    keepdim: bool

    def forward(self, x: Tensor) -> Tensor:
        """y = log(sum(e^(x - m))) + m, m being the largest x (held finite)."""
        z = x.detach()
        kept = without(x.shape, self.dims, True)
        m = zeros(kept, dtype=x.dtype, device=x.device)
        if count(x.shape, self.dims) > 0:
            most = x.dtype.largest
            m = clip(amax(z, self.dims, keepdim=True), -most, most)
        self.save(x, m)
        y = log(sum(exp(z - m), self.dims, keepdim=True)) + m
        return reshape(y, without(x.shape, self.dims, self.keepdim))

    def backward(self, gy: Tensor) -> Tensor:
        """gx = gy softmax(x)."""
        x, m = self.saved
        e = exp(x - m)
        return reshape(gy, m.shape) * (e / sum(e, self.dims, keepdim=True))


@method
@wide
def logsumexp(x: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """log(sum(e^x)) over `dim`, without overflow.

    Args:
        x: any shape; floating, integers or bool.
        dim: one dimension or several; None means all.
        keepdim: keep them with length 1.

    Returns:
        The shape of x without `dim`; the dtype of x, float32 for integers and bool; -inf where
        there is nothing.

    Raises:
        IndexError, ValueError: there is no such dimension, or one appears twice.

    Derivative: twice.
    Source: Blanchard, Higham and Higham, "Accurately computing the log-sum-exp and softmax
        functions" (2021), eq. 1.3.
    """
    x = x if x.dtype.is_floating else cast(x, dtypes.float32)
    return Logsumexp.apply(x, dims=normal_dims("logsumexp", dim, x.ndim), keepdim=keepdim)
