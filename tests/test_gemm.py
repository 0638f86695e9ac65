"""The matrix product in every way that csrc/cpu/gemm.cc may take, around the sizes where they cut.

The error is bounded by k roundings of the sum of |a| |b|, whatever the order of the sum.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pydl import _native as n

SHAPES = (  # m, n, k
    *((1, 1, 1), (1, 1, 3000), (1, 300, 70), (300, 1, 70), (2, 600, 33), (5, 700, 40)),  # thin
    *((64, 10, 100), (200, 12, 31), (6, 6, 2050), (12, 12, 9000), (4, 4100, 300)),
    *((1, 600, 901), (1, 4200, 150), (2000, 1, 210)),  # one row
    *((8, 8, 8), (13, 17, 19), (64, 64, 64), (70, 90, 130), (100, 60, 300), (16, 2000, 300)),
    *((40, 50, 5000), (100, 33, 4096), (20, 300, 2100)),  # pieces of k
    *((33, 70, 1100), (61, 100, 1300), (20, 2100, 140), (60, 500, 190)),  # few rows
    *((160, 170, 180), (513, 49, 513), (257, 300, 1100), (2100, 60, 90), (70, 2100, 90)),  # packed
    *((2500, 290, 40), (3000, 30, 100), (129, 2050, 520)),
)
LAYOUTS = {"NN": (False, False), "NT": (False, True), "TN": (True, False), "TT": (True, True)}


@pytest.fixture(autouse=True)
def threads() -> Any:
    before = n.num_threads()
    yield
    n.set_num_threads(before)


def normal(rng: Any, *shape: int) -> Any:
    return rng.standard_normal(shape).astype(np.float32)


def product(a: Any, b: Any, out: Any, *options: Any, threads: int = 1) -> Any:
    n.set_num_threads(threads)
    out = out.copy()
    n.gemm(n.from_numpy(a), n.from_numpy(b), n.from_numpy(out), *options)
    return out


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_way_is_right_and_has_the_same_bits_with_any_threads(shape: Any, layout: str) -> None:
    rng = np.random.default_rng(sum(shape))
    rows, cols, k = shape
    trans_a, trans_b = LAYOUTS[layout]
    a = normal(rng, *((k, rows) if trans_a else (rows, k)))
    b = normal(rng, *((cols, k) if trans_b else (k, cols)))
    c, bias = normal(rng, rows, cols), normal(rng, cols)
    a64, b64 = (x.astype(np.float64) for x in (a.T if trans_a else a, b.T if trans_b else b))
    options = (trans_a, trans_b, n.from_numpy(bias), False, -0.5, True)
    got = product(a, b, c, *options)
    bound = (k + 4) * 2.0**-24 * (np.abs(a64) @ np.abs(b64) / 2 + np.abs(bias) + np.abs(c))
    assert (np.abs(got - (a64 @ b64 * -0.5 + bias + c)) <= bound).all()
    for count in (2, 3, 7):
        assert np.array_equal(product(a, b, c, *options, threads=count), got)
    rest = n.matmul(n.from_numpy(a), n.from_numpy(b), trans_a, trans_b, None)
    assert rest is not None
    plain = product(a, b, np.full_like(c, np.nan), trans_a, trans_b, threads=3)
    assert np.array_equal(rest.numpy(), plain)


@pytest.mark.parametrize("shape", [(3, 5, 40, 60), (4, 12, 30, 7), (2, 300, 310, 700)], ids=str)
def test_batches_are_their_matrices(shape: Any) -> None:
    rng = np.random.default_rng(0)
    batch, rows, cols, k = shape
    a, b = normal(rng, batch, rows, k), normal(rng, batch, k, cols)
    got = product(a, b, np.empty((batch, rows, cols), np.float32), threads=2)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    bound = (k + 4) * 2.0**-24 * (np.abs(a.astype(np.float64)) @ np.abs(b.astype(np.float64)))
    assert (np.abs(got - exact) <= bound).all()
    assert np.array_equal(product(a, b, np.empty_like(got), threads=1), got)


def test_matmul_leaves_to_the_op_what_is_not_two_matrices_that_fit() -> None:
    x, y = n.empty((3, 4), 0), n.empty((4, 5), 0)
    assert n.matmul(x, y, False, False, n.empty((5,), 0)) is not None
    whole, vector, other = n.empty((4, 5), 4), n.empty((4,), 0), n.empty((3,), 0)
    for args in (
        (x, y, True, False, None),
        (x, x, False, False, None),
        (x, whole, False, False, None),
        (x, vector, False, False, None),
        (x, y, False, False, other),
        (x, y, False, False, n.empty((5,), 4)),
        (x, None, False, False, None),
    ):
        assert n.matmul(*args) is None
    with pytest.raises(TypeError, match="matmul: expected a, b, trans_a, trans_b, bias"):
        n.matmul(x, y)  # type: ignore[call-arg]
    n.fail_allocation_after(0)
    with pytest.raises(MemoryError, match="matmul: cannot allocate 60 bytes"):
        n.matmul(x, y, False, False, None)
