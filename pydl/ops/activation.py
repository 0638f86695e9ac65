"""Smooth activation functions. Those of straight lines are in rectifier.py."""

from __future__ import annotations

from .. import dtypes
from ..methods import method
from ..tensor import Tensor
from .arithmetic import abs, sign
from .comparison import where
from .elementwise import FLOATS, NUMBERS, Activation, Unary, check_dtype
from .exponential import exp, square
from .precision import widened

__all__ = [
    "celu",
    "elu",
    "gelu",
    "logsigmoid",
    "mish",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "softsign",
    "tanh",
    "tanhshrink",
]


# ---- one argument, in one kernel


class Sigmoid(Unary):
    saves = "y"

    def second(self, s: Tensor) -> Tensor:
        return 1.0 - 2.0 * s


class Logsigmoid(Activation):
    def second(self, s: Tensor) -> Tensor:
        sig = sigmoid(s)
        return sig * (sig - 1.0)


class Tanh(Unary):
    saves = "y"

    def second(self, s: Tensor) -> Tensor:
        return -2.0 * s


class Tanhshrink(Unary):
    def second(self, s: Tensor) -> Tensor:
        t = tanh(s)
        return 2.0 * t * (1.0 - square(t))


class Softsign(Unary):
    def second(self, s: Tensor) -> Tensor:
        d = 1.0 + abs(s)
        return -2.0 * sign(s) / (d * d * d)


class Gelu(Activation):
    def second(self, s: Tensor) -> Tensor:
        density = 0.3989422804014327 * exp(-0.5 * square(s))
        return density * (2.0 - square(s))


class GeluTanh(Activation):
    def second(self, s: Tensor) -> Tensor:
        c, a = 1.5957691216057308, 0.044715  # sqrt(8 / pi); y = x p with p = sigmoid(v)
        v = c * (s + a * s * square(s))
        p, q = sigmoid(v), sigmoid(-v)  # q = 1 - p
        dv = c * (1.0 + 3.0 * a * square(s))
        return p * q * (2.0 * dv + s * ((q - p) * square(dv) + 6.0 * a * c * s))


class Silu(Activation):
    def second(self, s: Tensor) -> Tensor:
        sig = sigmoid(s)
        return sig * (1.0 - sig) * (2.0 + s * (1.0 - 2.0 * sig))


class Mish(Activation):
    def second(self, s: Tensor) -> Tensor:
        t, sig = tanh(softplus(s)), sigmoid(s)
        slope = (1.0 - square(t)) * sig  # of t
        return slope * (2.0 + s * (1.0 - sig - 2.0 * t * sig))


class Elu(Activation):
    def second(self, s: Tensor) -> Tensor:
        return where(s < 0.0, self.p0 * exp(s), 0.0)


class Celu(Activation):
    def second(self, s: Tensor) -> Tensor:
        return where(s < 0.0, exp(s / self.p0) / self.p0, 0.0)


class Softplus(Activation):
    def second(self, s: Tensor) -> Tensor:
        sig = sigmoid(self.p0 * s)
        flat = self.p0 * s >= self.p1
        return where(flat, 0.0, self.p0 * sig * (1.0 - sig))


