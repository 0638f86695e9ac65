"""Pooling by 2 x 2, which has kernels of its own: every width about the vectors, NaN and ties, and
indices that come from other windows; in float32 and in half types."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pydl
from pydl import Tensor
from pydl import _native as native
from pydl.backends import numpy as oracle
from pydl.dtypes import DType

Array = np.ndarray[Any, Any]
WINDOW = ((2, 2), (2, 2), (0, 0), (1, 1))


def planes(H: int, W: int) -> Array:
    rng = np.random.default_rng(H * 1000 + W)
    x = rng.integers(-2, 3, (3, H, W)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    x[rng.random(x.shape) < 0.1] = -np.inf
    return x


WIDTHS = [*range(2, 75), 130, 1030]
TYPES = [pydl.float32, pydl.float16, pydl.bfloat16]
everywhere = pytest.mark.parametrize("H", [2, 3, 6])
each_type = pytest.mark.parametrize("dtype", TYPES, ids=lambda t: t.name)


def of_type(x: Array, dtype: DType) -> tuple[Tensor, Array]:
    """x rounded, and the same numbers in float32 for the oracle."""
    t = pydl.from_numpy(x).to(dtype)
    return t, t.float().numpy()


def full(shape: tuple[int, ...], dtype: DType) -> Tensor:
    return pydl.full(shape, 7.0, dtype=dtype)


def same(got: Tensor, want: Array) -> None:
    np.testing.assert_array_equal(got.float().numpy(), want)


@each_type
@everywhere
def test_native_winners_are_those_of_the_oracle(H: int, dtype: DType) -> None:
    for W in WIDTHS:
        x, numbers = of_type(planes(H, W), dtype)
        want = np.empty((3, H // 2, W // 2), np.float32)
        places, wanted = (np.empty(want.shape, np.int32) for _ in range(2))
        oracle.max_pool2d(numbers, want, wanted, *WINDOW)
        for kept in (native.from_numpy(places), None):
            y = full(want.shape, dtype)
            native.max_pool2d(x.data, y.data, kept, *WINDOW)
            same(y, want)
        np.testing.assert_array_equal(places, wanted)


@each_type
@everywhere
@pytest.mark.parametrize("alien", [False, True])
def test_native_gradient_goes_where_the_indices_say(H: int, alien: bool, dtype: DType) -> None:
    rng = np.random.default_rng(H)
    for W in WIDTHS:
        # Eighths, of which any sum is exact.
        drawn = rng.integers(-16, 16, (3, H // 2, W // 2)).astype(np.float32) / 8
        gy, numbers = of_type(drawn, dtype)
        places = np.empty(drawn.shape, np.int32)
        oracle.max_pool2d(planes(H, W), np.empty_like(drawn), places, *WINDOW)
        if alien:  # anywhere in the plane, or outside of it
            places.reshape(-1)[rng.integers(places.size)] = rng.integers(-3, H * W + 3)
        gx, want = full((3, H, W), dtype), np.empty((3, H, W), np.float32)
        oracle.max_pool2d_backward(numbers, places, want)
        native.max_pool2d_backward(gy.data, native.from_numpy(places), gx.data)
        same(gx, want)


@each_type
@everywhere
def test_native_means_and_their_gradients(H: int, dtype: DType) -> None:
    how = (*WINDOW[:3], True, 0)
    for W in WIDTHS:
        rng = np.random.default_rng(W)
        x, numbers = of_type(rng.integers(-16, 16, (3, H, W)).astype(np.float32) / 8, dtype)
        want = np.empty((3, H // 2, W // 2), np.float32)
        oracle.avg_pool2d(numbers, want, *how)
        y = full(want.shape, dtype)
        native.avg_pool2d(x.data, y.data, *how)
        same(y, of_type(want, dtype)[1])
        gx, back = full((3, H, W), dtype), np.empty((3, H, W), np.float32)
        oracle.avg_pool2d_backward(of_type(want, dtype)[1], back, *how)
        native.avg_pool2d_backward(y.data, gx.data, *how)
        same(gx, of_type(back, dtype)[1])
