"""Convolutions that Winograd's algorithm computes stay within the bound of any other.

The shapes have enough channels and tiles for it; outputs at the border, which have few terms and so
a small bound, are where its tiles round by their neighbours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_conv_exact import Case, ratio

import pydl
import pydl.nn.functional as F

# N, C, O, K, H, W, stride, padding
SHAPES = (
    (8, 16, 16, 3, 9, 8, 1, 1),
    (2, 32, 64, 3, 26, 26, 1, 0),
    (2, 64, 48, 3, 15, 14, 1, 1),
    (1, 130, 20, 3, 30, 31, 1, 1),
    (2, 16, 33, 3, 70, 13, 1, 1),
    (2, 17, 70, 4, 17, 16, 2, 1),
    (4, 64, 32, 4, 16, 16, 2, 1),
    (8, 32, 64, 4, 20, 20, 2, 0),
    (9, 16, 16, 4, 8, 9, 2, 2),
    (9, 16, 20, 4, 9, 8, 2, 3),
    (4, 16, 64, 2, 17, 16, 1, 1),
    (4, 64, 16, 2, 16, 16, 1, 0),
    (5, 16, 24, 6, 24, 23, 3, 1),
    (5, 16, 24, 8, 40, 36, 4, 2),
    (60, 40, 48, 3, 7, 7, 1, 1),
    (8, 40, 32, 3, 22, 26, 1, 0),
    (8, 40, 32, 3, 20, 24, 1, 2),
    (8, 20, 16, 3, 21, 25, 1, 2),
    (64, 16, 24, 4, 8, 8, 2, 1),
    (64, 20, 64, 4, 16, 16, 2, 1),
    (40, 24, 70, 4, 15, 14, 2, 2),
    (40, 64, 65, 2, 15, 15, 1, 1),
    (33, 16, 64, 6, 24, 23, 3, 2),
    (64, 24, 24, 3, 24, 24, 1, 1),  # the weight gradient in slices
    (3, 256, 300, 3, 9, 11, 1, 1),  # weights too large for chunks of one thread
    (9, 64, 32, 4, 20, 20, 2, 0),  # tiles of 3 x 3
    (16, 65, 17, 2, 17, 17, 1, 0),  # an odd number of channels in a chunk
    (60, 64, 40, 4, 14, 14, 2, 1),  # tiles of 4 and of 3 outputs, on both axes
    (60, 66, 17, 2, 11, 8, 1, 0),
    (30, 64, 64, 4, 14, 24, 2, 1),  # on one axis
    (60, 160, 200, 4, 14, 10, 2, 1),  # in chunks of all threads
    (1, 16, 16, 4, 20, 900, 2, 1),  # rows too wide for it
    (1, 16, 18, 8, 32, 700, 4, 2),
)
# Chunks of one thread, slices of them, and all threads in each step.
THREADED = (
    (64, 16, 16, 3, 24, 24, 1, 1),
    (3, 256, 300, 3, 9, 11, 1, 1),
    (9, 64, 32, 4, 20, 20, 2, 0),
    (60, 64, 40, 4, 14, 14, 2, 1),
)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_within_the_bound(shape: tuple[int, ...], positive: bool) -> None:
    n, c, o, k, h, w, stride, padding = shape
    options: dict[str, Any] = {"stride": stride, "padding": padding}
    case = Case("conv2d", [(n, c, h, w), (o, c, k, k), (o,)], options, positive)
    assert ratio(case, sum(shape)) <= 1


@pytest.mark.parametrize("shape", THREADED, ids=str)
def test_threads_do_not_change_a_bit(shape: tuple[int, ...]) -> None:
    n, c, o, k, h, w, stride, padding = shape
    rng = np.random.default_rng(0)
    x = pydl.tensor(rng.normal(size=(n, c, h, w)).astype(np.float32), requires_grad=True)
    weight = pydl.tensor(rng.normal(size=(o, c, k, k)).astype(np.float32), requires_grad=True)

    def bits(threads: int) -> list[bytes]:
        pydl.set_num_threads(threads)
        y = F.conv2d(x, weight, None, stride, padding)
        return [t.numpy().tobytes() for t in (y.detach(), *pydl.grad((y * y).sum(), (x, weight)))]

    one = bits(1)
    assert bits(2) == one
    assert bits(3) == one


def test_what_lies_outside_of_the_image_is_nothing() -> None:
    """Neither NaN nor rounding where the window of an output holds zeros alone."""
    x = np.zeros((4, 16, 16, 16), np.float32)
    x[:, :, 8:] = 3
    w = np.random.default_rng(0).normal(size=(16, 16, 3, 3)).astype(np.float32)
    y = F.conv2d(pydl.from_numpy(x), pydl.from_numpy(w), None, 1, 1).numpy()
    assert not y[:, :, :4].any()
    assert y[:, :, 8:].all()
