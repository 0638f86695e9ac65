"""Initialisation: bounds and moments that the formulas promise, equal bits on every device."""

import math

import numpy as np
import pytest

import pydl
from pydl.nn import init

SHAPE = (64, 32, 5, 5)  # fan_in 800, fan_out 1600


@pytest.mark.parametrize(
    ("name", "options", "std"),
    [
        ("xavier_uniform_", {}, math.sqrt(2 / 2400)),
        ("xavier_uniform_", {"gain": 3.0}, 3 * math.sqrt(2 / 2400)),
        ("xavier_normal_", {}, math.sqrt(2 / 2400)),
        ("kaiming_uniform_", {}, math.sqrt(2 / 800)),
        ("kaiming_uniform_", {"a": math.sqrt(5)}, math.sqrt(1 / 3 / 800)),
        ("kaiming_uniform_", {"mode": "fan_out", "nonlinearity": "relu"}, math.sqrt(2 / 1600)),
        ("kaiming_normal_", {"nonlinearity": "linear"}, math.sqrt(1 / 800)),
        ("kaiming_normal_", {"nonlinearity": "tanh"}, 5 / 3 * math.sqrt(1 / 800)),
        ("uniform_", {"a": -2.0, "b": 3.0}, 5 / math.sqrt(12)),
        ("normal_", {"mean": 0.5, "std": 0.2}, 0.2),
    ],
)
def test_moments(device, name, options, std):
    w = pydl.empty(*SHAPE, device=device)
    memory = w.data
    assert getattr(init, name)(w, **options) is w
    assert w.data is memory
    x = w.numpy()
    mean = {"uniform_": 0.5, "normal_": 0.5}.get(name, 0.0)
    # 51,200 draws: the mean is within 4 std / sqrt(n), the deviation within 2 %.
    assert abs(x.mean() - mean) < 4 * std / math.sqrt(x.size)
    assert x.std() == pytest.approx(std, rel=0.02)
    if "uniform" in name:
        bound = math.sqrt(3) * std
        assert x.min() >= np.float32(mean - bound)
        assert x.max() <= np.float32(mean + bound)
        assert x.max() - x.min() > 1.999 * bound


def test_the_same_bits_on_every_device(device):
    drawn = []
    for where in ("numpy", device):
        pydl.manual_seed(7)
        w = pydl.empty(17, 9, device=where)
        drawn.append(init.kaiming_normal_(w).numpy().tobytes())
        drawn.append(init.xavier_uniform_(w).numpy().tobytes())
    assert drawn[:2] == drawn[2:]
    assert drawn[0] != drawn[1]


def test_constants_also_where_a_gradient_is_required(device):
    w = pydl.ones(2, 2, device=device, requires_grad=True)
    y = w * w
    assert init.constant_(w, 0.25).numpy().tolist() == [[0.25, 0.25]] * 2
    assert init.zeros_(w).numpy().tolist() == [[0.0, 0.0]] * 2
    assert init.ones_(w) is w
    assert w.requires_grad
    assert w.is_leaf
    with pytest.raises(RuntimeError, match="changed in place"):
        y.sum().backward()


@pytest.mark.parametrize(
    ("arguments", "gain"),
    [
        (("linear",), 1.0),
        (("conv2d",), 1.0),
        (("sigmoid",), 1.0),
        (("tanh",), 5 / 3),
        (("relu",), math.sqrt(2)),
        (("leaky_relu",), math.sqrt(2 / 1.0001)),
        (("leaky_relu", 1.0), 1.0),
        (("selu",), 0.75),
    ],
)
def test_gain(arguments, gain):
    assert init.calculate_gain(*arguments) == pytest.approx(gain)


def test_errors():
    with pytest.raises(ValueError, match="unknown nonlinearity 'relu6'"):
        init.calculate_gain("relu6")
    w = pydl.zeros(3, device="numpy")
    with pytest.raises(ValueError, match=r"xavier_normal_: expected two dimensions.*\(3,\)"):
        init.xavier_normal_(w)
    with pytest.raises(ValueError, match='kaiming_uniform_: mode must be "fan_in" or "fan_out"'):
        init.kaiming_uniform_(w, mode="fan_avg")
