"""Activation functions made of straight lines (and hardswish)."""

from __future__ import annotations

from ..methods import method
from ..op import Op
from ..tensor import Scalar, Tensor
from .arithmetic import abs
from .comparison import gt, where
from .elementwise import NUMBERS, Activation, PiecewiseLinear, check_dtype, whole
from .limits import clip, maximum
from .reduce import sum_to
from .shape import reshape

__all__ = [
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "prelu",
    "relu",
    "relu6",
    "softshrink",
    "step",
    "threshold",
]


class Relu(PiecewiseLinear):
    saves = "y"  # positive where x is, and the next layer keeps it anyway


class LeakyRelu(PiecewiseLinear):
    pass


class Hardtanh(PiecewiseLinear):
    pass


class Hardsigmoid(PiecewiseLinear):
    pass


class Hardswish(Activation):
    def second(self, s: Tensor) -> Tensor:
        return where(abs(s) < 3.0, 1 / 3, 0.0)


class Hardshrink(PiecewiseLinear):
    pass


class Softshrink(PiecewiseLinear):
    pass


class Threshold(PiecewiseLinear):
    pass


class Step(PiecewiseLinear):
    pass


class Prelu(Op):
    """x where x > 0, else w x; w broadcasts."""

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        self.save(x, w)
        x, w = x.detach(), w.detach()
        return where(gt(x, 0.0), x, w * x)

    def backward(self, gy: Tensor) -> tuple[Tensor | None, ...]:
        x, w = self.saved
        above = gt(x, 0.0)
        gx = where(above, gy, w * gy) if self.needs[0] else None
        return gx, sum_to(where(above, 0.0, gy * x), w.shape) if self.needs[1] else None


@method
def relu(x: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0).

    Args:
        x: any shape, floating or integer.
        inplace: accepted and ignored; a new tensor is returned.

    Returns:
        The shape and dtype of x.

    Derivative: twice; at 0 it is 0.
    Source: Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines" (2010).
    """
    if x.dtype.is_floating:
        return Relu.apply(x)
    check_dtype("relu", x.dtype, NUMBERS)
    return maximum(x, 0)


def relu6(x: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6).

    Args:
        x: any shape, floating or integer.
        inplace: accepted and ignored; a new tensor is returned.

    Returns:
        The shape and dtype of x.

    Derivative: twice; at 0 and 6 it is 0.
    Source: Krizhevsky, "Convolutional deep belief networks on CIFAR-10" (2010).
    """
    check_dtype("relu6", x.dtype, NUMBERS)
    return hardtanh(x, 0, 6)


