"""Convolution, transposed convolution, unfold, fold and the bilinear form."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from opcase import FLOATING, KernelCase, OpCase, Refusal, Rule, given, normal, refused

import pydl
from pydl import ops

# x, weight, stride, padding, dilation, groups
CONVOLUTIONS: tuple[tuple[Any, ...], ...] = (
    ((1, 1, 3, 3), (1, 1, 1, 1), 1, 0, 1, 1),
    ((2, 2, 4, 5), (3, 2, 3, 3), 1, 0, 1, 1),
    ((1, 2, 5, 4), (2, 2, 3, 2), (2, 1), (1, 0), 1, 1),
    ((1, 1, 7, 7), (2, 1, 3, 3), 1, 2, 2, 1),
    ((1, 4, 4, 4), (4, 2, 3, 3), 2, 1, 1, 2),
    ((2, 3, 4, 4), (3, 1, 2, 2), 1, 1, 1, 3),
    ((1, 2, 5, 5), (1, 2, 2, 2), 3, 0, 1, 1),
    ((1, 2, 4, 4), (2, 2, 3, 3), 1, "same", 1, 1),
    ((1, 2, 5, 4), (2, 2, 2, 4), 1, "same", 1, 1),
    ((0, 2, 4, 4), (3, 2, 3, 3), 1, 0, 1, 1),
    ((1, 0, 4, 4), (3, 0, 3, 3), 1, 1, 1, 1),
    ((1, 2, 4, 4), (0, 2, 3, 3), 1, 1, 1, 1),
    ((2, 0, 5), (3, 2, 2, 3), 1, (2, 0), 1, 1),
    ((2, 5, 4), (3, 2, 2, 3), (4, 3), 1, 1, 1),
    ((4, 1, 28, 28), (33, 1, 3, 3), 1, 0, 1, 1),
    ((3, 32, 26, 26), (64, 32, 3, 3), 1, 0, 1, 1),
    ((5, 17, 15, 15), (31, 17, 5, 5), 1, 2, 1, 1),
    ((2, 3, 33, 31), (16, 3, 7, 7), 2, 3, 1, 1),
    ((2, 64, 14, 14), (96, 64, 1, 1), 1, 0, 1, 1),
    ((2, 24, 17, 17), (24, 1, 3, 3), 1, 1, 1, 24),
    ((2, 16, 20, 18), (32, 4, 3, 3), (2, 1), (1, 2), (1, 2), 4),
    ((2, 3, 5, 5), (6, 1, 3, 2), 2, 1, 1, 3),
    ((1, 2, 3, 1100), (4, 1, 3, 5), (1, 2), (1, 2), 1, 2),
    ((2, 2, 300, 40), (2, 1, 3, 3), (2, 1), (1, 3), (1, 3), 2),
    ((3, 5, 17, 33), (5, 1, 4, 4), (3, 4), 2, 1, 5),
    # enough channels and pixels to add the input gradient up pixel by pixel
    ((8, 13, 7, 9), (33, 13, 3, 3), 1, 0, 1, 1),
    ((9, 50, 11, 12), (32, 50, 3, 2), (2, 1), (0, 3), (1, 2), 1),
    # enough channels and tiles for Winograd's algorithm
    ((9, 17, 8, 9), (19, 17, 3, 3), 1, 1, 1, 1),
    ((3, 33, 15, 16), (50, 33, 3, 3), 1, 0, 1, 1),
    ((5, 16, 17, 15), (35, 16, 4, 4), 2, 1, 1, 1),
    ((3, 18, 12, 13), (16, 18, 2, 2), 1, 0, 1, 1),
    ((8, 16, 13, 14), (17, 16, 6, 6), 3, 2, 1, 1),
)

SIGNALS: tuple[tuple[Any, ...], ...] = (
    ((2, 4, 9), (6, 2, 3), 2, 1, 2, 2),
    ((3, 7), (2, 3, 3), 1, "same", 1, 1),
    ((1, 2, 6), (2, 2, 4), 1, "same", 1, 1),
    ((2, 1, 5), (1, 1, 1), 7, "valid", 1, 1),
    ((0, 2, 5), (3, 2, 3), 1, 0, 1, 1),
    ((5, 20, 331), (33, 20, 9), (3,), (4,), (2,), 1),
)

# x, weight, stride, padding, output_padding, groups, dilation
TRANSPOSED: tuple[tuple[Any, ...], ...] = (
    ((1, 1, 3, 3), (1, 1, 1, 1), 1, 0, 0, 1, 1),
    ((2, 2, 3, 2), (2, 3, 3, 2), 2, 1, 1, 1, 1),
    ((4, 3, 2), (4, 1, 2, 3), (3, 1), (0, 1), (2, 0), 2, (1, 2)),
    ((1, 2, 3, 3), (2, 2, 2, 2), 1, 1, (1, 2), 1, (2, 3)),
    ((2, 3, 2, 2), (3, 1, 2, 2), 4, 0, 3, 3, 1),
    ((2, 3, 1, 1), (3, 2, 4, 3), 1, 0, 0, 1, 1),
    ((0, 2, 3, 3), (2, 3, 3, 3), 2, 1, 1, 1, 1),
    ((1, 0, 2, 2), (0, 2, 3, 3), 2, 1, 1, 1, 1),
    ((3, 64, 7, 7), (64, 33, 4, 4), 2, 1, 0, 1, 1),
    ((2, 24, 9, 11), (24, 1, 3, 3), 2, 1, 1, 24, 1),
    ((9, 17, 7, 9), (17, 36, 4, 4), 2, 1, 0, 1, 1),
    ((8, 35, 4, 5), (35, 19, 3, 5), (3, 2), (1, 2), (2, 1), 1, 1),
    ((5, 20, 13, 11), (20, 16, 3, 3), 1, 1, 0, 1, 1),
)
TRANSPOSED_SIGNALS: tuple[tuple[Any, ...], ...] = (
    ((2, 4, 5), (4, 3, 3), 2, 1, 1, 2, 2),
    ((2, 4), (2, 3, 3), 3, 0, 2, 1, 1),
    ((1, 1, 1), (1, 1, 1), 1, 0, 0, 1, 1),
    ((2, 33, 101), (33, 17, 6), (2,), (2,), (1,), 1, (1,)),
)


def transposed(name: str, cases: tuple[tuple[Any, ...], ...]) -> Iterable[OpCase]:
    for x, w, stride, padding, output_padding, groups, dilation in cases:
        how = f"{x}, {w}, {stride}, {padding}, {output_padding}, {groups}, {dilation}"
        call = given(
            lambda x, w, *b, **window: getattr(ops, name)(x, w, *b or [None], **window),
            stride=stride, padding=padding, output_padding=output_padding, groups=groups,
            dilation=dilation,
        )  # fmt: skip
        k = w[0] // groups * math.prod(w[2:]) + 1
        inputs = (normal(*x), normal(*w), normal(w[1] * groups))
        y = call(*(pydl.zeros(shape) for shape in (x, w))).shape
        k_grad = max(math.prod(y) // max(1, w[1] * groups), w[1] * math.prod(w[2:]), 1)
        yield OpCase(f"{name}[{how}]", call, inputs[:2], k=k, k_grad=k_grad)
        yield OpCase(f"{name}[{how}, bias]", call, inputs, k=k, k_grad=k_grad)


def convolutions() -> Iterable[OpCase]:
    both = [(ops.conv2d, case) for case in CONVOLUTIONS] + [(ops.conv1d, case) for case in SIGNALS]
    for fn, (x, w, stride, padding, dilation, groups) in both:
        name = fn.__name__
        how = f"{x}, {w}, {stride}, {padding}, {dilation}, {groups}"
        window = {"stride": stride, "padding": padding, "dilation": dilation}
        call = given(fn, groups=groups, **window)
        taps = math.prod(w[2:])
        k_grad = max(math.prod(x) // max(1, w[1] * groups), w[0] // groups * taps, 1)
        inputs = (normal(*x), normal(*w), normal(w[0]))
        k = math.prod(w[1:]) + 1  # and the bias
        yield OpCase(f"{name}[{how}]", call, inputs[:2], k=k, k_grad=k_grad)
        yield OpCase(f"{name}[{how}, bias]", call, inputs, k=k, k_grad=k_grad)
    for x, kernel, stride, padding, dilation in (
        ((2, 2, 4, 5), (3, 2), 1, 0, 1),
        ((1, 2, 5, 5), 3, 2, 1, 1),
        ((1, 1, 6, 7), (2, 3), (2, 1), (0, 2), (2, 1)),
        ((2, 5, 4), (2, 3), 1, 0, (2, 1)),
        ((0, 2, 5, 4), 2, 1, 0, 1),
        ((3, 17, 30, 31), 3, 1, 1, 1),
    ):
        how = f"{x}, {kernel}, {stride}, {padding}, {dilation}"
        o = (kernel, dilation, padding, stride)
        taps = kernel**2 if isinstance(kernel, int) else math.prod(kernel)
        yield OpCase(f"unfold[{how}]", given(ops.unfold, *o), (normal(*x),), k_grad=taps)
        col = ops.unfold(pydl.zeros(x), *o).shape
        yield OpCase(f"fold[{how}]", given(ops.fold, x[-2:], *o), (normal(*col),), k=taps)


def bilinears() -> Iterable[OpCase]:
    for lead, o, i, j in (((), 2, 3, 2), ((4,), 3, 1, 5), ((2, 3), 2, 2, 3), ((0,), 2, 3, 2)):
        inputs = (normal(*lead, i), normal(*lead, j), normal(o, i, j), normal(o))
        rows = math.prod(lead)
        for n, more in ((3, ""), (4, ", bias")):
            k = i * j + 1
            name = f"bilinear[{lead}, {o}, {i}, {j}{more}]"
            yield OpCase(name, ops.bilinear, inputs[:n], k=k, k_grad=max(rows, o * max(i, j)))
    inputs = (normal(33, 17), normal(33, 20), normal(9, 17, 20))
    yield OpCase("bilinear[large]", ops.bilinear, inputs, k=340, k_grad=180)


def kernels() -> Iterable[KernelCase]:
    yield KernelCase(
        "conv2d[relu]",
        {"x": normal(2, 3, 9, 9), "w": normal(5, 3, 3, 3), "bias": normal(5),
         "y": normal(2, 5, 9, 9)},
        {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1, "relu": True},
        k=27,
    )  # fmt: skip
    yield KernelCase(
        "conv2d[relu, depthwise]",
        {"x": normal(2, 3, 9, 9), "w": normal(6, 1, 3, 3), "bias": normal(6),
         "y": normal(2, 6, 9, 9)},
        {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 3, "relu": True},
        k=9,
    )  # fmt: skip


CASES: tuple[OpCase, ...] = (
    *convolutions(),
    *bilinears(),
    *transposed("conv_transpose2d", TRANSPOSED),
    *transposed("conv_transpose1d", TRANSPOSED_SIGNALS),
)


DTYPES: dict[str, Rule] = dict.fromkeys(
    ("bilinear", "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "fold", "unfold"),
    FLOATING,
)


KERNELS: tuple[KernelCase, ...] = tuple(kernels())


ERRORS: tuple[Refusal, ...] = (
    refused("bilinear", ops.bilinear, (3, 2), (4, 2), (1, 2, 2),
            message="^bilinear: x1 and x2 differ before their last dimension"),
    refused("bilinear", ops.bilinear, (3, 2), (3, 3), (1, 2, 2),
            message=r"^bilinear: weight is \(O, I, J\)"),
    refused("bilinear", ops.bilinear, (3, 2), (3, 2), (1, 2, 2), (2,),
            message=r"^bilinear: bias \(2,\) does not fit weight"),
    refused("conv2d", ops.conv2d, (8, 1, 28, 28), (16, 3, 3, 3), message=(
        r"^conv2d: weight has C=3, input has C=1 \(x=\(8, 1, 28, 28\), w=\(16, 3, 3, 3\)\)")),
    refused("conv2d", ops.conv2d, (28, 28), (16, 3, 3, 3),
            message=r"^conv2d: x is \(N, C, H, W\) or \(C, H, W\) and weight"),
    refused("conv2d", ops.conv2d, (1, 1, 4, 4), (1, 1, 0, 3),
            message="^conv2d: the window of the weight is empty"),
    refused("conv2d", lambda x, w: ops.conv2d(x, w, padding=-1), (1, 1, 4, 4), (1, 1, 3, 3),
            message="^conv2d: padding is an int or a pair of at least 0, got -1"),
    refused("conv2d", lambda x, w: ops.conv2d(x, w, stride=1.5), (1, 1, 4, 4), (1, 1, 3, 3),
            message="^conv2d: stride is an int or a pair of at least 1, got 1.5"),
    Refusal("conv2d", lambda d: ops.conv2d(*(ops.zeros(1, 1, 3, 3, dtype=t, device=d)
                                             for t in (pydl.float32, pydl.int64))),
            TypeError, r"^conv2d: expected floating tensors \(float32\), got int64"),
    refused("conv1d", ops.conv1d, (2, 1, 1, 5), (1, 1, 3), message=r"^conv1d: x is \(N, C, L\) or"),
    refused("conv1d", lambda x, w: ops.conv1d(x, w, stride=(1, 1)), (1, 1, 4), (1, 1, 3),
            message=r"^conv1d: stride is an int of at least 1, got \(1, 1\)"),
    refused("conv1d", lambda x, w: ops.conv1d(x, w, None, 2, "same"), (1, 1, 4), (1, 1, 3),
            message="^conv1d: padding 'same' needs stride 1, got 2"),
    refused("conv1d", ops.conv1d, (1, 1, 2), (1, 1, 3),
            message="^conv1d: a window of 3 is larger than the padded input of 2"),
    refused("conv_transpose1d", ops.conv_transpose1d, (1, 2, 4), (3, 2, 3),
            message="^conv_transpose1d: weight has C=3, input has C=2"),
    refused("conv_transpose2d", ops.conv_transpose2d, (1, 4), (3, 2, 3, 3),
            message=r"^conv_transpose2d: x is \(N, C, H, W\) or \(C, H, W\) and weight"),
    refused("conv_transpose2d", lambda x, w: ops.conv_transpose2d(x, w, groups=2), (1, 3, 4, 4),
            (3, 1, 3, 3), message="^conv_transpose2d: groups=2 does not divide C"),
    refused("conv_transpose2d", lambda x, w: ops.conv_transpose2d(x, w, output_padding=1),
            (1, 1, 4, 4), (1, 1, 3, 3), message=(
                r"^conv_transpose2d: output_padding \(1, 1\) must be smaller than stride")),
    refused("conv_transpose2d", ops.conv_transpose2d, (1, 1, 4, 4), (1, 2, 3, 3), (1,),
            message=r"^conv_transpose2d: bias \(1,\) does not fit O=2"),
    refused("conv_transpose2d", lambda x, w: ops.conv_transpose2d(x, w, padding=2), (1, 1, 1, 1),
            (1, 1, 3, 3), message=r"^conv_transpose2d: an input of \(1, 1\) gives an output of"),
    refused("conv_transpose2d", ops.conv_transpose2d, (1, 1, 0, 4), (1, 1, 3, 3),
            message=r"^conv_transpose2d: an input of \(0, 4\) gives"),
    refused("conv_transpose2d", lambda x, w: ops.conv_transpose2d(x, w, padding=-1), (1, 1, 4, 4),
            (1, 1, 3, 3), message="^conv_transpose2d: padding is an int or a pair of at least 0"),
    refused("conv2d", ops.conv2d, (1, 1, 2, 2), (1, 1, 3, 3),
            message="^conv2d: a window of 3 is larger than the padded input of 2"),
    refused("conv2d", lambda x, w: ops.conv2d(x, w, groups=2), (1, 3, 4, 4), (2, 1, 3, 3),
            message="^conv2d: groups=2 does not divide C and O"),
    refused("conv2d", lambda x, w: ops.conv2d(x, w, stride=0), (1, 1, 4, 4), (1, 1, 3, 3),
            message="^conv2d: stride is an int or a pair of at least 1, got 0"),
    refused("conv2d", lambda x, w: ops.conv2d(x, w, padding="some"), (1, 1, 4, 4), (1, 1, 3, 3),
            message="^conv2d: padding 'some': choose 'valid', 'same' or numbers"),
    refused("conv2d", lambda x, w: ops.conv2d(x, w, None, 2, "same"), (1, 1, 4, 4), (1, 1, 3, 3),
            message="^conv2d: padding 'same' needs stride 1"),
    refused("conv2d", ops.conv2d, (1, 1, 4, 4), (2, 1, 3, 3), (3,),
            message=r"^conv2d: bias \(3,\) does not fit weight \(2, 1, 3, 3\)"),
    refused("unfold", lambda x: ops.unfold(x, 2), (3, 4), message=r"^unfold: x is \(N, C, H, W\)"),
    refused("unfold", lambda x: ops.unfold(x, 5), (1, 1, 3, 4),
            message="^unfold: a window of 5 is larger than the padded input of 3"),
    refused("fold", lambda x: ops.fold(x, 4, 2), (1, 4, 8),
            message=r"^fold: x is \(N, C\*KH\*KW, OH\*OW\) or without N, with KH\*KW=4"),
)  # fmt: skip
