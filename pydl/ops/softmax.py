"""Functions along a dimension that make gates and probabilities: glu and the softmax family."""

from __future__ import annotations

from ..dtypes import DType
from ..methods import method
from ..op import Op
from ..tensor import Tensor
from .activation import sigmoid
from .arithmetic import neg
from .create import empty_like
from .elementwise import FLOATS, check_dtype
from .exponential import exp
from .index import around
from .precision import widened
from .reduce import sum
from .shape import cast, narrow, normal_dim, reshape

__all__ = [
    "glu",
    "log_softmax",
    "softmax",
    "softmin",
]


def glu(x: Tensor, dim: int = -1) -> Tensor:
    """a * sigmoid(b), a and b being the halves of x along `dim`.

    Args:
        x: (..., 2 n, ...), floating.
        dim: which is halved.

    Returns:
        (..., n, ...), the dtype of x.

    Raises:
        ValueError: the length along `dim` is odd.

    Derivative: twice.
    Source: Dauphin et al., "Language modeling with gated convolutional networks" (2017).
    """
    check_dtype("glu", x.dtype, FLOATS)
    d = normal_dim("glu", dim, x.ndim)
    n = x.shape[d] // 2
    if x.shape[d] % 2:
        raise ValueError(f"glu: dim {dim} of {x.shape} is odd, expected an even length")
    return narrow(x, d, 0, n) * sigmoid(narrow(x, d, n, n))


class Softmax(Op):
    dim: int
    log = False

    def forward(self, x: Tensor) -> Tensor:
        y = empty_like(x)
        x.device.kernels.softmax(x.data, y.data, *around(x.shape, self.dim), self.log)
        self.save(output=y)
        return y

    def backward(self, gy: Tensor) -> Tensor:
        return SoftmaxBackward.apply(gy, self.saved[0], of=self)


class LogSoftmax(Softmax):
    log = True


class SoftmaxBackward(Op):
    """y (gy - sum(gy y)) for softmax, gy - e^y sum(gy) for log-softmax."""

    of: Softmax

    def forward(self, gy: Tensor, y: Tensor) -> Tensor:
        gx = empty_like(y)
        shape = around(y.shape, self.of.dim)
        y.device.kernels.softmax_backward(gy.data, y.data, gx.data, *shape, self.of.log)
        self.save(gy, y)
        return gx

    def backward(self, ggx: Tensor) -> tuple[Tensor, Tensor]:
        gy, y = self.saved
        dim = self.of.dim
        if self.of.log:
            p, total = exp(y), sum(gy, dim, keepdim=True)
            back = sum(ggx * p, dim, keepdim=True)
            return ggx - back, -(ggx * p * total)
        mixed = sum(gy * y, dim, keepdim=True)
        back = sum(ggx * y, dim, keepdim=True)
        return y * (ggx - back), ggx * (gy - mixed) - gy * back


@method
def softmax(x: Tensor, dim: int | None = None, dtype: DType | None = None) -> Tensor:
    """e^x / sum(e^x) along `dim`, without overflow.

    Args:
        x: any shape, floating.
        dim: along which. None is 0 where x has 0, 1 or 3 dimensions and 1 elsewhere, as in PyTorch;
            better name it.
        dtype: x is cast to it first.

    Returns:
        The shape of x, floating.

    Derivative: twice.
    Source: Bridle, "Probabilistic interpretation of feedforward classification network outputs"
    (1990).
    """
    return _along(Softmax, "softmax", x, dim, dtype)


@method
def log_softmax(x: Tensor, dim: int | None = None, dtype: DType | None = None) -> Tensor:
    """x - log(sum(e^x)) along `dim`, without overflow.

    Args:
        x: any shape, floating.
        dim: along which. None is 0 where x has 0, 1 or 3 dimensions and 1 elsewhere, as in PyTorch;
            better name it.
        dtype: x is cast to it first.

    Returns:
        The shape of x, floating.

    Derivative: twice.
    Source: Goodfellow, Bengio and Courville, "Deep learning" (2016), section 6.2.2.3.
    """
    return _along(LogSoftmax, "log_softmax", x, dim, dtype)


def softmin(x: Tensor, dim: int | None = None, dtype: DType | None = None) -> Tensor:
    """softmax(-x) along `dim`.

    Args:
        x: any shape, floating.
        dim: along which. None is 0 where x has 0, 1 or 3 dimensions and 1 elsewhere, as in PyTorch;
            better name it.
        dtype: x is cast to it first.

    Returns:
        The shape of x, floating.

    Derivative: twice.
    Source: torch.nn.functional.softmin.
    """
    check_dtype("softmin", (dtype or x.dtype), FLOATS)
    return softmax(neg(x), dim, dtype)


def _along(op: type[Softmax], name: str, x: Tensor, dim: int | None, dtype: DType | None) -> Tensor:
    x = widened(x)
    if dtype is not None:
        x = cast(x, dtype)
    check_dtype(name, x.dtype, FLOATS)
    if dim is None:
        dim = 0 if x.ndim in (0, 1, 3) else 1
    d = normal_dim(name, dim, max(x.ndim, 1))
    return op.apply(x, dim=d) if x.ndim else reshape(op.apply(reshape(x, (1,)), dim=d), ())
