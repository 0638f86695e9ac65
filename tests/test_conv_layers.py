"""The layers of pydl/nn/conv.py and Bilinear: shapes, borders, keys, repr, messages."""

import math

import numpy as np
import pytest

import pydl
import pydl.nn as nn
import pydl.nn.functional as F


def drawn(device, *shape):
    return pydl.tensor(np.random.default_rng(0).standard_normal(shape), device=device)


@pytest.mark.parametrize(
    ("make", "shape", "out"),
    [
        (lambda d: nn.Conv1d(4, 6, 3, 2, 1, 2, 2, device=d), (3, 4, 9), (3, 6, 4)),
        (lambda d: nn.Conv1d(4, 6, (4,), padding="same", device=d), (4, 9), (6, 9)),
        (lambda d: nn.Conv1d(4, 6, 3, padding=2, padding_mode="reflect", device=d),)
        + ((4, 9), (6, 11)),
        (lambda d: nn.Conv2d(4, 6, 3, device=d), (4, 9, 8), (6, 7, 6)),
        (lambda d: nn.Conv2d(4, 6, (3, 4), padding="same", padding_mode="circular", device=d),)
        + ((2, 4, 9, 7), (2, 6, 9, 7)),
        (lambda d: nn.ConvTranspose1d(4, 6, 3, 2, 1, 1, device=d), (2, 4, 5), (2, 6, 10)),
        (lambda d: nn.ConvTranspose2d(4, 6, (4, 3), 2, 1, (0, 1), 2, device=d),)
        + ((2, 4, 5, 7), (2, 6, 10, 14)),
        (lambda d: nn.ConvTranspose2d(4, 6, 3, 2, dilation=2, device=d), (4, 5, 7), (6, 13, 17)),
        (lambda d: nn.Unfold(3, padding=1), (2, 3, 5, 4), (2, 27, 20)),
        (lambda d: nn.Fold((5, 4), 3, padding=1), (27, 20), (3, 5, 4)),
    ],
)
def test_shapes(device, make, shape, out):
    assert make(device)(drawn(device, *shape)).shape == out


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding", [(1, 2), "same"])
def test_padding_mode_is_a_pad_before(device, mode, padding):
    layer = nn.Conv2d(2, 3, (3, 4), padding=padding, padding_mode=mode, device=device)
    x = drawn(device, 2, 2, 6, 7)
    border = (1, 2, 1, 1) if padding == "same" else (2, 2, 1, 1)
    expected = F.conv2d(F.pad(x, border, mode=mode), layer.weight, layer.bias)
    np.testing.assert_array_equal(layer(x).numpy(), expected.numpy())


def test_output_size_chooses_what_the_stride_leaves_open(device):
    layer = nn.ConvTranspose2d(2, 3, 3, stride=(2, 3), padding=1, device=device)
    for size in ((7, 10), (8, 11), (2, 3, 7, 12)):
        y = layer(drawn(device, 2, 2, 4, 4), output_size=size)
        assert y.shape == (2, 3, *size[-2:])
    for size in ((9, 10), (7, 9)):
        with pytest.raises(ValueError, match=r"is not within \[7, 10\] and \[8, 12\]"):
            layer(drawn(device, 2, 2, 4, 4), output_size=size)
    with pytest.raises(ValueError, match="output_size has 2 or 4 numbers"):
        layer(drawn(device, 2, 2, 4, 4), output_size=(7,))


@pytest.mark.parametrize(
    ("make", "weight", "bias", "fan_in"),
    [
        (lambda d: nn.Conv1d(16, 32, 5, groups=2, device=d), (32, 8, 5), (32,), 40),
        (lambda d: nn.ConvTranspose1d(16, 32, 5, groups=2, device=d), (16, 16, 5), (32,), 80),
        (lambda d: nn.ConvTranspose2d(8, 24, (3, 2), device=d), (8, 24, 3, 2), (24,), 144),
        (lambda d: nn.Bilinear(9, 30, 40, device=d), (40, 9, 30), (40,), 9),
    ],
)
def test_initialisation(device, make, weight, bias, fan_in):
    layer = make(device)
    assert {k: v.shape for k, v in layer.state_dict().items()} == {"weight": weight, "bias": bias}
    for p in layer.parameters():
        assert 0.7 < np.abs(p.numpy()).max() * math.sqrt(fan_in) <= 1 + 1e-6


def test_bilinear_is_two_products(device):
    layer = nn.Bilinear(3, 4, 2, device=device)
    a, b = drawn(device, 5, 3), drawn(device, 5, 4)
    w = layer.weight.numpy()
    expected = np.einsum("bi,oij,bj->bo", a.numpy(), w, b.numpy()) + layer.bias.numpy()
    np.testing.assert_allclose(layer(a, b).numpy(), expected, rtol=1e-5, atol=1e-6)
    assert list(nn.Bilinear(3, 4, 2, bias=False, device=device).state_dict()) == ["weight"]


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (
            nn.Conv1d(4, 6, 3, 2, "valid", 2, 2, False, "reflect"),
            "Conv1d(4, 6, kernel_size=(3,), stride=(2,), padding=valid, dilation=(2,), groups=2, "
            "bias=False, padding_mode=reflect)",
        ),
        (
            nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, 2, False, 2),
            "ConvTranspose2d(4, 6, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), "
            "dilation=(2, 2), output_padding=(1, 1), groups=2, bias=False)",
        ),
        (nn.Unfold(3), "Unfold(kernel_size=3, dilation=1, padding=0, stride=1)"),
        (
            nn.Fold(4, (2, 2)),
            "Fold(output_size=4, kernel_size=(2, 2), dilation=1, padding=0, stride=1)",
        ),
        (
            nn.Bilinear(2, 3, 4, False),
            "Bilinear(in1_features=2, in2_features=3, out_features=4, bias=False)",
        ),
    ],
)
def test_repr(layer, text):
    assert repr(layer) == text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Conv1d(4, 6, (3, 3)), "Conv1d: kernel_size is an int of at least 1"),
        (lambda: nn.ConvTranspose1d(4, 6, 3, groups=4), "ConvTranspose1d: groups=4 must divide"),
        (
            lambda: nn.ConvTranspose2d(4, 6, 3, padding_mode="reflect"),
            "ConvTranspose2d: padding_mode must be one of zeros, got 'reflect'",
        ),
        (lambda: nn.ConvTranspose2d(4, 6, 3, padding="same"), "padding must be numbers"),
        (lambda: nn.Bilinear(0, 3, 4), "Bilinear: in1_features must be at least 1"),
    ],
)
def test_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(("channels", "size"), [((3, 5), 6), ((64, 32), 4), ((32, 1), 14)])
def test_transposed_four_by_four_makes_no_checkerboard(device, channels, size):
    """Stride 2: each output pixel inside gets exactly 2x2 taps, so flat stays flat."""
    taps = np.ones((*channels, 4, 4), np.float32)
    x = pydl.ones(2, channels[0], size, size, device=device)
    y = F.conv_transpose2d(x, pydl.tensor(taps, device=device), stride=2, padding=1).numpy()
    assert y.shape == (2, channels[1], 2 * size, 2 * size)
    inside = y[:, :, 1:-1, 1:-1]
    np.testing.assert_array_equal(inside, 4.0 * channels[0])
    np.testing.assert_array_equal(y[:, :, 0, 1:-1], 2.0 * channels[0])
    np.testing.assert_array_equal(y[:, :, 0, 0], channels[0])
