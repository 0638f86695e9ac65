"""Layers of padding, pooling and resampling: the functions they stand for, and how they print."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pydl
from pydl import Tensor, nn
from pydl.nn import functional as F

IMAGES, SIGNALS = (2, 3, 7, 6), (2, 3, 7)

Layer = tuple[nn.Module, tuple[int, ...], Callable[[Tensor], Any], str]

LAYERS: tuple[Layer, ...] = (
    (nn.ConstantPad1d(2, 3.5), SIGNALS, lambda x: F.pad(x, (2, 2), value=3.5),
     "ConstantPad1d(padding=(2, 2), value=3.5)"),
    (nn.ConstantPad2d((1, 2, 0, -1), 3.5), IMAGES, lambda x: F.pad(x, (1, 2, 0, -1), value=3.5),
     "ConstantPad2d(padding=(1, 2, 0, -1), value=3.5)"),
    (nn.ZeroPad1d((1, 2)), SIGNALS, lambda x: F.pad(x, (1, 2)), "ZeroPad1d((1, 2))"),
    (nn.ZeroPad2d(1), IMAGES, lambda x: F.pad(x, (1, 1, 1, 1)), "ZeroPad2d((1, 1, 1, 1))"),
    (nn.ReflectionPad1d(2), SIGNALS, lambda x: F.pad(x, (2, 2), "reflect"),
     "ReflectionPad1d((2, 2))"),
    (nn.ReflectionPad2d((1, 2, 3, 0)), IMAGES, lambda x: F.pad(x, (1, 2, 3, 0), "reflect"),
     "ReflectionPad2d((1, 2, 3, 0))"),
    (nn.ReplicationPad1d((0, 9)), SIGNALS, lambda x: F.pad(x, (0, 9), "replicate"),
     "ReplicationPad1d((0, 9))"),
    (nn.ReplicationPad2d(1), IMAGES, lambda x: F.pad(x, (1, 1, 1, 1), "replicate"),
     "ReplicationPad2d((1, 1, 1, 1))"),
    (nn.CircularPad1d((1, 3)), SIGNALS, lambda x: F.pad(x, (1, 3), "circular"),
     "CircularPad1d((1, 3))"),
    (nn.CircularPad2d(2), IMAGES, lambda x: F.pad(x, (2, 2, 2, 2), "circular"),
     "CircularPad2d((2, 2, 2, 2))"),
)  # fmt: skip


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: str(layer[0]))
def test_a_layer_is_its_function(layer: Layer) -> None:
    module, shape, function, text = layer
    x = pydl.tensor(np.random.default_rng(0).normal(size=shape))
    got, want = module(x), function(x)
    got, want = (t if isinstance(t, tuple) else (t,) for t in (got, want))
    for g, w in zip(got, want, strict=True):
        np.testing.assert_array_equal(g.numpy(), w.numpy())
    assert repr(module) == text
    assert list(module.state_dict()) == []


def test_a_padding_has_a_number_for_each_side() -> None:
    with pytest.raises(ValueError, match=r"^ZeroPad2d: padding is an int or 4 of them, got "):
        nn.ZeroPad2d((1, 2))