def leaky_relu(x: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, else negative_slope * x.

    Args:
        x: any shape, floating.
        negative_slope: of the line below 0.
        inplace: accepted and ignored; a new tensor is returned.

    Returns:
        The shape and dtype of x.

    Derivative: twice; at 0 it is negative_slope.
    Source: Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models"
    (2013).
    """
    return LeakyRelu.apply(x, p0=negative_slope)


@method
def prelu(x: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, else weight * x.

    Args:
        x: (), (L) or (N, C, ...), floating.
        weight: (1) or (C), the slopes below 0.

    Returns:
        The shape and dtype of x.

    Raises:
        TypeError: not floating, or of two dtypes.
        ValueError: the number of slopes is neither 1 nor C.

    Derivative: twice, in x and weight; at 0 it is weight.
    Source: He et al., "Delving deep into rectifiers" (2015), equation 1.
    """
    channels = x.shape[1] if x.ndim > 1 else 1
    if weight.ndim > 1 or weight.numel() not in (1, channels):
        raise ValueError(
            f"prelu: weight has shape {weight.shape}, expected (1,) or ({channels},) (x={x.shape})"
        )
    if not (x.dtype.is_floating and weight.dtype is x.dtype):
        raise TypeError(
            f"prelu: expected floating x and weight of one dtype, got {x.dtype.name} and "
            f"{weight.dtype.name}"
        )
    one = weight.numel() == 1 or x.ndim < 2
    return Prelu.apply(x, reshape(weight, () if one else (channels, *(1,) * (x.ndim - 2))))


def hardtanh(
    x: Tensor, min_val: Scalar = -1.0, max_val: Scalar = 1.0, inplace: bool = False
) -> Tensor:
    """x limited to [min_val, max_val].

    Args:
        x: any shape, floating or integer.
        min_val: lower limit, truncated where x is an integer.
        max_val: upper limit, likewise.
        inplace: accepted and ignored; a new tensor is returned.

    Returns:
        The shape and dtype of x.

    Raises:
        TypeError: x is bool, or cannot hold a limit (uint8 has no -1).
        ValueError: min_val > max_val.

    Derivative: twice; 1 between the limits, 0 elsewhere.
    Source: Collobert, "Large scale machine learning" (2004), section 5.3.
    """
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val {min_val} is greater than max_val {max_val}")
    if x.dtype.is_floating:
        return Hardtanh.apply(x, p0=min_val, p1=max_val)
    check_dtype("hardtanh", x.dtype, NUMBERS)
    return clip(x, whole("hardtanh", min_val, x.dtype), whole("hardtanh", max_val, x.dtype))


def hardsigmoid(x: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x + 3, 0), 6) / 6.

    Args:
        x: any shape, floating.
        inplace: accepted and ignored; a new tensor is returned.

    Returns:
        The shape and dtype of x.

    Derivative: twice; at both ends it is 0.
    Source: Howard et al., "Searching for MobileNetV3" (2019), section 5.2.
    """
    return Hardsigmoid.apply(x)


def hardswish(x: Tensor, inplace: bool = False) -> Tensor:
    """x * min(max(x + 3, 0), 6) / 6.

    Args:
        x: any shape, floating.
        inplace: accepted and ignored; a new tensor is returned.

    Returns:
        The shape and dtype of x.

    Derivative: twice.
    Source: Howard et al., "Searching for MobileNetV3" (2019), section 5.2.
    """
    return Hardswish.apply(x)


@method
def hardshrink(x: Tensor, lambd: float = 0.5) -> Tensor:
    """x where |x| > lambd, else 0.

    Args:
        x: any shape, floating.
        lambd: half the width of the gap; a negative one is none.

    Returns:
        The shape and dtype of x.

    Derivative: twice; at both ends it is 0.
    Source: Donoho and Johnstone, "Ideal spatial adaptation by wavelet shrinkage" (1994).
    """
    return Hardshrink.apply(x, p0=lambd)


def softshrink(x: Tensor, lambd: float = 0.5) -> Tensor:
    """x moved towards 0 by lambd, and 0 where |x| <= lambd.

    Args:
        x: any shape, floating.
        lambd: half the width of the gap, at least 0.

    Returns:
        The shape and dtype of x.

    Raises:
        ValueError: lambd is negative.

    Derivative: twice; at both ends it is 0.
    Source: Donoho, "De-noising by soft-thresholding" (1995), equation 4.
    """
    if not 0 <= lambd <= 3.4028235e38:
        raise ValueError(f"softshrink: lambd is {lambd}, expected a number from 0")
    return Softshrink.apply(x, p0=lambd)


def threshold(x: Tensor, threshold: Scalar, value: Scalar, inplace: bool = False) -> Tensor:
    """x where x > threshold, else `value`.

    Args:
        x: any shape, floating or integer.
        threshold: the limit.
        value: what stands at or below it.
        inplace: accepted and ignored; a new tensor is returned.

    Returns:
        The shape and dtype of x.

    Derivative: twice; at the limit it is 0.
    Source: torch.nn.functional.threshold.
    """
    if x.dtype.is_floating:
        return Threshold.apply(x, p0=threshold, p1=value)
    check_dtype("threshold", x.dtype, NUMBERS)
    limit = whole("threshold", threshold, x.dtype)
    return where(gt(x, limit), x, whole("threshold", value, x.dtype))


def step(x: Tensor) -> Tensor:
    """1 where x > 0, else 0: the perceptron's activation.

    Args:
        x: any shape, floating.

    Returns:
        The shape and dtype of x.

    Derivative: twice; it is 0.
    Source: Rosenblatt, "The perceptron" (1958).
    """
    return Step.apply(x)
