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
    (nn.MaxPool1d(3, 2, 1), SIGNALS, lambda x: F.max_pool1d(x, 3, 2, 1),
     "MaxPool1d(kernel_size=3, stride=2, padding=1, dilation=1, ceil_mode=False)"),
    (nn.MaxPool2d(2, return_indices=True), IMAGES,
     lambda x: F.max_pool2d(x, 2, return_indices=True),
     "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"),
    (nn.MaxPool2d(2, (1, 2), 1, 2, False, True), IMAGES,
     lambda x: F.max_pool2d(x, 2, (1, 2), 1, 2, True),
     "MaxPool2d(kernel_size=2, stride=(1, 2), padding=1, dilation=2, ceil_mode=True)"),
    (nn.AvgPool1d(3, 2, 1, True, False), SIGNALS, lambda x: F.avg_pool1d(x, 3, 2, 1, True, False),
     "AvgPool1d(kernel_size=(3,), stride=(2,), padding=(1,))"),
    (nn.AvgPool2d((2, 3), divisor_override=5), IMAGES,
     lambda x: F.avg_pool2d(x, (2, 3), divisor_override=5),
     "AvgPool2d(kernel_size=(2, 3), stride=(2, 3), padding=0)"),
    (nn.LPPool1d(2, 3), SIGNALS, lambda x: F.lp_pool1d(x, 2, 3),
     "LPPool1d(norm_type=2, kernel_size=3, stride=None, ceil_mode=False)"),
    (nn.LPPool2d(2.0, (2, 3), 1, True), IMAGES, lambda x: F.lp_pool2d(x, 2.0, (2, 3), 1, True),
     "LPPool2d(norm_type=2.0, kernel_size=(2, 3), stride=1, ceil_mode=True)"),
    (nn.AdaptiveAvgPool1d(3), SIGNALS, lambda x: F.adaptive_avg_pool1d(x, 3),
     "AdaptiveAvgPool1d(output_size=3)"),
    (nn.AdaptiveAvgPool2d((3, None)), IMAGES, lambda x: F.adaptive_avg_pool2d(x, (3, None)),
     "AdaptiveAvgPool2d(output_size=(3, None))"),
    (nn.AdaptiveMaxPool1d(3, True), SIGNALS,
     lambda x: F.adaptive_max_pool1d(x, 3, return_indices=True),
     "AdaptiveMaxPool1d(output_size=3)"),
    (nn.AdaptiveMaxPool2d(1), IMAGES, lambda x: F.adaptive_max_pool2d(x, 1),
     "AdaptiveMaxPool2d(output_size=1)"),
    (nn.Upsample(9), IMAGES, lambda x: F.interpolate(x, 9), "Upsample(size=9, mode='nearest')"),
    (nn.Upsample(None, (2, 1.5), "bilinear", True), IMAGES,
     lambda x: F.interpolate(x, None, (2.0, 1.5), "bilinear", True),
     "Upsample(scale_factor=(2.0, 1.5), mode='bilinear')"),
    (nn.UpsamplingNearest2d(scale_factor=2), IMAGES, lambda x: F.interpolate(x, None, 2.0),
     "UpsamplingNearest2d(scale_factor=2.0, mode='nearest')"),
    (nn.UpsamplingBilinear2d((3, 4)), IMAGES,
     lambda x: F.interpolate(x, (3, 4), mode="bilinear", align_corners=True),
     "UpsamplingBilinear2d(size=(3, 4), mode='bilinear')"),
    (nn.PixelShuffle(2), (2, 8, 3, 3), lambda x: F.pixel_shuffle(x, 2),
     "PixelShuffle(upscale_factor=2)"),
    (nn.PixelUnshuffle(3), (2, 3, 6), lambda x: F.pixel_unshuffle(x, 3),
     "PixelUnshuffle(downscale_factor=3)"),
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


def test_unpooling_goes_back_to_the_places() -> None:
    x = pydl.tensor(np.random.default_rng(0).normal(size=IMAGES))
    y, indices = nn.MaxPool2d(2, return_indices=True)(x)
    back = nn.MaxUnpool2d(2)(y, indices, output_size=x.shape)
    assert back.shape == x.shape
    np.testing.assert_array_equal(nn.MaxPool2d(2)(back).numpy(), np.maximum(y.numpy(), 0))
    y, indices = nn.MaxPool1d(2, return_indices=True)(x[0])
    assert nn.MaxUnpool1d(2)(y, indices).shape == (3, 7, 6)
    assert repr(nn.MaxUnpool1d(2)) == "MaxUnpool1d(kernel_size=(2,), stride=(2,), padding=(0,))"
    unpool = nn.MaxUnpool2d((2, 3), padding=1)
    assert repr(unpool) == "MaxUnpool2d(kernel_size=(2, 3), stride=(2, 3), padding=(1, 1))"


@pytest.mark.parametrize(
    ("module", "shape", "alike"),
    [(nn.Dropout1d(0.4), (9, 50, 6), (2,)), (nn.Dropout1d(0.4), (300, 6), (1,)),
     (nn.Dropout2d(0.4), (9, 50, 3, 4), (2, 3)), (nn.Dropout2d(0.4), (9, 50, 6), (2,))],
)  # fmt: skip
def test_channels_are_dropped_whole(
    module: nn.Module, shape: tuple[int, ...], alike: tuple[int, ...]
) -> None:
    pydl.manual_seed(3)
    x = pydl.ones(shape)
    y = module(x).numpy()
    np.testing.assert_array_equal(y, np.broadcast_to(y.max(axis=alike, keepdims=True), shape))
    assert set(np.unique(y)) == {0, np.float32(1 / 0.6)}
    assert 0.5 < (y > 0).mean() < 0.7
    assert module.eval()(x) is x
    module.train()
