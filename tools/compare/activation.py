"""Calls of activations, softmax and dropout."""

from __future__ import annotations

from typing import Any

from .elementwise import both
from .engine import op
from .values import NUMBERS, Call, Draw, Dt

FLOATS = (*["float32"] * 9, "int64")
OPTIONS: dict[str, dict[str, list[Any]]] = {
    "relu": {},
    "relu6": {},
    "silu": {},
    "mish": {},
    "hardsigmoid": {},
    "hardswish": {},
    "softsign": {},
    "logsigmoid": {},
    "tanhshrink": {},
    "sigmoid": {},
    "tanh": {},
    "selu": {},
    "leaky_relu": {"negative_slope": [0.01, 0.2, 0.0, -0.5, 2]},
    "elu": {"alpha": [1.0, 0.5, 2.0]},
    "celu": {"alpha": [1.0, 0.5, 2.0, -1.0, 0.0]},
    "gelu": {"approximate": ["none", "tanh", "erf"]},
    "hardtanh": {"min_val": [-1.0, -2, 0.5], "max_val": [1.0, 3, 0.5, -3.0]},
    "softplus": {"beta": [1, 2.0, 0.5], "threshold": [20, 1.0, 5]},
    "softshrink": {"lambd": [0.5, 0.0, 1.0, -1.0]},
    "hardshrink": {"lambd": [0.5, 0.0, 1.0, -1.0]},
}


@op(*("F." + n for n in OPTIONS))
def activation(d: Draw, name: str) -> Call:
    """Any shape; the options of each function."""
    options = d.options(0.6, **OPTIONS[name.removeprefix("F.")])
    if d.chance(0.1) and name in ("F.relu", "F.elu", "F.silu", "F.leaky_relu"):
        options["inplace"] = False
    return Call((d.tensor(None, FLOATS),), options, k=4, pointwise=True)


@op("F.threshold")
def threshold(d: Draw, name: str) -> Call:
    """threshold and value are required."""
    x = d.tensor(None, (*["float32"] * 5, *NUMBERS))
    return Call((x, d.pick(0, 0.5, -1.0), d.pick(0, 20, -3.5)), pointwise=True)


@op("F.glu")
def glu(d: Draw, name: str) -> Call:
    """An even dimension."""
    shape = list(d.shape(1, 4))
    dim = d.dim(len(shape))
    if -len(shape) <= dim < len(shape) and d.chance(0.9):
        shape[dim] *= 2
    x = d.tensor(tuple(shape))
    return Call((x, dim)) if d.chance(0.7) else Call((x,))


@op("F.prelu", "prelu", "Tensor.prelu")
def prelu(d: Draw, name: str) -> Call:
    """One weight, or one a channel."""
    x = d.tensor(d.shape(0 if d.chance(0.1) else 1, 4))
    channels = x.shape[1] if len(x.shape) > 1 else 1
    weight = d.tensor((d.pick(1, channels, channels if d.chance(0.9) else channels + 1),))
    return Call((x, weight), k=int(x.array.size) + 1)


@op("F.softmax", "F.log_softmax", "F.softmin", *both("softmax", "log_softmax"))
def softmax(d: Draw, name: str) -> Call:
    """dim; dtype; NaN and Inf in the row."""
    x = d.tensor(None, FLOATS, d.pick(None, "plain", "plain", "nonfinite", "special"))
    kwargs = d.options(0.15, dtype=[Dt("float32"), None])
    return Call((x,), {"dim": d.dim(len(x.shape)), **kwargs}, k=32)


DROPOUTS = ("dropout", "dropout1d", "dropout2d", "alpha_dropout", "feature_alpha_dropout")


@op(*("F." + n for n in DROPOUTS))
def dropout(d: Draw, name: str) -> Call:
    """Where nothing is random: p = 0, p = 1, not training; p outside [0, 1] raises."""
    shape = d.shape(*((3, 4) if name in ("F.dropout2d",) else (2, 3) if "1d" in name else (0, 4)))
    x = d.tensor(shape, ("float32",), "plain")
    p, training = d.pick(
        (0.0, True), (0.5, False), (1.0, True), (0.3, False), (1.5, True), (-0.1, False)
    )
    return Call((x,), {"p": p, "training": training})
