"""Convolution, unfold and fold."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from opcase import KernelCase, OpCase, Refusal, given, normal, refused

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
    ((4, 1, 28, 28), (33, 1, 3, 3), 1, 0, 1, 1),
    ((3, 32, 26, 26), (64, 32, 3, 3), 1, 0, 1, 1),
    ((5, 17, 15, 15), (31, 17, 5, 5), 1, 2, 1, 1),
    ((2, 3, 33, 31), (16, 3, 7, 7), 2, 3, 1, 1),
    ((2, 64, 14, 14), (96, 64, 1, 1), 1, 0, 1, 1),
    ((2, 24, 17, 17), (24, 1, 3, 3), 1, 1, 1, 24),
    ((2, 16, 20, 18), (32, 4, 3, 3), (2, 1), (1, 2), (1, 2), 4),
)


def convolutions() -> Iterable[OpCase]:
    for x, w, stride, padding, dilation, groups in CONVOLUTIONS:
        how = f"{x}, {w}, {stride}, {padding}, {dilation}, {groups}"
        window = {"stride": stride, "padding": padding, "dilation": dilation}
        call = given(ops.conv2d, groups=groups, **window)
        taps = math.prod(w[2:])
        k_grad = max(x[0] * x[2] * x[3], w[0] // groups * taps, 1)
        inputs = (normal(*x), normal(*w), normal(w[0]))
        k = math.prod(w[1:]) + 1  # and the bias
        yield OpCase(f"conv2d[{how}]", call, inputs[:2], k=k, k_grad=k_grad)
        yield OpCase(f"conv2d[{how}, bias]", call, inputs, k=k, k_grad=k_grad)
    for x, kernel, stride, padding, dilation in (
        ((2, 2, 4, 5), (3, 2), 1, 0, 1),
        ((1, 2, 5, 5), 3, 2, 1, 1),
        ((1, 1, 6, 7), (2, 3), (2, 1), (0, 2), (2, 1)),
        ((3, 17, 30, 31), 3, 1, 1, 1),
    ):
        how = f"{x}, {kernel}, {stride}, {padding}, {dilation}"
        o = (kernel, dilation, padding, stride)
        taps = kernel**2 if isinstance(kernel, int) else math.prod(kernel)
        yield OpCase(f"unfold[{how}]", given(ops.unfold, *o), (normal(*x),), k_grad=taps)
        col = ops.unfold(pydl.zeros(x), *o).shape
        yield OpCase(f"fold[{how}]", given(ops.fold, x[2:], *o), (normal(*col),), k=taps)


def kernels() -> Iterable[KernelCase]:
    yield KernelCase(
        "conv2d[relu]",
        {"x": normal(2, 3, 9, 9), "w": normal(5, 3, 3, 3), "bias": normal(5),
         "y": normal(2, 5, 9, 9)},
        {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1, "relu": True},
        k=27,
    )  # fmt: skip


CASES: tuple[OpCase, ...] = (*convolutions(),)


KERNELS: tuple[KernelCase, ...] = tuple(kernels())


ERRORS: tuple[Refusal, ...] = (
    refused("conv2d", ops.conv2d, (8, 1, 28, 28), (16, 3, 3, 3), message=(
        r"^conv2d: weight has C=3, input has C=1 \(x=\(8, 1, 28, 28\), w=\(16, 3, 3, 3\)\)")),
    refused("conv2d", ops.conv2d, (1, 28, 28), (16, 3, 3, 3), message="^conv2d: x is "),
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
    refused("fold", lambda x: ops.fold(x, 4, 2), (1, 4, 8),
            message=r"^fold: x is \(N, C\*KH\*KW, OH\*OW\) with KH\*KW=4 and OH\*OW=9"),
)  # fmt: skip