def elu(x: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha * (e^x - 1).

    Args:
        x: any shape, floating.
        alpha: minus the limit below.
        inplace: accepted and ignored; a new tensor is returned.

    Returns:
        The shape and dtype of x.

    Derivative: twice; at 0 it is alpha.
    Source: Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by
    exponential linear units" (2015), equation 15.
    """
    return Elu.apply(x, p0=alpha, p1=1.0)


def selu(x: Tensor, inplace: bool = False) -> Tensor:
    """scale * elu(x, alpha), with the two constants that keep mean 0 and variance 1.

    Args:
        x: any shape, floating.
        inplace: accepted and ignored; a new tensor is returned.

    Returns:
        The shape and dtype of x.

    Derivative: twice; at 0 it is scale * alpha.
    Source: Klambauer et al., "Self-normalizing neural networks" (2017), equation 2.
    """
    check_dtype("selu", x.dtype, FLOATS)
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return Elu.apply(x, p0=alpha * scale, p1=scale)


def celu(x: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha * (e^(x / alpha) - 1).

    Args:
        x: any shape, floating.
        alpha: minus the limit below; not 0.
        inplace: accepted and ignored; a new tensor is returned.

    Returns:
        The shape and dtype of x.

    Raises:
        ValueError: alpha is 0.

    Derivative: twice; at 0 it is 1.
    Source: Barron, "Continuously differentiable exponential linear units" (2017), equation 2.
    """
    if alpha == 0:
        raise ValueError("celu: alpha is 0")
    return Celu.apply(x, p0=alpha)


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """x * Phi(x), Phi being the normal distribution function.

    Args:
        x: any shape, floating.
        approximate: "none" (by erf) or "tanh": 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).

    Returns:
        The shape and dtype of x.

    Raises:
        ValueError: there is no such approximation.

    Derivative: twice.
    Source: Hendrycks and Gimpel, "Gaussian error linear units" (2016), section 2.
    """
    check_dtype("gelu", x.dtype, FLOATS)
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate is 'none' or 'tanh', got {approximate!r}")
    return (Gelu if approximate == "none" else GeluTanh).apply(x)


def silu(x: Tensor, inplace: bool = False) -> Tensor:
    """x * sigmoid(x).

    Args:
        x: any shape, floating.
        inplace: accepted and ignored; a new tensor is returned.

    Returns:
        The shape and dtype of x.

    Derivative: twice.
    Source: Elfwing, Uchibe and Doya, "Sigmoid-weighted linear units" (2017), equation 2.
    """
    return Silu.apply(x)


def mish(x: Tensor, inplace: bool = False) -> Tensor:
    """x * tanh(log(1 + e^x)).

    Args:
        x: any shape, floating.
        inplace: accepted and ignored; a new tensor is returned.

    Returns:
        The shape and dtype of x.

    Derivative: twice.
    Source: Misra, "Mish: a self regularized non-monotonic activation function" (2019), equation 1.
    """
    return Mish.apply(x)


def softplus(x: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + e^(beta x)) / beta, and x itself where beta * x > threshold.

    Args:
        x: any shape, floating.
        beta: sharpness of the bend.
        threshold: where the line begins.

    Returns:
        The shape and dtype of x.

    Derivative: twice.
    Source: Dugas et al., "Incorporating second-order functional knowledge for better option
    pricing" (2000), equation 4.
    """
    x = widened(x)
    return Softplus.apply(x, p0=beta, p1=threshold)


def softsign(x: Tensor) -> Tensor:
    """x / (1 + |x|).

    Args:
        x: any shape.

    Returns:
        The shape of x; float32 where x is an integer.

    Derivative: twice.
    Source: Turian, Bergstra and Bengio, "Quadratic features and deep architectures for chunking"
    (2009).
    """
    if x.dtype is dtypes.bool_:
        check_dtype("softsign", x.dtype, NUMBERS)
    return Softsign.apply(x)


def tanhshrink(x: Tensor) -> Tensor:
    """x - tanh(x).

    Args:
        x: any shape.

    Returns:
        The shape of x; float32 where x is an integer.

    Derivative: twice.
    Source: torch.nn.functional.tanhshrink.
    """
    if x.dtype is dtypes.bool_:
        check_dtype("tanhshrink", x.dtype, NUMBERS)
    return Tanhshrink.apply(x)


@method
def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + e^-x).

    Args:
        x: any shape.

    Returns:
        The shape of x; float32 where x is an integer or bool.

    Derivative: twice.
    Source: Goodfellow, Bengio and Courville, "Deep learning" (2016), section 3.10.
    """
    return Sigmoid.apply(x)


def logsigmoid(x: Tensor) -> Tensor:
    """log(sigmoid(x)), accurate at both ends.

    Args:
        x: any shape, floating.

    Returns:
        The shape and dtype of x.

    Derivative: twice.
    Source: Goodfellow, Bengio and Courville, "Deep learning" (2016), section 3.10.
    """
    return Logsigmoid.apply(x)


@method
def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent.

    Args:
        x: any shape.

    Returns:
        The shape of x; float32 where x is an integer or bool.

    Derivative: twice.
    Source: numpy.tanh.
    """
    return Tanh.apply(x)


# ---- along a dimension
