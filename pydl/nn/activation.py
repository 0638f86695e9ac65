"""Activation functions as modules; the functions themselves are in pydl.nn.functional.

`inplace` is accepted for code from PyTorch and changes nothing: the result is always a new tensor.
"""

from __future__ import annotations

from .. import ops
from ..device import Device
from ..dtypes import DType, float32
from ..tensor import Tensor
from . import functional as F
from .module import Module, Parameter

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "Mish",
    "PReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class ReLU(Module):
    """max(x, 0).

    Source: Nair and Hinton, Rectified Linear Units Improve Restricted Boltzmann Machines (2010).
    """

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return F.relu(x)

    def extra_repr(self) -> str:
        """The options."""
        return "inplace=True" if self.inplace else ""


class ReLU6(Module):
    """min(max(x, 0), 6).

    Source: Krizhevsky, Convolutional Deep Belief Networks on CIFAR-10 (2010).
    """

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return F.relu6(x)

    def extra_repr(self) -> str:
        """The options."""
        return "inplace=True" if self.inplace else ""


class LeakyReLU(Module):
    """x where x > 0, negative_slope * x elsewhere.

    Source: Maas, Hannun and Ng, Rectifier Nonlinearities Improve Neural Network Acoustic Models
    (2013).
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return F.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        """The options."""
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class PReLU(Module):
    """x where x > 0, weight * x elsewhere; the weight is learnt.

    Args:
        num_parameters: slopes, one for all or one for each of the C channels.
        init: what they start as.
        device: where they live.
        dtype: their element type.

    Source: He et al., Delving Deep into Rectifiers (2015), eq. 1.
    """

    def __init__(
        self,
        num_parameters: int = 1,
        init: float = 0.25,
        device: str | Device = "cpu",
        dtype: DType = float32,
    ) -> None:
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(ops.full((num_parameters,), init, dtype=dtype, device=device))

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, ...), or of any shape with one slope."""
        return F.prelu(x, self.weight)

    def reset_parameters(self) -> None:
        """Starts again."""
        self.weight.fill_(self.init)

    def extra_repr(self) -> str:
        """The number of slopes."""
        return f"num_parameters={self.num_parameters}"


class ELU(Module):
    """x where x > 0, alpha * (exp(x) - 1) elsewhere.

    Source: Clevert, Unterthiner and Hochreiter, Fast and Accurate Deep Network Learning by
    Exponential Linear Units (2016), eq. 16.
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return F.elu(x, self.alpha)

    def extra_repr(self) -> str:
        """The options."""
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class SELU(Module):
    """scale * elu(x, alpha), with constants that keep mean 0 and variance 1.

    Source: Klambauer et al., Self-Normalizing Neural Networks (2017), eq. 2.
    """

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return F.selu(x)

    def extra_repr(self) -> str:
        """The options."""
        return "inplace=True" if self.inplace else ""


class CELU(Module):
    """x where x > 0, alpha * (exp(x / alpha) - 1) elsewhere.

    Source: Barron, Continuously Differentiable Exponential Linear Units (2017), eq. 2.
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return F.celu(x, self.alpha)

    def extra_repr(self) -> str:
        """The options."""
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class SiLU(Module):
    """x * sigmoid(x).

    Source: Elfwing, Uchibe and Doya, Sigmoid-Weighted Linear Units for Neural Network Function
    Approximation in Reinforcement Learning (2018).
    """

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return F.silu(x)

    def extra_repr(self) -> str:
        """The options."""
        return "inplace=True" if self.inplace else ""


class Mish(Module):
    """x * tanh(log(1 + exp(x))).

    Source: Misra, Mish: A Self Regularized Non-Monotonic Activation Function (2019), eq. 1.
    """

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return F.mish(x)

    def extra_repr(self) -> str:
        """The options."""
        return "inplace=True" if self.inplace else ""


