"""Max pooling by 2 x 2, which has kernels of its own: every width about the vectors, NaN and ties,
and indices that come from other windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydl import _native as native
from pydl.backends import numpy as oracle

Array = np.ndarray[Any, Any]
WINDOW = ((2, 2), (2, 2), (0, 0), (1, 1))


def planes(H: int, W: int) -> Array:
    rng = np.random.default_rng(H * 1000 + W)
    x = rng.integers(-2, 3, (3, H, W)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    x[rng.random(x.shape) < 0.1] = -np.inf
    return x


@pytest.mark.parametrize("H", [2, 3, 6])
def test_winners_are_those_of_the_oracle(H: int) -> None:
    for W in [*range(2, 75), 130]:
        x = planes(H, W)
        y, want = (np.empty((3, H // 2, W // 2), np.float32) for _ in range(2))
        places, wanted = (np.empty(y.shape, np.int32) for _ in range(2))
        oracle.max_pool2d(x, want, wanted, *WINDOW)
        arrays = [native.from_numpy(a) for a in (x, y, places)]
        native.max_pool2d(*arrays, *WINDOW)
        np.testing.assert_array_equal(y, want)
        np.testing.assert_array_equal(places, wanted)
        y[...] = 0
        native.max_pool2d(arrays[0], arrays[1], None, *WINDOW)
        np.testing.assert_array_equal(y, want)


@pytest.mark.parametrize("H", [2, 3, 6])
@pytest.mark.parametrize("alien", [False, True])
def test_gradient_goes_where_the_indices_say(H: int, alien: bool) -> None:
    rng = np.random.default_rng(H)
    for W in [*range(2, 75), 130]:
        gy = rng.standard_normal((3, H // 2, W // 2)).astype(np.float32)
        places = np.empty(gy.shape, np.int32)
        oracle.max_pool2d(planes(H, W), np.empty_like(gy), places, *WINDOW)
        if alien:  # anywhere in the plane, or outside of it
            places.reshape(-1)[rng.integers(places.size)] = rng.integers(-3, H * W + 3)
        gx, want = np.full((3, H, W), 7, np.float32), np.empty((3, H, W), np.float32)
        oracle.max_pool2d_backward(gy, places, want)
        native.max_pool2d_backward(*(native.from_numpy(a) for a in (gy, places, gx)))
        np.testing.assert_allclose(gx, want, rtol=1e-6, atol=1e-6)
