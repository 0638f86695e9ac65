"""Activation functions."""

from __future__ import annotations

from ..methods import method
from ..op import Op
from ..tensor import Tensor
from .arithmetic import exp, square, where
from .create import empty_like
from .elementwise import PiecewiseLinear, Unary
from .index import around
from .reduce import sum
from .shape import normal_dim

__all__ = [
    "elu",
    "gelu",
    "leaky_relu",
    "log_softmax",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "step",
    "tanh",
]


class Relu(PiecewiseLinear):
    pass


class LeakyRelu(PiecewiseLinear):
    pass


class Step(PiecewiseLinear):
    pass


class Sigmoid(Unary):
    saves = "y"

    def second(self, s: Tensor) -> Tensor:
        return 1.0 - 2.0 * s


class Tanh(Unary):
    saves = "y"

    def second(self, s: Tensor) -> Tensor:
        return -2.0 * s


class Gelu(Unary):
    def second(self, s: Tensor) -> Tensor:
        density = 0.3989422804014327 * exp(-0.5 * square(s))
        return density * (2.0 - square(s))


class GeluTanh(Unary):
    def second(self, s: Tensor) -> Tensor:
        c, a = 0.7978845608028654, 0.044715  # sqrt(2 / pi); u = c (x + a x^3)
        t = tanh(c * (s + a * s * square(s)))
        du = c * (1.0 + 3.0 * a * square(s))
        dt = 1.0 - square(t)
        return dt * du + 0.5 * s * dt * (6.0 * a * c * s - 2.0 * t * square(du))


class Silu(Unary):
    def second(self, s: Tensor) -> Tensor:
        sig = sigmoid(s)
        return sig * (1.0 - sig) * (2.0 + s * (1.0 - 2.0 * sig))


class Elu(Unary):
    def second(self, s: Tensor) -> Tensor:
        return where(s > 0.0, 0.0, self.p0 * exp(s))


class Softplus(Unary):
    def second(self, s: Tensor) -> Tensor:
        sig = sigmoid(self.p0 * s)
        return where(self.p0 * s > self.p1, 0.0, self.p0 * sig * (1.0 - sig))


@method
def relu(x: Tensor) -> Tensor:
    """max(x, 0); the derivative at 0 is 0.

    Source: Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines" (2010).
    """
    return Relu.apply(x)


def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """x where x > 0, else negative_slope * x.

    Source: Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models"
    (2013).
    """
    return LeakyRelu.apply(x, p0=negative_slope)


def step(x: Tensor) -> Tensor:
    """1 where x > 0, else 0: the perceptron's activation. Its derivative is 0."""
    return Step.apply(x)


@method
def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + e^-x)."""
    return Sigmoid.apply(x)


@method
def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return Tanh.apply(x)


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """x * Phi(x), Phi being the normal distribution function.

    Args:
        x: any shape.
        approximate: "none" (by erf) or "tanh": 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).

    Source: Hendrycks and Gimpel, "Gaussian error linear units" (2016), section 2.
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate is 'none' or 'tanh', got {approximate!r}")
    return (Gelu if approximate == "none" else GeluTanh).apply(x)


def silu(x: Tensor) -> Tensor:
    """x * sigmoid(x).

    Source: Elfwing, Uchibe and Doya, "Sigmoid-weighted linear units" (2017), equation 2.
    """
    return Silu.apply(x)


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """x where x > 0, else alpha * (e^x - 1).

    Source: Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by
    exponential linear units" (2015), equation 15.
    """
    return Elu.apply(x, p0=alpha)


def softplus(x: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + e^(beta x)) / beta, and x itself where beta * x > threshold."""
    return Softplus.apply(x, p0=beta, p1=threshold)


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
def softmax(x: Tensor, dim: int = -1) -> Tensor:
    """e^x / sum(e^x) along `dim`, without overflow."""
    return Softmax.apply(x, dim=_softmax_dim("softmax", x, dim))


@method
def log_softmax(x: Tensor, dim: int = -1) -> Tensor:
    """x - log(sum(e^x)) along `dim`, without overflow."""
    return LogSoftmax.apply(x, dim=_softmax_dim("log_softmax", x, dim))


def _softmax_dim(name: str, x: Tensor, dim: int) -> int:
    if not x.dtype.is_floating:
        raise TypeError(f"{name}: expected a floating tensor, got {x.dtype.name}")
    return normal_dim(name, dim, x.ndim)
