"""Initial values for weights, written in place into existing tensors; PyTorch's names.

The random ones go on in the stream of `pydl.manual_seed`, and give the same bits on every device.
"""

from __future__ import annotations

import math

from ..random import state
from ..tensor import Tensor

_LINEAR = ("linear", "conv1d", "conv2d", "conv3d", "sigmoid")


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """How much larger the weights before a nonlinearity must be, for it to keep the variance.

    Args:
        nonlinearity: "linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu" or "selu".
        param: The negative slope of leaky_relu (0.01 unless given).

    Raises:
        ValueError: another name.
    """
    if nonlinearity in _LINEAR:
        return 1.0
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(f"calculate_gain: unknown nonlinearity {nonlinearity!r}")


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """Fills with random numbers from [a, b).

    Args:
        tensor: Overwritten in place, also where it requires a gradient.
        a: Lower end.
        b: Upper end.

    Returns:
        The tensor.
    """
    tensor.device.kernels.rand(tensor.data, state(tensor.device), a, b)
    tensor.mark_changed()
    return tensor


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Fills with normally distributed random numbers.

    Args:
        tensor: Overwritten in place, also where it requires a gradient.
        mean: Their mean.
        std: Their standard deviation.

    Returns:
        The tensor.
    """
    tensor.device.kernels.randn(tensor.data, state(tensor.device), mean, std)
    tensor.mark_changed()
    return tensor


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fills with one value, in place."""
    tensor.detach().fill_(val)
    return tensor


def zeros_(tensor: Tensor) -> Tensor:
    """Fills with 0, in place."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Fills with 1, in place."""
    return constant_(tensor, 1.0)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Fills from U(-r, r), r = gain * sqrt(6 / (fan_in + fan_out)), in place.

    Args:
        tensor: Weights (out, in, ...), two dimensions at least.
        gain: See `calculate_gain`.

    Source: Glorot and Bengio, Understanding the difficulty of training deep feedforward neural
    networks (2010), eq. 16.
    """
    bound = gain * math.sqrt(6.0 / sum(_fans("xavier_uniform_", tensor)))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Fills from N(0, std), std = gain * sqrt(2 / (fan_in + fan_out)), in place.

    Args:
        tensor: Weights (out, in, ...), two dimensions at least.
        gain: See `calculate_gain`.

    Source: Glorot and Bengio (2010), eq. 12.
    """
    std = gain * math.sqrt(2.0 / sum(_fans("xavier_normal_", tensor)))
    return normal_(tensor, 0.0, std)


def kaiming_uniform_(
    tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """Fills from U(-r, r), r = gain * sqrt(3 / fan), in place.

    Args:
        tensor: Weights (out, in, ...), two dimensions at least.
        a: Negative slope of the leaky_relu that follows.
        mode: "fan_in" keeps the variance going forward, "fan_out" going back.
        nonlinearity: See `calculate_gain`.

    Source: He et al., Delving Deep into Rectifiers (2015), eq. 10 and 14.
    """
    std = _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(
    tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    """Fills from N(0, std), std = gain / sqrt(fan), in place.

    Args:
        tensor: Weights (out, in, ...), two dimensions at least.
        a: Negative slope of the leaky_relu that follows.
        mode: "fan_in" keeps the variance going forward, "fan_out" going back.
        nonlinearity: See `calculate_gain`.

    Source: He et al. (2015), eq. 10 and 14.
    """
    return normal_(tensor, 0.0, _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity))


def _kaiming_std(name: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f'{name}: mode must be "fan_in" or "fan_out", got {mode!r}')
    fan = _fans(name, tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(1, fan))


def _fans(name: str, tensor: Tensor) -> tuple[int, int]:
    """fan_in, fan_out: how many weights meet in an output, and leave an input."""
    if tensor.ndim < 2:
        raise ValueError(f"{name}: expected two dimensions at least, got shape {tensor.shape}")
    window = math.prod(tensor.shape[2:])
    return tensor.shape[1] * window, tensor.shape[0] * window