class GELU(Module):
    """x * P(X <= x) for a standard normal X; approximate="tanh" takes a formula close to it.

    Source: Hendrycks and Gimpel, Gaussian Error Linear Units (2016).
    """

    def __init__(self, approximate: str = "none") -> None:
        if approximate not in ("none", "tanh"):
            raise ValueError(f'GELU: approximate must be "none" or "tanh", got {approximate!r}')
        self.approximate = approximate

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return F.gelu(x, approximate=self.approximate)

    def extra_repr(self) -> str:
        """The options."""
        return f"approximate={self.approximate!r}"


class Sigmoid(Module):
    """1 / (1 + exp(-x)).

    Source: Goodfellow, Bengio and Courville, Deep Learning (2016), section 3.10.
    """

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return F.sigmoid(x)


class LogSigmoid(Module):
    """log(sigmoid(x)).

    Source: Goodfellow, Bengio and Courville, Deep Learning (2016), section 3.10.
    """

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return F.logsigmoid(x)


class Tanh(Module):
    """tanh(x).

    Source: LeCun et al., Efficient BackProp (1998), section 4.4.
    """

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return F.tanh(x)


class Tanhshrink(Module):
    """x - tanh(x).

    Source: torch.nn.Tanhshrink.
    """

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return F.tanhshrink(x)


class Softplus(Module):
    """log(1 + exp(beta * x)) / beta; x itself where beta * x > threshold.

    Source: Dugas et al., Incorporating Second-Order Functional Knowledge for Better Option
    Pricing (2000).
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.beta = beta
        self.threshold = threshold

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return F.softplus(x, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """The options."""
        return f"beta={self.beta}, threshold={self.threshold}"


class Softsign(Module):
    """x / (1 + |x|).

    Source: Turian, Bergstra and Bengio, Quadratic Features and Deep Architectures for Chunking
    (2009).
    """

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return F.softsign(x)


class Softshrink(Module):
    """x moved towards 0 by lambd, 0 where |x| <= lambd.

    Source: Donoho, De-Noising by Soft-Thresholding (1995), eq. 4.
    """

    def __init__(self, lambd: float = 0.5) -> None:
        self.lambd = lambd

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return F.softshrink(x, self.lambd)

    def extra_repr(self) -> str:
        """The options."""
        return f"{self.lambd}"


class Hardshrink(Module):
    """x where |x| > lambd, 0 elsewhere.

    Source: Donoho and Johnstone, Ideal Spatial Adaptation by Wavelet Shrinkage (1994).
    """

    def __init__(self, lambd: float = 0.5) -> None:
        self.lambd = lambd

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return F.hardshrink(x, self.lambd)

    def extra_repr(self) -> str:
        """The options."""
        return f"{self.lambd}"


class Hardtanh(Module):
    """x limited to [min_val, max_val].

    Source: Collobert, Large Scale Machine Learning (2004), section 5.3.
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        if min_val >= max_val:
            raise ValueError(f"Hardtanh: min_val {min_val} is not below max_val {max_val}")
        self.min_val = min_val
        self.max_val = max_val
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return F.hardtanh(x, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        """The options."""
        return f"min_val={self.min_val}, max_val={self.max_val}" + (
            ", inplace=True" if self.inplace else ""
        )


class Hardsigmoid(Module):
    """min(max(x + 3, 0), 6) / 6.

    Source: Howard et al., Searching for MobileNetV3 (2019), section 5.2.
    """

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return F.hardsigmoid(x)


class Hardswish(Module):
    """x * min(max(x + 3, 0), 6) / 6.

    Source: Howard et al., Searching for MobileNetV3 (2019), section 5.2.
    """

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return F.hardswish(x)


class Threshold(Module):
    """x where x > threshold, `value` elsewhere.

    Source: torch.nn.Threshold.
    """

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return F.threshold(x, self.threshold, self.value)

    def extra_repr(self) -> str:
        """The options."""
        return f"threshold={self.threshold}, value={self.value}" + (
            ", inplace=True" if self.inplace else ""
        )


class GLU(Module):
    """The first half of x along `dim` times the sigmoid of the second.

    Source: Dauphin et al., Language Modeling with Gated Convolutional Networks (2017), eq. 1.
    """

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return F.glu(x, self.dim)

    def extra_repr(self) -> str:
        """The options."""
        return f"dim={self.dim}"
